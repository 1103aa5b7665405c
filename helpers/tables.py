"""Rows and columns out of a file of any usual kind, or out of a table in memory.

What a file is: `files`; its letters: `encodings`; separators and quotation marks: `delimited`;
what has types already: `typed`.
"""

import io
import re
from pathlib import Path

from helpers import delimited, encodings, files, typed
from helpers.errors import LearnerError, listed, short, where
from helpers.typed import Table

__all__ = ["Table", "listed", "read", "short", "where"]

# What UTF-8 becomes when it is read as cp1252: Ã© for é, â€™ for ’.
_TWICE = re.compile("[ÂÃ][\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|[ÅÐÑ][\x80-\xbfƒŠŒŽšœžŸ]|â€")



def read(source, name, header=True, encoding=None, share=1.0, seed=0):
    """Return the `Table` that a path leads to, or that a table in memory is, called `name`.

    `share` below 1 draws that part of the rows by `seed` while reading. Text files give strings
    as they stand; JSON, Parquet, workbooks and tables in memory keep Python values, None for what
    is missing. Raises LearnerError where nothing can be read.
    """
    if not isinstance(share, int | float) or not 0 < share <= 1:
        raise LearnerError(f"share={share} is no part of the rows. Give one such as share=0.1.")
    if not isinstance(source, str | Path):
        return typed.draw(typed.in_memory(source, name), share, seed)
    file = files.find(source)
    files.check_size(file, share)
    if file.kind == "parquet":
        return typed.parquet(file, share, seed)
    if file.kind == "workbook":
        return typed.draw(typed.workbook(file, header), share, seed)
    encoding, errors, notes = encodings.find(file, encoding)
    table = None
    if file.head.decode(encoding, "ignore").lstrip("\ufeff \t\r\n")[:1] in ("[", "{"):
        table = typed.json_file(file, source, encoding, errors, header, share, seed)
        if table and errors == "surrogateescape":
            notes = [f"{file.name}: read as cp1252 (Western European) where it is not UTF-8."]
    elif re.match(r"\ufeff?__label__\S", file.head.decode(encoding, "ignore")):
        table = _fasttext(file, encoding, errors, share, seed)
    if table is None:
        table = _delimited(file, encoding, errors, header, share, seed)
    table.notes = [*file.notes, *notes, *table.notes]
    return table


def _fasttext(file, encoding, errors, share, seed):
    """Return the table of a file in fastText's format: __label__good and a text in each line."""
    with io.TextIOWrapper(file.open(), encoding, errors, newline="\n") as lines:
        rows = {number: re.fullmatch(r"((?:__label__\S+\s*)*)(.*)", line.strip(), re.DOTALL)
                for number, line in enumerate(lines, start=1) if line.strip()}
    labels = [[label.removeprefix("__label__").strip(",") for label in row[1].split()]
              for row in rows.values()]
    if all(len(several) < 2 for several in labels):
        labels = [one[0] if one else "" for one in labels]
    texts = [encodings.mended([row[2]], errors)[0] for row in rows.values()]
    return typed.draw(typed.table(
        file.name, ["label", "text"], list(map(list, zip(labels, texts, strict=True))),
        list(rows), [f"{file.name}: read as a file of fastText's, without a header."]),
        share, seed)


def _delimited(file, encoding, errors, header, share, seed):
    """Return the table of a text file with separators."""
    found = delimited.read(file, encoding, errors, header, share, seed)
    width, odd = len(found.header), set(found.odd)
    rows = {number: row if len(row) == width else (row + [""] * width)[:width]
            for number, row in found.rows.items() if number not in odd and number != found.first}
    notes = found.notes
    again = [number for number, row in rows.items() if row == found.header
             and header and width > 1]
    if again:
        notes.append(f"{file.name}: left out, because the header stands there again: "
                     f"{where(again)}.")
        rows = {number: row for number, row in rows.items() if number not in set(again)}
    notes += _say_damage(file.name, rows, errors)
    made = typed.table(file.name, encodings.mended(found.header, errors), list(rows.values()),
                       list(rows), notes, _say_odd(file.name, found))
    return typed.drawn_while_read(made, share)


def _say_odd(name, found):
    """Return a line on rows of another width than the first, if there are any."""
    width = len(found.header)
    if not found.odd:
        return []
    if width == 1:
        return [f"{name}: one field in the first row, more in {where(found.odd)}. What parts the "
                "columns? Save it as CSV (UTF-8), with quotation marks around texts that hold "
                "commas."]
    return [f"{name}: not the {width} fields of the first row in {where(found.odd)}. Does a text "
            f"that holds {found.dialect.separator!r} lack quotation marks, is one left open, or a "
            "label missing?"]


def _say_damage(name, rows, errors):
    """Mend rows of another encoding, in place; return a line for each kind of damage."""
    damaged = {
        "NUL characters, which no text has; the file may be damaged": [],
        "read as cp1252 (Western European), because it is not UTF-8 as the rest is": [],
        "a character is lost and stands as �": [],
        "encoded twice before it was saved ('Ã©' for 'é'), and left so": [],
    }
    nul, mixed, lost, twice = damaged.values()
    for number, row in rows.items():
        joined = "".join(row)
        if "\0" in joined:
            nul.append(number)
        if joined.isascii():
            continue
        if errors == "surrogateescape" and encodings.ESCAPED.search(joined):
            rows[number] = row = encodings.mended(row, errors)
            joined = "".join(row)
            mixed.append(number)
        if "\ufffd" in joined:
            lost.append(number)
        if _TWICE.search(joined):
            twice.append(number)
    return [f"{name}: {said}: {where(found)}." for said, found in damaged.items() if found]
