"""Data sets of the Hub, from a Hub on this machine: what `texts.from_hub` makes of them."""

import json
import os
import re
import subprocess
import sys

import datasets
import pytest
from hub import LocalHub, closed_port
from hub_api import Repository

from helpers import paths

REVISION, OTHER = "c" * 40, "b" * 40
CARD = """---
configs:
{configs}---

# Sentences
"""
PROGRAM = """
import contextlib, io, json, sys
from helpers import texts
from helpers.errors import LearnerError

for case in json.loads(sys.argv[1]):
    said, error, counts, names, first = io.StringIO(), None, None, None, None
    with contextlib.redirect_stdout(said):
        try:
            data = texts.from_hub(**case)
        except LearnerError as problem:
            error = str(problem)
        else:
            counts = [len(data[split]) for split in ("train", "validation", "test")]
            names, first = data["train"].features["label"].names, sorted(data["test"]["text"])[0]
    print(json.dumps({"error": error, "counts": counts, "names": names, "first": first,
                      "said": said.getvalue()}))
"""
NAMED = {"text": "sentence", "label": "verdict"}
CASES = {
    "configuration": {"name": "some/set", "configuration": "whole", **NAMED},
    "hidden labels": {"name": "some/set", "configuration": "hidden", **NAMED},
    "own test": {"name": "some/set", "configuration": "hidden", **NAMED,
                 "splits": ("train", "validation", None)},
    "no validation": {"name": "some/tables", **NAMED},
    "other names": {"name": "some/set", "configuration": "other", **NAMED,
                    "splits": ("train", "dev", None)},
    "no configuration": {"name": "some/set", **NAMED},
    "unknown configuration": {"name": "some/set", "configuration": "hole", **NAMED},
    "unknown revision": {"name": "some/set", "configuration": "whole", "revision": OTHER},
    "unknown name": {"name": "some/sett"},
}


def rows(start, count, label=None):
    return datasets.Dataset.from_list([
        {"sentence": f"This is sentence number {i}.", "verdict": i % 2 if label is None else label}
        for i in range(start, start + count)
    ])


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    """Two data sets: one of Parquet files with three configurations, one of CSV files."""
    folder = tmp_path_factory.mktemp("sets")
    parts = {
        "whole": {"train": rows(0, 60), "validation": rows(60, 10), "test": rows(70, 20)},
        "hidden": {"train": rows(0, 60), "validation": rows(60, 10), "test": rows(70, 20, -1)},
        "other": {"train": rows(0, 60), "dev": rows(60, 10)},
    }
    configs = ""
    for name, splits in parts.items():
        configs += f"- config_name: {name}\n  data_files:\n"
        (folder / "set" / name).mkdir(parents=True)
        for split, part in splits.items():
            part.to_pandas().to_parquet(folder / "set" / name / f"{split}.parquet")
            configs += f"  - split: {split}\n    path: {name}/{split}.parquet\n"
    (folder / "set" / "README.md").write_text(CARD.format(configs=configs))
    (folder / "tables").mkdir()
    rows(0, 60).to_pandas().to_csv(folder / "tables" / "train.csv", index=False)
    rows(60, 20).to_pandas().to_csv(folder / "tables" / "test.csv", index=False)
    return {f"datasets/some/{name}": Repository(REVISION, folder / name)
            for name in ("set", "tables")}


def client(endpoint, home, cases):
    """Start a process that asks for data sets, for `datasets` reads the settings at its import."""
    asked = [{"revision": REVISION} | case for case in cases]
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0",
                "NO_PROXY": "*"}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, json.dumps(asked)], text=True,
                            env=os.environ | settings, cwd=paths.ROOT, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


@pytest.fixture(scope="module")
def answers(repositories, tmp_path_factory):
    """What comes of each case, {name: counts of the splits, names of the classes, an error, …}."""
    with LocalHub(repositories) as hub:
        process = client(hub.endpoint, tmp_path_factory.mktemp("home"), CASES.values())
        said, complaints = process.communicate(timeout=120)
    assert process.returncode == 0, complaints
    return dict(zip(CASES, map(json.loads, said.splitlines()), strict=True))


def test_a_configuration_comes_with_its_own_splits(answers):
    found = answers["configuration"]
    assert found["error"] is None
    assert found["counts"] == [60, 10, 20]
    assert found["first"] == "This is sentence number 70."
    assert found["said"] == ""


def test_hidden_test_labels_are_said_and_never_taken_for_a_class(answers):
    found = answers["hidden labels"]
    assert re.search("test.*(no labels|secret)", found["error"] or found["said"])
    assert found["counts"] in (None, [48, 10, 12])


def test_the_test_split_can_be_cut_from_train(answers):
    found = answers["own test"]
    assert found["counts"] == [48, 10, 12]
    assert "the split test is cut from train" in found["said"]


def test_without_a_validation_split_it_is_cut_from_train(answers):
    found = answers["no validation"]
    assert sum(found["counts"][:2]) == 60
    assert found["counts"][2] == 20
    assert "the split validation is cut from train" in found["said"]


def test_splits_of_other_names_are_taken_by_name(answers):
    assert answers["other names"]["counts"] == [48, 10, 12]


@pytest.mark.parametrize(("case", "said"), [
    ("no configuration", "onfig"),
    ("unknown configuration", "'hole' not found. Available: ['whole', 'hidden', 'other']"),
    ("unknown revision", f"Revision '{OTHER}' doesn't exist"),
    ("unknown name", "'some/sett' doesn't exist"),
])
def test_what_is_not_there_is_named(case, said, answers):
    error = answers[case]["error"]
    assert said in error
    assert len(error) <= 400
    assert "\n" not in error


@pytest.mark.slow
def test_a_hub_out_of_reach_is_said_in_a_line(tmp_path):
    closed = f"http://127.0.0.1:{closed_port()}"
    said, _ = client(closed, tmp_path, [CASES["configuration"]]).communicate(timeout=120)
    error = json.loads(said.splitlines()[-1])["error"]
    assert "Couldn't reach 'some/set' on the Hub" in error
    assert "reviews.load()" in error
    assert len(error) <= 400
