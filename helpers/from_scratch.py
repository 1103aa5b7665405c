"""What pretraining adds, as `making.from_scratch` recorded it for notebook 03."""

from helpers import curves, paths

FILE = paths.REFERENCE / "from_scratch.json"


def load():
    """Return the recorded runs: {model: list of runs}, and the `LossCurve` of each first one.

    A run is a dictionary with seed, learning_rate, the epoch that validation chose, its
    validation loss, and the accuracy on the test reviews.
    """
    stored = paths.recorded(FILE.name)
    runs = {name: [run | {"accuracy": run["correct"] / stored["tested"]} for run in each]
            for name, each in stored["runs"].items()}
    return runs, {name: curves.LossCurve(**curve) for name, curve in stored["curves"].items()}
