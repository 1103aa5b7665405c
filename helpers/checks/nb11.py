"""Exercises of notebook 11: mean gradients, rows counted once, batches planned, and GPUs."""

import math

from helpers.checks import Exercise


def _weighted(gradients, rows):
    return [sum(g * n for g, n in zip(column, rows, strict=True)) / sum(rows)
            for column in zip(*gradients, strict=True)]


def _mean(gradients, rows):
    return _weighted(gradients, [1] * len(rows))


def _pairs(shares):
    return [pair for share in shares for pair in share]


def _share_right(pairs):
    return sum(right for _, right in pairs) / len(pairs)


def _fewest(each, fits):
    """Return rows and parts, of the fewest equal parts that fit."""
    parts = 1
    while each % parts or each // parts > fits:
        parts += 1
    return each // parts, parts


def _plan(global_batch, processes, fits):
    return _fewest(global_batch // processes, fits)


def _gpus(parameters, gpu_bytes, kept_for_activations, *, each=16, rounded=math.ceil):
    return rounded(each * parameters / (gpu_bytes * (1 - kept_for_activations)))


EXERCISES = {
    "11.1": Exercise(
        _weighted,
        cases=[([[0.5, -1.0], [0.8, 2.0]], [8, 7]), ([[1.0], [2.0], [4.0]], [1, 1, 2]),
               ([[0.3, 0.0, 0.6], [0.9, 0.4, 0.2]], [2, 6])],
        wrong={
            "That is the plain mean, as if all had as many rows. Weight each by its rows.": _mean,
            "That is the sum. Divide by the rows of all processes.":
                lambda gradients, rows: [n * sum(rows) for n in _weighted(gradients, rows)],
            "Divide by the number of rows, not by that of processes.":
                lambda gradients, rows: [n * sum(rows) / len(rows)
                                         for n in _weighted(gradients, rows)],
            "That is the first process's gradient alone.": lambda gradients, rows: gradients[0],
        },
        praise="It is what the all-reduce of this notebook leaves in every process.",
        advice="For each number: the sum of gradient times rows, divided by all rows.",
    ),
    "11.2": Exercise(
        lambda shares: _share_right(list(dict(_pairs(shares)).items())),
        cases=[([[(0, True), (2, True), (4, False)], [(1, False), (3, False), (0, True)]],),
               ([[(0, False), (3, True)], [(1, True), (0, False)], [(2, True), (1, True)]],),
               ([[(5, True), (6, False)], [(7, True)]],)],
        wrong={
            "Rows that were filled in are counted twice. Count each number once.":
                lambda shares: _share_right(_pairs(shares)),
            "That is the mean of the processes' accuracies, repeated rows included.":
                lambda shares: sum(map(_share_right, shares)) / len(shares),
            "That is rank 0's share alone.": lambda shares: _share_right(shares[0]),
            "You leave the repeated rows out of the right answers, but not of the number of rows.":
                lambda shares: sum(dict(_pairs(shares)).values()) / len(_pairs(shares)),
            "A row that comes twice is still one row: keep it once instead of dropping it.":
                lambda shares: _share_right([p for p in _pairs(shares)
                                             if _pairs(shares).count(p) == 1]),
        },
        praise="gather_for_metrics does the same by cutting off what was filled in.",
        advice="Collect the pairs of all processes by the number of their row.",
    ),
    "11.3": Exercise(
        _plan,
        cases=[(64, 2, 8), (64, 4, 16), (96, 2, 20), (64, 8, 100), (32, 2, 5)],
        wrong={
            "Each process gets a share of the global batch, not all of it.":
                lambda batch, processes, fits: _fewest(batch, fits),
            "That many rows fit, but the steps see another number than `global_batch`.":
                lambda batch, processes, fits: (
                    min(fits, batch // processes), max(1, batch // processes // fits)),
            "It fits with fewer parts.":
                lambda batch, processes, fits: (1, batch // processes),
            "Without accumulation it does not fit.":
                lambda batch, processes, fits: (batch // processes, 1),
            "First the rows, then the parts.":
                lambda batch, processes, fits: _plan(batch, processes, fits)[::-1],
        },
        praise="Learning rate and schedule stay as they were.",
        advice="Rows times parts times processes have to be the global batch.",
    ),
    "11.4": Exercise(
        _gpus,
        cases=[(1_558_000_000, 16e9, 0.25), (110e6, 16e9, 0.5), (3e9, 16e9, 0.25),
               (7e9, 80e9, 0.25), (1e9, 8e9, 0)],
        wrong={
            "Rounded down, it does not fit: round up.": lambda *case: _gpus(*case, rounded=int),
            "+ 1 is too many if it fits: round up.": lambda *case: _gpus(*case, rounded=int) + 1,
            "That is for weights alone: take 16 bytes each.": lambda *case: _gpus(*case, each=4),
            "The share that is kept for activations is what you cannot use.":
                lambda n, size, kept: _gpus(n, size, 1 - kept),
        },
        praise="Three GPUs of 16 GB for GPT-2 XL, and one for anything called base.",
    ),
}
