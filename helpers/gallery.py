"""Trainings in which one thing is wrong, as `making.gallery` recorded them for notebook 07."""

from helpers import paths
from helpers.curves import LossCurve

FILE = paths.REFERENCE / "gallery.json"
RARE = paths.REFERENCE / "rare.json"


def load():
    """Return the recorded runs, {what is wrong: LossCurve}, the healthy one first.

    Of each, `settings["one batch"]` is the first and the last loss of twenty steps on one batch;
    each look at validation has `positive`, the share of reviews called positive, too.
    """
    return {name: run for name, run in _recorded().items() if len(name) > 1}


def patients():
    """Return the runs of an exercise, which does not say what is wrong: {letter: LossCurve}."""
    return {name: run for name, run in _recorded().items() if len(name) == 1}


def rare():
    """Return labels and {remedy: probabilities} of reviews of which one in twenty is positive.

    The three models learnt from such reviews, too: "none" as they came, one with "class weights"
    in its loss, one after "resampling".
    """
    stored = paths.recorded(RARE.name)
    return [int(label) for label in stored.pop("label")], stored


def _recorded():
    stored = paths.recorded(FILE.name)
    return {
        name: LossCurve(
            settings={"one batch": [float(loss) for loss in run["one batch"]]},
            loss=[float(loss) for loss in run["loss"]],  # "nan", where it is none
            validation=[look | {"loss": float(look["loss"])} for look in run["validation"]],
        ) for name, run in stored.items()
    }
