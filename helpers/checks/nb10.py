"""Exercises of notebook 10: what a faster part brings, batches by tokens, roofline, headline."""

import math
import statistics

from helpers.checks import Exercise


def _needed(share, wanted):
    left = 1 / wanted - (1 - share)
    return share / left if left > 1e-9 else math.inf


def _within(lengths, budget, fits):
    batches = []
    for length in sorted(lengths):
        if not batches or not fits(batches[-1], length, budget):
            batches.append([])
        batches[-1].append(length)
    return [len(batch) for batch in batches]


def _in_order(lengths, budget):
    batches = []
    for length in lengths:
        if not batches or max([*batches[-1], length]) * (len(batches[-1]) + 1) > budget:
            batches.append([])
        batches[-1].append(length)
    return [len(batch) for batch in batches]


def _rate(n, k, m, ceiling, bandwidth, moved=None, per=2):
    moved = moved or (lambda n, k, m: 4 * (n * k + k * m + n * m))
    return min(ceiling, per * n * k * m / moved(n, k, m) * bandwidth)


def _highest(n, k, m, ceiling, bandwidth):
    return _rate(n, k, m, ceiling, bandwidth)


def _pairs(a, b):
    return [(a[seed], b[seed]) for seed in sorted(a.keys() & b.keys())]


def _headline(first, second):
    return _with(first, second, _low)


def _with(first, second, low):
    pairs = _pairs(first, second)
    gain = (statistics.median(one[0] for one, _ in pairs)
            / statistics.median(two[0] for _, two in pairs))
    return [gain, low([two[1] - one[1] for one, two in pairs])]


def _low(apart, error=lambda apart: statistics.stdev(apart) / len(apart) ** 0.5):
    return statistics.mean(apart) - 2 * error(apart)


def _over_all(a, b):
    seconds = [statistics.median(s for s, _ in runs.values()) for runs in (a, b)]
    return [seconds[0] / seconds[1], _headline(a, b)[1]]


def _best(a, b):
    pairs = _pairs(a, b)
    return [min(one[0] for one, _ in pairs) / min(two[0] for _, two in pairs), _headline(a, b)[1]]


def _upside_down(a, b):
    gain, low = _headline(a, b)
    return [1 / gain, low]


def _the_other_way(a, b):
    return _with(a, b, lambda apart: _low([-each for each in apart]))


def _a_single_run(a, b):
    return _with(a, b, lambda apart: _low(apart, statistics.stdev))


def _by_n(a, b):
    return _with(a, b, lambda apart: _low(
        apart, lambda apart: statistics.pstdev(apart) / len(apart) ** 0.5))


def _unpaired(a, b):
    right = [[run[1] for run in runs] for runs in zip(*_pairs(a, b), strict=True)]
    error = sum(statistics.variance(each) / len(each) for each in right) ** 0.5
    return _with(a, b, lambda apart: statistics.mean(apart) - 2 * error)


