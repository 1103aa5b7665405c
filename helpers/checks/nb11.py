"""Exercises of notebook 11: sharing the work, averaging the losses, and counting GPUs."""

import math

from helpers.checks import Exercise, Hint


def _rows_and_sizes(shares, batch, processes):
    """Return all rows and the sizes of the shares, in order: any process may get any row."""
    for share in shares:
        if not isinstance(share, list):
            raise Hint(f"Each process gets a list of rows; yours is a {type(share).__name__}.")
    rows = [row for share in shares for row in share]
    return {"rows": sorted(rows), "sizes": sorted(map(len, shares))}


def _explain(wanted, got, batch, processes):
    of = f"Of a batch of {len(batch)}, {processes} processes get"
    if got["rows"] != wanted["rows"]:
        return (f"{of} {len(got['rows'])} rows together, {len(set(got['rows']))} of them "
                "different. Each row is wanted once.")
    return f"{of} {got['sizes']} rows. Two shares differ by more than one, and all would wait."


def _chunks(size, rest=0):
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
            "All processes get the same rows, so each would compute everything again.":
                lambda batch, process, processes: batch[::processes],
            "You drop the rows that are left when the batch does not divide evenly.":
                _chunks(math.floor),
            "The last process gets all rows that are left, and the others would wait for it.":
                _chunks(math.floor, rest=True),
            "All but the last get as many as they can, and the last gets too few, or none.":
                _chunks(math.ceil),
            "It works for two processes, but not for four.":
                lambda batch, process, processes: batch[process::2],
        },
        praise="And since all draw the same batches, nobody has to say who takes what.",
        observe=lambda answer, batch, processes: [
            answer(batch, process, processes) for process in range(processes)],
        normalize=_rows_and_sizes,
        explain=_explain,
    ),
    "11.2": Exercise(
        lambda means, rows: _weighted(means, rows) / sum(rows),
        cases=[([0.5, 0.8], [8, 7]), ([1.0, 2.0, 4.0], [1, 1, 2]), ([0.3, 0.9], [2, 6])],
        wrong={
            "That is the mean of the means, as if all had as many rows.":
                lambda means, rows: sum(means) / len(means),
            "That is the sum over all rows. Divide by how many there are.":
                _weighted,
            "The weights are the wrong way round: the first process has the first number.":
                lambda means, rows: _weighted(means, rows[::-1]) / sum(rows),
            "It works for two processes, but not for three.":
                lambda means, rows: _weighted(means, rows[:2]) / sum(rows[:2]),
        },
        praise="Weight the gradients in the same way, or the rows of the longer share count less.",
    ),
    "11.3": Exercise(
        _gpus,
        cases=[(1_558_000_000, 16e9, 0.25), (110e6, 16e9, 0.5), (3e9, 16e9, 0.25),
               (7e9, 80e9, 0.25), (1e9, 8e9, 0)],
        wrong={
            "There is no part of a GPU to be had: round up.":
                lambda *case: _gpus(*case, rounded=float),
            "Rounded down, the model does not quite fit: round up.":
                lambda *case: _gpus(*case, rounded=math.floor),
            "You add a GPU even where the model just fits: use math.ceil instead of + 1.":
                lambda *case: _gpus(*case, rounded=lambda number: int(number) + 1),
            "That is for the weights alone. Gradients and optimizer make it 16 bytes each.":
                lambda *case: _gpus(*case, each=4),
            "The share that is kept for activations is what you cannot use.":
                lambda size, bytes_, kept: _gpus(size, bytes_, 1 - kept),
        },
        praise="Three GPUs of 16 GB for GPT-2 XL, and one for anything called base.",
        tolerance=0,
    ),
}
