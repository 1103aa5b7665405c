"""Rows and columns out of a file of delimited text, or out of a table in memory."""

import contextlib
import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from helpers.errors import LearnerError


@dataclass
class Table:
    """A name for messages, the cells, what is to be said, and what is wrong with rows."""

    name: str
    cells: object
    notes: list = field(default_factory=list)
    problems: list = field(default_factory=list)


def read(source, name, header=True, encoding=None, share=1.0, seed=0):
    """Return a `Table`.

    The index counts the rows, of a file from 1 with its header, of a table in memory from 0;
    `name` is for the latter. Raises LearnerError where the source cannot be read.
    """
    import pandas as pd

    if isinstance(source, str | Path):
        path = Path(source).expanduser()
        name = short(path.name)
        notes = []
        content = _decode(path, name, encoding, notes)
        cells, problems = _cells(name, content, header)
        kept = [bool(c) or bool((cells.iloc[:, i] != "").any()) for i, c in enumerate(cells)]
        return Table(name, cells.loc[:, kept], notes, list(problems))
    if isinstance(source, list) and all(isinstance(row, Mapping) for row in source):
        source = pd.DataFrame(source)
    elif hasattr(source, "with_format"):  # a Dataset
        source = source.with_format(None).to_pandas()
    elif not isinstance(source, pd.DataFrame):
        raise LearnerError(
            "Texts come from a path, a DataFrame, a list of dictionaries, a Dataset or a "
            f"dictionary of splits to these, not from a value of type {type(source).__name__}."
        )
    columns = [str(column).strip() for column in source.columns]
    return Table(name, source.set_axis(columns, axis=1).reset_index(drop=True))


def where(rows):
    """Return row numbers in words: of one its own, of several how many and the first three."""
    if len(rows) == 1:
        return f"row {rows[0]}"
    return f"{len(rows):,} rows ({', '.join(map(str, rows[:3]))}{', …' if len(rows) > 3 else ''})"


def listed(values):
    """Return the first five of several values, as short as a message needs them."""
    values = [short(value) for value in values]
    return ", ".join(values[:5]) + (", …" if len(values) > 5 else "")


def short(value, length=30):
    """Return a value in one line of at most `length` characters."""
    value = " ".join(str(value).split())
    return value if len(value) <= length else value[: length - 1] + "…"


def _decode(path, name, encoding, notes):
    """Return a file's characters: as told, by its byte order mark, as UTF-8 or as cp1252."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        place = path if path.is_absolute() else f"{path} (looked for in {Path.cwd()})"
        raise LearnerError(f"There is no file {place}. Check the name and the folder.") from None
    except OSError as error:
        raise LearnerError(f"{name} cannot be read: {error.strerror}.") from error
    marked = ["utf-16"] if content.startswith((b"\xff\xfe", b"\xfe\xff")) else []
    tried = [encoding] if encoding else marked or ["utf-8", "cp1252"]
    for candidate in tried:
        with contextlib.suppress(LookupError, UnicodeError):
            decoded = content.decode(candidate).removeprefix("\ufeff")
            if candidate == "cp1252" and not encoding:
                notes.append(f"{name}: not UTF-8, so it is read as cp1252 (Western European). If "
                             "letters look wrong, name the encoding: encoding=…")
            return decoded
    raise LearnerError(
        f"{name} is not text in {' or '.join(tried)}. Save it again with the encoding UTF-8 (in a "
        "spreadsheet: 'CSV UTF-8'), or name its encoding: encoding=…"
    )


def _cells(name, content, header):
    """Return delimited text as a DataFrame of strings, and a line on rows of another width."""
    import pandas as pd

    csv.field_size_limit(2**31 - 1)  # a text of any length is read, so that its row can be named
    separator = max(",;\t|", key=content.lstrip().partition("\n")[0].count)
    # Not pandas, which fills up narrow rows; not str.splitlines, which cuts a text at U+2028.
    lines = enumerate(csv.reader(io.StringIO(content, newline=None), delimiter=separator), start=1)
    rows = {number: cells for number, cells in lines if any(cell.strip() for cell in cells)}
    if not rows:
        raise LearnerError(f"{name} is empty. It needs a header and a row for each text.")
    first = min(rows)
    width = len(rows[first])
    columns = [str(c).strip() for c in (rows.pop(first) if header else range(1, width + 1))]
    # Empty cells too many come from separators at the end of the row.
    odd = [number for number, row in rows.items() if len(row) < width or any(row[width:])]
    problems = odd and [
        f"{name}: not the {width} fields of the first row in {where(odd)}. Does a text that holds "
        f"{separator!r} lack quotation marks, is one left open, or a label missing?"
    ]
    even = {number: rows[number][:width] for number in sorted(rows.keys() - odd)}
    return pd.DataFrame(list(even.values()), list(even), columns, dtype=object), problems
