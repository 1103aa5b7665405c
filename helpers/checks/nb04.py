"""Exercises of notebook 04: a metric, the number of steps, the best and the newest checkpoint."""

import math

import numpy as np
from sklearn.metrics import f1_score
from transformers import EvalPrediction

from helpers.checks import Exercise
from helpers.errors import LearnerError

WHOLE = ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth",
         "trainer_state.json"]


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


def _history(**metrics):
    """Return a log with an evaluation every 20 steps, and a training loss that falls all along."""
    history = []
    for i, values in enumerate(zip(*metrics.values(), strict=True), 1):
        history.append({"loss": 0.7 / i, "step": 20 * i, "epoch": i})
        history.append({f"eval_{name}": value for name, value in zip(metrics, values, strict=True)}
                       | {"step": 20 * i, "epoch": i})
    return [*history, {"train_loss": 0.3, "step": 20 * i}]


def _best_step(better=lambda higher: higher, last=False, key="step"):
    def best_step(history, metric, greater_is_better):
        rows = [row for row in history if f"eval_{metric}" in row]
        pick = max if better(greater_is_better) else min
        best = pick(rows[::-1] if last else rows, key=lambda row: row[f"eval_{metric}"])
        return best["step"] if key == "step" else best[f"eval_{metric}"]
    return best_step


def _resume_step(needed=WHOLE, pick=lambda steps: max(map(int, steps), default=0)):
    def resume_step(folders):
        return int(pick([name.rpartition("-")[2] for name, files in folders.items()
                         if set(needed) <= set(files)]))
    return resume_step


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
        _best_step(),
        cases=[(_history(loss=[0.6, 0.4, 0.5], accuracy=[0.7, 0.8, 0.85]), "loss", False),
               (_history(loss=[0.6, 0.4, 0.5], accuracy=[0.7, 0.8, 0.85]), "accuracy", True),
               (_history(loss=[0.6, 0.5, 0.5, 0.7], f1=[0.2, 0.9, 0.9, 0.1]), "f1", True),
               (_history(loss=[0.3, 0.6, 0.9, 0.3], f1=[0.2, 0.9, 0.9, 0.1]), "loss", False)],
        wrong={
            "You take the highest value whatever greater_is_better says.":
                _best_step(lambda higher: True),
            "You take the lowest value whatever greater_is_better says.":
                _best_step(lambda higher: False),
            "greater_is_better is the other way round: True means that the highest value wins.":
                _best_step(lambda higher: not higher),
            "Of equal values the first one stays the best: a later one has to be better.":
                _best_step(last=True),
            "That is the best value. Return the step at which it was measured.":
                _best_step(key="value"),
            "That is the last evaluation. Look for the best one.":
                lambda history, metric, greater_is_better: history[-2]["step"],
        },
        praise="This is how the Trainer chooses, too.",
        advice="Only rows that have the key 'eval_' + metric are evaluations of it.",
    ),
    "04.3": Exercise(
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
    "04.4": Exercise(
        _resume_step(),
        cases=[({"checkpoint-20": WHOLE, "checkpoint-40": [*WHOLE, "config.json"]},),
               ({"checkpoint-20": WHOLE, "checkpoint-40": WHOLE[:1] + WHOLE[2:]},),
               ({"checkpoint-80": WHOLE, "checkpoint-100": WHOLE, "checkpoint-120": WHOLE[:4]},),
               ({"checkpoint-20": WHOLE, "checkpoint-40": WHOLE[:3] + WHOLE[4:]},),
               ({"checkpoint-20": WHOLE[:1], "checkpoint-40": []},)],
        wrong={
            "You take the newest folder without a look at its files, as the Trainer does.":
                _resume_step(needed=[]),
            "You compare names as text, which puts 80 after 100. Compare the steps as numbers.":
                _resume_step(pick=lambda steps: max(steps, default=0)),
            "You do not ask for optimizer.pt, whose absence the Trainer does not notice.":
                _resume_step(needed=WHOLE[:1] + WHOLE[2:]),
            "Weights and optimizer are not enough: all five files have to be there.":
                _resume_step(needed=WHOLE[:2]),
            "That is the oldest complete checkpoint. The newest one loses fewer steps.":
                _resume_step(pick=lambda steps: min(map(int, steps), default=0)),
            "Where no checkpoint is complete, return 0: the run starts again. max(…, default=0).":
                _resume_step(pick=lambda steps: max(map(int, steps))),
        },
        praise="A folder without optimizer.pt would have been resumed, and no message given.",
        advice="Keep the folders that have all five files; return the highest step, as a number.",
    ),
}
