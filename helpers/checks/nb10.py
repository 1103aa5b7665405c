"""Exercises of notebook 10: what padding costs, and what a faster part brings."""

from helpers.checks import Exercise


def _batches(lengths, batch_size):
    return [lengths[i:i + batch_size] for i in range(0, len(lengths), batch_size)]


def _padded(lengths, batch_size):
    return sum(len(batch) * max(batch) for batch in _batches(lengths, batch_size))


EXERCISES = {
    "10.1": Exercise(
        lambda lengths, batch_size: 1 - sum(lengths) / _padded(lengths, batch_size),
        cases=[([2, 4, 6, 6, 10], 2), ([5, 1, 5, 1], 2), ([3, 7, 7, 2, 9, 1, 4], 3), ([4, 8], 5)],
        wrong={
            "That is one batch of all texts. Each batch is padded to its own longest text.":
                lambda lengths, size: 1 - sum(lengths) / _padded(lengths, len(lengths)),
            "That is the share of real tokens; padding is the rest.":
                lambda lengths, size: sum(lengths) / _padded(lengths, size),
            "Divide by positions, not tokens.": lambda ns, size: _padded(ns, size) / sum(ns) - 1,
            "That is how many positions are padding. Divide by the number of all positions.":
                lambda lengths, size: _padded(lengths, size) - sum(lengths),
            "The last batch may have fewer texts, and then it has fewer positions.":
                lambda lengths, size: 1 - sum(lengths) / sum(
                    size * max(batch) for batch in _batches(lengths, size)),
        },
        praise="Sort by length before you cut, and little of it is left.",
    ),
    "10.2": Exercise(
        lambda share, gain: 1 / (1 - share + share / gain),
        cases=[(0.5, 4), (0.9, 1e12), (0.3, 2)],
        wrong={
            "That is the new time: divide 1 by it.": lambda share, gain: 1 - share + share / gain,
            "Add up the times, not the gains.": lambda share, gain: 1 - share + share * gain,
            "The rest stays as it is: add up the times.": lambda share, gain: share * gain,
        },
        praise="What stays slow decides: look for the largest part first.",
    ),
    "10.3": Exercise(
        lambda frozen, layers: (layers + 2 * (layers - frozen)) / (3 * layers),
        cases=[(3, 6), (0, 6), (4, 12)],
        wrong={
            "Frozen layers still run forward, in each epoch: only their backward part is gone.":
                lambda frozen, layers: 1 - frozen / layers,
            "That is the share that is saved. What is left is wanted.":
                lambda frozen, layers: 2 * frozen / (3 * layers),
            "Backward takes two parts, not one.": lambda frozen, n: (2 * n - frozen) / (2 * n),
        },
        praise="Kept outputs save the forward part as well, in every epoch but the first.",
    ),
}
