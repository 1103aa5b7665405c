"""Names and habits that older versions had, as `making.then_and_now` ran them for notebook 13."""

import contextlib
import io
import re
import tempfile
import warnings
from dataclasses import dataclass

from helpers import checkpoints, paths

FILE = paths.REFERENCE / "then_and_now.json"


@dataclass(frozen=True)
class Habit:
    """A line of code, run with an old version: what it said then, and what replaces it."""

    name: str
    code: str
    instead: str
    version: str
    then: str


def load():
    """Return the list of `Habit`s, the oldest first."""
    return [Habit(**one) for one in paths.recorded(FILE.name)["habits"]]


def run(code, bert=None):
    """Run code, whose last line is an expression; return its value, or its error, in words.

    The code finds a folder to write into as `folder`, and a BERT's, by default the small one's,
    as `bert`. Of an error, the words are its `sentence`.
    """
    *lines, last = code.strip().split("\n")
    try:
        with (tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()),
              contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings()):
            warnings.simplefilter("ignore")
            space = {"folder": folder,
                     "bert": bert or str(checkpoints.find("bert", size="small").path)}
            exec("\n".join(lines), space)
            return str(eval(last, space))
    except Exception as error:
        return sentence(error)


def sentence(error):
    """Return the type of an exception and the first sentence of its message, without paths."""
    message = re.sub(r" \(\S*__init__\.pyc?\)", "", str(error).strip().partition("\n")[0])
    return f"{type(error).__name__}: {re.split(r'(?<=[.!?]) ', message)[0]}".strip()
