"""The sentences in data/entities: what their datasheet says of them holds."""

import json
import re
from collections import Counter

import pytest

from helpers import paths
from making import entities

SHEET = (entities.FOLDER / "README.md").read_text(encoding="utf-8")
SPLITS = ("train", "validation", "test", "test_seen")


@pytest.fixture(scope="module")
def stored():
    return {split: [json.loads(line) for line in (entities.FOLDER / f"{split}.jsonl").read_text(
        encoding="utf-8").splitlines()] for split in SPLITS}


@pytest.fixture(scope="module")
def rows(stored):
    return [row for split in SPLITS for row in stored[split]]


def test_the_files_are_what_the_readings_give(stored):
    made = entities.split(entities.readings())
    assert {split: sorted(row["id"] for row in part) for split, part in made.items()} == {
        split: [row["id"] for row in part] for split, part in stored.items()}
    settled = {row["id"]: row["entities"] for part in made.values() for row in part}
    assert all([tuple(e) for e in row["entities"]] == settled[row["id"]]
               for part in stored.values() for row in part)


def test_marks_are_read_and_what_is_left_is_the_text():
    text, found = entities.read_marks("[Ada](person)'s [Osk Street](place), [b] (c)")
    assert text == "Ada's Osk Street, [b] (c)"
    assert [(text[start:end], kind) for start, end, kind in found] == [
        ("Ada", "person"), ("Osk Street", "place")]


def test_agreement_is_of_entities_with_border_and_type():
    same = {"first": [(0, 3, "person")], "second": [(0, 3, "person")]}
    type_differs = {"first": [(0, 3, "person")], "second": [(0, 3, "place")]}
    border_differs = {"first": [(0, 3, "person")], "second": [(0, 4, "person")]}
    assert entities.agreement([same]) == 1
    assert entities.agreement([same, type_differs]) == 0.5
    assert entities.agreement([type_differs, border_differs]) == 0


def test_the_datasheet_counts_right(stored, rows):
    for split, part in stored.items():
        marked = sum(len(row["entities"]) for row in part)
        assert f"| `{split}.jsonl` | {len(part)} | {marked:,} |" in SHEET
    for kind, number in Counter(e[2] for row in rows for e in row["entities"]).items():
        assert f"| `{kind}` | {number} |" in SHEET
    assert set(Counter(row["kind"] for row in rows).values()) == {390}
    lengths = [len(row["text"].split()) for row in rows]
    assert f"| {min(lengths)} to {max(lengths)} words |" in SHEET
    without = sum(not row["entities"] for row in rows)
    assert f"({without} of {len(rows):,})" in SHEET
    assert all(f"({sum(bool(row['entities']) for row in stored[split])} of {len(stored[split])})"
               in SHEET for split in ("train", "test"))


def test_the_datasheet_tells_how_far_the_readings_agree():
    read = entities.readings()
    assert f"with an F1 of {entities.agreement(read):.3f}" in SHEET
    assert f"in {sum(row['first'] != row['second'] for row in read)} sentences" in SHEET
    differing = [row for row in read if row["first"] != row["second"]]
    assert all(row["entities"] in (row["first"], row["second"]) for row in differing)


def test_entities_are_names_in_the_text_and_do_not_overlap(rows):
    assert len({row["id"] for row in rows}) == len({row["text"] for row in rows}) == len(rows)
    for row in rows:
        assert row["kind"] in ("review", "mail", "news", "chat")
        last = 0
        for start, end, kind in row["entities"]:
            name = row["text"][start:end]
            assert last <= start < end <= len(row["text"]), row["id"]
            assert name == name.strip() and re.search(r"\w", name), row["id"]
            assert kind in ("person", "place", "organization", "product")
            last = end


def test_no_name_of_validation_or_test_is_met_in_train_and_every_one_of_test_seen_is(stored):
    known = set().union(*map(entities.names, stored["train"]))
    guarded = set().union(*map(entities.keys, stored["train"] + stored["test_seen"]))
    for split in ("validation", "test"):
        assert not any(entities.keys(row) & guarded for row in stored[split])
    assert all(entities.names(row) <= known for row in stored["test_seen"])


def test_words_of_names_are_shared_as_often_as_the_datasheet_says(stored):
    def words(name):
        return set(re.findall(r"[^\W\d_]{4,}", name))

    known = set().union(*(words(name) for row in stored["train"] for name in entities.names(row)))
    tested = [words(row["text"][start:end].casefold())
              for row in stored["test"] for start, end, _ in row["entities"]]
    shared = sum(bool(name & known) for name in tested)
    assert f"Of the {len(tested)} names of test, {shared} have some word in common" in SHEET


def test_the_files_are_found_by_the_name_of_the_data():
    assert paths.data_file("entities", "train.jsonl").is_file()
