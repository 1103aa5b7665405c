"""Exercises of notebook 04: a metric, and the number of updates."""

import math

import numpy as np
from sklearn.metrics import f1_score
from transformers import EvalPrediction

from helpers.checks import Exercise
from helpers.errors import LearnerError


def _predicted(answer):
    def result(labels, guesses):
        """Give logits whose argmax are the guesses, but not their signs."""
        logits = np.eye(3)[guesses] - 0.4 + np.resize([[3.0], [-3.0]], (len(guesses), 1))
        return answer(EvalPrediction(logits[:, :max(labels) + 1], np.array(labels)))
    return result


def _macro_f1(guess=lambda logits: logits.argmax(-1), **settings):
    return lambda prediction: {
        "macro_f1": f1_score(prediction.label_ids, guess(prediction.predictions), **settings)}


def _value(result, labels, guesses):
    if not isinstance(result, dict):
        raise LearnerError("Return a dictionary, from the metric's name to its value.")
    if "macro_f1" not in result:
        raise LearnerError(f"The key should be 'macro_f1'; yours are {list(result)}.")
    return result["macro_f1"]


EXERCISES = {
    "04.1": Exercise(
        _macro_f1(average="macro"),
        cases=[([1, 1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 0, 0, 0, 0]),
               ([0, 0, 0, 1, 0], [0, 1, 0, 1, 0]), ([0, 1, 2, 2, 2, 1], [0, 1, 2, 2, 1, 0])],
        wrong={
            "Compare a text's logits with each other, not one of them with 0: argmax(-1).":
                _macro_f1(lambda logits: logits[:, 1] > 0, average="macro"),
            "That is the F1 of class 1. Take the mean over all classes.": _macro_f1(),
            "Micro F1 is the accuracy. Take the mean of the F1.": _macro_f1(average="micro"),
            "You weight each class by its size; macro does not.": _macro_f1(average="weighted"),
        },
        praise="When one class is rare, this falls long before the accuracy does.",
        observe=_predicted,
        normalize=_value,
    ),
    "04.2": Exercise(
        lambda rows, batch_size, accumulation, epochs: (
            math.ceil(math.ceil(rows / batch_size) / accumulation) * epochs),
        cases=[(1030, 16, 4, 3), (100, 16, 1, 2), (128, 16, 4, 1), (90, 8, 5, 4)],
        wrong={
            "Round up: the last batch counts.": lambda n, size, k, epochs: n // size // k * epochs,
            "That is the number of batches. `accumulation` of them make one update.":
                lambda n, size, k, epochs: math.ceil(n / size) * epochs,
            "Every epoch ends with an update of its own: round up, then multiply by the epochs.":
                lambda n, size, k, epochs: math.ceil(n * epochs / (size * k)),
            "You add an update even where the rows divide evenly: use math.ceil instead of + 1.":
                lambda n, size, k, epochs: (n // (size * k) + 1) * epochs,
        },
        praise="The schedule is laid out over this number, so a wrong one ends too early or late.",
    ),
}
