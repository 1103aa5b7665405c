"""Scores of a classifier: the figures by hand, the intervals by brute force."""

import re
import time

import numpy as np
import pytest
from sklearn.metrics import f1_score

from helpers import scores, training

NAMES = ["ham", "spam", "other"]
LABELS = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2]
PREDICTIONS = [0, 0, 0, 0, 1, 1, 1, 1, 0, 0]  # other is never predicted


@pytest.fixture(scope="module")
def found():
    return scores.scores(LABELS, PREDICTIONS, NAMES)


def test_the_figures_are_those_that_one_counts_by_hand(found):
    assert (found.n, found.correct, found.accuracy) == (10, 6, 0.6)
    assert found.interval == training.interval(6, 10)
    ham, spam, other = found.by_class
    assert [c.name for c in found.by_class] == NAMES
    assert [(c.n, c.predicted) for c in found.by_class] == [(6, 6), (3, 4), (1, 0)]
    assert (ham.precision, ham.recall, ham.f1) == pytest.approx((4 / 6, 4 / 6, 4 / 6))
    assert (spam.precision, spam.recall, spam.f1) == pytest.approx((2 / 4, 2 / 3, 4 / 7))
    assert (other.precision, other.recall, other.f1) == (0, 0, 0)
    assert spam.recall_interval == training.interval(2, 3)
    assert found.macro_f1 == pytest.approx((4 / 6 + 4 / 7 + 0) / 3)


def test_a_class_that_is_there_and_never_predicted_is_named_and_warned_of(found):
    assert found.never_predicted == ["other"]
    assert "Never predicted: other (1 of 10 texts)." in found.warnings()
    assert not scores.scores([0, 1], [1, 0], NAMES).never_predicted


def test_the_majority_is_the_class_most_frequent_in_training_scored_on_these_texts(found):
    assert (found.majority, found.majority_share) == ("ham", 0.6)
    by_training = scores.scores(LABELS, PREDICTIONS, NAMES, train_labels=[1, 1, 0])
    assert (by_training.majority, by_training.majority_share) == ("spam", 0.3)


@pytest.mark.parametrize(("right", "warned"), [(80, True), (99, False)])
def test_an_accuracy_whose_interval_includes_the_majority_is_warned_of(right, warned):
    labels = np.array([0] * 80 + [1] * 20)
    predictions = np.where(np.arange(100) < right, labels, 1 - labels)
    lines = scores.scores(labels, predictions, NAMES[:2]).warnings()
    assert any("always answering ham" in line for line in lines) == warned


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_macro_f1_is_scikit_learn_s_and_its_interval_that_of_drawing_text_by_text(classes):
    generator = np.random.default_rng(1)
    labels = generator.integers(classes, size=120)
    predictions = np.where(generator.random(120) < 0.7, labels, generator.integers(classes,
                                                                                   size=120))
    found = scores.scores(labels, predictions, list("abcdefg")[:classes])
    assert found.macro_f1 == pytest.approx(f1_score(labels, predictions, average="macro"))
    drawn = generator.integers(120, size=(4000, 120))
    is_label, is_predicted = (values[drawn][..., None] == np.arange(classes)
                              for values in (labels, predictions))  # (draws, texts, classes)
    f1 = 2 * (is_label & is_predicted).sum(1) / (is_label.sum(1) + is_predicted.sum(1))
    expected = np.percentile(f1.mean(1), [2.5, 97.5])
    assert found.macro_f1_interval == pytest.approx(expected, abs=0.02)
    assert found.macro_f1_interval[0] < found.macro_f1 < found.macro_f1_interval[1]
    expected = np.percentile(f1[:, 0], [2.5, 97.5])
    assert found.by_class[0].f1_interval == pytest.approx(expected, abs=0.05)


def test_the_interval_of_a_class_of_two_texts_is_wide_and_reaches_not_beyond_what_can_be():
    labels = [0] * 78 + [1] * 2
    always = scores.scores(labels, [0] * 80, NAMES[:2])
    assert always.macro_f1_interval[1] <= 0.5
    assert always.by_class[1].f1_interval == (0, 0)
    perfect = scores.scores(labels, labels, NAMES[:2])
    assert perfect.by_class[1].f1_interval == (0, 1)


def test_the_seed_decides_and_the_order_of_the_texts_does_not():
    order = np.random.default_rng(0).permutation(10)
    same = scores.scores(np.array(LABELS)[order], np.array(PREDICTIONS)[order], NAMES)
    assert same == scores.scores(LABELS, PREDICTIONS, NAMES)
    other = scores.scores(LABELS, PREDICTIONS, NAMES, seed=1)
    assert other.macro_f1_interval != same.macro_f1_interval


def test_a_class_without_test_texts_has_no_recall_and_counts_only_where_it_was_predicted():
    found = scores.scores([0, 1, 1], [0, 1, 1], NAMES)
    assert (found.macro_f1, found.by_class[2].recall, found.by_class[2].f1) == (1, None, None)
    assert "other" not in str(found)
    wrong = scores.scores([0, 1, 1], [0, 1, 2], NAMES)
    assert wrong.macro_f1 == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert re.search(r"other +0 +0\.00  none +none", str(wrong))


def test_the_figures_for_json_hold_all_classes_with_four_digits(found):
    figures = found.figures()
    assert figures["by_class"]["spam"] == {
        "texts": 3, "predicted": 4, "precision": 0.5, "recall": 0.6667,
        "recall_interval_95": [round(end, 4) for end in training.interval(2, 3)],
        "f1": 0.5714, "f1_interval_95": [round(e, 4) for e in found.by_class[1].f1_interval],
    }
    assert figures["majority"] == {"class": "ham", "accuracy": 0.6}
    assert figures["interval_95"] == [round(end, 4) for end in found.interval]


def test_a_small_table_has_every_class_and_a_large_one_the_worst_five(found):
    lines = str(found).splitlines()
    assert [line.split()[0] for line in lines] == ["class", *NAMES, "macro"]
    labels = np.arange(20).repeat(10)
    predictions = labels.copy()
    for c in (3, 7, 11, 15, 19):
        predictions[labels == c] = 0
    names = [f"class-{c}" for c in range(20)]
    large = str(scores.scores(labels, predictions, names)).splitlines()
    shown = [line.split()[0] for line in large if line.startswith("class-")]
    assert shown == [f"class-{c}" for c in (3, 7, 11, 15, 19)]
    assert "The 5 classes with the lowest F1, of 20" in str(large)
    assert max(map(len, lines + large)) <= 99


@pytest.mark.parametrize("classes", [2, 100])
def test_ten_thousand_texts_take_less_than_a_second(classes):
    generator = np.random.default_rng(0)
    labels, predictions = generator.integers(classes, size=(2, 10_000))
    scores.scores([0, 1], [1, 0], NAMES)  # imports
    start = time.process_time()
    scores.scores(labels, predictions, list(map(str, range(classes))))
    assert time.process_time() - start < 1


def test_nothing_to_count_is_an_error():
    with pytest.raises(ValueError, match="no text"):
        scores.scores([], [], NAMES)
