"""Exercises of notebook 00: baselines and intervals."""

import math

from helpers.checks import Exercise


def _majority(labels):
    return max((0, 1), key=labels.count)


EXERCISES = {
    "00.1": Exercise(
        lambda train_labels, test_labels: (
            test_labels.count(_majority(train_labels)) / len(test_labels)),
        cases=[
            ([0, 0, 0, 1, 1], [1, 1, 1, 0]),
            ([1, 1, 0], [1, 1, 1, 1, 0]),
            ([1, 0, 0, 0], [0, 0, 1, 0, 0]),
        ],
        wrong={
            "You chose the label on test. A baseline may only look at train; count it in test.":
                lambda train, test: test.count(_majority(test)) / len(test),
            "You count how often the label occurs. Divide by the number of test labels.":
                lambda train, test: test.count(_majority(train)),
            "That is the accuracy on train. Choose the label on train, then count it in test.":
                lambda train, test: train.count(_majority(train)) / len(train),
            "It works when 0 is the majority, but not when 1 is.":
                lambda train, test: test.count(0) / len(test),
            "It works when 1 is the majority, but not when 0 is.":
                lambda train, test: test.count(1) / len(test),
        },
        praise="A model has to beat this before its accuracy means anything.",
    ),
    "00.2": Exercise(
        lambda accuracy, n: 1.96 * math.sqrt(accuracy * (1 - accuracy) / n),
        cases=[(0.9, 400), (0.75, 100), (0.6, 2000)],
        wrong={
            "That is one standard error. For 95 % take 1.96 of them.":
                lambda p, n: math.sqrt(p * (1 - p) / n),
            "That is the whole width of the interval; half of it is wanted.":
                lambda p, n: 2 * 1.96 * math.sqrt(p * (1 - p) / n),
            "That is the variance. The standard error is its square root.":
                lambda p, n: 1.96 * p * (1 - p) / n,
            "n belongs under the square root: divide by n before you take it.":
                lambda p, n: 1.96 * math.sqrt(p * (1 - p)) / n,
            "The variance of a share p is p times (1 - p).":
                lambda p, n: 1.96 * math.sqrt(p / n),
        },
        praise="With 400 texts, differences below three points are not worth a headline.",
        tolerance=0.03,
    ),
}
