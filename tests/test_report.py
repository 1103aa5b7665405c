"""What a report says of texts before a model is trained on them, and the picture of it."""

from pathlib import Path

import datasets
import pandas as pd
import pytest
import transformers

from helpers import checkpoints, plots, report, reviews, texts
from helpers.errors import LearnerError
from helpers.plots.report import data_report

CASES = Path(__file__).with_name("cases")


def rows_of(*groups):
    """Rows out of (beginning of the text, label, how many)."""
    return [{"text": f"{start} number {i}.", "label": label}
            for start, label, count in groups for i in range(count)]


def split(rows):
    """A `DatasetDict` all of whose splits have these rows, without the checks of `load`."""
    features = datasets.Features({"text": datasets.Value("string"),
                                  "label": datasets.ClassLabel(names=["bad", "good"])})
    part = datasets.Dataset.from_list(rows, features=features)
    return datasets.DatasetDict(train=part, validation=part, test=part)


def warned(found, words):
    return [warning for warning in found.warnings if words in warning]


def test_the_reviews_give_no_warning_and_the_report_has_their_figures(data, tokenizer):
    found = texts.report(data, tokenizer)
    lengths = [len(ids) for part in data.values() for ids in tokenizer(
        part["text"][:], truncation=False)["input_ids"]]
    assert found.warnings == []
    assert sorted(found.lengths) == sorted(lengths)
    assert (found.texts, found.majority, found.baseline) == (2200, "negative", 0.5)
    assert (found.longest, found.cut, found.sampled) == (max(lengths), 0, False)
    assert found.counts["test"] == {"negative": 200, "positive": 200}
    # The figures beside which MANY_PIECES and MANY_UNKNOWN stand.
    assert found.pieces_per_word == pytest.approx(1.06, abs=0.005)
    assert found.unknown == pytest.approx(0.0002, abs=0.0001)


@pytest.mark.parametrize("shape", range(4))
def test_a_report_fits_a_terminal_whatever_it_has_to_say(shape, tokenizer):
    n_classes = 60 if shape == 2 else 3
    start = "a name of a class that is as long as any sentence " if shape == 3 else "c"
    rows = [{"text": f"<b>Большой</b> {i} " + "long " * (700 if i % 2 else 5),
             "label": f"{start}{i % n_classes if i > 300 or shape != 1 else 0}"}
            for i in range(400)]
    data = texts.load([*rows, *rows[:50], {"text": rows[0]["text"] + "x", "label": f"{start}1"}])
    data.notes += [f"note {i} " * 30 for i in range(20)]
    lines = str(texts.report(data, tokenizer)).splitlines()
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 99
    assert any(line.startswith("Look at: ") for line in lines)


def test_an_imbalance_is_named_with_the_accuracy_that_says_nothing(tokenizer):
    found = texts.report(texts.load(CASES / "imbalanced_95_5.csv"), tokenizer)
    warning, = warned(found, "94% of the training texts are '0'")
    assert "has a test accuracy of 0.94: look at recall and F1" in warning
    assert found.baseline == pytest.approx(59 / 63)
    rare = texts.report(texts.load(CASES / "rare_noise.csv"), tokenizer)
    assert warned(rare, "Fewer than ten training texts: 1")


def test_texts_that_are_cut_are_counted_with_the_length_that_cuts_none(tokenizer):
    data = texts.load(CASES / "verdict_at_end.csv")
    found = texts.report(data, tokenizer)
    assert found.cut == 1
    assert warned(found, "100% of the texts are cut after 128 tokens")
    assert found.enough == 232 and 232 - 8 < found.longest <= 232
    assert "Cut at 128 tokens: 200 texts (100.0%). 232 cuts none." in str(found)
    enough = texts.report(data, tokenizer, max_length=232)
    assert enough.cut == 0 and not warned(enough, "cut after")
    longer = split(rows_of(("word " * 600, 0, 30), ("short", 1, 30)))
    found = texts.report(longer, tokenizer)
    assert found.enough is None
    assert warned(found, "max_length=512, the most that the model reads, still cuts 50%")
    assert warned(texts.report(longer, tokenizer, 512), "the model cannot read more")


