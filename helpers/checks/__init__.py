"""The checks behind the exercises: each says that an answer is right, or what is wrong with it.

In a notebook: `check("02.2", pad_batch)`. The exercises of notebook 02 are data in `nb02.py`.
"""

import copy
import importlib
import inspect
import math
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

import torch

from helpers.errors import LearnerError

FOLDER = Path(__file__).parent
NOTEBOOKS = sorted(path.stem[2:] for path in FOLDER.glob("nb*.py"))
UNANSWERED = "not answered yet. Replace the dots with your code and run the cell again."
LONG = 20  # results of more numbers are not written out


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
    # Turns an answer into a function of a case that returns its result, or a dict of what it did.
    observe: Callable = lambda answer: answer
    # Turns a result, in plain lists and numbers, into one that all right answers share.
    normalize: Callable = lambda value, *case: value


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
    if all(result is None for result in results):
        return UNANSWERED
    right = _results(exercise, exercise.reference)
    if _same(right, results):
        return f"right. {exercise.praise}"
    for hint, mistake in exercise.wrong.items():
        if _same(_results(exercise, mistake), results):
            return f"not yet. {hint}"
    cases = zip(exercise.cases, right, results, strict=True)
    return f"not yet. {_explained(exercise, *next(c for c in cases if not _same(*c[1:])))}"


def _results(exercise, answer):
    """Return what an answer gives for each case: a plain value, or the error that it raised."""
    results = []
    for case in exercise.cases:
        given = copy.deepcopy(case)
        try:
            value = plain(exercise.observe(answer)(*given))
            if plain(given) != plain(case):
                raise LearnerError("Your code changes the values it was given. Build new ones.")
            results.append(None if value is None else exercise.normalize(value, *case))
        except Exception as error:  # whatever the learner's code raises
            results.append(error)
    return results


def _explained(exercise, case, wanted, got):
    """Say what is wrong with the result for a case, in a sentence for the learner."""
    if isinstance(got, LearnerError):
        return str(got)
    if isinstance(got, Exception):
        frames = traceback.extract_tb(got.__traceback__)
        line = next((f.line for f in frames if Path(f.filename).parent != FOLDER), "")
        where = f" in the line `{line}`" if line else ""
        return f"Your code stops with {type(got).__name__}{where}: {got}"
    if isinstance(wanted, dict):
        return exercise.advice
    arguments = inspect.signature(exercise.observe(exercise.reference)).bind(*case).arguments
    given = " and ".join(f"{name} = {text(plain(value))}" for name, value in arguments.items())
    it, write = "it", text if kind(wanted) == kind(got) else kind
    while write is text and len(shape(wanted)) > 1:
        it = "the first row that differs"
        wanted, got = next(pair for pair in zip(wanted, got, strict=True) if not _same(*pair))
    return f"For {given} {it} is {write(wanted)}; yours is {write(got)}. {exercise.advice}".strip()


def plain(value):
    """Return tensors, arrays and tuples as lists, and their numbers as Python's."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (list, tuple, range)):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return None if value is ... else value


def _same(wanted, got):
    """Say whether two plain values agree: whole numbers exactly, others to a thousandth."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        wanted, got = list(wanted.values()), list(got.values())
    if isinstance(wanted, list) and isinstance(got, list):
        return len(wanted) == len(got) and all(map(_same, wanted, got))
    if isinstance(got, list) and len(got) == 1:  # a tensor that holds one number
        got = got[0]
    if isinstance(wanted, float) and isinstance(got, Real) and not math.isnan(wanted):
        return math.isclose(wanted, got, rel_tol=1e-3, abs_tol=1e-6)
    return wanted == got or repr(wanted) == repr(got)  # nan and errors equal only themselves


def shape(value):
    """Return the shape of a plain value, as far as all of its rows share one."""
    if not isinstance(value, list):
        return ()
    inner = {shape(part) for part in value}
    return (len(value), *(inner.pop() if len(inner) == 1 else ()))


def kind(value):
    """Say what a plain value is, but not its numbers."""
    if isinstance(value, list):
        return f"of shape {shape(value)}"
    if value is None:
        return "nothing"
    return "a number" if isinstance(value, Real) else f"a {type(value).__name__}"


def text(value):
    """Write a plain value, of a long one the shape; four digits tell apart what differs."""
    if math.prod(shape(value)) > LONG:
        return kind(value)
    if isinstance(value, list):
        return f"[{', '.join(map(text, value))}]"
    return format(value, {float: ",.4g", int: ","}.get(type(value), ""))
