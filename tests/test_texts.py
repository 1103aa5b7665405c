"""Texts that people bring: read whole, checked whole, and no text in two splits."""

import os
import random
from collections import Counter
from pathlib import Path

import datasets
import pandas as pd
import pytest

from helpers import classes, columns, paths, reviews, texts
from helpers.errors import LearnerError

ROWS = [{"text": f"Text number {i}.", "label": i % 2} for i in range(100)]
TABLE = pd.DataFrame(ROWS)
CSV = TABLE.to_csv(index=False)
COLUMNS = ["id", "text", "label", "domain", "phenomenon"]
CASES = Path(__file__).with_name("cases")
WORDS = ["cat", "ran", "under", "blue", "roof", "while", "seven", "people", "ate", "bread"]


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


def sentences(count):
    """Texts as people write them: different, with spaces."""
    drawn = random.Random(0)
    return [" ".join(drawn.choices(WORDS, k=9)) + f", {i}." for i in range(count)]


def table(labels, count=120, **others):
    """A table of texts whose labels come in turn."""
    return pd.DataFrame({"text": sentences(count), **others,
                         "label": [labels[i % len(labels)] for i in range(count)]})


def names_of(data):
    return data["train"].features["label"].names


def and_rows(*rows):
    """A good file with these rows at its end, 102 and the following."""
    return CSV + "".join(f"{row}\n" for row in rows)


def refused(source, *names, **options):
    with pytest.raises(LearnerError) as caught:
        texts.load(source, *names, **options)
    assert len(str(caught.value)) <= 400
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
    assert names_of(data) in (["0", "1"], ["False", "True"])


@pytest.mark.parametrize("text", [
    "Two\u2028lines", "Next\x85line", "A\fpage", "NaN", "645", 'Good, "really" good.\nTwice.',
])
def test_a_text_stays_as_it_was_written(write, text):
    quoted = '"' + text.replace('"', '""') + '"' if "," in text else text
    assert (text, 1) in pairs(texts.load(write(and_rows(f"{quoted},1"))))


def test_columns_are_found_by_the_names_given_or_without_a_header_by_number(write):
    path = write(CSV.replace("text,label", "comment,verdict"))
    assert pairs(texts.load(path, "comment", "VERDICT")) == WHOLE
    assert "no column 'coment', only: comment, verdict. Did you mean text='comment'?" in refused(
        path, "coment")
    assert "no column 'x', only: comment, verdict. Name the right one with" in refused(
        path, label="x")
    assert "both the column 'comment'" in refused(path, "comment", "comment")
    bare = write(TABLE[["label", "text"]].to_csv(index=False, header=False))
    assert pairs(texts.load(bare, header=False)) == WHOLE
    assert pairs(texts.load(bare, text=2, label=1, header=False)) == WHOLE
    assert "by number" in refused(bare, text="comment", header=False)
    assert "Leave header=False out" in refused(write(CSV), header=False)


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
    assert "no-such" in refused(path, encoding="no-such")


