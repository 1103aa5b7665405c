"""Each exercise both ways: right answers pass, the stub and typical mistakes do not."""

import inspect
import itertools
import math
import re
import subprocess
import sys
from unittest.mock import ANY

import nbformat
import numpy as np
import pytest
import torch
from transformers import TrainerCallback

from helpers import checks
from helpers.checks.nb03 import _fit as fit
from helpers.checks.nb07 import _callback as callback
from helpers.errors import LearnerError
from tools import run


def found_in_notebooks():
    """Return {number: (name of the function, source of the stub cell, source of the solution)}."""
    found = {}
    for path in run.chosen():
        cells = nbformat.read(path, as_version=4).cells
        for cell, after in itertools.pairwise(cells):
            call = re.search(r'^check\("([\d.]+)", (\w+)\)', cell.source, re.M)
            if cell.cell_type == "code" and call:
                solution = re.search(
                    r"\A<details><summary>Solution</summary>\n\n```python\n(.*?)```\n\n</details>",
                    after.source, re.S,
                )
                assert solution, f"{path.name}: exercise {call[1]} has no solution below it"
                assert call[1][:3] == f"{path.name[:2]}."
                found[call[1]] = (call[2], cell.source, solution[1])
    return found


IN_NOTEBOOKS = found_in_notebooks()
EXERCISES = {number: exercise for notebook in checks.NOTEBOOKS
             for number, exercise in checks.exercises(notebook).items()}
FUNCTIONS = [number for number in EXERCISES if number != "07.1"]  # that one is a class
MISTAKES = [(number, hint) for number, exercise in EXERCISES.items() for hint in exercise.wrong]
FORMS = {
    "a float32 tensor": lambda value: torch.tensor(value, dtype=torch.float32),
    "a float16 tensor": lambda value: torch.tensor(value, dtype=torch.float16),
    "a tensor that keeps its type": torch.tensor,
    "a NumPy number or array of floats": np.float64,
    "a tuple or list of NumPy numbers": lambda value: (
        tuple(map(np.array, value)) if isinstance(value, list) else np.array(value)[()]),
}


@pytest.fixture
def verdict(capsys):
    """A function that returns what `check` prints, without the exercise's number."""
    def say(number, answer):
        checks.check(number, answer)
        return capsys.readouterr().out.rpartition(f"Exercise {number}: ")[2].strip()
    return say


def has_text(value):
    """Say whether a result holds words, which have no other form."""
    several = isinstance(value, (list, tuple))
    return any(map(has_text, value)) if several else isinstance(value, str)


def arguments_of(function):
    every = inspect.signature(function).parameters.values()
    return [one.name for one in every if one.kind is one.POSITIONAL_OR_KEYWORD]


def test_every_exercise_of_the_notebooks_has_a_check_and_every_check_an_exercise():
    assert set(IN_NOTEBOOKS) == set(EXERCISES)


@pytest.mark.parametrize("number", EXERCISES)
def test_the_solution_in_the_notebook_passes(number, verdict):
    name, _, solution = IN_NOTEBOOKS[number]
    space = {}
    exec(solution, space)
    assert verdict(number, space[name]) == f"right. {EXERCISES[number].praise}"
    if number not in ("03.1", "03.4", "07.1"):  # explained without their arguments
        assert arguments_of(space[name]) == arguments_of(EXERCISES[number].reference)


@pytest.mark.parametrize("number", EXERCISES)
def test_the_stub_in_the_notebook_is_not_answered_yet(number, verdict):
    name, stub, _ = IN_NOTEBOOKS[number]
    space = {"check": checks.check, "TrainerCallback": TrainerCallback}
    exec(stub, space)
    assert verdict(number, space[name]) == checks.UNANSWERED


@pytest.mark.parametrize(("number", "hint"), MISTAKES)
def test_a_typical_mistake_gets_its_own_hint(number, hint, verdict):
    assert verdict(number, EXERCISES[number].wrong[hint]) == f"not yet. {hint}"


@pytest.mark.parametrize("number", FUNCTIONS)
def test_an_answer_that_ignores_an_argument_or_all_is_refused(number, verdict):
    reference = EXERCISES[number].reference
    every = range(len(arguments_of(reference)))
    for ignored in [*([place] for place in every), every]:
        first = []

        def answer(*given, first=first, ignored=ignored):
            first.append(given)
            return reference(*(first[0][i] if i in ignored else given[i] for i in every))

        assert verdict(number, answer).startswith("not yet. "), ignored


@pytest.mark.parametrize("number", FUNCTIONS)
@pytest.mark.parametrize("form", FORMS)
def test_a_right_answer_passes_in_another_form(number, form, verdict):
    def formed(value):
        if isinstance(value, dict):
            return {key: formed(part) for key, part in value.items()}
        return value if value is ANY or has_text(value) else FORMS[form](checks.plain(value))

    said = verdict(number, lambda *given: formed(EXERCISES[number].reference(*given)))
    if number in ("05.2", "05.3") and "float" in form:
        assert "have to be whole numbers" in said
    elif (number, form) != ("01.1", "a float16 tensor"):  # too small for the number
        assert said.startswith("right. ")


