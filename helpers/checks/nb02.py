"""Exercises of notebook 02: padding and truncation."""

from unittest.mock import ANY

from helpers.checks import Exercise


def _pad(rows, filler=0):
    longest = max(map(len, rows))
    return [row + [filler] * (longest - len(row)) for row in rows]


def _filled(rows, value):
    return [[value] * len(row) for row in rows]


EXERCISES = {
    "02.1": Exercise(
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
    "02.2": Exercise(
        lambda lengths, max_length: sum(max(0, n - max_length) for n in lengths) / sum(lengths),
        cases=[([10, 20, 30, 40], 25), ([10, 20, 30, 40], 15), ([300, 12, 128], 128), ([5, 8], 9)],
        wrong={
            "That is the share of texts that are cut. The share of tokens is wanted.":
                lambda lengths, limit: sum(n > limit for n in lengths) / len(lengths),
            "That is the share that is kept. Take it from 1.":
                lambda lengths, limit: sum(min(n, limit) for n in lengths) / sum(lengths),
            "That is the number of tokens lost. Divide it by the number of all tokens.":
                lambda lengths, limit: sum(max(0, n - limit) for n in lengths),
            "Short texts lose nothing, and must not make up for long ones: max(0, n - limit).":
                lambda lengths, limit: sum(n - limit for n in lengths) / sum(lengths),
        },
        praise="Small numbers here are why 128 is enough for reviews and not for contracts.",
    ),
}
