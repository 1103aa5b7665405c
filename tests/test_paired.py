"""Two models on the same texts: who is right where the other is wrong."""

import numpy as np
import pytest
from scipy import stats

from helpers.paired import Paired, compare, compare_seeds


def test_only_the_texts_on_which_one_of_two_is_right_count():
    labels = [1, 1, 1, 0, 0]
    found = compare([1, 0, 0, 0, 1], [1, 1, 1, 1, 1], labels)
    assert (found.only_first, found.only_second, found.n) == (1, 2, 5)
    assert found.difference == pytest.approx(0.2)


def test_the_p_value_is_the_one_of_the_exact_test_of_mcnemar():
    # 5 against 1 of 6 differing texts: 2 * (C(6,0) + C(6,1)) / 2**6
    assert Paired(1, 5, 100).p_value == pytest.approx(14 / 64)
    assert Paired(0, 0, 100).p_value == 1.0


def test_the_interval_holds_the_true_difference_as_often_as_it_says():
    random, n, inside = np.random.default_rng(0), 200, 0
    shares = [0.7, 0.06, 0.14, 0.1]  # both right, only first, only second, none
    for _ in range(2000):
        _, first, second, _ = random.multinomial(n, shares)
        low, high = Paired(int(first), int(second), n).interval
        inside += low <= 0.08 <= high
    assert stats.binomtest(inside, 2000, 0.95).pvalue > 1e-4


def test_the_second_model_better_is_a_difference_above_zero_in_words():
    assert str(Paired(10, 30, 400)).startswith("+5.0 points (95 %: +1.9 to +8.1; right alone 30 ")


def crossed(random, seeds, texts, difference):
    """Answers of two models, (seeds, texts) each, that share hard texts; labels are 1."""
    hard = random.normal(0, 1, texts)
    rows = [[hard + random.normal(0, 0.3) + random.normal(0, 0.7, texts) for _ in range(seeds)]
            for _ in range(2)]
    return ((np.array(rows[0]) < 0.5).astype(int),
            (np.array(rows[1]) < 0.5 + difference).astype(int))


def test_over_seeds_the_difference_is_the_mean_of_the_trainings():
    found = compare_seeds([[1, 0, 0, 1], [1, 1, 0, 0]], [[1, 1, 0, 1], [1, 1, 1, 1]], [1] * 4)
    assert found.by_seed == (0.25, 0.5)
    assert found.difference == pytest.approx(0.375)
    assert "ahead in 2 of 2 trainings" in str(found)


def test_over_seeds_the_interval_is_wider_than_one_that_takes_all_answers_for_independent():
    random = np.random.default_rng(0)
    first, second = np.tile(random.integers(0, 2, (2, 1, 100)), (1, 5, 1))  # five equal trainings
    low, high = compare_seeds(first, second, np.ones(100, int)).interval
    one = compare(first[0], second[0], np.ones(100, int)).interval
    assert high - low == pytest.approx(one[1] - one[0], rel=0.1)


def test_over_seeds_the_interval_holds_no_difference_about_as_often_as_it_says():
    random, inside = np.random.default_rng(0), 0
    for _ in range(200):
        low, high = compare_seeds(*crossed(random, 5, 100, 0.0), np.ones(100, int), 400).interval
        inside += low <= 0 <= high
    assert 0.85 <= inside / 200 <= 1.0
