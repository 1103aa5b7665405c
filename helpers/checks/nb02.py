"""Exercises of notebook 02: pairs, padding, truncation, and what padding costs."""

from unittest.mock import ANY

from helpers.checks import Exercise


def _joined(first, second):
    return [101, *first, 102, *second, 102]


def _pad(rows, filler=0):
    longest = max(map(len, rows))
    return [row + [filler] * (longest - len(row)) for row in rows]


def _filled(rows, value):
    return [[value] * len(row) for row in rows]


def _ends(ids, limit, head):
    return ids if len(ids) <= limit else ids[:head] + ids[len(ids) - limit + head:]


def _batches(lengths, size):
    return [lengths[i:i + size] for i in range(0, len(lengths), size)]


EXERCISES = {
    "02.1": Exercise(
        lambda first, second: (
            _joined(first, second), [0] * (len(first) + 2) + [1] * (len(second) + 1)),
        cases=[([7, 8, 9], [5, 6]), ([4], [3, 2, 6, 5]), ([11, 12], [11, 12])],
        wrong={  # the first whatever the segment ids
            "The second text needs a [SEP] at its end, too.":
                lambda first, second: ([101, *first, 102, *second], ANY),
            "Only the first text gets a [CLS]: one input, one [CLS].":
                lambda first, second: ([101, *first, 102, 101, *second, 102], ANY),
            "The [SEP] between the texts belongs to the first one: segment 0.":
                lambda first, second: (_joined(first, second),
                                       [0] * (len(first) + 1) + [1] * (len(second) + 2)),
            "The last [SEP] belongs to the second text: segment 1.":
                lambda first, second: (_joined(first, second), [0] * (len(first) + 2)
                                       + [1] * len(second) + [0]),
            "Segments count from 0: 0 for the first text and 1 for the second.":
                lambda first, second: (_joined(first, second), [1] * (len(first) + 2)
                                       + [2] * (len(second) + 1)),
            "Segment ids for the texts alone? Every position needs one, special tokens as well.":
                lambda first, second: (_joined(first, second),
                                       [0] * len(first) + [1] * len(second)),
        },
        praise="This is what the tokenizer does with two texts.",
        advice="Return the ids, [CLS] first [SEP] second [SEP], and a segment id for each.",
    ),
    "02.2": Exercise(
        lambda rows: (_pad(rows), _pad(_filled(rows, 1))),
        cases=[([[101, 7, 8, 102], [101, 102], [101, 9, 102]],),
               ([[101, 102], [101, 5, 6, 7, 8, 102]],), ([[101, 5, 102], [101, 6, 102]],)],
        wrong={  # the first two whatever the mask
            "The rows still differ in length. Fill up with the id 0.": lambda rows: (rows, ANY),
            "You pad on the left. BERT's positions count from there, so pad on the right.":
                lambda rows: ([row[::-1] for row in _pad([row[::-1] for row in rows])], ANY),
            "The mask is the wrong way round: 1 for a token, 0 for padding.":
                lambda rows: (_pad(rows), _pad(_filled(rows, 0), 1)),
            "The mask is 1 everywhere, so the model would read the padding.":
                lambda rows: (_pad(rows), _filled(_pad(rows), 1)),
        },
        praise="This is what the collator does for every batch.",
        advice="Return the ids, with 0 at the end of a row up to the longest, and the mask.",
    ),
    "02.3": Exercise(
        lambda ids, max_length: _ends(ids, max_length, max_length // 2),
        cases=[([101, 1, 2, 3, 4, 5, 6, 102], 4), ([101, 1, 2, 3, 4, 5, 6, 102], 5),
               ([101, 9, 102], 6), ([101, 9, 8, 102], 4)],
        wrong={
            "That keeps the beginning, as truncation does. The end is wanted, too.":
                lambda ids, limit: ids[:limit],
            "That keeps the end alone. The beginning is wanted, too.":
                lambda ids, limit: ids[-limit:],
            "If max_length is odd, the end gets one more than the beginning, and none is lost.":
                lambda ids, limit: ids if len(ids) <= limit
                else ids[:limit // 2] + ids[-(limit // 2):],
            "Rounded down: if max_length is odd, the beginning gets the smaller half.":
                lambda ids, limit: _ends(ids, limit, (limit + 1) // 2),
            "A short text has to stay as it is; yours is doubled in part.":
                lambda ids, limit: ids[:limit // 2] + ids[-(limit - limit // 2):],
        },
        praise="It keeps [CLS] and [SEP], and a verdict at either end.",
        advice="A short text stays as it is; of a long one keep max_length ids, from both ends.",
    ),
    "02.4": Exercise(
        lambda lengths, batch_size: sum(
            len(batch) * max(batch) for batch in _batches(lengths, batch_size)),
        cases=[([5, 9, 6, 20], 2), ([5, 9, 6, 20, 7], 2), ([12, 3, 4], 8), ([8, 3, 9, 4, 2], 3)],
        wrong={
            "Those are the tokens alone. Padding is computed, too: a batch is as wide as its "
            "longest text.": lambda lengths, size: sum(lengths),
            "That pads every batch to the longest text of all. Take the longest of each batch.":
                lambda lengths, size: len(lengths) * max(lengths),
            "The last batch may be smaller: count its texts, not batch_size.":
                lambda lengths, size: sum(
                    size * max(batch) for batch in _batches(lengths, size)),
            "Those are the widths of the batches. Times the number of texts in each.":
                lambda lengths, size: sum(map(max, _batches(lengths, size))),
            "That is the padding alone. The model computes the tokens as well.":
                lambda lengths, size: sum(len(batch) * max(batch) for batch in
                                          _batches(lengths, size)) - sum(lengths),
            "The order is given: do not sort here.":
                lambda lengths, size: sum(len(batch) * max(batch) for batch in
                                          _batches(sorted(lengths), size)),
        },
        praise="Now compare what it says for `sizes` and for `sorted(sizes)`, in batches of 16.",
        advice="Sum over the batches: the number of texts times the longest of them.",
    ),
}
