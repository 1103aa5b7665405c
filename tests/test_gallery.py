"""The failed runs that notebook 07 shows are what their command records."""

import json
import math

import pytest
import torch
from datasets import Dataset
from torch.nn.functional import cross_entropy

from helpers import gallery
from making import gallery as making

STORED = json.loads(gallery.FILE.read_text(encoding="utf-8"))
FEW = Dataset.from_dict({"text": list("abcdefgh"), "label": [0, 1] * 4})


@pytest.mark.parametrize("name", ["overfitting", "labels shuffled", "sorted by class"])
def test_the_first_steps_of_a_fault_come_out_as_they_are_recorded(
    name, checkpoint, tokenizer, data
):
    again = making.run(checkpoint, tokenizer, data, **making.RUNS[name], steps=3)
    assert again["loss"] == pytest.approx(STORED[name]["loss"][:3], abs=2e-3)


def test_every_fault_and_every_patient_is_recorded_as_the_command_makes_it():
    assert {name: run["changes"] for name, run in STORED.items()} == (
        making.RUNS | making.PATIENTS)
    assert list(gallery.load()) == list(making.RUNS)
    assert list(gallery.patients()) == list(making.PATIENTS)
    for run in STORED.values():
        assert len(run["loss"]) == making.STEPS
        assert len(run["validation"]) == 5


def test_a_patient_is_one_of_the_faults_with_other_numbers():
    kinds = {"A": {"order", "rows"}, "B": {"rows"}, "C": set(), "D": {"labels"}}
    for letter, changed in making.PATIENTS.items():
        assert set(changed) - {"rate", "seed"} == kinds[letter]
    assert making.PATIENTS["C"]["rate"] < making.RATE / 100


def test_shuffled_labels_are_the_same_labels_in_another_order():
    drawn, _ = making.chosen({"train": FEW, "validation": FEW}, 8, None, "shuffled", "drawn", 0)
    assert drawn["text"][:] == FEW["text"][:]
    assert drawn["label"][:] != FEW["label"][:]
    assert sum(drawn["label"][:]) == 4


def test_sorted_means_all_of_one_class_first():
    put, _ = making.chosen({"train": FEW, "validation": FEW}, 8, None, "true", "sorted", 0)
    assert put["label"][:] == [0] * 4 + [1] * 4


def test_the_loss_by_class_weighs_both_the_same_and_is_nan_where_one_is_missing():
    logits = torch.tensor([[0.3, -1.0], [2.0, 1.0], [0.0, 1.0]])
    each = cross_entropy(logits, torch.tensor([1, 0, 0]), reduction="none")
    assert making.by_class(logits, torch.tensor([1, 0, 0])).item() == pytest.approx(
        (each[0] + (each[1] + each[2]) / 2).item() / 2)
    assert math.isnan(making.by_class(logits, torch.tensor([1, 1, 1])).item())


def test_the_rare_class_is_one_text_in_twenty_and_weighs_as_much_as_the_other(data):
    rows = making._with_share(data["train"], 0.05)
    labels = rows["label"][:]
    assert sum(labels) / len(labels) == pytest.approx(0.05, abs=0.002)
    weights = making.balanced_weights(labels)
    assert weights[1] * sum(labels) == pytest.approx(weights[0] * (len(labels) - sum(labels)))
    evened = making.evened(rows)["label"][:]
    assert sum(evened) == pytest.approx(len(evened) / 2, rel=0.05)


def test_what_three_models_say_of_a_rare_class_is_recorded():
    labels, said = gallery.rare()
    assert set(said) == {"none", "class weights", "resampling"}
    assert all(len(p) == len(labels) for p in said.values())
    assert sum(labels) / len(labels) == pytest.approx(0.05, abs=0.002)
