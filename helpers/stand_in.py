"""What `helpers.predict` needs of `texts`, `command` and `scores` until these branches meet.

To be deleted with its imports in predict.py: `from helpers import command, scores, texts` there.
"""

import argparse
import sys

from helpers import tables
from helpers.errors import LearnerError


def read_unlabelled(source, text=None, *, header=True, encoding=None):
    """Stand in for `texts.read_unlabelled`: (name, ids, texts, notes), a text for every row."""
    name, cells, problems = tables.read(source, "the table", header, encoding)
    wanted = text or "text"
    if problems or wanted not in cells:
        raise LearnerError("\n".join(problems) or f"{name} has no column {wanted!r}.")
    ids = cells.get("id", cells.index)
    return name, [str(i) for i in ids], cells[wanted].astype(str).tolist(), []


def said(message):
    """Stand in for `command.said`."""
    return message.replace("header=False", "--no-header")


def prepare_console():
    """Stand in for `command.prepare_console`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def at_least(lowest):
    """Stand in for `command.at_least`."""
    def number(text):
        if not text.isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least {lowest}")
        return int(text)

    return number
