"""Bad CSV files: each ends in a line that says what is wrong, where, and what to do."""

import os

import pytest

from helpers import reviews
from helpers.errors import LearnerError

GOOD = "text,label\nLovely place.,1\nCold soup.,0\n"


@pytest.fixture
def write(tmp_path):
    def write(content, name="mine.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_good_file_is_read(write):
    dataset = reviews.read_csv(write(GOOD))
    assert dataset["text"][:] == ["Lovely place.", "Cold soup."]
    assert dataset["label"][:] == [1, 0]
    assert dataset.column_names == ["id", "text", "label", "domain", "phenomenon"]


@pytest.mark.parametrize(
    "content",
    [
        "\ufefftext,label\nLovely place.,1\nCold soup.,0\n",
        "text;label\nLovely place.;1\nCold soup.;0\n",
        "text\tlabel\r\nLovely place.\t1\r\nCold soup.\t0\r\n",
        'label,text\n1,Lovely place.\n 0 ,"Cold soup."\n\n',
    ],
    ids=["byte order mark", "semicolon", "tab, Windows", "other order, blank line"],
)
def test_the_files_that_spreadsheets_write_are_read(write, content):
    assert reviews.read_csv(write(content))["text"][:] == ["Lovely place.", "Cold soup."]


def test_a_text_may_hold_separators_quotes_and_line_breaks(write):
    path = write('text,label\n"Good, ""really"" good.\nTwice.",1\nBad.,0\n')
    assert reviews.read_csv(path)["text"][0] == 'Good, "really" good.\nTwice.'


BAD = {
    "empty": ("", "mine.csv is empty"),
    "blank": (" \n\n", "mine.csv is empty"),
    "header only": ("text,label\n", "has a header but no rows"),
    "not UTF-8": ("text,label\nCrème,1\n".encode("latin-1"), "line 2: not UTF-8"),
    "no label column": ("text,stars\nFine.,1\n", "no column 'label', only: text, stars"),
    "other name": ("review_text,label\nFine.,1\n", "Did you mean text='review_text'"),
    "word label": ("text,label\nFine.,1\nBad.,neg\n", "row 3: label 'neg' is neither 0 nor 1"),
    "stars": ("text,label\nFine.,5\n", "row 2: label '5' is neither 0 nor 1"),
    "float label": ("text,label\nFine.,1.0\n", "row 2: label '1.0' is neither"),
    "no label": ("text,label\nFine.,1\nBad.,\n", "row 3: label '' is neither 0 nor 1"),
    "empty text": ("text,label\nFine.,1\n ,0\n", "row 3: the text is empty"),
    "number": ("text,label\nFine.,1\n3.5,0\n", "row 3: the text is the number 3.5"),
    "one class": ("text,label\nFine.,1\nNice.,1\n", "every label is 1"),
    "bare comma": ("text,label\nFine, really.,1\n", "row 2: 3 fields, but the header has 2"),
    "long": ("text,label\n" + "word " * 100_000 + ",1\nBad.,0\n", "a text of 100,000 words"),
    "open quote": ('text,label\n"Fine.,1\n' + "Bad.,0\n" * 25_000, "a quotation mark left open"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_named_with_row_and_remedy(write, content, message):
    with pytest.raises(LearnerError) as caught:
        reviews.read_csv(write(content))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LearnerError, match=f"looked for in .*{tmp_path.name}"):
        reviews.read_csv("nowhere.csv")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(LearnerError, match="cannot be read"):
        reviews.read_csv(tmp_path)


def test_your_own_file_is_split_with_equal_shares_of_labels(write):
    rows = "".join(f"Text number {i}.,{i % 2}\n" for i in range(200))
    data = reviews.load(write("text,label\n" + rows))
    assert {split: len(part) for split, part in data.items()} == {
        "train": 140,
        "validation": 20,
        "test": 40,
    }
    assert all(sum(part["label"][:]) * 2 == len(part) for part in data.values())
    texts = [text for part in data.values() for text in part["text"][:]]
    assert len(set(texts)) == 200


def test_too_few_texts_of_a_class_to_split(write):
    rows = "Good.,1\n" * 50 + "Bad.,0\n" * 5
    with pytest.raises(LearnerError, match="Only 5 of the 55 texts"):
        reviews.load(write("text,label\n" + rows))


def test_a_hub_data_set_out_of_reach_points_to_the_one_that_ships(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(LearnerError, match=r"reviews\.load\(\)"):
        reviews.from_hub("nobody/nothing", revision="main")


def test_a_data_set_of_the_hub_gets_the_same_columns_and_checks(monkeypatch):
    import datasets

    part = datasets.Dataset.from_dict({"sentence": ["Fine.", "Bad."], "stars": [1, 0]})
    hub = datasets.DatasetDict(train=part, dev=part, test=part)
    monkeypatch.setattr(datasets, "load_dataset", lambda name, revision: hub)
    names = {"text": "sentence", "label": "stars", "splits": ("train", "dev", "test")}
    data = reviews.from_hub("some/set", revision="abc", **names)
    assert data["validation"]["text"][:] == ["Fine.", "Bad."]
    assert data["validation"].column_names == ["id", "text", "label", "domain", "phenomenon"]
    with pytest.raises(LearnerError, match="no split 'validation'"):
        reviews.from_hub("some/set", revision="abc", text="sentence", label="stars")


def test_the_shipped_files_pass_the_same_checks():
    from helpers import paths

    for split in reviews.SPLITS:
        assert len(reviews.read_csv(paths.data_file("reviews", f"{split}.csv"))) >= 200


def test_a_missing_data_folder_says_what_to_do(monkeypatch, tmp_path):
    from helpers import paths

    monkeypatch.setattr(paths, "DATA", tmp_path)
    with pytest.raises(LearnerError, match="need the whole repository"):
        reviews.load()


def test_reading_works_from_another_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert len(reviews.load()["train"]) >= 1000
    assert os.listdir(tmp_path) == []
