"""Each exercise both ways: the solution passes, the stub and typical mistakes do not."""

import itertools
import math
import re
import textwrap

import nbformat
import pytest
import torch  # noqa: F401 (the mistakes below use it)
from sklearn.metrics import f1_score  # noqa: F401 (the mistakes below use it)
from transformers import TrainerCallback

from helpers import checks
from tools import run
from helpers.errors import LearnerError


def found_in_notebooks():
    """Return {number: (name of the function, source of the stub cell, source of the solution)}."""
    found = {}
    for path in run.chosen():
        cells = nbformat.read(path, as_version=4).cells
        for cell, after in itertools.pairwise(cells):
            call = re.search(r'exercises\.check\("([\d.]+)", (\w+)\)', cell.source)
            if cell.cell_type == "code" and call:
                solution = re.search(
                    r"\A<details><summary>Solution</summary>\n\n```python\n(.*?)```\n\n</details>",
                    after.source, re.S,
                )
                assert solution, f"{path.name}: exercise {call[1]} has no solution below it"
                found[call[1]] = (call[2], cell.source, solution[1])
    return found


EXERCISES = found_in_notebooks()

# What people write, and a piece of the hint that they should get.
MISTAKES = {
    "00.1": {
        "max(set(b), key=b.count) and b.count(max(set(b), key=b.count)) / len(b)": "only look at",
        "b.count(max(set(a), key=a.count))": "how often",
        "a.count(max(set(a), key=a.count)) / len(a)": "accuracy on train",
        "b.count(0) / len(b)": "but not when 1 is",
        "'0.25'": "A number is wanted",
        "0.5": "yours is 0.5",
        "1 / 0": "stops with ZeroDivisionError",
    },
    "00.2": {
        "(a * (1 - a) / b) ** 0.5": "one standard error",
        "2 * 1.96 * (a * (1 - a) / b) ** 0.5": "whole width",
        "1.96 * a * (1 - a) / b": "square root",
        "1.96 * (a * (1 - a)) ** 0.5 / b": "under the square root",
        "1.96 * (a / b) ** 0.5": "p times (1 - p)",
        "0.1": "about 0.029",
    },
    "01.1": {
        "4 * a * a + 2 * a * b + 4 * a": "biases are missing",
        "4 * (a * a + a) + a * b + b + b * a + a": "LayerNorms are missing",
        "4 * a * a + 2 * a * b": "counted the matrices",
        "4 * (a * a + a) + a * b + b + b * a + a + 2 * a": "two LayerNorms",
        "3 * (a * a + a) + a * b + b + b * a + a + 4 * a": "four maps",
        "1774464": "not for 768",
        "12": "yours is 12",
    },
    "01.2": {
        "a.mean(1)": "over the padding too",
        "(a * b[..., None]).mean(1)": "divide by all positions",
        "(a * b[..., None]).sum(1)": "That is the sum",
        "a[:, 0]": "first token",
        "a.mean(0)": "should have the shape",
        "a[:, 1]": "numbers are not",
        "(a * b).sum(1)": "stops with RuntimeError",
    },
    "02.1": {
        "[r[:2] for r in a], [[1, 1]] * 3": "shortest",
        "a, [[1] * len(r) for r in a]": "differ in length",
        "[r + [0] * (9 - len(r)) for r in a], 0 * a": "longest in the batch",
        "[[0] * (4 - len(r)) + r for r in a], a": "on the left",
        "[r + [1] * (4 - len(r)) for r in a], a": "Padding is the id 0",
        "[r + [0] * (4 - len(r)) for r in a], [[0] * len(r) + [1] * (4 - len(r)) for r in a]":
            "wrong way round",
        "[r + [0] * (4 - len(r)) for r in a], [[1] * 4 for r in a]": "1 everywhere",
        "[r + [0] * (4 - len(r)) for r in a], [[1, 0, 0, 0] for r in a]": "second row",
        "[r + [0] * (4 - len(r)) for r in a]": "Return two things",
        "[r.extend([0] * (4 - len(r))) for r in a] and (a, a)": "changes the lists",
    },
    "02.2": {
        "sum(n > b for n in a) / len(a)": "share of texts",
        "sum(min(n, b) for n in a) / sum(a)": "that is kept",
        "sum(max(0, n - b) for n in a)": "number of tokens lost",
        "sum(n - b for n in a) / sum(a)": "must not make up",
        "0.7": "so 0.2",
    },
    "04.2": {
        "f1_score(a.label_ids, a.predictions.argmax(-1), average='macro')": "returns a dictionary",
        "{'f1': 0.5}": "The key should be 'macro_f1'",
        "{'macro_f1': f1_score(a.label_ids, a.predictions.argmax(-1))}": "of the positive class",
        "{'macro_f1': f1_score(a.label_ids, a.predictions.argmax(-1), average='micro')}":
            "That is the accuracy",
        "{'macro_f1': f1_score(a.label_ids, a.predictions.argmax(-1), average='weighted')}":
            "count the same",
        "{'macro_f1': f1_score(a.label_ids, a.predictions, average='macro')}":
            "stops with ValueError",
        "{'macro_f1': f1_score(a.label_ids, a.predictions[:, 1] > 0, average='macro')}":
            "the two logits of a text",
        "{'macro_f1': 0.1}": "yours is 0.100",
    },
    "04.3": {
        "a // b // c * d": "counts too: round up",
        "math.ceil(a / b) * d": "number of batches",
        "math.ceil(math.ceil(a / b) / c)": "That is one epoch",
        "math.ceil(a * d / (b * c))": "an update of its own",
        "5": "yours is 5",
        "math.ceil(math.ceil(a / b) / c * d)": "an update of its own",
        "51": "but not without",
    },
    "05.1": {
        "a.cumsum(1)": "counts one too many",
        "a.cumsum(1) - 1": "negative position",
        "torch.arange(a.shape[1]).expand_as(a)": "places in the row",
        "a.sum(1, keepdim=True) - a.cumsum(1)": "count from the end",
        "a.sum(1)": "has shape (4,)",
        "(a.cumsum(1) - 1).float()": "whole numbers",
        "a * 0 + 3": "yours are [3, 3, 3]",
        "(a.cumsum(1) - 1).where(a == 1, torch.tensor(10**6))": "beyond the row",
        "[0, 1]": "returns a tensor",
    },
    "05.2": {
        "a.sum(1)": "number of real tokens",
        "a.sum(1) - 1": "padding on the left",
        "a.argmax(1)": "first real token",
        "torch.full((3,), a.shape[1] - 1)": "padding or not",
        "a.cumsum(1)": "has shape (3, 5)",
        "torch.tensor([2, 1, 4])": "yours is [2, 1, 4]",
        "(torch.arange(a.shape[1]) * a).argmax(1).float()": "whole number",
    },
    "05.3": {
        "a": "Nothing was left out",
        "a.where(a > 0.12, torch.tensor(0.0))": "divide by their sum",
        "a.where(a > 0.2, torch.tensor(0.0)) / 0.7": "takes the sum past p stays in",
        "a.sort(descending=True).values.where(a.sort(descending=True).values > 0.12, "
        "torch.tensor(0.0)) / 0.85": "These are sorted",
        "a.where(a > 0.12, torch.tensor(0.0)) / a[a > 0.12].sum()": "has to stay, alone",
        "a[a > 0.12]": "has shape (3,)",
        "a * 0.5": "yours is [0.025",
        "a.where(a >= a.sort(descending=True).values[(a.sort(descending=True).values.cumsum(0)"
        " < b).sum()], torch.tensor(0.0)) / a[a >= a.sort(descending=True).values[(a.sort("
        "descending=True).values.cumsum(0) < b).sum()]].sum()": "two are enough",
        "torch.tensor([0.5, 0.5, 0, 0]) if len(a) == 4 else (a == a.max()).float() if b != 0.75 "
        "else a.where(a > 0.12, torch.tensor(0.0)) / 0.85": "every token stays",
    },
    "09.1": {
        "1 - sum(a) / (len(a) * max(a))": "padded to its own longest",
        "sum(a) / 30 if len(a) == 5 else 0": "share of real tokens",
        "2 / sum(a)": "not by the tokens",
        "2": "their share is wanted",
        "1 - sum(a) / sum(b * max(a[i:i + b]) for i in range(0, len(a), b))": "not 20",
        "0.5": "so 0.067",
        "1 - sum(a) / sum(len(a[i:i + b]) * a[i:i + b][-1] for i in range(0, len(a), b))":
            "may stand first",
    },
    "09.2": {
        "1 - a + a / b": "new time",
        "(1 - a) + a * b": "Add up the times",
        "a * b": "took no time at all",
        "7": "1.6 times",
        "1.6": "nine tenths",
    },
    "09.3": {
        "1 - a / b": "still run forward",
        "a / b * 2 / 3": "What is left is wanted",
        "(b + b - a) / (2 * b)": "two parts, not one",
        "0.9": "so 0.667",
        "2 / 3": "any number",
    },
    "10.1": {
        "a[::c]": "same rows",
        "a[b * (len(a) // c):(b + 1) * (len(a) // c)]": "Each row is wanted once",
        "a[b::2]": "but not for four",
        "a[b * (len(a) // c):(b + 1) * (len(a) // c) if b < c - 1 else None]": "all would wait",
    },
    "10.2": {
        "sum(a) / len(a)": "mean of the means",
        "sum(x * y for x, y in zip(a, b))": "Divide by how many",
        "sum(x * y for x, y in zip(a, b[::-1])) / sum(b)": "wrong way round",
        "1.5": "it is 0.640",
        "(a[0] * b[0] + a[1] * b[1]) / (b[0] + b[1])": "but not for three",
    },
    "10.3": {
        "16 * a / (b * (1 - c))": "round up",
        "math.ceil(4 * a / (b * (1 - c)))": "16 bytes a parameter",
        "16 * a // (b * (1 - c))": "Rounded down",
        "math.ceil(16 * a / (b * c))": "cannot use",
        "9": "it is 3",
        "3": "one GPU",
    },
    "03.1": {
        "a.argmax(-1) == b": "one answer a text",
        "(a.argmax(-1) == b).sum()": "number of right texts",
        "(a.argmax(-1) != b).float().mean()": "share that is wrong",
        "1.0": "3 of 5",
    },
}
WRONG_STEPS = {
    "03.2": {
        "no zero_grad": ("""
            loss = model(**batch).loss
            loss.backward()
            optimizer.step()
            return loss.item()""", "optimizer.zero_grad() in every step"),
        "no step": ("""
            optimizer.zero_grad()
            loss = model(**batch).loss
            loss.backward()
            return loss.item()""", "is optimizer.step() missing"),
        "cleared too late": ("""
            loss = model(**batch).loss
            loss.backward()
            optimizer.zero_grad()
            optimizer.step()
            return loss.item()""", "cleared before it"),
        "graph kept": ("""
            optimizer.zero_grad()
            loss = model(**batch).loss
            loss.backward()
            optimizer.step()
            return loss""", "loss.item()"),
        "two steps": ("""
            optimizer.zero_grad()
            loss = model(**batch).loss
            loss.backward()
            optimizer.step()
            optimizer.step()
            return loss.item()""", "first update differs"),
        "sum of losses": ("""
            optimizer.zero_grad()
            loss = model(**batch).loss
            loss.backward()
            optimizer.step()
            return 16 * loss.item()""", "the loss you return"),
        "nothing returned": ("""
            optimizer.zero_grad()
            loss = model(**batch).loss
            loss.backward()
            optimizer.step()""", "Return the loss"),
    },
    "03.3": {
        "not divided": ("""
            optimizer.zero_grad()
            for batch in batches:
                model(**batch).loss.backward()
            optimizer.step()""", "twice the mean"),
        "step in the loop": ("""
            for batch in batches:
                optimizer.zero_grad()
                (model(**batch).loss / len(batches)).backward()
                optimizer.step()""", "step after every small batch"),
        "cleared in the loop": ("""
            for batch in batches:
                optimizer.zero_grad()
                (model(**batch).loss / len(batches)).backward()
            optimizer.step()""", "Clear the gradients once"),
        "no step": ("""
            for batch in batches:
                (model(**batch).loss / len(batches)).backward()
            return 1""", "weights do not change"),
    },
}
WRONG_CLASSES = {
    "04.1": {
        "not a callback": ("""
            class StopOnBadLoss:
                pass""", "inherits from TrainerCallback"),
        "another moment": ("""
            class StopOnBadLoss(TrainerCallback):
                def on_step_end(self, args, state, control, **kwargs):
                    control.should_training_stop = True""", "calls on_log"),
        "always": ("""
            class StopOnBadLoss(TrainerCallback):
                def on_log(self, args, state, control, logs=None, **kwargs):
                    control.should_training_stop = True""", "stops at a loss of 0.31"),
        "equal to nan": ("""
            class StopOnBadLoss(TrainerCallback):
                def on_log(self, args, state, control, logs=None, **kwargs):
                    if logs.get("loss") == math.nan:
                        control.should_training_stop = True""", "nan equals nothing"),
        "only nan": ("""
            class StopOnBadLoss(TrainerCallback):
                def on_log(self, args, state, control, logs=None, **kwargs):
                    if math.isnan(logs.get("loss", 0)):
                        control.should_training_stop = True""", "but not the other"),
        "a limit": ("""
            class StopOnBadLoss(TrainerCallback):
                def on_log(self, args, state, control, logs=None, **kwargs):
                    if not logs.get("loss", 0) < 10:
                        control.should_training_stop = True""", "large, but a finite number"),
        "evaluations forgotten": ("""
            class StopOnBadLoss(TrainerCallback):
                def on_log(self, args, state, control, logs=None, **kwargs):
                    if not math.isfinite(logs["loss"]):
                        control.should_training_stop = True""", "Look first"),
        "stopped by an evaluation": ("""
            class StopOnBadLoss(TrainerCallback):
                def on_log(self, args, state, control, logs=None, **kwargs):
                    if not math.isfinite(logs.get("loss", math.nan)):
                        control.should_training_stop = True""", "stops after an evaluation"),
    },
}
CASES = [
    (number, f"lambda a, b=None, c=None, d=None: ({code})", hint)
    for number, wrong in MISTAKES.items() for code, hint in wrong.items()
]


