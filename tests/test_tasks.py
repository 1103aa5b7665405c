"""Pairs, several labels a text and numbers: told apart, read, checked and split."""

import itertools
import random
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pytest

from helpers import columns, paths, quantities, tasks, texts
from helpers.errors import LearnerError
from making import questions as making

CASES = Path(__file__).with_name("cases")
LABELS = "late,broken,refund,angry,urgent"


def whole(data):
    return [row for part in data.values() for row in part]


def refused(source, **options):
    with pytest.raises(LearnerError) as caught:
        texts.load(source, **options)
    assert len(str(caught.value)) <= 400
    return str(caught.value)


def rows(n=60, **labels):
    """Different texts, with labels that are functions of a row's number."""
    return pd.DataFrame({"text": [f"This is text {i}, of many." for i in range(n)],
                         **{name: [of(i) for i in range(n)] for name, of in labels.items()}})


def names(data):
    return data["train"].features["label"].feature.names


# What is recognised, and said

def test_the_pairs_are_read_as_pairs_and_said(capsys):
    data = texts.load(CASES / "pairs.csv")
    file = pd.read_csv(CASES / "pairs.csv")
    assert {(r["text"], r["text_pair"], r["label"]) for r in whole(data)} == {*file.itertuples(
        index=False, name=None)}
    assert tasks.of_data(data) == tasks.Classes(("0", "1"))
    said = capsys.readouterr().out
    assert "columns: text 'question1' and 'question2' (a pair), label 'is_duplicate'" in said


@pytest.mark.parametrize("both", [
    ("sentence1", "sentence2"), ("premise", "hypothesis"), ("text_a", "text_b"),
    ("first", "second"), ("first question", "second question"), ("questionA", "questionB"),
    ("text", "text_pair"),
])
def test_columns_with_the_usual_names_of_pairs_are_one_whatever_their_order(both):
    table = rows(label=lambda i: i % 2)
    table = pd.DataFrame({both[1]: table["text"] + " Is it?", both[0]: table["text"],
                          "label": table["label"]})
    assert columns.find("mine", table)[0] in (both, both[::-1])
    if both in [("premise", "hypothesis"), ("first", "second"), ("text", "text_pair")]:
        assert columns.find("mine", table)[0] == both


def test_two_columns_are_a_pair_if_they_are_named_so():
    table = rows(label=lambda i: i % 2)
    table["front"], table["back"] = table["text"], table["text"] + " Indeed."
    for named in ("front,back", ["front", "back"]):
        data = texts.load(table.drop(columns="text"), text=named)
        assert data["train"].column_names[1:3] == ["text", "text_pair"]
    assert "A pair has two" in refused(table, text=["front", "back", "text"])


def test_label_columns_of_0_and_1_are_several_labels_a_text_and_said(capsys):
    data = texts.load(CASES / "several_labels_columns.csv")
    file = pd.read_csv(CASES / "several_labels_columns.csv")
    assert names(data) == ["IsRude", "IsLate", "IsBroken"]
    assert {(r["text"], *(i in r["label"] for i in range(3))) for r in whole(data)} == {
        *file.itertuples(index=False, name=None)}
    assert "task: several labels a text, 3 labels" in capsys.readouterr().out


def test_lists_are_several_labels_a_text_however_they_are_written():
    data = texts.load(CASES / "several_labels_lists.jsonl")
    assert names(data) == ["broken", "late", "rude"]
    file = pd.read_json(CASES / "several_labels_lists.jsonl", lines=True)
    expected = {text: {*labels} for text, labels in zip(file["text"], file["labels"],
                                                       strict=True)}
    assert {r["text"]: {names(data)[i] for i in r["label"]} for r in whole(data)} == expected
    kinds = [["a", "b"], ["b"], ["c", "a"], ["c"]]
    for written in (str, ";".join, ", ".join, "|".join):
        table = rows(label=lambda i, written=written: written(kinds[i % 4]))
        assert names(texts.load(table)) == ["a", "b", "c"]


def test_decimals_of_many_values_are_a_number_and_what_is_in_doubt_says_the_other_way(capsys):
    data = texts.load(CASES / "one_number.csv", label="score")
    task = tasks.of_data(data)
    train = np.array(data["train"]["label"][:])
    assert (task.kind, task.name) == ("number", "score")
    assert (task.mean, task.std) == pytest.approx((train.mean(), train.std()))
    assert "task: a number to predict, 1.2 to 5.18; task='class'" in capsys.readouterr().out
    stars = texts.load(CASES / "stars.csv")
    assert tasks.of_data(stars).kind == "class"
    assert "task='number' predicts a number" in capsys.readouterr().out
    stars = texts.load(CASES / "stars.csv", task="number")
    assert {r["label"] for r in whole(stars)} == {1, 2, 4, 5}
    half_stars = texts.load(rows(label=lambda i: i % 9 / 2))
    assert tasks.of_data(half_stars).kind == "class"


