"""What pretraining adds, as `making.from_scratch` recorded it for notebook 03."""

import json

from helpers import curves, paths

FILE = paths.REFERENCE / "from_scratch.json"


def load():
    """Return the recorded runs: {model: list of runs}, and the `LossCurve` of each first one.

    A run is a dictionary with seed, learning_rate, the epoch that validation chose, its
    validation loss, and the accuracy on the test reviews.
    """
    stored = json.loads(paths.data_file("reference", FILE.name).read_text(encoding="utf-8"))
    runs = {name: [run | {"accuracy": run["correct"] / stored["tested"]} for run in each]
            for name, each in stored["runs"].items()}
    return runs, {name: curves.LossCurve(**curve) for name, curve in stored["curves"].items()}
