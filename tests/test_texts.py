"""Texts that people bring: read whole, checked whole, and no text in two splits."""

import os
from collections import Counter

import datasets
import pandas as pd
import pytest

from helpers import paths, reviews, texts
from helpers.errors import LearnerError

ROWS = [{"text": f"Text number {i}.", "label": i % 2} for i in range(100)]
TABLE = pd.DataFrame(ROWS)
CSV = TABLE.to_csv(index=False)
COLUMNS = ["id", "text", "label", "domain", "phenomenon"]


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "mine.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def pairs(data):
    """Every text with its label, whatever the split."""
    return {(row["text"], row["label"]) for part in data.values() for row in part}


def and_rows(*rows):
    """A good file with these rows at its end, 102 and the following."""
    return CSV + "".join(f"{row}\n" for row in rows)


def refused(source, **options):
    with pytest.raises(LearnerError) as caught:
        texts.load(source, **options)
    assert len(str(caught.value)) < 400
    assert str(caught.value).count("\n") < 3
    return str(caught.value)


WHOLE = pairs({"all": ROWS})
WRITTEN = {
    "byte order mark": "\ufeff" + CSV,
    "UTF-16": CSV.encode("utf-16"),
    "semicolon": TABLE.to_csv(index=False, sep=";"),
    "tab, Windows": TABLE.to_csv(index=False, sep="\t", lineterminator="\r\n"),
    "other order, blank lines": "\n" + TABLE[["label", "text"]].to_csv(index=False) + "\n \n",
    "capitals, another column": "Text, Label ,\n" + CSV.partition("\n")[2].replace("\n", ",5\n"),
    "separator at each end": CSV.replace("\n", ",\n"),
    "floats": TABLE.astype({"label": float}).to_csv(index=False),
    "truth values": TABLE.astype({"label": bool}).to_csv(index=False),
}
IN_MEMORY = {
    "DataFrame with an index": TABLE.set_index(TABLE["text"].rename("key")),
    "DataFrame of truth values": TABLE.astype({"label": bool}),
    "list": ROWS,
    "Dataset": datasets.Dataset.from_list(ROWS).with_format("torch"),
    "train and test": {"train": ROWS[:60], "test": TABLE[60:]},
    "DatasetDict": datasets.DatasetDict(train=datasets.Dataset.from_list(ROWS)),
}


@pytest.mark.parametrize("content", WRITTEN.values(), ids=WRITTEN)
def test_the_files_that_spreadsheets_and_programs_write_are_read(write, monkeypatch, content):
    monkeypatch.setenv("HOME", str(write(content).parent))
    monkeypatch.setenv("USERPROFILE", os.environ["HOME"])
    assert pairs(texts.load("~/mine.csv")) == WHOLE


@pytest.mark.parametrize("source", IN_MEMORY.values(), ids=IN_MEMORY)
def test_tables_in_memory_are_read(source):
    data = texts.load(source)
    assert pairs(data) == WHOLE
    assert list(data) == list(texts.SPLITS)
    assert all(part.column_names == COLUMNS for part in data.values())
    assert data["test"].features["label"].names == ["negative", "positive"]


@pytest.mark.parametrize("text", [
    "Two\u2028lines", "Next\x85line", "A\fpage", "NaN", "645", 'Good, "really" good.\nTwice.',
])
def test_a_text_stays_as_it_was_written(write, text):
    quoted = '"' + text.replace('"', '""') + '"' if "," in text else text
    assert (text, 1) in pairs(texts.load(write(and_rows(f"{quoted},1"))))


def test_columns_are_found_by_the_names_given_or_without_a_header_by_number(write):
    path = write(CSV.replace("text,label", "comment,verdict"))
    assert pairs(texts.load(path, "comment", "verdict")) == WHOLE
    assert "no column 'text', only: comment, verdict. Name the right" in refused(path)
    bare = write(TABLE[["label", "text"]].to_csv(index=False, header=False))
    assert pairs(texts.load(bare, header=False)) == WHOLE
    assert pairs(texts.load(bare, text=2, label=1, header=False)) == WHOLE
    assert "header=False" in refused(bare)
    assert "by number" in refused(write(CSV), header=False)


