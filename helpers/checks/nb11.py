"""Exercises of notebook 11: sharing the work, averaging the losses, and counting GPUs."""

import math

from helpers.checks import Exercise
from helpers.errors import LearnerError


def _sizes(shares, batch, processes):
    """Return the sizes of the shares, in order: any process may get any row."""
    if shares == [None] * processes:
        return None
    rows = [row for share in shares for row in share]
    if sorted(rows) != batch:
        raise LearnerError(
            f"Of a batch of {len(batch)}, {processes} processes get {len(rows)} rows together, "
            f"{len(set(rows))} of them different. Each row is wanted once.")
    return sorted(map(len, shares))


def _chunks(size, rest=False):
    """Return a function that cuts a batch into chunks; the last one may take the rest, too."""
    def share(batch, process, processes):
        rows = size(len(batch) / processes)
        end = len(batch) if rest and process == processes - 1 else (process + 1) * rows
        return batch[process * rows:end]
    return share


def _weighted(means, rows):
    return sum(mean * n for mean, n in zip(means, rows, strict=False))


def _gpus(parameters, gpu_bytes, kept_for_activations, *, each=16, rounded=math.ceil):
    return rounded(each * parameters / (gpu_bytes * (1 - kept_for_activations)))


EXERCISES = {
    "11.1": Exercise(
        lambda batch, process, processes: batch[process::processes],
        cases=[(list(range(10, 10 + rows)), processes)
               for rows, processes in [(15, 2), (7, 4), (9, 4), (8, 4), (2, 3)]],
        wrong={
            "All processes get the same rows, so they would compute everything twice.":
                lambda batch, process, processes: batch[::processes],
            "You drop the rows that are left if it does not divide evenly.": _chunks(math.floor),
            "The last gets all that are left; the others wait.": _chunks(math.floor, rest=True),
            "The last gets too few rows, or none; the others wait.": _chunks(math.ceil),
        },
        praise="And since all draw the same batches, nobody has to say who takes what.",
        advice="That is how many rows each gets. If two differ by more than one, all wait.",
        observe=lambda answer: lambda batch, processes: [
            answer(batch, process, processes) for process in range(processes)],
        normalize=_sizes,
    ),
    "11.2": Exercise(
        lambda means, rows: _weighted(means, rows) / sum(rows),
        cases=[([0.5, 0.8], [8, 7]), ([1.0, 2.0, 4.0], [1, 1, 2]), ([0.3, 0.9], [2, 6])],
        wrong={
            "That is the mean of the means, as if all had as many rows. Weight each by its rows.":
                lambda means, rows: sum(means) / len(means),
            "That is the sum over all rows. Divide by how many there are.": _weighted,
            "It fails for more than two processes.": lambda m, n: _weighted(m, n[:2]) / sum(n[:2]),
        },
        praise="Weight the gradients in the same way, or the rows of the longer share count less.",
    ),
    "11.3": Exercise(
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
