"""The checks behind the exercises: each says that an answer is right, or what is wrong with it.

In a notebook: `check("02.1", pad_batch)`. The exercises of notebook 02 are data in `nb02.py`.
"""

import copy
import importlib
import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

import torch

from helpers.checks.results import difference, plain, same, shape, text
from helpers.errors import LearnerError

FOLDER = Path(__file__).parent
NOTEBOOKS = sorted(path.stem[2:] for path in FOLDER.glob("nb*.py"))
UNANSWERED = "not answered yet. Replace the dots with your code and run the cell again."
CHANGED = "Your code changes the values that it was given. Build new ones."


class Hint(Exception):
    """What is wrong with an answer, in a sentence for the learner."""


@dataclass
class Exercise:
    """An answer is right if it gives what `reference` gives, for every case.

    `wrong` maps hints to functions: an answer that gives what one of them gives, for every case,
    gets its hint. Any other wrong answer hears of the first case that differs, and the `advice`.
    """

    reference: Callable
    cases: list  # of tuples of arguments
    wrong: dict  # ANY in the result of a wrong function equals everything
    praise: str
    advice: str = ""
    tolerance: float = 1e-3  # relative
    # Runs an answer on a case, and returns its result or a record of what it did.
    observe: Callable = lambda answer, *case: answer(*case)
    # Turns a result, in plain lists and numbers, into one that all right answers share.
    normalize: Callable = lambda value, *case: value
    # Says how two results differ, where "it is …; yours is …" would not help.
    explain: Callable = lambda wanted, got, *case: None
    stub: Callable = lambda *case: None


def check(number, answer):
    """Print whether `answer` solves the exercise, else the hint for what is wrong with it.

    Leaves the random state of torch as it was. Raises LearnerError for an unknown exercise.
    """
    notebook = str(number).partition(".")[0]
    known = exercises(notebook) if notebook in NOTEBOOKS else {}
    if number not in known:
        every = known or [name for notebook in NOTEBOOKS for name in exercises(notebook)]
        raise LearnerError(f"There is no exercise {number!r}. Choose one of {', '.join(every)}.")
    with torch.random.fork_rng(devices=[]):
        print(f"Exercise {number}: {_verdict(known[number], answer)}")


def exercises(notebook):
    """Return {number: Exercise} of a notebook such as "03"."""
    return importlib.import_module(f"helpers.checks.nb{notebook}").EXERCISES


def _verdict(exercise, answer):
    results = _results(exercise, answer)

    def differing(function):
        """Return the first case on which the answer is another than the function, or None."""
        cases = zip(exercise.cases, _results(exercise, function), results, strict=True)
        return next((case for case in cases if not same(*case[1:], exercise.tolerance)), None)

    first = differing(exercise.reference)
    if first is None:
        return f"right. {exercise.praise}"
    if differing(exercise.stub) is None:
        return UNANSWERED
    for hint, mistake in exercise.wrong.items():
        if differing(mistake) is None:
            return f"not yet. {hint}"
    return f"not yet. {_explained(exercise, *first)}"


def _results(exercise, answer):
    """Return what an answer gives for each case: a plain value, or the error that it raised."""
    results = []
    for case in exercise.cases:
        arguments = copy.deepcopy(case)
        try:
            value = plain(exercise.observe(answer, *arguments))
            if not same(plain(case), plain(arguments), 0):
                raise Hint(CHANGED)
            results.append(None if value is None else exercise.normalize(value, *case))
        except Exception as error:  # whatever the learner's code raises
            results.append(error)
    return results


def _explained(exercise, case, wanted, got):
    """Say what is wrong with the result for a case, in a sentence for the learner."""
    if isinstance(got, Hint):
        return str(got)
    if isinstance(got, Exception):
        frames = traceback.extract_tb(got.__traceback__)
        line = next((f.line for f in frames if Path(f.filename).parent != FOLDER), "")
        where = f" in the line `{line}`" if line else ""
        return f"Your code stops with {type(got).__name__}{where}: {got}"
    if got is not None and (explained := exercise.explain(wanted, got, *case)):
        return explained
    names = inspect.signature(exercise.reference).parameters
    values = [text(plain(value)) for value in case]
    given = " and ".join(f"{name} = {value}" for name, value in zip(names, values, strict=False))
    if got is None:
        return f"For {given} your code returns nothing."
    if not shape(wanted) and not isinstance(got, Real):
        return f"A number is wanted; yours is a {type(got).__name__}."
    if shape(wanted) != shape(got):
        return f"The result should have the shape {shape(wanted)}; yours has {shape(got)}."
    differ = difference(wanted, got, exercise.tolerance)
    return f"For {given} {differ} {exercise.advice}".strip()
