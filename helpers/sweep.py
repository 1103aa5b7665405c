"""Runs with several learning rates and seeds, as `making.sweep` recorded them for notebook 07."""

from helpers import paths

FILE = paths.REFERENCE / "sweep.json"


def load():
    """Return the recorded runs, {(rate, seed): run}, in order of the rates.

    A run is a dictionary: `loss` holds the loss of every step; `validation` says of each
    validation review, in order, whether the run gets it right; `unused` the same of extra.csv,
    None where nobody looked.
    """
    runs = paths.recorded(FILE.name)["runs"]
    return {(run["rate"], run["seed"]): run | {
        split: None if run[split] is None else [mark == "1" for mark in run[split]]
        for split in ("validation", "unused")
    } for run in sorted(runs, key=lambda run: (run["rate"], run["seed"]))}