def test_columns_of_yes_and_no_beside_the_label_are_said_with_what_names_them(capsys):
    data = texts.load(paths.data_file("messages", "train.csv"))
    assert tasks.of_data(data).names == ("advice", "billing", "data", "delivery", "fault",
                                         "praise")
    assert f"label='{LABELS}'" in capsys.readouterr().out
    assert names(texts.load(paths.data_file("messages", "train.csv"), label=LABELS)) == (
        LABELS.split(","))


def test_a_list_of_classes_of_the_hub_keeps_its_names_in_their_order():
    part = datasets.Dataset.from_dict(
        {"text": [f"Text {i} of them." for i in range(60)],
         "labels": [[0], [1, 2], [], [2]] * 15},
        features=datasets.Features({"text": datasets.Value("string"), "labels": datasets.List(
            datasets.ClassLabel(names=["joy", "anger", "fear", "awe"]))}))
    data = texts.load(part)
    assert names(data) == ["joy", "anger", "fear"]
    assert any("no text of train has awe" in note for note in data.notes)
    assert {tuple(r["label"]) for r in whole(data)} == {(0,), (1, 2), (), (2,)}


# Numbers as people write them

@pytest.mark.parametrize(("written", "numbers"), [
    (["4,5", "3,25", "7"], [4.5, 3.25, 7]), (["12 %", "3.5%", "4"], [12, 3.5, 4]),
    (["€ 3", "€4.50"], [3, 4.5]), (["1,200", "2.5"], [1200, 2.5]),
    (["1.200,50", "3,5"], [1200.5, 3.5]), (["-4.2", "1e-3", "+7"], [-4.2, 0.001, 7]),
    ([3, 2.5], [3, 2.5]),
])
def test_numbers_are_read_with_commas_and_units_where_there_is_no_doubt(written, numbers):
    assert quantities.read(written) == (numbers, [""] * len(numbers))


@pytest.mark.parametrize(("written", "reason"), [
    (["1,200", "2,500"], "thousands or decimals?"), (["3 km", "2 km", "4 m"], "another unit"),
    (["1.5", "inf"], "no number"), ([1.5, float("inf")], "no number"), (["1.5", "x"], "no number"),
    (["1.5", "2026-01-03"], "no number"),
])
def test_what_is_no_number_or_in_doubt_is_told_by_row_and_refused(written, reason):
    assert reason in quantities.read(written)[1]
    table = rows(label=lambda i: written[i % len(written)])
    message = refused(table, task="number")
    assert reason in message
    assert "rows (" in message


def test_a_number_with_commas_and_units_trains_on_its_values():
    data = texts.load(rows(label=lambda i: f"{i},5 %"), task="number")
    assert sorted(r["label"] for r in whole(data)) == [i + 0.5 for i in range(60)]
    assert any("read from such as '0,5 %'" in note for note in data.notes)


def test_missing_numbers_are_named_as_empty_and_one_that_never_differs_is_refused():
    table = rows(label=lambda i: float("nan") if i == 7 else i / 7)
    assert "the label is empty in row 7" in refused(table)
    assert "every label is 2" in refused(rows(label=lambda i: 2), task="number")


# What does not fit

@pytest.mark.parametrize(("task", "label", "words"), [
    ("labels", lambda i: i % 2, "task='labels' is several labels a text, and what label holds is "
                                "one label a text"),
    ("number", lambda i: "ab"[i % 2], "'a' as a number: no number, in 60 rows"),
    ("number", lambda i: ["a", "b"][: i % 3], "holds is several labels a text"),
    ("class", lambda i: ["a", "b"][: i % 3], "holds is several labels a text"),
    ("classes", lambda i: i % 2, "Choose one of: class, labels, number"),
])
def test_a_task_that_does_not_fit_the_labels_is_refused(task, label, words):
    assert words in refused(rows(label=label), task=task)


def test_classes_that_look_like_numbers_are_classes_if_asked_for():
    data = texts.load(rows(120, label=lambda i: i % 15 / 4), task="class")
    assert len(tasks.of_data(data).names) == 15


def test_a_label_that_no_text_or_too_few_have_or_all_is_left_out_and_said():
    table = rows(label=lambda i: i % 2, b=lambda i: i % 3 == 0, none=lambda i: 0,
                 few=lambda i: int(i == 5), every=lambda i: 1)
    data = texts.load(table, label="label,b,none,few,every")
    assert names(data) == ["label", "b"]
    said = "\n".join(data.notes)
    assert "no text of train has none, so it cannot be learned" in said
    assert "fewer than 3 texts of train have few" in said
    assert "every text of train has every" in said
    assert "1 of the labels can be learned, 'b'" in refused(table, label="b,none")