BAD = {
    "empty": (" \n\n", "mine.csv is empty"),
    "header only": ("text,label\n", "mine.csv has no rows"),
    "label twice": ("text,label,label\nFine.,1,0\n", "has several columns called 'label'"),
    "one class": ("text,label\nFine.,1\nNice.,1\n", "every label is 1"),
    "too few": (TABLE[:5].to_csv(), "have the label '1': 2 rows (3, 5). Each class needs 3"),
    "words": (and_rows("word " * 100_000 + ",1"), "20,000 words, or a million characters, in row"),
    "characters": (and_rows("w" * 1_000_001 + ",1"), "in row 102. Is a quotation mark left open"),
    "NUL": (and_rows("a\0b,1"), "NUL characters in row 102"),
    "bare comma": (and_rows("Fine, really.,1"), "not the 2 fields of the first row in row 102"),
    "no label": (and_rows("Fine."), "or a label missing"),
    "swapped": (CSV.replace("text,label", "label,text"), "Say text='label', label='text'."),
    "swapped words": (table(["bad", "good"]).rename(
        columns={"text": "label", "label": "text"}).to_csv(), "Say text='label', label='text'."),
    "class of one": (and_rows("Fine.,5"), "have the label '5': row 102. Each class needs 3"),
    "hidden": (TABLE.assign(label=-1).to_csv(), "has no labels: each is -1. To predict"),
    "no labels": (TABLE.assign(label="").to_csv(), "the column 'label' is empty. To predict"),
    "no column": (TABLE[["text"]].to_csv(index=False), "has no labels: no column is called label"),
    "numbers": (pd.DataFrame({"text": range(99), "label": "ab" * 49 + "a"}).head(0).to_csv()
                + "".join(f"{i},{i * 7},{'ab'[i % 2]}\n" for i in range(99)),
                "99 of 99 texts in the column 'text' are numbers"),
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


def test_a_message_stays_short_and_says_if_there_is_more(write):
    message = refused(write(and_rows("  ,1", "Fine.,", "A, b, 1", "w" * 1_000_001 + ",1")))
    assert message.splitlines()[-1] == "There is more; it is named when this is mended."


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
    assert "different labels: 2 rows (0, 100)" in capsys.readouterr().out
    assert "No text is left for train: each needs" in refused(ROWS + opposite)
    assert "train: all of its texts are in a later" in refused({"train": ROWS, "test": ROWS})
    data = texts.load({"train": ROWS, "test": ROWS[:10]})
    assert [len(part) for part in data.values()] == [78, 12, 10]
    assert "a later split has the text, too: 10 rows (0 of train" in capsys.readouterr().out


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


def test_secret_labels_of_the_hub_are_no_labels_and_its_names_of_classes_stay(monkeypatch, capsys):
    features = datasets.Features({"text": datasets.Value("string"),
                                  "label": datasets.ClassLabel(names=["World", "Arts", "Sport"])})
    rows = [{"text": text, "label": 2 * (i % 2)} for i, text in enumerate(sentences(80))]
    hub = {"train": datasets.Dataset.from_list(rows, features=features),
           "test": datasets.Dataset.from_list([{"text": "Fine.", "label": -1}], features=features)}
    monkeypatch.setattr(datasets, "load_dataset", lambda *names, revision: hub)
    data = texts.from_hub("some/set", revision="abc")
    assert names_of(data) == ["World", "Sport"]
    assert [len(part) for part in data.values()] == [56, 8, 16]
    assert {label for text, label in pairs(data) if text in hub["train"]["text"][0::2]} == {0}
    assert capsys.readouterr().out.splitlines() == data.notes == [
        "some/set: the split validation is cut from train.",
        "some/set: the labels of test are kept secret, so test is cut from train.",
        "labels: no text of train has the class Arts; left out of the classes.",
    ]


def test_a_hub_data_set_of_several_configurations_names_them(monkeypatch):
    def missing(*names, revision):
        raise ValueError("Config name is missing.\nPlease pick one among the available configs: "
                         "['de', 'en']\nExample of usage: …")

    monkeypatch.setattr(datasets, "load_dataset", missing)
    with pytest.raises(LearnerError, match=r"configurations: de, en\. Choose one"):
        texts.from_hub("some/set", revision="abc")


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
    assert names_of(reviews.load()) == ["negative", "positive"]
    assert [len(part) for part in reviews.load().values()] == [1600, 200, 400]
    assert capsys.readouterr().out == ""
    assert os.listdir(tmp_path) == []
    assert not datasets.are_progress_bars_disabled()


# ---- the columns ----

FOUND = {
    "capitals": ({"Review": "text", "Liked": "label"}, None),
    "a word behind": ({"tweet_id": "id", "airline_sentiment": "label", "Tweet-Text": "text"},
                      None),
    "camel case": ({"reviewText": "text", "reviewerID": "id", "sentimentLabel": "label"}, None),
    "German": ({"Kommentar": "text", "Stimmung": "label"}, None),
    "French": ({"Étiquette": "label", "Avis": "text"}, None),
    "nothing known": ({"v1": "label", "v2": "text"}, None),
    "Turkish": ({"Görüş": "text", "Durum": "label"}, None),
    "a title beside": ({"title": "text", "body": "text", "category": "label"},
                       ("body", "category")),
    "the very name": ({"text": "text", "Label": "three", "label": "label"}, ("text", "label")),
    "two names, one fits": ({"text": "text", "target": "words", "sentiment": "label"},
                            ("text", "sentiment")),
    "unsure, alone": ({"Comments": "text", "Stars": "label"}, None),
    "a question": ({"What did you like most about the course this term?": "text",
                    "Would you come again?": "label"}, None),
}
UNSURE = {
    "two texts": ({"front": "text", "back": "text", "label": "label"},
                  "which column has the texts? 'front', 'back' may. Say text='front', or"),
    "two labels": ({"text": "text", "sentiment": "label", "category": "three"},
                   "has the labels? 'sentiment', 'category' may. Say label='sentiment', or"),
    "unsure name": ({"text": "text", "score": "three", "helpful": "label"}, "'score', 'helpful'"),
    "no text": ({"x": "id", "label": "label"}, "Say text='…' with one of: 'x'"),
    "tokens": ({"text": "list", "label": "label"}, "holds lists, not texts"),
    "row numbers": ({"text": "text", "label": "id"}, "is a number to predict, say task='number'"),
    "free text": ({"text": "text", "label": "words"}, "looks like free text"),
}


def of_kinds(names):
    """A table whose columns hold something of a kind each."""
    drawn = random.Random(1)
    columns = {
        "text": lambda: [f"{drawn.choice(WORDS)} {text}" for text in sentences(60)],
        "label": lambda: [drawn.choice(["no", "yes"]) for _ in range(60)],
        "three": lambda: [i % 3 for i in range(60)], "id": lambda: list(range(60)),
        "list": lambda: [["rude"] * (i % 3) for i in range(60)],
        "words": lambda: [f"{text[:9]} {i}" for i, text in enumerate(sentences(60))],
    }
    return pd.DataFrame({name: columns[kind]() for name, kind in names.items()})


@pytest.mark.parametrize(("names", "expected"), FOUND.values(), ids=FOUND)
def test_columns_are_recognised_by_name_or_content_and_said(names, expected, capsys):
    text, label = expected or (next(n for n in names if names[n] == k) for k in ("text", "label"))
    cells = of_kinds(names)
    assert columns.find("mine", cells) == (text, label)
    data = texts.load(cells)
    said = columns.tables.short(text), columns.tables.short(label)
    line = "columns: text {!r}, label {!r}".format(*said)
    assert data.notes == [line] * ((text, label) != ("text", "label"))
    assert capsys.readouterr().out.splitlines() == data.notes


@pytest.mark.parametrize(("names", "message"), UNSURE.values(), ids=UNSURE)
def test_where_columns_are_in_doubt_the_candidates_and_the_way_to_choose_are_named(names, message):
    assert message in refused(of_kinds(names))


@pytest.mark.parametrize("file", ["no_header.csv", "no_header_label_last.tsv"])
def test_a_first_row_that_is_a_text_is_told_from_a_header_and_back(file, write):
    message = refused(CASES / file)
    assert "the first row looks like a text" in message
    assert "header=False" in message
    assert len(message) < 200
    data = texts.load(CASES / file, header=False)
    assert sum(map(len, data.values())) == 80
    assert "first row looks like the names" in refused(CASES / "bom.csv", header=False)


def test_without_a_header_labels_may_be_of_any_kind(write):
    for labels in (["good", "bad"], [1, 2, 5], [True, False]):
        path = write(table(labels).to_csv(index=False, header=False))
        assert len(names_of(texts.load(path, header=False))) == len(labels)


# ---- the classes ----

ORDERS = [
    ([1.0, 0.0], ["0", "1"]), ([True, False], ["False", "True"]), (["1", "-1"], ["-1", "1"]),
    ([10, 9, 2], ["2", "9", "10"]), ([4.5, 4.0], ["4", "4.5"]), (["ham", "spam"], ["ham", "spam"]),
    (["5.0 out of 5 stars", "1.0 out of 5 stars"], ["1.0 out of 5 stars", "5.0 out of 5 stars"]),
    (["5 stars", "1 star", "10 stars"], ["1 star", "5 stars", "10 stars"]),
    (["positive", "neutral", "negative"], ["negative", "neutral", "positive"]),
    (["High", "Low", "Medium"], ["Low", "Medium", "High"]), (["Yes", "No"], ["No", "Yes"]),
    (["strongly agree", "agree", "Strongly_Disagree"],
     ["Strongly_Disagree", "agree", "strongly agree"]),
    (["world", "Sports", "art"], ["art", "Sports", "world"]),
]


@pytest.mark.parametrize(("labels", "order"), ORDERS, ids=[",".join(o) for _, o in ORDERS])
def test_classes_are_named_as_in_the_file_and_ordered_by_number_scale_or_letter(labels, order):
    rows = table(labels)
    data = texts.load(rows)
    assert names_of(data) == order
    written = dict(zip(rows["text"], rows["label"], strict=True))
    for text, label in pairs(data):
        assert order[label] == classes.written(written[text])


def test_labels_that_differ_in_capitals_spaces_or_type_are_one_class_and_said():
    data = texts.load(table(["Good", "good ", "GOOD", "Good", "so  so", "So So", "so so"]))
    assert names_of(data) == ["Good", "so so"]
    assert "labels: 'GOOD', 'good' counted as 'Good'" in data.notes
    assert names_of(texts.load(table([1, "1", 0, "0.0", 1.0]))) == ["0", "1"]


def test_a_data_set_with_names_of_classes_goes_with_a_file_that_has_the_names(write):
    named = datasets.Dataset.from_list(
        [{"text": f"Fine, {i}", "label": i % 2} for i in range(10)],
        features=datasets.Features({"text": datasets.Value("string"),
                                    "label": datasets.ClassLabel(names=["Pro", "Contra"])}))
    file = write(table(["contra", "pro"]).to_csv(index=False))
    for parts, names in (({"train": file, "test": named}, ["contra", "pro"]),
                         ({"train": table(["Contra", "Pro"]), "test": named}, ["Contra", "Pro"]),
                         ({"train": named, "test": file}, ["Pro", "Contra"])):
        data = texts.load(parts)
        assert [name.casefold() for name in names_of(data)] == [n.casefold() for n in names]
        for part in data.values():
            for row in part:
                if row["text"].startswith("Fine"):
                    assert names_of(data)[row["label"]].casefold() == (
                        ["pro", "contra"][int(row["text"][-1]) % 2])


def test_labels_that_train_never_saw_and_splits_without_labels_are_named():
    train, two = table("ab"), ["One text.", "Another text."]
    other = pd.DataFrame({"text": two, "label": ["A ", "c"]})
    assert "no text of train has the label c, as row 1 has" in refused(
        {"train": train, "test": other})
    for hidden, why in ((other.assign(label=-1), "each is -1"), (other[["text"]], "no column"),
                        (other.assign(label=None), "the column 'label' is empty")):
        message = refused({"train": train, "test": hidden})
        assert f"test has no labels: {why}" in message


def test_small_classes_are_in_every_split_and_their_counts_are_said():
    labels = [*"ab" * 50, *"ccc", *"dddd"]
    for seed in range(10):
        data = texts.load(pd.DataFrame({"text": sentences(107), "label": labels}), seed=seed)
        assert all(set(part["label"][:]) == {0, 1, 2, 3} for part in data.values())
    said = "The smallest class, 'c', has 3 texts: 1 in train, 1 in validation, 1 in test."
    assert said in data.notes
    each = texts.load(table([f"class {i}" for i in range(40)]))
    assert [len(part) for part in each.values()] == [40, 40, 40]
    message = refused(pd.DataFrame({"text": sentences(102), "label": [*"ab" * 50, "c", "c"]}))
    assert "have the label 'c': 2 rows (100, 101). Each class needs 3, for train, valid" in message
    own = {"train": table("ab"), "validation": ROWS[:4], "test": ROWS[4:8]}
    own["train"].loc[0, "label"] = "c"
    assert "no text of train has the label 0, 1" in refused(own)


@pytest.mark.parametrize("count", [20, 60])
def test_few_texts_are_enough(count):
    data = texts.load(table([0, 1], count))
    assert [len(part) for part in data.values()] == [0.7 * count, 0.1 * count, 0.2 * count]


@pytest.mark.parametrize("labels", ["ab", "aab", "abcde", "aaaaaaaabc"])
def test_several_classes_are_split_as_train_test_split_does_it(labels):
    rows = table(labels, 150)
    options = {"stratify_by_column": "label", "seed": 5}
    encoded = datasets.Dataset.from_pandas(rows).class_encode_column("label")
    rest = encoded.train_test_split(0.2, **options)
    parts = rest["train"].train_test_split(0.125, **options)
    expected = [list(zip(part["text"][:], part["label"][:], strict=True))
                for part in (parts["train"], parts["test"], rest["test"])]
    assert [list(zip(part["text"][:], part["label"][:], strict=True))
            for part in texts.load(rows, seed=5).values()] == expected


# ---- the texts ----

def test_html_is_noticed_and_said():
    rows = [{"text": f"<p>Text {i} &amp; so on", "label": i % 2} for i in range(30)]
    assert "HTML tags or entities stand in 30 rows (0, 1, 2, …); clean=True takes" in "".join(
        texts.load(rows).notes)
    assert texts.load(ROWS).notes == []


def test_the_notes_are_what_is_printed(capsys):
    data = texts.load(table("ab").rename(columns={"text": "Review"}))
    assert "\n".join(data.notes) + "\n" == capsys.readouterr().out


def test_without_labels_every_row_has_a_text_in_order_and_its_id():
    name, ids, found, notes = texts.read_unlabelled(CASES / "test_without_labels.csv")
    cells = pd.read_csv(CASES / "test_without_labels.csv", dtype=str, keep_default_na=False)
    assert (name, ids, found, notes) == (
        "test_without_labels.csv", cells["id"].tolist(), cells["text"].tolist(), [])
    rows = pd.DataFrame({"Review": ["One text.", None, "One text."], "n": [1, 1, 2]})
    _, ids, found, notes = texts.read_unlabelled(rows, "review")
    assert (ids, found) == (["0", "1", "2"], ["One text.", "", "One text."])
    assert notes == ["column: text 'Review'"]
    assert texts.read_unlabelled(rows[["Review"]])[2] == found
    with pytest.raises(LearnerError, match=r"no column 'reviw'.*Did you mean text='Review'"):
        texts.read_unlabelled(rows, "reviw")
    with pytest.raises(LearnerError, match="header=False"):
        texts.read_unlabelled(CASES / "no_header.csv")


# ---- the files of tests/cases ----

READ = [  # file, options, texts, classes
    ("word_labels.csv", {}, 80, "negative positive"),
    ("spam_words.csv", {}, 80, "ham spam"),
    ("unnamed_columns.csv", {"text": "v2", "label": "v1"}, 80, "ham spam"),
    ("latin1_accents.csv", {}, 80, "ham spam"),
    ("three_classes.csv", {}, 120, "0 1 2"),
    ("three_words.tsv", {}, 120, "negative neutral positive"),
    ("stars.csv", {}, 120, "1 2 4 5"),
    ("stars_in_words.csv", {}, 120, None),
    ("bool_labels.csv", {}, 80, "False True"), ("float_labels.csv", {}, 80, "0 1"),
    ("one_two.csv", {}, 80, "1 2"), ("minus_one.csv", {}, 80, "-1 1"),
    ("zero_four.csv", {}, 80, "0 4"), ("capital_header.csv", {}, 80, "0 1"),
    ("utf16.csv", {}, 80, "Olumsuz Olumlu"), ("pipe.csv", {}, 80, "0 1"),
    ("trailing_comma.csv", {}, 80, "0 1"), ("bom.csv", {}, 80, "0 1"),
    ("line_separators.csv", {}, 60, "0 1"), ("number_text.csv", {}, 80, "0 1"),
    ("nan_text.csv", {}, 80, "0 1"), ("duplicates_random_labels.csv", {}, 400, "0 1"),
    ("blank_texts.csv", {"drop_empty": True}, 106, "0 1"),
    ("blank_labels.csv", {"drop_empty": True}, 109, "0 1"),
    ("small_own.csv", {}, 60, "0 1"), ("tiny_own.csv", {}, 20, "0 1"),
    ("html_and_links.csv", {"clean": True}, 80, "negative positive"),
    ("imbalanced_95_5.csv", {}, 314, "0 1"), ("rare_noise.csv", {}, 400, "0 1"),
    ("semicolon_commas.csv", {}, 80, "0 1"), ("sep_line.csv", {}, 80, "0 1"),
    ("single_quotes.csv", {}, 80, "bad good"), ("mixed_encodings.csv", {}, 80, "0 1"),
    ("quotes_merge.tsv", {}, 80, "0 1"), ("rows.json", {}, 80, "1 2 4 5"),
    ("one_line.json", {}, 400, "0 1"), ("rows.parquet", {}, 80, "0 1"),
    ("workbook.xlsx", {}, 80, "bad good"), ("workbook_named.csv", {}, 80, "bad good"),
]
REFUSED = [
    ("blank_texts.csv", "the text is empty in 14 rows"),
    ("blank_labels.csv", "the label is empty in 11 rows"),
    ("contradicting_duplicates.csv", "No text is left for train"),
    ("swapped_columns.csv", "the wrong way round"),
    ("twice_named.csv", "several columns called 'label'"),
    ("test_without_labels.csv", "has no labels"),
]


@pytest.mark.parametrize(("file", "options", "count", "names"), READ)
def test_a_file_of_the_kinds_that_people_bring_is_read_whole(file, options, count, names):
    data = texts.load(CASES / file, **options)
    assert sum(map(len, data.values())) == count
    assert names is None or names_of(data) == names.split()
    seen = [{" ".join(text.split()).casefold() for text in part["text"]} for part in data.values()]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]


