"""Exercises of notebook 00: baselines and intervals."""

import math

from helpers.checks import Exercise


def _majority(labels):
    return max((0, 1), key=labels.count)


EXERCISES = {
    "00.1": Exercise(
        lambda train_labels, test_labels: (
            test_labels.count(_majority(train_labels)) / len(test_labels)),
        cases=[([0, 0, 0, 1, 1], [1, 1, 1, 0]), ([1, 1, 0], [1, 1, 1, 1, 0]),
               ([1, 0, 0, 0], [0, 0, 1, 0, 0])],
        wrong={
            "A baseline may only look at train: choose the label there, then count it in test.":
                lambda a, b: b.count(_majority(b)) / len(b),
            "You count how often it occurs. Divide by the number of test labels.":
                lambda a, b: b.count(_majority(a)),
            "That is the accuracy on train. Choose the label on train, but count it in test.":
                lambda a, b: a.count(_majority(a)) / len(a),
            "It fails where 0 is the majority.": lambda a, b: b.count(1) / len(b),
        },
        praise="A model has to beat this before its accuracy means anything.",
    ),
    "00.2": Exercise(
        lambda accuracy, n: 1.96 * math.sqrt(accuracy * (1 - accuracy) / n),
        cases=[(0.9, 400), (0.75, 100), (0.6, 2000)],
        wrong={
            "Take 1.96 standard errors, not one.": lambda p, n: math.sqrt(p * (1 - p) / n),
            "That is the whole width; take half.": lambda p, n: 3.92 * math.sqrt(p * (1 - p) / n),
            "That is the variance; take its square root.": lambda p, n: 1.96 * p * (1 - p) / n,
            "n belongs under the square root: divide by n before you take it.":
                lambda p, n: 1.96 * math.sqrt(p * (1 - p)) / n,
        },
        praise="With 400 texts, differences below three points are not worth a headline.",
    ),
}
