"""Tables whose cells have types: in memory, JSON, Parquet, workbooks; each gives a `Table`."""

import contextlib
import io
import itertools
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from helpers import encodings, files
from helpers.dialects import check_width
from helpers.errors import LearnerError, listed, short, where

_EXCEL_ERRORS = {"#N/A", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!"}
_ERROR = object()
_HALF = re.compile("[\ud800-\udfff]")  # an emoji of which "\\ud83d" is left
_SPLITS = ("train", "test", "val", "valid", "validation", "dev")
_BLANK = "\ufeff \t\r\n"
_BAD_JSON = (json.JSONDecodeError, RecursionError)


@dataclass
class Table:
    """Cells as a DataFrame of Python values, how to call it in messages, and what was found out.

    The index counts rows as a spreadsheet does, the header being row 1; without a header the
    first row is 1, in memory 0. `problems` are lines about rows that cannot be read.
    """

    name: str
    cells: Any
    notes: list = field(default_factory=list)
    problems: list = field(default_factory=list)


def table(name, columns, rows, index, notes=(), problems=()):
    """Return a table whose columns have names, without columns that lack a name and values."""
    import pandas as pd

    names = [" ".join(map(str, column)) if isinstance(column, tuple)
             else "" if _plain(column) is None else str(column)
             for column in columns]
    names = [column.strip() for column in names]
    check_width(name, len(names))
    kept = [place for place, column in enumerate(names)
            if column or any(row[place] not in (None, "") for row in rows)]
    notes, halves = list(notes), []
    for number, row in zip(index, rows, strict=True):
        for place, value in enumerate(row):
            if isinstance(value, str) and not value.isascii() and _HALF.search(value):
                row[place] = _HALF.sub("\ufffd", value)
                halves.append(number)
    if halves:
        halves = list(dict.fromkeys(halves))
        notes.append(f"{name}: half of a character was lost and stands as �: {where(halves)}.")
    cells = pd.DataFrame(rows, index, range(len(names)), dtype=object)
    if len(kept) < len(names):
        cells = cells[kept]
    cells.columns = [names[place] or f"column {place + 1}" for place in kept]
    return Table(name, cells, list(notes), list(problems))


def draw(table, share, seed):
    """Return a table with that share of its rows, in their order."""
    if share < 1:
        drawn = random.Random(seed)
        table.cells = table.cells[[drawn.random() < share for _ in range(len(table.cells))]]
    return drawn_while_read(table, share)


def drawn_while_read(table, share):
    """Return a table in whose notes it is said that a share of the rows was drawn."""
    if share < 1:
        table.notes.append(f"{table.name}: a share of {share:g} is read, {len(table.cells):,} "
                           "rows.")
    return table


def in_memory(source, name):
    """Return a DataFrame, list of dictionaries, Dataset, or what turns into one, as a table."""
    import pandas as pd

    if isinstance(source, list) and source and all(isinstance(row, str) for row in source):
        source = pd.DataFrame({"text": source}, dtype=object)
    elif isinstance(source, list) and all(isinstance(row, Mapping) for row in source):
        source = pd.DataFrame(source, dtype=object)
    elif hasattr(source, "with_format") and hasattr(source, "features"):  # a Dataset
        if not hasattr(source, "__len__"):
            raise LearnerError("A streamed data set has no end that is known. Take some rows of "
                               "it first: list(data.take(10_000)).")
        columns = source.with_format(None)[:]
        rows = zip(*columns.values(), strict=True)
        return table(name, list(columns), [list(map(_plain, row)) for row in rows],
                      range(len(source)))
    elif hasattr(source, "to_pandas"):  # polars, pyarrow
        source = source.to_pandas()
    elif isinstance(source, pd.Series):
        source = source.to_frame()
    if not isinstance(source, pd.DataFrame):
        raise LearnerError(
            "Texts come from a path, a DataFrame, a list of dictionaries, a Dataset or a "
            f"dictionary of splits to these, not from a value of type {type(source).__name__}."
        )
    check_width(name, source.shape[1])
    columns = [source.iloc[:, place].astype(object) for place in range(source.shape[1])]
    rows = [list(map(_plain, row)) for row in zip(*columns, strict=True)] or [
        [] for _ in range(len(source))]
    return table(name, list(source.columns), rows, range(len(source)))


def _plain(value):
    """Return a value as Python's own: numpy's and pandas' turned into it, None for missing."""
    import pandas as pd

    if type(value) in (str, int, bool):
        return value
    if hasattr(value, "tolist"):  # numpy's arrays and scalars
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):  # of Parquet without a type for text
        with contextlib.suppress(UnicodeDecodeError):
            return value.decode()
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    return value.to_pydatetime() if hasattr(value, "to_pydatetime") else value