EXERCISES = {
    "10.1": Exercise(
        _needed,
        cases=[(0.5, 1.6), (0.9, 5), (0.4, 2), (0.75, 2), (0.5, 2), (0.9, 10), (0.8, 5)],
        wrong={
            "Where no gain is enough, return math.inf: a time cannot be below zero.":
                lambda share, wanted: share / left
                if (left := 1 / wanted - (1 - share)) else math.inf,
            "At the limit, 0.9 and 10, rounding leaves 3e-17 where it should leave nothing. Take "
            "what is below 1e-9 for nothing.":
                lambda share, wanted: share / left
                if (left := 1 / wanted - (1 - share)) > 0 else math.inf,
            "That is what the whole gains. Here the whole is given and the part is asked for.":
                lambda share, wanted: 1 / (1 - share + share / wanted),
            "The rest takes its time as well: the part has only what it leaves of 1 / wanted.":
                lambda share, wanted: share * wanted,
            "That is the time that the part may take. Its gain is the old time over the new one.":
                lambda share, wanted: max(1 / wanted - (1 - share), 0),
        },
        praise="A part that takes two fifths can never make the whole twice as fast.",
    ),
    "10.2": Exercise(
        lambda lengths, budget: _within(
            lengths, budget, lambda batch, length, most: length * (len(batch) + 1) <= most),
        cases=[([5, 3, 4, 30, 3, 28, 6], 32), ([10, 10, 10], 30), ([7, 1, 1, 1, 1, 1, 1, 1], 12),
               ([40, 2, 2], 32), ([2, 2, 10], 14), ([], 32)],
        wrong={
            "Padding takes room, too: a batch takes its longest text times its number of texts.":
                lambda lengths, budget: _within(
                    lengths, budget, lambda batch, length, most: sum(batch) + length <= most),
            "Sort the lengths first, so that short texts share a batch.":
                _in_order,
            "A batch may be exactly as large as the budget.":
                lambda lengths, budget: _within(
                    lengths, budget,
                    lambda batch, length, most: length * (len(batch) + 1) < most),
            "The new text is the longest one, so all texts before it are padded to its length.":
                lambda lengths, budget: _within(
                    lengths, budget,
                    lambda batch, length, most: max(batch) * (len(batch) + 1) <= most),
        },
        praise="Such batches take about the same memory each, and fill the machine alike.",
        advice="Return the number of texts of each batch, that of the shortest texts first.",
    ),
    "10.3": Exercise(
        _highest,
        cases=[(16, 384, 1536, 300, 10), (2048, 384, 1536, 300, 10), (1, 1024, 1024, 1e5, 2000),
               (64, 384, 384, 90, 2.5)],
        wrong={
            "A rate cannot be above the ceiling: take the smaller of the two.":
                lambda n, k, m, ceiling, bandwidth: _rate(n, k, m, math.inf, bandwidth),
            "A float32 number takes 4 bytes.":
                lambda n, k, m, ceiling, bandwidth: _rate(
                    n, k, m, ceiling, bandwidth, lambda n, k, m: n * k + k * m + n * m),
            "Each pair is multiplied and added: 2 · n · k · m operations.":
                lambda n, k, m, ceiling, bandwidth: _rate(n, k, m, ceiling, bandwidth, per=1),
            "The result is written as well: n · m numbers more.":
                lambda n, k, m, ceiling, bandwidth: _rate(
                    n, k, m, ceiling, bandwidth, lambda n, k, m: 4 * (n * k + k * m)),
            "That is operations per byte. Times bytes per second, it is a rate.":
                lambda n, k, m, ceiling, bandwidth: _rate(n, k, m, ceiling, 1),
        },
        praise="With few rows the weights are read for little: memory sets the pace.",
    ),
    "10.4": Exercise(
        _headline,
        cases=[({0: (100.0, 0.90), 1: (110.0, 0.91), 2: (90.0, 0.89)},
                {0: (5.0, 0.89), 1: (4.0, 0.90), 2: (6.0, 0.91), 3: (4.5, 0.95), 4: (3.0, 0.94)}),
               ({0: (60.0, 0.91), 3: (80.0, 0.92)}, {3: (20.0, 0.90), 0: (30.0, 0.93)}),
               ({1: (50.0, 0.85), 7: (70.0, 0.88), 9: (20.0, 0.99)},
                {7: (10.0, 0.86), 1: (12.0, 0.86)})],
        wrong={
            "Compare the seeds that both have: one recipe's lucky extra seed would count else.":
                _over_all,
            "The best of several runs is partly luck: take the medians of the seconds.": _best,
            "The gain is the first recipe's seconds over the second's.": _upside_down,
            "The difference is the second recipe's accuracy minus the first's.": _the_other_way,
            "That is the mean itself. The lower end lies two standard errors below it.":
                lambda a, b: _with(a, b, statistics.mean),
            "A mean is steadier than one run: divide the standard deviation by the root of n.":
                _a_single_run,
            "With few values, divide by n - 1: statistics.stdev, or ddof=1.": _by_n,
            "Take the differences seed by seed first, then their standard deviation: what a seed "
            "does to both recipes drops out.": _unpaired,
        },
        praise="The same seeds, the middle and not the best: a headline that a sceptic can check.",
        advice="Return the gain and the lower end, in this order.",
    ),
}