@pytest.mark.parametrize(("file", "message"), REFUSED)
def test_a_file_that_cannot_be_trained_on_is_refused_with_what_it_looks_like(file, message):
    assert message in refused(CASES / file)


# What an adversary tried: files of well-known data sets and of programs that people export from.


def test_a_first_row_whose_label_is_a_usual_name_is_still_no_header(write):
    rows = "".join(f"{('ham', 'spam')[i % 3 == 0]}\t{text}\n"
                   for i, text in enumerate(sentences(60)))
    assert "header=False" in refused(write(rows))


def test_a_question_with_a_full_stop_after_it_is_a_header(write):
    question = "What did you think of the course? Please explain in a few words."
    rows = "".join(f'"{text}",{("Yes", "No")[i % 2]}\n' for i, text in enumerate(sentences(60)))
    data = texts.load(write(f"{question},Would you come again?\n{rows}"))
    assert names_of(data) == ["No", "Yes"]
    assert len(pairs(data)) == 60


def test_one_of_several_labels_is_not_taken_for_the_label(write):
    rows = pd.DataFrame({"comment": sentences(60), **{
        name: [int(i % k == 0) for i in range(60)]
        for k, name in enumerate(("toxic", "threat", "insult"), start=2)}})
    several = {"toxic", "threat", "insult"}
    assert {*texts.load(rows)["train"].features["label"].feature.names} == several
    rows["rater"] = [i % 4 for i in range(60)]
    assert {*texts.load(rows)["train"].features["label"].feature.names} == several
    assert names_of(texts.load(rows[["comment", "toxic"]])) == ["0", "1"]
    assert names_of(texts.load(rows, label="threat")) == ["0", "1"]


