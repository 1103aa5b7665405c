"""Exercises of notebook 02: padding and truncation."""

from unittest.mock import ANY

from helpers.checks import Exercise, Hint
from helpers.checks.results import shape


def _pad(rows, filler=0):
    longest = max(len(row) for row in rows)
    return [row + [filler] * (longest - len(row)) for row in rows]


def _filled(rows, value):
    return [[value] * len(row) for row in rows]


def _two_parts(value, rows):
    if not isinstance(value, list) or len(value) != 2:
        raise Hint("Return two things: the padded ids and the mask.")
    longest, ids = max(len(row) for row in rows), shape(value[0])
    if len(ids) > 1 and ids[1] > longest:
        raise Hint(f"The longest text has {longest} tokens, your rows have {ids[1]}. Pad to the "
                   "longest text of the batch.")
    return value


EXERCISES = {
    "02.1": Exercise(
        lambda rows: (_pad(rows), _pad(_filled(rows, 1))),
        cases=[
            ([[101, 7, 8, 102], [101, 102], [101, 9, 102]],),
            ([[101, 102], [101, 5, 6, 7, 8, 102]],),
            ([[101, 5, 102], [101, 6, 102]],),
        ],
        wrong={  # the first three whatever the mask
            "You cut every text to the shortest. Lengthen them to the longest.":
                lambda rows: ([row[:min(map(len, rows))] for row in rows], ANY),
            "The rows still differ in length. Add the id 0 until each is as long as the longest.":
                lambda rows: (rows, ANY),
            "You pad on the left. BERT's positions count from there, so pad on the right.":
                lambda rows: ([row[::-1] for row in _pad([row[::-1] for row in rows])], ANY),
            "The mask is the wrong way round: 1 for a token, 0 for padding.":
                lambda rows: (_pad(rows), _pad(_filled(rows, 0), 1)),
            "The mask is 1 everywhere, so the model would read the padding.":
                lambda rows: (_pad(rows), _filled(_pad(rows), 1)),
            "The mask is shorter than the ids. It has a 0 for each 0 that you add to them.":
                lambda rows: (_pad(rows), _filled(rows, 1)),
        },
        praise="This is what the collator does for every batch.",
        advice="Padding is the id 0 at the end of a row, and its mask is 0.",
        tolerance=0,
        normalize=_two_parts,
    ),
    "02.2": Exercise(
        lambda lengths, max_length: sum(max(0, n - max_length) for n in lengths) / sum(lengths),
        cases=[([10, 20, 30, 40], 25), ([10, 20, 30, 40], 15), ([300, 12, 128], 128), ([5, 8], 9)],
        wrong={
            "That is the share of texts that are cut. Return the share of tokens that are lost.":
                lambda lengths, limit: sum(n > limit for n in lengths) / len(lengths),
            "That is the share that is kept. Subtract it from 1.":
                lambda lengths, limit: sum(min(n, limit) for n in lengths) / sum(lengths),
            "That is the number of tokens lost. Divide by the number of all tokens.":
                lambda lengths, limit: sum(max(0, n - limit) for n in lengths),
            "Short texts lose nothing: count max(0, length - max_length) for each text.":
                lambda lengths, limit: sum(n - limit for n in lengths) / sum(lengths),
        },
        praise="Small numbers here are why 128 is enough for reviews and not for contracts.",
    ),
}