@pytest.mark.parametrize(("number", "answer", "said"), [
    ("00.1", lambda train, test, p: "0.25", "it is a number; yours is a str."),
    ("00.1", lambda train, test, p: 1 / 0,
     "stops with ZeroDivisionError in the line `(\"00.1\", "),
    ("00.1", lambda train, test, p: train.reverse(), "changes the values it was given"),
    ("00.2", lambda p, half: 400, "For accuracy = 0.9 and half = 0.03 it is 385; yours is 400."),
    ("00.2", lambda p, half: None if p == 0.8 else math.ceil(3.8416 * p * (1 - p) / half**2),
     "For accuracy = 0.8 and half = 0.02 it is a number; yours is nothing."),
    ("01.2", lambda hidden, mask: (hidden * mask[..., None]).sum(1) / torch.tensor([[4], [2]]),
     "stops with RuntimeError"),
    ("02.1", lambda first, second: [101, *first, 102, *second, 102],
     "shape (2, 8); yours is of shape (8,). Return the ids"),
    ("02.2", lambda rows: rows, "shape (2, 3, 4); yours is of shape (3,). Return the ids"),
    ("02.2", lambda rows: [[(row + [1] * 9)[:max(map(len, rows))] for row in rows]] * 2,
     "differs is [101, 102, 0, 0]; yours is [101, 102, 1, 1]."),
    ("02.3", lambda ids, limit: [101, 5, 6, 102],
     "and max_length = 4 it is [101, 1, 6, 102]; yours is [101, 5, 6, 102]. A short text"),
    ("02.4", lambda lengths, size: 58 if len(lengths) == 4 else 65,
     "For lengths = [12, 3, 4] and batch_size = 8 it is 36; yours is 65."),
    ("03.1", fit("zero_grad step schedule"), "The weights do not change"),
    ("03.1", fit("backward step step schedule"), "For each batch: zero_grad, forward"),
    ("03.1", lambda model, loader, optimizer, scheduler: [
        model(**batch).loss.item() for batch in loader], "For each batch: zero_grad, forward"),
    ("03.2", lambda gradients, limit: torch.stack(gradients).norm(), "yours is a number"),
    ("03.3", lambda step, steps, warmup, peak: peak, "For step = 0 and steps = 300 and warmup"),
    ("03.4", lambda model, epochs, validate: min(validate(model) for train in epochs), "Return"),
    ("04.1", lambda prediction: 0.5, "Return a dictionary"),
    ("04.1", lambda prediction: {"f1": 0.5}, "should be 'macro_f1'; yours are ['f1']"),
    ("04.1", lambda prediction: {"macro_f1": 0.5}, "0, 0] it is 0.7333; yours is 0.5."),
    ("05.1", lambda losses, text: 12.0, "0.8, 3.1] and text = So good it is 2.226; yours is 12"),
    ("05.3", lambda ids, mask: ids.masked_fill(mask == 0, -1), "wherever the mask is 0."),
    ("05.5", lambda bits, original, limit: 0.7, "yours is 0.7. Of the shares whose prose needs"),
    ("11.1", lambda gradients, rows: [0.641, 0.4], "0.64, 0.4]; yours is [0.641, 0.4]. For each"),
    ("11.2", lambda shares: 0.5, "yours is 0.5. Collect the pairs"),
    ("11.3", lambda batch, processes, fits: (8, 5), "yours is [8, 5]. Rows times parts times"),
    ("07.1", callback(lambda logs: "loss" not in logs), "For logs = {'eval_loss': 0.4} it is Fal"),
    ("07.1", callback(lambda logs: logs.get("loss", 0) > 1e300), "{'loss': nan} it is True;"),
    ("07.1", object, "inherits from TrainerCallback"),
    ("07.1", TrainerCallback, "calls on_log after"),
])
def test_other_mistakes_hear_what_is_wanted_and_what_came(number, answer, said, verdict):
    hint = verdict(number, answer)
    assert hint.startswith("not yet. ")
    assert said in hint


def test_a_loop_in_another_order_with_the_notebooks_own_lines_passes(verdict):
    def answer(model, loader, optimizer, scheduler):
        losses = []
        for batch in loader:
            loss = model(**batch.to("cpu")).loss
            loss.backward()
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
            losses.append(loss.detach())
        return losses

    assert verdict("03.1", answer).startswith("right. ")


@pytest.mark.parametrize(("on_log", "said"), [
    (lambda logs, state: not np.isfinite(logs.get("loss", 0)), "right. "),
    (lambda logs, state: not np.isfinite(state.log_history[-1].get("loss", 0)), "right. "),
    (lambda logs, state: print(logs), checks.UNANSWERED),
])
def test_a_callback_is_judged_by_when_it_stops(on_log, said, verdict):
    class StopOnBadLoss(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            if (stop := on_log(logs, state)) is not None:
                control.should_training_stop = stop

    assert said in verdict("07.1", StopOnBadLoss)


def test_an_unknown_exercise_is_named_with_those_there_are():
    with pytest.raises(LearnerError, match=r"no exercise '02\.9'\. Choose .*02\.1, .*02\.4\."):
        checks.check("02.9", len)
    with pytest.raises(LearnerError, match=r"no exercise '9\.9'\. .*00\.1, .*13\.4\."):
        checks.check("9.9", len)


def test_the_checks_of_notebook_00_load_no_transformers():
    code = ("import sys; from helpers.checks import check; check('00.1', max); "
            "print('transformers' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_checking_an_exercise_leaves_the_random_state_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    checks.check("03.2", lambda model, batch, optimizer: torch.rand(1).item())
    assert torch.equal(before, torch.get_rng_state())
