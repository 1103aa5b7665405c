"""Rows and columns out of a file of any usual kind, or out of a table in memory.

What a file is: `files`; its letters: `encodings`; separators and quotation marks: `delimited`;
what has types already: `typed`.
"""

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
    if not 0 < share <= 1:
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
    if table is None:
        table = _delimited(file, encoding, errors, header, share, seed)
    table.notes = [*file.notes, *notes, *table.notes]
    return table


def _delimited(file, encoding, errors, header, share, seed):
    """Return the table of a text file with separators."""
    found = delimited.read(file, encoding, errors, header, share, seed)
    width, odd = len(found.header), set(found.odd)
    rows = {number: row if len(row) == width else (row + [""] * width)[:width]
            for number, row in found.rows.items() if number not in odd and number != found.first}
    notes, problems = found.notes, []
    if odd:
        separator = found.dialect.separator
        problems.append(
            f"{file.name}: not the {width} fields of the first row in {where(found.odd)}. Does a "
            f"text that holds {separator!r} lack quotation marks, is one left open, or a label "
            "missing?"
        )
    names = encodings.mended(found.header, errors)
    damaged = {"mixed": [], "lost": [], "nul": [], "twice": []}
    for number, row in rows.items():
        joined = row[0] if width == 1 else "".join(row)
        if "\0" in joined:
            damaged["nul"].append(number)
        if joined.isascii():
            continue
        if errors == "surrogateescape" and re.search("[\udc80-\udcff]", joined):
            rows[number] = row = encodings.mended(row, errors)
            joined = "".join(row)
            damaged["mixed"].append(number)
        if "\ufffd" in joined:
            damaged["lost"].append(number)
        if _TWICE.search(joined):
            damaged["twice"].append(number)
    if damaged["nul"]:
        problems.append(f"{file.name}: NUL characters in {where(damaged['nul'])}. The file was "
                        "damaged, or is not a table of texts: export or download it again.")
    for kind, said in (
        ("mixed", "read as cp1252 (Western European), because it is not UTF-8 as the rest is"),
        ("lost", "a character is lost and stands as �"),
        ("twice", "encoded twice before it was saved ('Ã©' for 'é'), and left so"),
    ):
        if damaged[kind]:
            notes.append(f"{file.name}: {said}: {where(damaged[kind])}.")
    if share < 1:
        notes.append(f"{file.name}: a share of {share:g} is read, {len(rows):,} rows.")
    return typed.table(file.name, names, list(rows.values()), list(rows), notes, problems)
