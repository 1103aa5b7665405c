"""Exercises of notebook 07: a callback, a diagnosis, an epoch, a threshold, a verdict on seeds."""

import math
import statistics

from scipy.stats import t
from transformers import TrainerCallback, TrainerControl, TrainerState

from helpers.checks import Exercise
from helpers.errors import LearnerError


def _observed(answer):
    def stops(logs):
        """Say whether a callback stops after these logs, or None if its on_log does nothing."""
        if not (isinstance(answer, type) and issubclass(answer, TrainerCallback)):
            raise LearnerError("A class is wanted that inherits from TrainerCallback.")
        if answer.on_log is TrainerCallback.on_log:
            raise LearnerError("The Trainer calls on_log after every log; give your class one.")
        control, state = TrainerControl(), TrainerState(log_history=[logs])
        returned = answer().on_log(None, state, control, logs=logs, model=None)
        if (returned or control).should_training_stop:
            return True
        try:
            answer().on_log(object(), object(), object(), logs=object(), model=None)
        except Exception:  # it used what it was given, and an object() has no use
            return False
        return None
    return stops


def _callback(is_bad):
    class StopOnBadLoss(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            if is_bad(logs):
                control.should_training_stop = True
    return StopOnBadLoss


FAULTS = {"A": 6, "B": 4, "C": 2, "D": 5}  # the numbers of the gallery


def _confused(**others):
    return lambda patient: (FAULTS | others)[patient]


def _kept(losses, patience, *, counted_from=1, waits=0):
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        elif epoch - best == patience + waits:
            break
    return best + counted_from


def _stopped(losses, patience):
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        elif epoch - best == patience:
            return epoch + 1
    return len(losses)


def _rises_in_a_row(losses, patience):
    best = rises = 0
    for epoch, loss in enumerate(losses):
        best = min(best, epoch, key=losses.__getitem__)
        rises = rises + 1 if epoch and loss >= losses[epoch - 1] else 0
        if rises == patience:
            break
    return best + 1


def _threshold(probabilities, labels, wanted, *, of=1,
               place=lambda share: math.ceil(share) - 1):
    found = sorted((p for p, y in zip(probabilities, labels, strict=True) if y == of),
                   reverse=True)
    return found[place(wanted * len(found))]


def _won(first, second, *, quantile=0.975, normal=False, sign=1, over_root=True):
    gains = [sign * (b - a) for a, b in zip(first, second, strict=True)]
    n = len(gains)
    factor = 1.96 if normal else t.ppf(quantile, n - 1)
    error = statistics.stdev(gains) / (n**0.5 if over_root else 1)
    return bool(statistics.mean(gains) - factor * error > 0)


def _apart(first, second):
    """Judge the seeds as if they were not paired."""
    n = len(first)
    gain = statistics.mean(second) - statistics.mean(first)
    error = math.sqrt((statistics.variance(first) + statistics.variance(second)) / n)
    return bool(gain - t.ppf(0.975, 2 * n - 2) * error > 0)


EXERCISES = {
    "07.1": Exercise(
        _callback(lambda logs: "loss" in logs and not math.isfinite(logs["loss"])),
        cases=[({"loss": 0.31, "learning_rate": 1e-4},), ({"loss": 1e6},), ({"eval_loss": 0.4},),
               ({"loss": math.nan},), ({"loss": math.inf},)],
        wrong={
            "After an evaluation there is 'eval_loss' and no 'loss'. Look first if it is there.":
                _callback(lambda logs: not math.isfinite(logs["loss"])),
            "After an evaluation logs.get('loss') is None. Look first if there is a 'loss'.":
                _callback(lambda logs: not math.isfinite(logs.get("loss"))),
            "It never stops. nan equals nothing, itself included: ask math.isfinite.":
                _callback(lambda logs: logs.get("loss") == "nan"),
            "It notices nan, but not inf. math.isfinite knows both.":
                _callback(lambda logs: math.isnan(logs.get("loss", 0))),
        },
        praise="An hour of training on a loss of nan is an hour lost; a callback gives it back.",
        advice="That is whether it stops. Stop when there is a 'loss' that is not finite: "
               "control.should_training_stop = True.",
        observe=_observed,
    ),
    "07.2": Exercise(
        lambda patient: FAULTS[patient],
        cases=[(letter,) for letter in FAULTS],
        wrong={
            "C and D are the other way round: which of them can learn one batch?":
                _confused(C=5, D=2),
            "C: with that rate, not even one batch is learnt. Were its labels at fault, it would.":
                _confused(C=5),
            "D: one batch is learnt with this very rate, so the rate is not too low.":
                _confused(D=2),
            "B learns by heart, but what does its validation do at first? Shuffled labels would "
            "never help there.": _confused(B=5),
            "A leaps far above ln 2, but comes down to 0 between: a rate too high does not.":
                _confused(A=3),
            "B: validation turns while training goes to 0. A healthy run's levels off.":
                _confused(B=1),
        },
        praise="C and D look the same until one batch tells them apart. Well diagnosed.",
        advice="Look at the picture of that letter again, at validation, and at its one batch.",
    ),
    "07.3": Exercise(
        _kept,
        cases=[([0.69, 0.61, 0.47, 0.54, 0.83], 2), ([0.6, 0.5, 0.55, 0.52, 0.4], 2),
               ([0.6, 0.5, 0.55, 0.52, 0.4], 3), ([0.6, 0.5, 0.55, 0.45, 0.5, 0.6, 0.3], 1),
               ([0.9, 0.8, 0.7], 1), ([0.5, 0.6, 0.55, 0.58, 0.4], 2)],
        wrong={
            "That is the epoch at which it stops. Kept is the best one before.": _stopped,
            "That is the best of all epochs. The later ones were never trained.":
                lambda losses, patience: losses.index(min(losses)) + 1,
            "Count the epochs from 1.": lambda losses, patience: _kept(losses, patience,
                                                                       counted_from=0),
            "You wait an epoch too long: with a patience of 1, the first that is no better ends "
            "it.": lambda losses, patience: _kept(losses, patience, waits=1),
            "Compare with the best so far, not with the epoch before.": _rises_in_a_row,
        },
        praise="Patience is a price: so many epochs are trained for nothing.",
        advice="Go through the epochs and remember the best; stop when it lies so many back.",
    ),
    "07.4": Exercise(
        _threshold,
        cases=[([0.9, 0.2, 0.4, 0.1, 0.3, 0.6], [1, 0, 1, 1, 0, 1], 0.75),
               ([0.9, 0.2, 0.4, 0.1, 0.3, 0.6], [1, 0, 1, 1, 0, 1], 0.6),
               ([0.05, 0.3, 0.15, 0.2, 0.02], [0, 1, 1, 0, 1], 0.5),
               ([0.05, 0.3, 0.15, 0.2, 0.02], [1, 0, 1, 1, 0], 1.0)],
        wrong={
            "You counted all texts. The share is one of the positive texts.":
                lambda p, y, wanted: sorted(p, reverse=True)[math.ceil(wanted * len(p)) - 1],
            "You sorted the negative texts. Take those with label 1.":
                lambda p, y, wanted: _threshold(p, y, wanted, of=0),
            "Too few are found: round the number of texts up.":
                lambda p, y, wanted: _threshold(p, y, wanted,
                                                place=lambda n: max(0, math.floor(n) - 1)),
            "All that are wanted are found with a higher threshold already; mind the -1 of an "
            "index.": lambda p, y, wanted: _threshold(
                p, y, wanted, place=lambda n: min(math.ceil(n), sum(y) - 1)),
            "Sort from the highest probability down.":
                lambda p, y, wanted: sorted(a for a, b in zip(p, y, strict=True) if b == 1)[
                    math.ceil(wanted * sum(y)) - 1],
        },
        praise="Choose it on validation, and say what precision it costs.",
        advice="Sort the probabilities of the positive texts, highest first, and take the one "
               "at which enough are found.",
    ),
    "07.5": Exercise(
        _won,
        cases=[([0.80, 0.84, 0.82], [0.82, 0.86, 0.845]), ([0.80, 0.84, 0.82], [0.83, 0.85, 0.83]),
               ([0.80, 0.84, 0.82], [0.82, 0.83, 0.84]), ([0.85, 0.86, 0.84], [0.80, 0.81, 0.78]),
               ([0.80, 0.81, 0.82, 0.83], [0.81, 0.83, 0.82, 0.85]),
               ([0.70, 0.80, 0.90], [0.71, 0.81, 0.912]),
               ([0.80, 0.80, 0.80, 0.80, 0.80], [0.82, 0.80, 0.82, 0.81, 0.81])],
        wrong={
            "That is whether the mean is higher, which luck alone can do.":
                lambda a, b: statistics.mean(b) > statistics.mean(a),
            "With so few seeds 1.96 is too small: take t.":
                lambda a, b: _won(a, b, normal=True),
            "Divide the standard deviation by √n: it is the mean that is judged.":
                lambda a, b: _won(a, b, over_root=False),
            "The seeds are the same: take the differences seed by seed.": _apart,
            "You took the first minus the second.": lambda a, b: _won(a, b, sign=-1),
            "The interval of 95 % leaves 2.5 % on either side: t.ppf(0.975, n - 1).":
                lambda a, b: _won(a, b, quantile=0.95),
        },
        praise="Three seeds are few, and their t of 4.3 says so.",
        advice="Differences seed by seed, their mean, and t times their standard error.",
    ),
}
