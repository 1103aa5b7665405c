"""What commands that read a file of texts share: options, their words, what is shown meanwhile."""

import argparse
import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
import threading

from helpers import paths
from helpers.errors import LearnerError, short

TASKS = ("class", "labels", "number")
# How a call in a notebook is written, and the option of the command line that does the same.
_SWITCHES = {"drop_empty=True": "--drop-empty", "clean=True": "--clean",
             "header=False": "--no-header"}
_VALUES = re.compile(r"\b(text|label|task|keep|encoding|share|max_length)="
                     r"""('[^']*'|"[^"]*"|…|[\w.+-]*\w)""")


def file_options(parser, *, data, label):
    """Add the options that say how to read a file of texts; `data`, `label` are two help texts."""
    add = parser.add_argument
    add("--data", metavar="FILE", help=f"{data} (CSV, TSV, Excel, JSON, Parquet)")
    add("--text", metavar="COLUMN", help="the column of the texts, where it is not recognised; "
        "of pairs, two with a comma between them")
    add("--label", metavar="COLUMN", help=label)
    add("--no-header", dest="header", action="store_false",
        help="the first row is a text already; columns are then named 1, 2, …")
    add("--encoding", metavar="NAME", help="of the file, such as cp1252 (default: found out)")
    add("--clean", action="store_true", help="take HTML out of the texts")


def data_options(parser):
    """Add the options that say which file of labelled texts to read, and how."""
    file_options(parser, data="your texts: a table with a column of texts and one of labels; "
                 "without it, the project's reviews are read",
                 label="the column of the labels, likewise; several, with commas, where each "
                 "says yes or no to a label")
    add = parser.add_argument
    add("--task", choices=(*TASKS, "entities"),
        help="what is to be learned (default: told from the labels)")
    add("--drop-empty", action="store_true", help="leave out rows without a text or a label")
    add("--share", type=share, default=1.0, metavar="S",
        help="read only this share of the rows, such as 0.1, drawn by chance")


def reading(options):
    """Return what `data_options` read beside the file itself, as `texts.load` takes it."""
    names = ("text", "label", "task", "header", "encoding", "drop_empty", "clean", "share")
    return {name: getattr(options, name) for name in names}


def needs_data(options):
    """Return the first option given that says how to read a file, or None."""
    given = {**vars(options), "no_header": not options.header, "share": options.share != 1,
             "task": options.task in TASKS}
    names = ("test_data", "text", "label", "task", "no_header", "encoding", "drop_empty", "clean",
             "share")
    return next((f"--{name.replace('_', '-')}" for name in names if given[name]), None)


def said(message):
    """Return a message with the words of the command line where it has those of a notebook."""
    for written, option in _SWITCHES.items():
        message = message.replace(written, option)
    message = _VALUES.sub(_option, message)
    return re.sub(r"(--\w+ \S+), (?=--)", r"\1 ", message)  # one behind the other, to be copied


def _option(found):
    name, value = found.groups()
    value = shlex.quote(value[1:-1]) if value[0] in "'\"" else value
    name = {"keep": "long"}.get(name, name)
    return f"--{name.replace('_', '-')} {value}"


@contextlib.contextmanager
def printed_as_options():
    """Print what the block prints when it has ended, in the words of the command line."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            yield
    finally:
        print(said(printed.getvalue()), end="")


@contextlib.contextmanager
def enough_memory(batch_size, max_length):
    """Turn a lack of memory for batches of such a size into a LearnerError."""
    import torch

    try:
        yield
    except (RuntimeError, MemoryError) as error:
        # On a GPU a lack of memory has a type of its own, on a CPU only words.
        if not (isinstance(error, MemoryError | torch.OutOfMemoryError)
                or "can't allocate memory" in str(error)):
            raise
        raise LearnerError(
            f"The memory was used up with a batch of {batch_size}. Try --batch-size "
            f"{max(1, batch_size // 2)} or a --max-length below {max_length}."
        ) from None


@contextlib.contextmanager
def stage(what, progress=True):
    """Show what a block does and for how long it has been at it, until it has ended."""
    from tqdm.auto import tqdm

    done = threading.Event()
    def tick():
        while not done.wait(1):
            line.refresh()

    with tqdm(desc=what, bar_format="{desc} … {elapsed}", leave=False,
              disable=not progress) as line:
        ticking = threading.Thread(target=tick, daemon=True)
        ticking.start()
        try:
            yield
        finally:
            done.set()
            ticking.join()


@contextlib.contextmanager
def writable(output, place):
    """Run the block, then try whether a file can be made beside `place`, which `output` names.

    Raises LearnerError where one or the other meets an error of the disk.
    """
    try:
        yield
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent):
            pass
    except OSError as error:
        raise LearnerError(f"Nothing can be written to {short(output, 80)}: "
                           f"{paths.reason(error)}. Choose another --output.") from None


def pipe_closed():
    """Print nothing more, for whoever reads it has enough; returns the exit status."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141


def prepare_console():
    """Print line by line, into pipes, too, and the codes of letters that the console lacks."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)


def at_least(lowest):
    """Return what reads a whole number of at least `lowest`, for argparse."""
    def number(text):
        if not text.isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number of at least {lowest}"
            )
        return int(text)

    return number


def rate(text, most=sys.float_info.max, limit=""):
    """Read a number above 0, for argparse."""
    with contextlib.suppress(ValueError):
        if 0 < float(text) <= most:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0{limit}")


def share(text):
    """Read a number above 0, up to 1, for argparse."""
    return rate(text, 1, ", up to 1")
