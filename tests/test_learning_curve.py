"""The learning curve that notebook 00 shows is what its command measures."""

import json

import pytest

from helpers import learning_curve
from making import learning_curve as making

STORED = json.loads(learning_curve.FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("model", [
    "bag of words", "frozen encoder", pytest.param("fine-tuned", marks=pytest.mark.slow)])
def test_a_small_part_of_the_curve_comes_out_as_it_is_recorded(model, checkpoint, tokenizer, data):
    right = making.correct(model, checkpoint, tokenizer, making.drawn(data["train"], 50, 0),
                           data["test"], 0)
    assert abs(right - STORED["correct"][model]["50"][0]) <= 3  # on another processor


def test_every_model_is_recorded_with_every_number_of_labels_and_seed():
    curve = learning_curve.load()
    assert set(curve) == {"bag of words", "frozen encoder", *making.RECIPES}
    assert STORED["recipes"] == making.RECIPES
    for by_count in curve.values():
        assert tuple(by_count) == making.COUNTS
        assert all(len(each) == len(making.SEEDS) for each in by_count.values())


def test_labels_are_drawn_evenly_and_differ_with_the_seed(data):
    few, others = (making.drawn(data["train"], 50, seed) for seed in (0, 1))
    assert few["label"][:].count(1) == 25
    assert set(few["text"][:]) != set(others["text"][:])
    assert set(few["text"][:]) <= set(making.drawn(data["train"], 100, 0)["text"][:])