def test_candidates_for_the_label_are_named_and_no_column_of_lists_is_one():
    rows = table(["a", "b"], mood=[("x", "y", "z")[i % 3] for i in range(120)],
                 helpful=[[0, i % 3] for i in range(120)])
    message = refused(rows.rename(columns={"label": "kind"}))
    assert "'mood', 'kind' may" in message
    assert "helpful" not in message


def test_a_column_that_is_nearly_empty_is_no_candidate():
    rows = table(["ham", "spam"]).rename(columns={"text": "v2", "label": "v1"})
    rows["Unnamed: 2"] = [None] * 118 + sentences(2)
    assert len(pairs(texts.load(rows))) == 120


def test_texts_in_numbered_columns_are_pairs_wherever_the_number_stands():
    rows = table(["0", "1"]).rename(columns={"text": "#1 String"})
    rows["#2 String"] = sentences(121)[1:]
    assert columns.find("mine", rows) == (("#1 String", "#2 String"), "label")


def test_lists_of_one_label_are_classes_and_marked_passages_are_refused():
    assert names_of(texts.load(table([["POS"], ["NEG"]]))) == ["NEG", "POS"]
    assert "marked passages" in refused(table([[[0, 3, "ORG"]], [[4, 6, "LOC"]]]))


def test_answers_that_are_rejected_in_prodigy_are_left_out():
    rows = table(["POS", "NEG"], answer=["reject", *["accept"] * 119], _task_hash=range(120))
    data = texts.load(rows)
    assert len(pairs(data)) == 119
    assert any("Prodigy" in note and "row 0" in note for note in data.notes)


