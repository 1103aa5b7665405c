"""The control that notebook 03 shows is what its command measures."""

import json

import pytest

from helpers import batching, from_scratch
from making import from_scratch as making

STORED = json.loads(from_scratch.FILE.read_text(encoding="utf-8"))


class Enough(Exception):
    """As many steps as a test needs."""


@pytest.mark.parametrize("name", making.EPOCHS)
def test_the_first_steps_come_out_as_they_are_recorded(name, checkpoint, tokenizer, data):
    found = []

    def stop(curve):
        found.append(curve.loss[-1])
        if len(found) == 8:
            raise Enough

    encoded = {split: batching.tokenize(rows, tokenizer) for split, rows in data.items()}
    first = STORED["runs"][name][0]
    with pytest.raises(Enough):
        making.trained(name, checkpoint, tokenizer, encoded, first["seed"],
                       first["learning_rate"], on_step=stop)
    assert found == pytest.approx(STORED["curves"][name]["loss"][:8], abs=1e-3)


def test_each_start_has_its_seeds_and_the_epoch_that_validation_chose():
    runs, curves = from_scratch.load()
    assert set(runs) == set(curves) == set(making.EPOCHS)
    for name, each in runs.items():
        assert tuple(run["seed"] for run in each) == making.SEEDS
        assert {run["learning_rate"] for run in each} <= set(making.RATES[name])
        looks = [(look["accuracy"], -look["loss"]) for look in curves[name].validation]
        assert len(looks) == making.EPOCHS[name]
        assert each[0]["epoch"] == 1 + looks.index(max(looks))
        assert each[0]["accuracy"] == each[0]["correct"] / STORED["tested"]
