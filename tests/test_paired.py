"""Two models on the same texts: who is right where the other is wrong."""

import numpy as np
import pytest
from scipy import stats

from helpers.paired import Paired, compare


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