def test_a_label_of_another_split_that_train_never_saw_is_named_and_counted():
    train = rows(label=lambda i: ["a", "b"][: i % 3])
    test = rows(80, label=lambda i: ["a", "new"][: i % 3])[60:]
    assert "no text of train has the label new, as 6 rows (2, 5, 8, …) have" in refused(
        {"train": train, "test": test})
    train, test = (rows(n, a=lambda i: i % 2, b=lambda i: i % 3 == 0, new=lambda i: int(i > 70))
                   for n in (60, 80))
    data = texts.load({"train": train, "test": test[60:]}, label="a,b,new")
    assert any("no text of train has new" in note and "other splits have it 9 times" in note
               for note in data.notes)


def test_a_cell_that_says_neither_yes_nor_no_is_named_with_its_row():
    table = rows(a=lambda i: i % 2, b=lambda i: "maybe" if i == 4 else i % 2)
    message = refused(table, label="a,b")
    assert "'maybe' in the column 'b', row 4, says neither yes nor no" in message


@pytest.mark.parametrize("kind", ["0 1", "False True", "no yes", "0.0 1.0"])
def test_yes_and_no_are_read_in_the_usual_ways(kind):
    kind = kind.split()
    data = texts.load(rows(a=lambda i: kind[i % 2], b=lambda i: kind[i % 3 == 0]))
    assert names(data) == ["a", "b"]
    assert {r["text"] for r in whole(data) if 0 in r["label"]} == {
        f"This is text {i}, of many." for i in range(1, 60, 2)}


def test_a_pair_with_one_side_empty_is_named_and_left_out_when_told():
    table = rows(label=lambda i: i % 2)
    table.insert(1, "text_pair", ["" if i == 3 else f"Question {i} is this." for i in range(60)])
    assert "the text_pair is empty in row 3" in refused(table)
    assert len(whole(texts.load(table, drop_empty=True))) == 59


# The splits

def test_no_text_of_a_pair_is_in_two_splits_where_it_can_be_helped():
    data = texts.load(paths.data_file("questions", "near_train.csv"), label="same")
    seen = [{*part["text"], *part["text_pair"]} for part in data.values()]
    assert not any(one & other for one, other in itertools.combinations(seen, 2))
    assert sum(map(len, data.values())) == 736
    for part, share in zip(data.values(), (0.7, 0.1, 0.2), strict=True):
        assert len(part) / 736 == pytest.approx(share, abs=0.02)
        assert np.mean(part["label"][:]) == pytest.approx(0.5, abs=0.02)
    together = texts.load(CASES / "pairs.csv")
    assert any("45 of 60 pairs hang together" in note for note in together.notes)


def test_a_pair_with_its_sides_swapped_is_a_copy_and_no_contradiction():
    table = rows(label=lambda i: i % 2)
    table.insert(1, "text_pair", [f"Question {i} is this." for i in range(60)])
    swapped = table[:30].rename(columns={"text": "text_pair", "text_pair": "text"})
    swapped["label"] = 1 - swapped["label"]
    data = texts.load(pd.concat([table, swapped]))
    assert len(whole(data)) == 90
    split_of = {}
    for split, part in data.items():
        for row in part:
            both = frozenset((row["text"], row["text_pair"]))
            assert split_of.setdefault(both, split) == split
    same = table[:1].assign(label=1 - table["label"][0])
    data = texts.load(pd.concat([table, same]))
    assert len(whole(data)) == 59
    assert any("with different labels" in note for note in data.notes)


def test_several_labels_and_numbers_are_in_all_splits_in_about_equal_shares():
    drawn = random.Random(0)
    table = rows(400, a=lambda i: int(drawn.random() < 0.5), b=lambda i: int(i % 20 == 0))
    data = texts.load(table, label="a,b")
    shares = [np.mean([1 in labels for labels in part["label"]]) for part in data.values()]
    assert shares == pytest.approx([0.05] * 3, abs=0.01)
    data = texts.load(rows(400, label=lambda i: i**2 / 7))
    means = [np.mean(part["label"][:]) for part in data.values()]
    assert means == pytest.approx([means[0]] * 3, rel=0.1)


def test_copies_of_a_text_with_several_labels_or_numbers_are_in_one_split():
    table = rows(label=lambda i: i / 7)
    table = pd.concat([table, table.assign(label=table["label"] + 1)])
    data = texts.load(table)
    assert len(whole(data)) == 120
    seen = [{*part["text"]} for part in data.values()]
    assert not any(one & other for one, other in itertools.combinations(seen, 2))
    table = rows(label=lambda i: ["a", "b"][: i % 3])
    other = table[:3].assign(label=[["b"]] * 3)
    assert len(whole(texts.load(pd.concat([table, other])))) == 57


