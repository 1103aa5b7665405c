"""The exercise of notebook 07: a callback, observed on logs such as the Trainer's."""

import math

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
}
