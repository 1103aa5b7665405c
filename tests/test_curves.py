import math

import pytest

from helpers import curves
from helpers.curves import LossCurve
from helpers.errors import LearnerError


def run(final, steps=100, wiggle=0.0):
    """A made-up run that falls from ln 2 to `final` within its first half."""
    loss = [
        final + (curves.LN_2 - final) * max(0, 1 - 2 * i / steps) + wiggle * (-1) ** i
        for i in range(steps)
    ]
    return LossCurve(loss=loss)


@pytest.mark.parametrize(
    ("own", "kind"),
    [
        (run(0.10), "same"),
        (run(0.13), "alike"),
        (run(0.10, wiggle=0.05), "alike"),
        (run(0.10, steps=80), "alike"),
        (run(0.35), "higher"),
        (run(curves.LN_2), "flat"),
        (run(math.nan), "not finite"),
        (run(0.1, steps=3), "too short"),
    ],
)
def test_the_verdict_fits_the_run(own, kind):
    assert curves.compare(own, run(0.10)).kind == kind


def test_a_lower_loss_is_no_praise_by_itself():
    verdict = curves.compare(run(0.01), run(0.30))
    assert verdict.kind == "lower"
    assert "validation" in str(verdict)


def test_a_difference_at_a_single_step_is_another_run():
    own = run(0.10)
    own.loss[40] += 0.002
    verdict = curves.compare(own, run(0.10))
    assert verdict.kind == "alike"
    assert verdict.largest_difference == pytest.approx(0.002)


def test_a_loss_that_is_no_number_is_located():
    own = run(0.10)
    own.loss[41] = math.nan
    assert "at step 42" in str(curves.compare(own, run(0.10)))


def test_without_a_reference_there_is_no_verdict():
    assert curves.compare(run(0.1), None).kind == "no reference"


def test_a_run_survives_saving_and_loading(tmp_path):
    own = LossCurve(settings={"seed": 3}, loss=[0.5, 0.25], learning_rate=[1e-5, 5e-5],
                    accuracy=[0.5, 1.0])
    own.record(0.125, 2e-5, 0.75)
    own.record_validation(0.3, 0.9)
    own.save(tmp_path / "new" / "run.json")
    assert curves.load(tmp_path / "new" / "run.json") == own
    assert own.validation == [{"step": 3, "loss": 0.3, "accuracy": 0.9}]


def test_a_missing_or_foreign_file_is_named(tmp_path):
    with pytest.raises(LearnerError, match=r"no recorded run gone\.json"):
        curves.load(tmp_path / "gone.json")
    (tmp_path / "other.json").write_text('{"a": 1}')
    (tmp_path / "text.json").write_text("hello")
    for name in ("other.json", "text.json"):
        with pytest.raises(LearnerError, match="is not a recorded run"):
            curves.load(tmp_path / name)


def test_smoothing_keeps_length_and_level():
    assert curves.smoothed([2.0] * 7) == [2.0] * 7
    assert curves.smoothed([0, 3, 0], window=3) == [1.5, 1.0, 1.5]


@pytest.mark.parametrize("path", sorted(curves.paths.REFERENCE.glob("*.small.json")))
def test_a_reference_run_has_learnt_and_is_its_own_reference(path):
    reference = curves.load(path)
    assert reference.loss[0] > 0.5
    assert reference.final_loss() < 0.4
    assert curves.compare(reference, reference).kind == "same"
    assert curves.reference(path.name.removesuffix(".small.json")) == reference
    assert curves.reference(path.name.removesuffix(".small.json"), "full") is None
