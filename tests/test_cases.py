"""Small files of the kinds that people bring: what comes of each, from file to data set."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from helpers import checkpoints, paths, texts
from helpers.errors import LearnerError

CASES = paths.ROOT / "tests" / "cases"
FIRST = "Given to my father-in-law for his 70th. He keeps bees and was delighted with the detail"
TWO = {"text": "v2", "label": "v1"}

# Name: what a person would say, rows, names of the classes in their order.
READ = {
    "word_labels.csv": ({}, 80, ["negative", "positive"]),
    "spam_words.csv": (TWO, 80, ["ham", "spam"]),
    "unnamed_columns.csv": (TWO, 80, ["ham", "spam"]),
    "latin1_accents.csv": (TWO, 80, ["ham", "spam"]),
    "three_classes.csv": ({}, 120, ["0", "1", "2"]),
    "three_words.tsv": (dict(label="airline_sentiment"), 120, ["negative", "neutral", "positive"]),
    "stars.csv": (dict(text="Comment", label="Stars"), 120, ["1", "2", "4", "5"]),
    "stars_in_words.csv": (dict(text="Comments", label="Rating"), 120,
                           [f"{n}.0 out of 5 stars" for n in (1, 2, 4, 5)]),
    "bool_labels.csv": ({}, 80, ["False", "True"]),
    "float_labels.csv": ({}, 80, ["0", "1"]),
    "one_two.csv": ({}, 80, ["1", "2"]),
    "minus_one.csv": ({}, 80, ["-1", "1"]),
    "zero_four.csv": (dict(label="polarity"), 80, ["0", "4"]),
    "capital_header.csv": ({}, 80, ["0", "1"]),
    "no_header.csv": (dict(header=False), 80, ["0", "4"]),
    "no_header_label_last.tsv": (dict(header=False), 80, ["0", "1"]),
    "semicolon_commas.csv": (dict(text="comment, shortened, cleaned", label="rating"), 80, None),
    "sep_line.csv": ({}, 80, None),
    "pipe.csv": ({}, 80, None),
    "single_quotes.csv": (dict(text="text", label="topic"), 80, None),
    "trailing_comma.csv": ({}, 80, ["0", "1"]),
    "bom.csv": ({}, 80, ["0", "1"]),
    "utf16.csv": (dict(text="Görüş", label="Durum"), 80, None),
    "mixed_encodings.csv": ({}, 80, ["0", "1"]),
    "line_separators.csv": ({}, 60, ["0", "1"]),
    "quotes_merge.tsv": ({}, 80, None),
    "number_text.csv": ({}, 80, ["0", "1"]),
    "nan_text.csv": ({}, 80, ["0", "1"]),
    "blank_texts.csv": (dict(drop_empty=True), 106, ["0", "1"]),
    "blank_labels.csv": (dict(drop_empty=True), 109, ["0", "1"]),
    "duplicates_random_labels.csv": ({}, 400, ["0", "1"]),
    "imbalanced_95_5.csv": ({}, 314, None),
    "rare_noise.csv": ({}, 400, None),
    "verdict_at_end.csv": ({}, 200, ["0", "1"]),
    "arabic.csv": ({}, None, None),
    "chinese.csv": ({}, None, None),
    "small_own.csv": ({}, 60, ["0", "1"]),
    "tiny_own.csv": ({}, 20, ["0", "1"]),
    "html_and_links.csv": (dict(text="review", label="sentiment", clean=True), 80,
                           ["negative", "positive"]),
    "rows.json": (dict(label="stars"), 80, ["1", "2", "4", "5"]),
    "one_line.json": ({}, 400, ["0", "1"]),
    "rows.parquet": ({}, 80, None),
    "workbook.xlsx": (dict(text="Review", label="Verdict"), 80, None),
    "workbook_named.csv": (dict(text="Review", label="Verdict"), 80, None),
}

# Name: what a person would say, and words that the refusal has to hold.
REFUSED = {
    "no_header.csv": ({}, ["header=False"]),
    "no_header_label_last.tsv": ({}, ["header=False"]),
    "blank_texts.csv": ({}, ["14 rows", "drop_empty=True"]),
    "blank_labels.csv": ({}, ["11 rows", "drop_empty=True"]),
    "contradicting_duplicates.csv": ({}, ["text"]),
    "swapped_columns.csv": ({}, ["wrong way round"]),
    "twice_named.csv": ({}, ["'label'"]),
    "test_without_labels.csv": ({}, ["no labels", "helpers.predict"]),
}

# Read as pairs, as several labels a text, as a number to predict: tests/test_tasks.py.
OTHER_TASKS = ["pairs.csv", "several_labels_columns.csv", "several_labels_lists.jsonl",
               "one_number.csv"]


def whole(data):
    return [row for part in data.values() for row in part]


def test_every_case_has_an_answer_here():
    assert {path.name for path in CASES.iterdir()} == {*READ, *REFUSED, *OTHER_TASKS}


@pytest.mark.parametrize("name", READ)
def test_a_file_of_this_kind_is_read_whole(name):
    options, count, classes = READ[name]
    data = texts.load(CASES / name, **options)
    assert list(data) == ["train", "validation", "test"]
    rows = whole(data)
    assert count in (None, len(rows))
    assert classes in (None, data["train"].features["label"].names)
    found = {split: {" ".join(t.split()).casefold() for t in part["text"]}
             for split, part in data.items()}
    assert not found["train"] & found["test"]
    assert not found["train"] & found["validation"]
    assert not found["validation"] & found["test"]
    assert not any("\ufffd" in row["text"] or "Ã" in row["text"] for row in rows)


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_would_train_a_wrong_model_is_refused_in_a_line_or_three(name):
    options, words = REFUSED[name]
    with pytest.raises(LearnerError) as caught:
        texts.load(CASES / name, **options)
    message = str(caught.value)
    assert len(message) <= (200 if "header" in name else 400)
    assert message.count("\n") < 3
    assert FIRST not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(("name", "said"), [
    ("capital_header.csv", ["Review", "Liked"]),
    ("latin1_accents.csv", ["cp1252"]),
    ("duplicates_random_labels.csv", ["opies"]),
    ("html_and_links.csv", ["HTML"]),
    ("blank_texts.csv", ["14 rows"]),
])
def test_what_is_found_out_or_changed_is_said(name, said, capsys):
    data = texts.load(CASES / name, **READ[name][0])
    printed = capsys.readouterr().out
    for word in said:
        assert word in printed
        assert any(word in note for note in data.notes)


def test_letters_and_line_separators_stay_what_they_were():
    for name, words in (("latin1_accents.csv", "Très cher, 20 £…"),
                        ("mixed_encodings.csv", "Très cher café: ")):
        assert any(words in row["text"]
                   for row in whole(texts.load(CASES / name, **READ[name][0])))
    rows = {row["text"] for row in whole(texts.load(CASES / "number_text.csv"))}
    assert "645" in rows
    assert "NaN" in {row["text"] for row in whole(texts.load(CASES / "nan_text.csv"))}


def test_labels_drawn_by_coin_cannot_be_learned_from_copies():
    accuracies = []
    for seed in range(10):
        data = texts.load(CASES / "duplicates_random_labels.csv", seed=seed)
        bag = make_pipeline(CountVectorizer(), LogisticRegression(max_iter=1000))
        bag.fit(data["train"]["text"][:], data["train"]["label"][:])
        accuracies.append(bag.score(data["test"]["text"][:], data["test"]["label"][:]))
    assert 0.35 < np.mean(accuracies) < 0.65


@pytest.mark.parametrize(("name", "words"), [
    ("verdict_at_end.csv", ["Cut at 128 tokens: 200 texts"]),
    ("arabic.csv", ["multilingual"]),
    ("chinese.csv", ["unknown", "multilingual"]),
    ("imbalanced_95_5.csv", ["0.94"]),
    ("rare_noise.csv", ["0.97"]),
])
def test_the_report_says_before_training_what_is_wrong_with_the_texts(name, words):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoints.find("bert").path)
    said = str(texts.report(texts.load(CASES / name), tokenizer))
    assert len(said.splitlines()) <= 25
    assert max(map(len, said.splitlines())) <= 99
    for word in words:
        assert word in said