def test_few_texts_with_numbers_are_refused():
    assert "8 different texts are too few for 3 splits" in refused(
        rows(8, label=lambda i: i / 7), task="number")


# The baseline

def splits_of(name, **options):
    return texts.load({split: paths.data_file(name, f"{split}.csv") for split in texts.SPLITS},
                      **options)


def test_a_bag_of_words_is_a_baseline_for_labels_numbers_and_pairs():
    found = texts.baseline(splits_of("messages", label=LABELS))
    assert 0.7 < found.micro_f1 < 0.8
    assert found.micro_f1_interval[0] > found.always_f1
    counted = texts.baseline(texts.load(pd.DataFrame({
        "text": [f"word{i % 10} and {i}" for i in range(200)],
        "label": [i % 10 / 7 + i / 1e4 for i in range(200)]})))
    assert counted.pearson > 0.99
    words = ["roof", "bread", "street", "cat", "blue", "seven", "night", "river"]
    pairs = pd.DataFrame([{"first": f"The {one} is there.", "second": f"Here is the {other}.",
                           "label": int(one == other)}
                          for one in words for other in [one] * 7 + words])
    pairs["first"] += [f" {i}" for i in range(len(pairs))]
    pairs["second"] += [f" {i}" for i in range(len(pairs))]
    assert texts.baseline(texts.load(pairs)).accuracy > 0.95
    assert texts.baseline(texts.load(pairs, text="first")).accuracy < 0.7


def test_neither_of_two_near_questions_nor_the_words_that_they_share_tell_if_both_ask_the_same():
    for options in ({}, {"text": "first"}, {"text": "second"}):
        parts = {split: pd.read_csv(paths.data_file("questions", f"near_{split}.csv"))
                 for split in texts.SPLITS}
        if options:  # a question has both labels, so that `load` would leave it out
            parts = {split: part.assign(first=part["first"] + [f" {i}" for i in range(len(part))],
                                        second=part["second"] + [f" {i}" for i in
                                                                 range(len(part))])
                     for split, part in parts.items()}
        found = texts.baseline(texts.load(parts, label="same", **options))
        low, high = found.interval
        assert low < 0.5 < high


# The data that ships

def test_the_messages_and_questions_are_as_their_datasheets_say():
    messages = pd.concat([pd.read_csv(paths.data_file("messages", f"{split}.csv"))
                          for split in texts.SPLITS])
    assert [len(part) for part in splits_of("messages", label="topic").values()] == [545, 85, 210]
    assert messages["topic"].value_counts().to_dict() == {
        "delivery": 317, "fault": 219, "billing": 147, "advice": 96, "praise": 42, "data": 19}
    counts = messages[LABELS.split(",")].sum(axis=1).clip(upper=3).value_counts()
    assert counts.sort_index().tolist() == [259, 293, 205, 83]
    assert messages["text"].is_unique and messages["id"].is_unique
    for prefix in ("", "near_"):
        parts = [pd.read_csv(paths.data_file("questions", f"{prefix}{split}.csv"))
                 for split in texts.SPLITS]
        assert [(len(part), part["group"].nunique(), part["same"].mean())
                for part in parts] == [(736, 184, 0.5), (112, 28, 0.5), (192, 48, 0.5)]
        seen = [{*part["first"], *part["second"]} for part in parts]
        assert len(set.union(*seen)) == sum(map(len, seen)) == 1040
        for part in parts:
            asked = pd.concat([part[["first", "same"]].set_axis(["q", "same"], axis=1),
                               part[["second", "same"]].set_axis(["q", "same"], axis=1)])
            assert (asked.groupby("q")["same"].agg(["count", "sum"]) == [2, 1]).all(axis=None)


def test_other_questions_are_of_another_group_and_of_the_same_topic_where_it_has_two():
    for split in texts.SPLITS:
        part = pd.read_csv(paths.data_file("questions", f"{split}.csv"))
        assert ((part["group"] == part["other_group"]) == (part["same"] == 1)).all()
        topic_of = dict(zip(part["group"], part["topic"], strict=True))
        groups = part.groupby("topic")["group"].nunique()
        for row in part[part["same"] == 0].itertuples():
            assert topic_of[row.other_group] == row.topic or groups[row.topic] == 1
        near = pd.read_csv(paths.data_file("questions", f"near_{split}.csv"))
        pd.testing.assert_frame_equal(making.paired(
            near[near["same"] == 1].sort_values(["group", "first"])), part.drop(columns="id"))
