"""A recorded run: how it compares with the reference, what it is saved as."""

import math

import pytest

from helpers import curves
from helpers.curves import LossCurve
from helpers.errors import LearnerError


def run(final, steps=100, wiggle=0.0, rate=None, data=None):
    """A made-up run that falls from ln 2 to `final` within its first half."""
    loss = [
        final + (curves.LN_2 - final) * max(0, 1 - 2 * i / steps) + wiggle * (-1) ** i
        for i in range(steps)
    ]
    rates = [] if rate is None else [0.0, *[rate] * (steps - 1)]
    return LossCurve({"data": data} if data else {}, loss, rates)


def broken(step):
    """A made-up run whose loss is not a number at a step."""
    own = run(0.10)
    own.loss[step - 1] = math.nan
    return own


@pytest.mark.parametrize(("own", "kind", "said"), [
    (run(0.10), "same", "every step agrees"),
    (run(0.13), "alike", "differ only by their seed"),
    (run(0.10, wiggle=0.05), "alike", "0.100, the reference at 0.100"),
    (run(0.10, steps=80), "alike", ""),
    (run(0.35), "higher", "learnt less"),
    (run(curves.LN_2), "flat", "is guessing"),
    (run(math.nan), "not finite", "at step 1."),
    (broken(step=42), "not finite", "at step 42."),
    (run(0.1, steps=3), "too short", "3 steps"),
    (LossCurve(), "too short", "0 steps"),
    (run(0.10, data="mine"), "same", ""),
    *[(run(final, rate=0.0), "not trained", "0 at every step")
      for final in (0.02, 0.10, 0.60, curves.LN_2)],
])
def test_the_verdict_fits_the_run(own, kind, said):
    verdict = curves.compare(own, run(0.10))
    assert verdict.kind == kind
    assert said in str(verdict)


@pytest.mark.parametrize(("own", "said", "not_said"), [
    (run(0.01, steps=150, rate=1e-4), "150 steps instead of 100 may", "learning rate of"),
    (run(0.01, rate=3e-4), "A learning rate of up to 0.0003 instead of 0.0001 may", "steps"),
    (run(0.01, rate=1e-4), "Steps and learning rate do not explain it. Fewer texts", " may "),
    (run(0.01, steps=80), "The number of steps does not explain it. Fewer texts", " may "),
    (run(0.50, steps=80, rate=3e-5), "80 steps instead of 100 and a learning rate of", "not"),
    (run(0.50, rate=1e-4), "Steps and learning rate do not explain it. Fewer trained", " may "),
    (run(0.50, steps=150, rate=1e-4), "do not explain it", "150"),
])
def test_a_lower_or_higher_loss_is_explained_by_what_was_recorded(own, said, not_said):
    verdict = curves.compare(own, run(0.30, rate=1e-4))
    lower = own.final_loss() < 0.3
    assert verdict.kind == ("lower" if lower else "higher")
    assert said in str(verdict)
    assert not_said not in str(verdict)
    assert ("validation" in str(verdict)) == lower, "a low training loss is no praise by itself"


def test_other_data_and_other_sizes_have_no_reference():
    assert "size of checkpoint" in str(curves.compare(run(0.1), None))
    verdict = curves.compare(run(0.1, data="mine"), run(0.1, data="theirs"))
    assert verdict.kind == curves.compare(run(0.1), None).kind == "no reference"
    assert "other data" in str(verdict)


def test_a_difference_at_a_single_step_is_another_run():
    own = run(0.10)
    own.loss[40] += 0.002
    assert curves.compare(own, run(0.10)).kind == "alike"


def test_a_run_survives_saving_and_loading(tmp_path):
    own = LossCurve(settings={"seed": 3}, loss=[0.5, 0.25], learning_rate=[1e-5, 5e-5],
                    accuracy=[0.5, 1.0])
    own.record(0.125, 2e-5, 0.75)
    own.record_validation(0.3, 0.9)
    own.save(tmp_path / "new" / "run.json")
    assert curves.load(tmp_path / "new" / "run.json") == own
    assert own.validation == [{"step": 3, "loss": 0.3, "accuracy": 0.9}]


def test_a_missing_or_foreign_file_is_named(tmp_path):
    with pytest.raises(LearnerError, match=r"no recorded run run\.json"):
        curves.load(tmp_path / "run.json")
    for content in ('{"a": 1}', "hello"):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(LearnerError, match="is not a recorded run"):
            curves.load(tmp_path / "run.json")


def test_smoothing_keeps_length_and_level():
    assert curves.smoothed([2.0] * 7) == [2.0] * 7
    assert curves.smoothed([0, 3, 0], window=3) == [1.5, 1.0, 1.5]


@pytest.mark.parametrize("path", sorted(curves.paths.REFERENCE.glob("*.small.json")))
def test_a_reference_run_has_learnt_and_is_its_own_reference(path):
    reference = curves.load(path)
    assert reference.final_loss() < 0.72 * reference.loss[0]
    assert curves.compare(reference, reference).kind == "same"
    assert curves.reference(path.name.removesuffix(".small.json")) == reference
    assert curves.reference(path.name.removesuffix(".small.json"), "full") is None