def parquet(file, share, seed):
    """Return the table of a Parquet file, read in parts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    drawn, index, rows, start = random.Random(seed), [], [], 1
    try:
        with file.open() as stream:
            parquet = pq.ParquetFile(stream)
            # pandas' own index, where it had no name
            names = [n for n in parquet.schema_arrow.names if not n.startswith("__index_level_")]
            check_width(file.name, len(names))
            for batch in parquet.iter_batches(4096, columns=names):
                columns = [map(_plain, column.to_pylist()) for column in batch.columns]
                for number, row in enumerate(zip(*columns, strict=True), start):
                    if share >= 1 or drawn.random() < share:
                        rows.append(list(row))
                        index.append(number)
                start += len(batch)
    except (pa.ArrowException, OSError) as error:
        raise LearnerError(f"{file.name} begins like Parquet, but cannot be read: "
                           f"{short(error, 120)}. Download or write it again.") from error
    return drawn_while_read(table(file.name, names, rows, index), share)


def workbook(file, header):
    """Return the first sheet of a workbook that holds a table."""
    title, rows, notes = _sheet(file)
    width = max(map(len, rows.values()))
    rows = {number: [*map(_cell, row), *[None] * (width - len(row))]
            for number, row in rows.items()}
    errors = [number for number, row in rows.items() if _ERROR in row]
    rows = {number: [None if value is _ERROR else value for value in row]
            for number, row in rows.items()}
    filled = {number: sum(value is not None for value in row) for number, row in rows.items()}
    usual = sorted(filled.values())[len(rows) // 2]
    before = list(itertools.takewhile(lambda n: filled[n] == 1 < usual, rows))
    if header and 0 < len(before) < len(rows) - 1:
        notes.append(f"{file.name}: left out before the header: {where(before)}.")
        rows = {number: row for number, row in rows.items() if number not in before}
    names = rows.pop(next(iter(rows))) if header else range(1, width + 1)
    errors = [number for number in errors if number in rows]
    if errors:
        notes.append(f"{file.name}: a cell with an error of Excel's, such as #N/A, counts as "
                     f"empty in {where(errors)}.")
    made = table(file.name, names, list(rows.values()), list(rows), notes)
    hollow = [column for place, column in enumerate(made.cells)
              if len(made.cells) and made.cells.iloc[:, place].isna().all()]
    if hollow and _formulas(file, title):
        made.notes.append(f"{file.name}: the column {listed(hollow)} has formulas without "
                           "values. Open the workbook in a spreadsheet, save it, and read again.")
    return made


def _cell(value):
    if isinstance(value, str) and value in _EXCEL_ERRORS:
        return _ERROR
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _sheet(file):
    """Return title and rows, {number: cells}, of the sheet with a table, and notes."""
    import openpyxl

    filled = {}
    try:
        with file.open() as stream:
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            sheets = len(book.worksheets)
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # some programs write wrong ones
                rows = {number: list(row) for number, row in enumerate(
                    sheet.iter_rows(values_only=True), start=1)
                    if any(value is not None and str(value).strip() for value in row)}
                if rows:
                    filled[sheet.title] = rows
                if sum(sum(v is not None for v in row) > 1 for row in rows.values()) > 1:
                    filled = {sheet.title: rows}  # a table; before it were only remarks
                    break
    # openpyxl lets through errors of several libraries
    except Exception as error:
        raise LearnerError(f"{file.name} is an Excel workbook, but cannot be read: "
                           f"{short(error, 120)}. Open it and save it again.") from error
    if not filled:
        raise files.empty(file.name)
    title, rows = next(iter(filled.items()))
    said = (f"{file.name}: the sheet {short(title)!r} is read, the first of {sheets} that holds a "
            "table.")
    return title, rows, [said] * (sheets > 1)


def _formulas(file, title):
    import openpyxl

    with file.open() as stream:
        sheet = openpyxl.load_workbook(stream, read_only=True)[title]
        return any(isinstance(value, str) and value.startswith("=")
                   for row in sheet.iter_rows(max_row=1000, values_only=True) for value in row)


def json_file(file, source, encoding, errors, header, share, seed):
    """Return the table of JSON or JSON lines, or None if a text file only begins like it."""
    named = re.search(r"(?i)\.(json|jsonl|ndjson|geojson)(\.\w+)?$", str(source))

    def stream():
        return io.TextIOWrapper(file.open(), encoding.replace("-sig", ""), errors, newline="\n")

    with stream() as lines:
        filled = (line.strip(_BLANK) for line in lines if line.strip(_BLANK))
        first = [isinstance(_value(line), dict | list) for line in itertools.islice(filled, 2)]
    if len(first) == 2 and first[0] and (first[1] or named):
        with stream() as lines:
            return _json_lines(file.name, lines, errors, share, seed)
    try:
        files.check_size(replace(file, kind="json"), 1)
        with stream() as whole:
            value = _whole(file.name, encodings.mended([whole.read().removeprefix("\ufeff")],
                                                       errors)[0])
        of_one_row = named and named[1].lower() in ("jsonl", "ndjson") and isinstance(value, dict)
        rows = [value] if of_one_row else _records(value)
        if rows is None and value not in ([], {}):
            raise _no_table(file.name, value)
    except LearnerError:
        if named:
            raise
        return None
    if not rows:
        raise LearnerError(f"{file.name} is empty. It needs an object for each text.")
    found = (_objects(file.name, rows, range(1, len(rows) + 1)) if isinstance(rows[0], dict)
             else _listed(file.name, rows, header))
    return draw(found, share, seed)


def _value(text):
    try:
        return json.loads(text)
    except _BAD_JSON:
        return None


def _whole(name, text):
    """Return what a text of JSON holds. Raises LearnerError if it is none."""
    try:
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            if not error.msg.startswith("Extra data"):
                raise
            value = _one_by_one(text)  # objects one after the other, over several lines
    except _BAD_JSON as error:
        place = f" in line {error.lineno}, column {error.colno}" if hasattr(error, "msg") else ""
        raise LearnerError(
            f"{name} is not JSON: {short(getattr(error, 'msg', error), 80)}{place}. Mend it "
            "there, or export it again; a file with a row a line is named .csv."
        ) from None
    return value


def _no_table(name, value):
    """Return the LearnerError for JSON that is no table, with what it should be."""
    splits = [key for key in value if key in _SPLITS] if isinstance(value, dict) else []
    if len(splits) > 1:
        return LearnerError(f"{name} holds several tables: {listed(splits)}. Save each to a file "
                            "of its own, and give a dictionary of them: {'train': 'FILE', "
                            "'validation': 'FILE', 'test': 'FILE'}.")
    return LearnerError(
        f"{name} is JSON, but not a table. It needs a list of objects with the same keys, such as "
        '[{"text": "Good.", "label": 1}, …], or an object a line.')


def _one_by_one(text):
    decoder, values, place = json.JSONDecoder(), [], 0
    while match := re.compile(r"[\s,]*(?=\S)").match(text, place):
        value, place = decoder.raw_decode(text, match.end())
        values.append(value)
    return values


def _json_lines(name, lines, errors, share, seed):
    drawn, rows, bad = random.Random(seed), {}, []
    for number, line in enumerate(lines, start=1):
        if not line.strip("\ufeff \t\r\n") or (share < 1 and drawn.random() >= share):
            continue
        value = _value(encodings.mended([line.removeprefix("\ufeff")], errors)[0])
        if isinstance(value, dict | list):
            rows[number] = value
        else:
            bad.append(number)
    shapes = {type(value) for value in rows.values()}
    if shapes == {list}:
        table = _listed(name, list(rows.values()), False)
        table.cells.index = list(rows)
    else:
        bad = sorted([*bad, *(n for n, value in rows.items() if not isinstance(value, dict))])
        rows = {n: value for n, value in rows.items() if isinstance(value, dict)}
        table = _objects(name, list(rows.values()), list(rows))
    if bad:
        table.problems.append(f"{name}: no JSON object in {where(bad)}. Mend or remove it; a line "
                              "holds one whole object.")
    return drawn_while_read(table, share)


def _objects(name, rows, index):
    """Return dictionaries as a table; a key that one lacks is None there."""
    columns = dict.fromkeys(key for row in rows for key in row)
    check_width(name, len(columns))
    return table(name, list(columns), [[_plain(row.get(c)) for c in columns] for row in rows],
                  index)


def _listed(name, rows, header):
    """Return lists, or single values, as a table."""
    rows = [row if isinstance(row, list) else [row] for row in rows]
    width = max(map(len, rows))
    header = header and width > 1 and all(isinstance(value, str) for value in rows[0])
    names = rows[0] if header else ["text"] if width == 1 else range(1, width + 1)
    odd = [number for number, row in enumerate(rows, start=1) if len(row) != width]
    cells = {number: list(map(_plain, row)) for number, row in enumerate(rows, start=1)
             if len(row) == width and not (header and number == 1)}
    problems = [f"{name}: not {width} values in {where(odd)}. Mend or remove them."] * bool(odd)
    return table(name, names, list(cells.values()), list(cells), (), problems)


def _records(value):
    """Return what JSON holds as a list of dictionaries or lists, or None if it is no table.

    A list of rows, an object of columns or of rows, or an object in which one key has the list.
    """
    if isinstance(value, list):
        kinds = {type(row) for row in value}
        return value if len(kinds) == 1 and kinds <= {dict, list, str} else None
    if not isinstance(value, dict) or not value:
        return None
    parts = list(value.values())
    if {"columns", "data"} <= set(value) and all(isinstance(row, list) for row in value["data"]):
        return [dict(zip(value["columns"], row, strict=False)) for row in value["data"]]
    if all(isinstance(part, list) for part in parts) and len({*map(len, parts)}) == 1 and not (
            len(parts) == 1 and parts[0] and isinstance(parts[0][0], dict | list)):
        return [dict(zip(value, row, strict=True)) for row in zip(*parts, strict=True)]
    if all(isinstance(part, dict) for part in parts):
        inner = list(parts[0])
        outer_is_index = all(key.isdigit() for key in value)
        inner_is_index = inner and all(list(part) == inner for part in parts) and all(
            key.isdigit() for key in inner)
        if inner_is_index and not outer_is_index:
            return [{column: value[column][key] for column in value} for key in inner]
        if outer_is_index or len(parts) >= max(2, len(inner)):
            return [part if outer_is_index else {"id": key, **part}
                    for key, part in value.items()]
    lists = [part for part in parts if isinstance(part, list) and part and all(
        isinstance(row, dict) for row in part)]
    others = [part for part in parts if isinstance(part, list | dict) and _records(part)]
    inside = lists or others
    return _records(inside[0]) if len(inside) == 1 else None