def test_objects_within_objects_are_said_with_the_way_out():
    rows = [{"id": i, "annotations": [{"result": ["Pos"]}], "data": {"text": text}}
            for i, text in enumerate(sentences(60))]
    assert "objects within its objects: annotations, data" in refused(rows)
    chat = [{"messages": [{"role": "user", "content": text}]} for text in sentences(60)]
    assert "objects within its objects: messages" in refused(chat)


def test_labels_that_may_mean_nothing_are_classes_and_said():
    data = texts.load(table(["yes", "no", "N/A"]))
    assert names_of(data) == ["N/A", "no", "yes"]
    assert any("'N/A'" in note and "missing" in note for note in data.notes)


def test_signs_of_no_width_make_no_class_of_their_own():
    assert names_of(texts.load(table(["pos", "neg\u200b", "neg", "\ufeffpos"]))) == ["neg", "pos"]


def test_scales_with_extremes_and_signs_are_in_their_order():
    scale = ["Extremely Negative", "Negative", "Neutral", "Positive", "Extremely Positive"]
    assert classes.ordered(set(scale)) == scale
    assert classes.ordered(["+", "-"]) == ["-", "+"]


def test_nul_characters_go_with_clean(write):
    path = write(CSV.replace("number 5.", "num\0ber 5."))
    assert "clean=True" in refused(path)
    assert len(pairs(texts.load(path, clean=True))) == 100