def verdict(number, answer, capsys):
    checks.check(number, answer)
    return capsys.readouterr().out


@pytest.mark.parametrize("number", EXERCISES)
def test_the_solution_in_the_notebook_passes(number, capsys):
    name, _, solution = EXERCISES[number]
    space = {}
    exec(solution, space)
    assert f"Exercise {number}: right." in verdict(number, space[name], capsys)


@pytest.mark.parametrize("number", EXERCISES)
def test_the_stub_in_the_notebook_is_not_answered_yet(number, capsys):
    name, stub, _ = EXERCISES[number]
    space = {}
    exec(stub, {"exercises": checks, "TrainerCallback": TrainerCallback}, space)
    assert "not answered yet" in verdict(number, space[name], capsys)


@pytest.mark.parametrize(("number", "code", "hint"), CASES)
def test_a_typical_mistake_gets_its_hint(number, code, hint, capsys):
    said = verdict(number, eval(code), capsys)
    assert "not yet." in said
    assert hint in said


@pytest.mark.parametrize(
    ("number", "kind"), [(n, kind) for n, wrong in WRONG_STEPS.items() for kind in wrong]
)
def test_a_wrong_step_gets_its_hint(number, kind, capsys):
    body, hint = WRONG_STEPS[number][kind]
    name = EXERCISES[number][0]
    arguments = "model, batch, optimizer" if number == "03.2" else "model, batches, optimizer"
    space = {}
    exec(f"def {name}({arguments}):" + body, space)
    said = verdict(number, space[name], capsys)
    assert "not yet." in said
    assert hint in said


@pytest.mark.parametrize(
    ("number", "kind"), [(n, kind) for n, wrong in WRONG_CLASSES.items() for kind in wrong]
)
def test_a_wrong_class_gets_its_hint(number, kind, capsys):
    code, hint = WRONG_CLASSES[number][kind]
    space = {"TrainerCallback": TrainerCallback, "math": math}
    exec(textwrap.dedent(code), space)
    said = verdict(number, space[EXERCISES[number][0]], capsys)
    assert "not yet." in said
    assert hint in said


def test_every_check_has_its_exercise_and_typical_mistakes():
    assert set(checks._CHECKS) == set(EXERCISES)
    assert set(EXERCISES) == set(MISTAKES) | set(WRONG_STEPS) | set(WRONG_CLASSES)


def test_an_unknown_exercise_is_named():
    with pytest.raises(LearnerError, match=r"no exercise '9\.9'"):
        checks.check("9.9", len)


def test_an_error_in_the_answer_names_its_line(capsys):
    def answer(lengths, max_length):
        return lengths / max_length

    assert "stops with TypeError in the line `return lengths / max_length`" in verdict(
        "02.2", answer, capsys
    )