def test_optional_columns_are_kept_and_ids_are_row_numbers_otherwise(write):
    row = texts.load(TABLE.assign(id=range(900, 1000), domain="tools"))["test"][0]
    assert (row["id"][0], row["domain"], row["phenomenon"]) == ("9", "tools", "unknown")
    for row in texts.load(write(CSV))["test"]:
        assert row["text"] == f"Text number {int(row['id']) - 2}."


def test_an_encoding_is_found_out_and_said_or_taken_as_given(write, capsys):
    path = write(and_rows('"Très cher, 20 €",1').encode("cp1252"))
    assert ("Très cher, 20 €", 1) in pairs(texts.load(path))
    assert "read as cp1252" in capsys.readouterr().out
    path = write(and_rows("Дорого,1").encode("koi8-r"))
    assert ("Дорого", 1) in pairs(texts.load(path, encoding="koi8-r"))
    assert capsys.readouterr().out == ""
    assert "not text in utf-8. Save it" in refused(path, encoding="utf-8")
    assert "not text in no-such" in refused(path, encoding="no-such")


BAD = {
    "empty": (" \n\n", "mine.csv is empty"),
    "header only": ("text,label\n", "mine.csv has no rows"),
    "workbook": (b"PK\x03\x04\x8d\x81", "not text in utf-8 or cp1252"),
    "label twice": ("text,label,label\nFine.,1,0\n", "has 2 columns 'label'"),
    "one class": ("text,label\nFine.,1\nNice.,1\n", "every label is 1"),
    "too few": (TABLE[:18].to_csv(), "Only 9 of the 18 different texts"),
    "long": (and_rows("word " * 100_000 + ",1"), "more than 20,000 words in row 102"),
    "open quote": (and_rows('"Fine.,1', "Bad.,0", "Nice.,1"), "row 102. Does a text that holds"),
    "bare comma": (and_rows("Fine, really.,1"), "not the 2 fields of the first row in row 102"),
    "no label": (and_rows("Fine."), "or a label missing"),
    "swapped": (CSV.replace("text,label", "label,text"), "Are the columns the wrong way round?"),
    "words": (and_rows("Bad.,neg", "Bad.,neg"), "holds the classes 0, 1, neg (3 in all)"),
    "stars": (and_rows("Fine.,5"), "written 0 and 1. Other labels are in row 102."),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_named_with_row_and_remedy(write, content, message):
    assert message in refused(write(content))


def test_what_cannot_be_read_says_so():
    assert f"looked for in {os.getcwd()}" in refused("nowhere.csv")
    assert "cannot be read" in refused(os.getcwd())
    assert "not from a value of type int" in refused(5)
    assert "the keys train, validation and test" in refused({"text": ["Fine."], "label": [1]})


def test_everything_wrong_is_named_at_once(write):
    rows = ["  ,1", "Fine.,", "\t,0", "A, b, 1", ",1", ",0"]
    uneven, without_text, without_label = refused(write(and_rows(*rows))).splitlines()
    assert "fields of the first row in row 105" in uneven
    assert "the text is empty in 4 rows (102, 104, 106, …). Fill it in, or" in without_text
    assert "the label is empty in row 103" in without_label


def test_rows_without_text_or_label_are_left_out_when_told(write, capsys):
    assert pairs(texts.load(write(and_rows("  ,1", "Fine.,", ",0")), drop_empty=True)) == WHOLE
    assert "3 rows (102, 103, 104)" in capsys.readouterr().out
    missing = [{"text": None, "label": 1}, {"text": "Fine.", "label": float("nan")}, {"label": 0}]
    assert pairs(texts.load(ROWS + missing, drop_empty=True)) == WHOLE
    assert "the text is empty in 2 rows (100, 102)" in refused(ROWS + missing)


def test_html_is_taken_out_when_told(capsys):
    row = {"text": '<b>Good</b> &amp; cheap,<br/><a href="x">see</a> a < b, I <3 it', "label": 1}
    assert ("Good & cheap, see a < b, I <3 it", 1) in pairs(texts.load([*ROWS, row], clean=True))
    assert "row 100" in capsys.readouterr().out
    assert (row["text"], 1) in pairs(texts.load([*ROWS, row]))


def test_different_texts_are_split_as_train_test_split_does_it():
    options = {"stratify_by_column": "label", "seed": 3}
    rows = datasets.Dataset.from_list(ROWS).class_encode_column("label")
    rest = rows.train_test_split(0.2, **options)
    parts = rest["train"].train_test_split(0.125, **options)
    expected = [part["text"][:] for part in (parts["train"], parts["test"], rest["test"])]
    assert [part["text"][:] for part in texts.load(ROWS, seed=3).values()] == expected
    assert [len(part) for part in expected] == [70, 10, 20]


def test_copies_of_a_text_go_into_one_split(capsys):
    copies = [{**row, "text": f" {row['text'].upper()} "} for row in ROWS]
    data = texts.load(ROWS + copies)
    assert [len(part) for part in data.values()] == [140, 20, 40]
    splits = {text.strip().lower(): split for split in data for text in data[split]["text"]}
    assert Counter(splits.values()) == {"train": 70, "validation": 10, "test": 20}
    assert "Copies of another text, kept in its split: 100 rows" in capsys.readouterr().out


def test_a_text_with_both_labels_or_of_a_later_split_is_left_out_of_training(capsys):
    opposite = [{**row, "label": 1 - row["label"]} for row in ROWS]
    assert pairs(texts.load([*ROWS, opposite[0]])) == WHOLE - pairs({"all": [ROWS[0]]})
    assert "both labels: 2 rows (0, 100)" in capsys.readouterr().out
    assert "No text is left for train" in refused(ROWS + opposite)
    data = texts.load({"train": ROWS, "test": ROWS[:10]})
    assert [len(part) for part in data.values()] == [78, 12, 10]
    assert "a later split has the text, too: 10 rows" in capsys.readouterr().out


def test_a_hub_data_set_out_of_reach_points_to_the_one_that_ships():
    with pytest.raises(LearnerError, match=r"reviews\.load\(\)"):
        texts.from_hub("nobody/nothing", revision="main")


@pytest.mark.parametrize(("splits", "outcome"), [
    (("train", "dev", "test"), [50, 20, 30]),
    (("train", "validation", "test"), [43, 7, 30]),
    (("train", "dev", None), [40, 20, 10]),
    (("train", "dev", "tset"), "no split 'tset', only: train, dev, test, secret"),
    (("train", "dev", "secret"), "test has no labels"),
])
def test_a_data_set_of_the_hub_gets_the_same_columns_and_checks(monkeypatch, splits, outcome):
    part = datasets.Dataset.from_list(ROWS).rename_columns({"text": "sentence", "label": "y"})
    hub = {"train": part.select(range(50)), "dev": part.select(range(50, 70)),
           "test": part.select(range(70, 100)),
           "secret": datasets.Dataset.from_list([{"sentence": "Fine.", "y": -1}])}
    asked = {("some/set", "small", "abc"): hub}
    monkeypatch.setattr(datasets, "load_dataset", lambda *names, revision: asked[*names, revision])
    try:
        data = texts.from_hub("some/set", revision="abc", configuration="small", splits=splits,
                              text="sentence", label="y")
    except LearnerError as error:
        assert outcome in str(error)
    else:
        assert [len(part) for part in data.values()] == outcome
        assert data["test"].column_names == COLUMNS


def test_a_missing_data_folder_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "DATA", tmp_path)
    with pytest.raises(LearnerError, match="need the whole repository"):
        reviews.load()


def test_the_shipped_reviews_pass_all_checks_and_nothing_is_written_or_set(
    monkeypatch, tmp_path, capsys
):
    monkeypatch.chdir(tmp_path)
    datasets.enable_progress_bars()
    texts.load(paths.data_file("reviews", "extra.csv"))
    assert [len(part) for part in reviews.load().values()] == [1600, 200, 400]
    assert capsys.readouterr().out == ""
    assert os.listdir(tmp_path) == []
    assert not datasets.are_progress_bars_disabled()
