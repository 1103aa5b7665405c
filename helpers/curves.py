"""A recorded training run: what it was, how its loss fell, and how it compares with another."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

from helpers import paths
from helpers.errors import LearnerError

LN_2 = math.log(2)  # the loss of a classifier that gives both of two classes one half
SAME = 1e-3  # losses this close, at every step, are the same run
ALIKE = 0.12  # final losses this close differ by chance; three seeds lie within it
WINDOW = 9  # steps that a running mean is taken over


@dataclass
class LossCurve:
    """The loss at every step of one training run.

    `loss` is the mean cross-entropy of each batch in nats, `accuracy` the share of it that was
    right before the step (empty if nobody counted). `validation` holds one entry per epoch: step,
    loss, accuracy. `settings` says how the run was made.
    """

    settings: dict = field(default_factory=dict)
    loss: list = field(default_factory=list)
    learning_rate: list = field(default_factory=list)
    accuracy: list = field(default_factory=list)
    validation: list = field(default_factory=list)

    def record(self, loss, learning_rate, accuracy=None):
        """Append one step."""
        self.loss.append(float(loss))
        self.learning_rate.append(float(learning_rate))
        if accuracy is not None:
            self.accuracy.append(float(accuracy))

    def record_validation(self, loss, accuracy=None):
        """Append the figures of the validation split, measured after the latest step."""
        accuracy = None if accuracy is None else float(accuracy)
        self.validation.append(
            {"step": len(self.loss), "loss": float(loss), "accuracy": accuracy}
        )

    def final_loss(self):
        """Return the mean loss of the last tenth of the steps, at least five of them."""
        tail = self.loss[-max(5, len(self.loss) // 10) :]
        return sum(tail) / len(tail) if tail else math.nan

    def save(self, path):
        """Write the run as JSON, six digits per number. An older file survives a failure."""
        exact = json.dumps(asdict(self))
        rounded = json.loads(exact, parse_float=lambda number: float(f"{float(number):.6g}"))
        with paths.replacing(path) as fresh:
            fresh.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Verdict:
    """How a run compares with the reference: `kind` for a program, `text` for a person."""

    kind: str
    text: str

    def __str__(self):
        return self.text


def load(path):
    """Read a run that `LossCurve.save` wrote. Raises LearnerError if it is no such file."""
    path = Path(path)
    try:
        return LossCurve(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise LearnerError(f"There is no recorded run {path.name} in {path.parent}.") from None
    except (ValueError, TypeError):
        said = f"{path.name} is not a recorded run. Runs are written by LossCurve.save."
        raise LearnerError(said) from None


def reference(name, size="small"):
    """Return the reference run of a notebook, by its name; None if this size has none."""
    path = paths.REFERENCE / f"{name}.{size}.json"
    return load(path) if path.is_file() else None


def compare(curve, reference):
    """Return a `Verdict` on a run beside the reference run: the first that applies."""
    if reference is None:
        return Verdict("no reference", "There is no reference run for this size of checkpoint.")
    data, other = curve.settings.get("data"), reference.settings.get("data")
    broken = next((i for i, loss in enumerate(curve.loss, 1) if not math.isfinite(loss)), None)
    pairs = zip(curve.loss, reference.loss, strict=False)
    same = (len(curve.loss) == len(reference.loss)
            and all(abs(mine - theirs) <= SAME for mine, theirs in pairs))
    final, expected = curve.final_loss(), reference.final_loss()
    ends = f"Your run ends at a loss of {final:.3f}, the reference at {expected:.3f}."
    verdicts = [
        (data and other and data != other, "no reference",
         "This run was trained on other data than the reference run, so there is nothing to "
         "compare it with."),
        (broken, "not finite",
         f"The loss stops being a number at step {broken}. The learning rate is too high, or a "
         "tensor divides by zero."),
        (len(curve.loss) < 5, "too short",
         f"Only {len(curve.loss)} steps: too few to compare."),
        (curve.learning_rate and not any(curve.learning_rate), "not trained",
         f"{ends} The learning rate was 0 at every step, so this run changed nothing. Build the "
         "model, the optimizer and the scheduler anew, then train again."),
        (same, "same",
         "Your run is the reference run: every step agrees to three decimals."),
        (final > 0.85 * LN_2 and expected < 0.6 * LN_2, "flat",
         f"{ends} A loss near {LN_2:.3f} is guessing. Look at the learning rate, at zero_grad and "
         "backward, and at whether the labels belong to the texts."),
        (abs(final - expected) <= ALIKE, "alike",
         f"{ends} Runs that differ only by their seed end as close together."),
        (final > expected, "higher",
         f"{ends} It learnt less. {_causes(curve, reference, -1)}"),
        (True, "lower",
         f"{ends} It learnt the training texts better. {_causes(curve, reference, 1)} See whether "
         "validation agrees."),
    ]
    return next(Verdict(kind, text) for applies, kind, text in verdicts if applies)


def _causes(curve, reference, sign):
    """Say what in the records may explain a lower loss (`sign` 1) or a higher one (-1)."""
    steps, usual = len(curve.loss), len(reference.loss)
    causes = [f"{steps} steps instead of {usual}"] if (steps - usual) * sign > 0 else []
    peaks = [max(run.learning_rate, default=None) for run in (curve, reference)]
    known = None not in peaks
    if known and not math.isclose(*peaks, rel_tol=0.01):
        causes.append("a learning rate of up to {:.2g} instead of {:.2g}".format(*peaks))
    if causes:
        return f"{' and '.join(causes).capitalize()} may explain it."
    looked_at = "Steps and learning rate do" if known else "The number of steps does"
    others = {1: "Fewer texts or a model that was trained before",
              -1: "Fewer trained layers or labels that do not belong to their texts"}
    return f"{looked_at} not explain it. {others[sign]} would."


def smoothed(values, window=WINDOW):
    """Return the running mean of `values` over a centred window, same length."""
    half = window // 2
    parts = (values[max(0, i - half) : i + half + 1] for i in range(len(values)))
    return [sum(part) / len(part) for part in parts]
