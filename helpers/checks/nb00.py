"""Exercises of notebook 00: baselines, intervals, paired comparisons, learning curves."""

import math

from helpers.checks import Exercise


def _majority(labels):
    return max((0, 1), key=labels.count)


def _right(predictions, labels):
    return sum(p == y for p, y in zip(predictions, labels, strict=True))


def _gain(train_labels, test_labels, predictions):
    by_majority = test_labels.count(_majority(train_labels))
    return (_right(predictions, test_labels) - by_majority) / len(test_labels)


def _alone(first, second):
    pairs = list(zip(first, second, strict=True))
    return pairs.count((True, False)), pairs.count((False, True))


def _differ(first, second):
    only_first, only_second = _alone(first, second)
    return abs(only_first - only_second) > 1.96 * math.sqrt(only_first + only_second)


def _rows(both, first, second, neither=0):
    """Return two lists of right and wrong with so many texts of each kind."""
    kinds = ((True, True),) * both + ((True, False),) * first + ((False, True),) * second
    pairs = kinds + ((False, False),) * neither
    return [a for a, _ in pairs], [b for _, b in pairs]


def _needed(pretrained, scratch, count):
    return min((n for n, a in scratch.items() if a >= pretrained[count]), default=0)


EXERCISES = {
    "00.1": Exercise(
        _gain,
        cases=[([0] * 8 + [1] * 2, [0] * 19 + [1], [0] * 20),
               ([1, 1, 0], [1, 0, 0, 1], [1, 0, 0, 0]),
               ([0, 0, 1], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0]), ([1, 1], [1, 1, 0], [0, 1, 1])],
        wrong={
            "That is the accuracy. Take away what the baseline gets.":
                lambda a, b, p: _right(p, b) / len(b),
            "The baseline may only look at train: choose its label there, then count it in test.":
                lambda a, b, p: _gain(b, b, p),
            "You count texts. Divide by their number.":
                lambda a, b, p: _right(p, b) - b.count(_majority(a)),
            "That is the baseline's accuracy. How much better are the predictions?":
                lambda a, b, p: b.count(_majority(a)) / len(b),
            "It is the other way round: the predictions' accuracy minus the baseline's.":
                lambda a, b, p: -_gain(a, b, p),
        },
        praise="If 95 of 100 texts share a label, 0.95 is no better than not reading them.",
    ),
    "00.2": Exercise(
        lambda accuracy, half: math.ceil(1.96**2 * accuracy * (1 - accuracy) / half**2),
        cases=[(0.9, 0.03), (0.8, 0.02), (0.95, 0.02)],
        wrong={
            "Round up: with a text less, the interval is a little too wide.":
                lambda p, h: int(1.96**2 * p * (1 - p) / h**2),
            "Take 1.96 standard errors, not one.": lambda p, h: math.ceil(p * (1 - p) / h**2),
            "Solve for n: the half width has to be squared.":
                lambda p, h: math.ceil(1.96**2 * p * (1 - p) / h),
            "That is for the whole width; half of it is given.":
                lambda p, h: math.ceil(4 * 1.96**2 * p * (1 - p) / h**2),
        },
        praise="For half the width you need four times the texts.",
    ),
    "00.3": Exercise(
        _differ,
        cases=[_rows(300, 20, 50), _rows(300, 10, 14, 20), _rows(10, 60, 30), _rows(0, 4, 0),
               _rows(300, 45, 25), _rows(2, 0, 3), _rows(5, 40, 41)],
        wrong={
            "Texts that both get right, or both wrong, say nothing: count the other ones.":
                lambda a, b: abs(sum(a) - sum(b)) > 1.96 * math.sqrt(len(a)),
            "Compare with 1.96 times the square root, not with the square root.":
                lambda a, b: abs(sum(b) - sum(a)) > math.sqrt(sum(_alone(a, b))),
            "Take the square root of how many texts only one gets right.":
                lambda a, b: abs(sum(a) - sum(b)) > 1.96 * sum(_alone(a, b)),
            "Either model may be the better one: take the absolute value.":
                lambda a, b: sum(b) - sum(a) > 1.96 * math.sqrt(sum(_alone(a, b))),
        },
        praise="Only texts that part the models tell them apart.",
    ),
    "00.4": Exercise(
        _needed,
        cases=[({50: 0.7, 100: 0.8, 200: 0.85}, {50: 0.5, 100: 0.6, 200: 0.7}, 50),
               ({50: 0.7, 100: 0.8}, {50: 0.5, 100: 0.6, 200: 0.7, 400: 0.81}, 100),
               ({50: 0.9}, {50: 0.5, 1600: 0.8}, 50),
               ({50: 0.6, 100: 0.7}, {400: 0.75, 200: 0.72, 100: 0.65}, 100)],
        wrong={
            "Give the number of labels, not the accuracy.":
                lambda p, s, n: s.get(_needed(p, s, n), 0),
            "Where scratch never gets there, return 0.":
                lambda p, s, n: _needed(p, s, n) or max(s),
            "As accurate is enough: use >=.":
                lambda p, s, n: min((k for k, a in s.items() if a > p[n]), default=0),
            "Take the smallest number of labels that is enough.":
                lambda p, s, n: max((k for k, a in s.items() if a >= p[n]), default=0),
        },
        praise="That many labels is what pretraining saves you here.",
        advice="Look for the smallest count at which scratch is at least as accurate.",
    ),
}
