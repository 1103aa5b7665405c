import json

import pytest
from datasets import Dataset

from helpers import runs

ROWS = {"text": ["good", "bad", "fine"], "label": [1, 0, 1]}


@pytest.mark.parametrize(
    "changed",
    [
        {"label": [1, 1, 1]},
        {"text": ["good", "Bad", "fine"]},
        {"text": ["fine", "bad", "good"]},
        {"text": ["good", "bad"], "label": [1, 0]},
        {"stars": [5, 1, 4]},
    ],
)
def test_any_change_of_the_data_changes_its_fingerprint(changed):
    as_it_was = runs.fingerprint(Dataset.from_dict(ROWS))
    assert runs.fingerprint(Dataset.from_dict(ROWS | changed)) != as_it_was


def test_the_same_data_have_one_fingerprint_however_they_are_kept(tmp_path):
    rows = Dataset.from_dict(ROWS)
    rows.to_csv(str(tmp_path / "mine.csv"), index=False)
    again = Dataset.from_csv(str(tmp_path / "mine.csv"), cache_dir=str(tmp_path / "cache"))
    for other in (again, list(rows), rows.with_format("torch"), rows.select_columns(
            ["label", "text"])):
        assert runs.fingerprint(other) == runs.fingerprint(rows)


def test_runs_are_compared_as_they_are_recorded():
    here = {"seed": 0, "betas": (0.9, 0.999), "labels": {0: "bad"}, "weights": None}
    there = json.loads(json.dumps({k: v for k, v in here.items() if k != "weights"}))
    assert runs.differing(there, here) == {}
    assert runs.differing(there, here | {"seed": 1, "weights": "equal"}) == {
        "seed": (0, 1), "weights": (None, "equal"),
    }


def test_a_sentence_names_three_differences_and_shows_no_fingerprint():
    prints = [runs.fingerprint([text]) for text in ("here", "there")]
    pairs = {"batch_size": (8, 4), "texts": prints, "model": ("bert", "x" * 99), "seed": (0, 1)}
    assert runs.sentence(pairs) == (
        f"batch_size 8 there, 4 here, other texts, model bert there, {'x' * 37}... here"
    )