def test_formulas_without_values_are_said_as_what_is_wrong(tmp_path):
    rows = table(["a", "b"]).assign(label="=A1")
    rows.to_excel(tmp_path / "mine.xlsx", index=False)
    assert "formulas without values" in refused(tmp_path / "mine.xlsx")


def test_columns_in_a_dictionary_are_told_from_misnamed_splits():
    assert "pd.DataFrame" in refused({"text": ["a", "b"], "label": [0, 1]})
    assert "pd.DataFrame" not in refused({"train": TABLE, "tset": TABLE})


def test_a_single_column_named_the_wrong_way_round_is_told(write):
    rows = table(["good", "bad"]).rename(columns={"text": "review", "label": "verdict"})
    assert "Did you mean text='review'?" in refused(rows, None, "review")
    assert "Did you mean label='verdict'?" in refused(rows, "verdict")


def test_dates_are_no_texts():
    rows = table(["a", "b"], day=[f"2020-01-{1 + i % 28:02d} 10:{i % 60:02d}" for i in range(120)])
    assert "numbers or dates" in refused(rows, "day")


def test_several_labels_in_one_cell_are_not_taken_for_a_class():
    films = table(["Action, Comedy", "Drama", "Comedy, Drama", "Action", "Horror, Drama"])
    assert texts.load(films)["train"].features["label"].feature.names == [
        "Action", "Comedy", "Drama", "Horror"]
    fine = ["Food, drink", "Food, service", "Rooms"]
    assert names_of(texts.load(table(fine))) == fine


def test_labels_that_are_objects_are_said_as_such():
    assert "holds objects" in refused(table([{"name": "a"}, {"name": "b"}]))


def test_a_column_of_splits_is_said_as_not_used():
    data = texts.load(table(["a", "b"], split=["train", "dev", "test"] * 40))
    assert any("'split' names splits" in note for note in data.notes)


def test_a_share_or_an_encoding_of_another_type_is_refused(write):
    assert "share=0.1" in refused(write(CSV), share="0.1")
    assert "no encoding has that name" in refused(write(CSV), encoding=5)
