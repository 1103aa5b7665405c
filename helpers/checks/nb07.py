"""The exercise of notebook 07: a callback, observed on logs such as the Trainer's."""

import math

from transformers import TrainerCallback, TrainerControl, TrainerState

from helpers.checks import Exercise, Hint


def _stops(answer, all_logs):
    """Return after which logs a callback stops, or None if its on_log does nothing at all."""
    if not (isinstance(answer, type) and issubclass(answer, TrainerCallback)):
        raise Hint("A class is wanted that inherits from TrainerCallback.")
    if answer.on_log is TrainerCallback.on_log:
        raise Hint("The Trainer calls on_log after every logged step; give your class one.")
    stops = []
    for logs in all_logs:
        control, state = TrainerControl(), TrainerState(log_history=[logs])
        returned = answer().on_log(None, state, control, logs=logs, model=None)
        stops.append((returned or control).should_training_stop)
    try:
        answer().on_log(object(), object(), object(), logs=object(), model=None)
    except Exception:  # it used what it was given, and an object() has no use
        return stops
    return stops if any(stops) else None


def _explain(wanted, got, all_logs):
    logs, stop = next(
        (logs, stop) for logs, stop, right in zip(all_logs, got, wanted, strict=True)
        if stop != right)
    return (f"After {logs} it {'stops' if stop else 'does not stop'}. Stop when there is a 'loss' "
            "that is not finite: control.should_training_stop = True.")


def _callback(is_bad):
    class StopOnBadLoss(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            if is_bad(logs):
                control.should_training_stop = True

    return StopOnBadLoss


EXERCISES = {
    "07.1": Exercise(
        _callback(lambda logs: "loss" in logs and not math.isfinite(logs["loss"])),
        cases=[([
            {"loss": 0.31, "learning_rate": 1e-4},
            {"loss": 1e6},
            {"eval_loss": 0.4, "eval_accuracy": 0.8},
            {"loss": math.nan},
            {"loss": math.inf},
        ],)],
        wrong={
            "It stops at a loss of 0.31, which is a fine number. Look at logs['loss'] first.":
                _callback(lambda logs: True),
            "It stops at a loss of 1,000,000: large, but a finite number.":
                _callback(lambda logs: not logs.get("loss", 0) < 1000),
            "After an evaluation there is 'eval_loss' and no 'loss'. Look first if it is there.":
                _callback(lambda logs: not math.isfinite(logs["loss"])),
            "After an evaluation logs.get('loss') is None. Look first if there is a 'loss'.":
                _callback(lambda logs: not math.isfinite(logs.get("loss"))),
            "It stops after an evaluation, whose logs have no 'loss'.":
                _callback(lambda logs: not math.isfinite(logs.get("loss", math.nan))),
            "It never stops. nan equals nothing, itself included: ask math.isfinite.":
                _callback(lambda logs: logs.get("loss") == "nan"),
            "It notices nan, but not inf. math.isfinite knows both.":
                _callback(lambda logs: math.isnan(logs.get("loss", 0))),
        },
        praise="An hour of training on a loss of nan is an hour lost; a callback gives it back.",
        observe=_stops,
        explain=_explain,
        stub=_callback(lambda logs: False),
    ),
}