def test_scripts_that_the_tokenizer_does_not_know_are_named_with_a_checkpoint_that_does(tokenizer):
    arabic = texts.report(texts.load(CASES / "arabic.csv"), tokenizer)
    assert arabic.unknown == 0
    assert arabic.pieces_per_word > 4
    assert warned(arabic, "cut into single letters")
    chinese = texts.report(texts.load(CASES / "chinese.csv"), tokenizer)
    assert 0.65 < chinese.unknown < 0.75
    assert warned(chinese, "71% of the tokens are unknown")
    for found in (arabic, chinese):
        assert "google-bert/bert-base-multilingual-cased" in str(found)
    gpt2 = transformers.AutoTokenizer.from_pretrained(checkpoints.find("gpt2").path)
    assert warned(texts.report(texts.load(CASES / "chinese.csv"), gpt2), "cut into")
    assert not warned(texts.report(reviews.load(), gpt2), "cut into")


def test_html_and_links_are_counted(tokenizer):
    found = texts.report(texts.load(CASES / "html_and_links.csv"), tokenizer)
    assert (found.html, found.links) == (1, 1)
    assert warned(found, "HTML stands in 100% of the texts; clean=True")
    found = texts.report(texts.load(CASES / "html_and_links.csv", clean=True), tokenizer)
    assert found.html == 0 and not warned(found, "HTML")


def test_copies_in_several_splits_and_contradictions_are_named(tokenizer):
    found = texts.report(split(rows_of(("Fine", 1, 20), ("Fine", 0, 20))), tokenizer)
    assert (found.copies, found.shared, found.contradicting) == (100, 20, 20)
    assert warned(found, "20 texts stand in several splits")
    assert warned(found, "20 texts are there with different labels")
    kept = texts.report(texts.load(CASES / "duplicates_random_labels.csv"), tokenizer)
    assert (kept.copies, kept.shared) == (360, 0)
    assert "Copies of another text, kept in its split: 360 rows" in str(kept)


def test_few_test_texts_are_named_with_the_width_of_the_interval(tokenizer):
    found = texts.report(texts.load(CASES / "tiny_own.csv"), tokenizer)
    assert warned(found, "With 4 test texts, an accuracy of 0.90 is known to about ±0.24 only")


def test_a_word_that_gives_the_answer_away_is_named(tokenizer):
    rows = rows_of(("Fine [spam] it", 1, 40), ("Fine it", 0, 40))
    found = texts.report(texts.load(rows), tokenizer)
    assert found.giveaways == {"1": "[spam]"}
    assert warned(found, "'[spam]' stands in all texts of '1' and in no others")
    rows[3]["text"] = "Fine, and without it"
    assert texts.report(texts.load(rows), tokenizer).giveaways == {}


def test_of_many_texts_a_sample_is_read_and_said_and_copies_are_still_exact(tokenizer):
    rows = rows_of(("Fine it is", 1, 4000), ("Bad it is", 0, 4000))
    giant = {"text": "word " * 400, "label": 1}
    found = texts.report(texts.load([*rows, giant, *rows[:7]]), tokenizer)
    assert len(found.lengths) == report.SAMPLE and found.sampled
    assert (found.longest, found.enough, found.copies) == (402, 408, 7)
    assert "of a sample of 3,000 texts" in str(found)


def test_a_data_set_without_our_columns_is_refused(tokenizer):
    rows = datasets.Dataset.from_list([{"sentence": "Fine.", "label": 1}])
    with pytest.raises(LearnerError, match="train does not have them"):
        texts.report(datasets.DatasetDict(train=rows), tokenizer)
    with pytest.raises(LearnerError, match="train does not have them"):
        texts.report(datasets.DatasetDict(test=rows), tokenizer)


def test_the_picture_says_in_words_what_it_shows(tokenizer, monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "show", lambda figure, alt: shown.append((figure, alt)))
    found = texts.report(texts.load(CASES / "verdict_at_end.csv"), tokenizer)
    found.draw()
    data_report(texts.report(texts.load(pd.DataFrame({
        "text": [f"Text {i} of them." for i in range(300)],
        "label": [f"class {i % 20}" for i in range(300)]})), tokenizer))
    (figure, alt), (many, about_many) = shown
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["The largest class, “0”, has 50% of the training texts",
                      "100% of the texts are longer than 128 tokens and are cut"]
    assert "0 70 in train, 10 in validation, 20 in test; 1 70 in train" in alt
    assert "100% of the texts are longer than 128 tokens and are cut, the longest has 231" in alt
    assert "the 8 largest of 20 classes" in many.axes[0].get_xlabel()
    assert "No text is longer than 128 tokens" in about_many
