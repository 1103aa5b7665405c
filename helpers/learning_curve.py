"""Accuracy by number of labels, as `making.learning_curve` recorded it for notebook 00."""

from helpers import paths

FILE = paths.REFERENCE / "learning_curve.json"


def load():
    """Return {model: {number of labels: [accuracy of each seed]}}, on the test reviews."""
    stored = paths.recorded(FILE.name)
    return {
        name: {int(count): [n / stored["tested"] for n in right] for count, right in row.items()}
        for name, row in stored["correct"].items()
    }
