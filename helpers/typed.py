"""Tables whose cells have types: in memory, JSON, Parquet, workbooks; each gives a `Table`."""

import contextlib
import datetime
import io
import itertools
import json
import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from helpers import delimited, encodings, files
from helpers.errors import LearnerError, listed, short, where

_EXCEL_ERRORS = {"#N/A", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!"}
_HALF = re.compile("[\ud800-\udfff]")  # an emoji of which "\\ud83d" is left
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
    if len(names) > delimited.MAX_COLUMNS:
        raise LearnerError(f"{name} has {len(names):,} columns, and a table of texts has a few. "
                           "Are rows and columns the wrong way round?")
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
    if source.shape[1] > delimited.MAX_COLUMNS:
        return table(name, list(source.columns), [], [])
    columns = [source.iloc[:, place].astype(object) for place in range(source.shape[1])]
    rows = [list(map(_plain, row)) for row in zip(*columns, strict=True)] or [
        [] for _ in range(len(source))]
    return table(name, list(source.columns), rows, range(len(source)))


def _plain(value):
    """Return a value as Python's own: numpy's and pandas' turned into it, None for missing."""
    if isinstance(value, bytes):  # of Parquet without a type for text
        with contextlib.suppress(UnicodeDecodeError):
            return value.decode()
    if value is None or isinstance(value, str | int | bool | bytes):
        return value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime()
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        return value
    if hasattr(value, "tolist"):  # numpy's arrays and scalars
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


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
            if len(names) > delimited.MAX_COLUMNS:
                return table(file.name, names, [], [])
            for batch in parquet.iter_batches(4096, columns=names):
                kept = [place for place in range(len(batch)) if share >= 1
                        or drawn.random() < share]
                part = batch if share >= 1 else batch.take(pa.array(kept, pa.int64()))
                columns = [map(_plain, column.to_pylist()) for column in part.columns]
                rows += map(list, zip(*columns, strict=True))
                index += [start + place for place in kept]
                start += len(batch)
    except (pa.ArrowException, OSError) as error:
        raise LearnerError(f"{file.name} begins like Parquet, but cannot be read: "
                           f"{short(error, 120)}. Download or write it again.") from error
    notes = [f"{file.name}: a share of {share:g} is read, {len(rows):,} rows."] * (share < 1)
    return table(file.name, names, rows, index, notes)


def workbook(file, header):
    """Return the first sheet of a workbook that holds a table."""
    import openpyxl

    try:
        filled = {}
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
        raise LearnerError(f"{file.name} is empty. It needs a header and a row for each text.")
    title, rows = next(iter(filled.items()))
    notes = []
    if sheets > 1:
        notes.append(f"{file.name}: the sheet {short(title)!r} is read, the first of {sheets} "
                     "that holds a table.")
    width = max(map(len, rows.values()))
    rows = {number: row + [None] * (width - len(row)) for number, row in rows.items()}
    usual = sorted(sum(v is not None for v in row) for row in rows.values())[len(rows) // 2]
    before = list(itertools.takewhile(
        lambda number: usual > 1 and sum(v is not None for v in rows[number]) == 1, rows))
    if header and before and len(before) < len(rows) - 1:
        notes.append(f"{file.name}: left out before the header: {where(before)}.")
        rows = {number: row for number, row in rows.items() if number not in before}
    names = rows.pop(next(iter(rows))) if header else range(1, width + 1)
    errors = [n for n, row in rows.items() if any(
        isinstance(v, str) and v in _EXCEL_ERRORS for v in row)]
    if errors:
        notes.append(f"{file.name}: a cell with an error of Excel's, such as #N/A, counts as "
                     f"empty in {where(errors)}.")
    cells = [[int(v) if isinstance(v, float) and v.is_integer() else
              None if isinstance(v, str) and v in _EXCEL_ERRORS else v for v in row]
             for row in rows.values()]
    made = table(file.name, names, cells, list(rows), notes)
    hollow = [column for place, column in enumerate(made.cells)
              if len(made.cells) and made.cells.iloc[:, place].isna().all()]
    if hollow and _formulas(file, title):
        made.notes.append(f"{file.name}: the column {listed(hollow)} has formulas without "
                           "values. Open the workbook in a spreadsheet, save it, and read again.")
    return made


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
        filled = (line.removeprefix("\ufeff") for line in lines if line.strip("\ufeff \t\r\n"))
        first = [_value(line) for line in itertools.islice(filled, 2)]
    if len(first) == 2 and isinstance(first[0], dict | list) and (
            isinstance(first[1], dict | list) or named):
        with stream() as lines:
            return _json_lines(file.name, lines, errors, share, seed)
    try:
        files.check_size(files.File(file.name, "json", file.size, file.open, b""), 1)
    except LearnerError:
        if named:
            raise
        return None
    with stream() as whole:
        text = encodings.mended([whole.read().removeprefix("\ufeff")], errors)[0]
    try:
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            if not error.msg.startswith("Extra data"):
                raise
            value = _one_by_one(text)  # objects one after the other, over several lines
    except _BAD_JSON as error:
        if not named:
            return None
        place = f" in line {error.lineno}, column {error.colno}" if hasattr(error, "msg") else ""
        raise LearnerError(
            f"{file.name} is not JSON: {short(getattr(error, 'msg', error), 80)}{place}. Mend it "
            "there, or export it again; a file with a row a line is named .csv."
        ) from None
    if value in ([], {}):
        raise LearnerError(f"{file.name} is empty. It needs an object for each text.")
    of_one_row = named and named[1].lower() in ("jsonl", "ndjson") and isinstance(value, dict)
    rows = [value] if of_one_row else _records(value)
    if rows is None:
        if not named:
            return None
        splits = [key for key in value if key in (
            "train", "test", "val", "valid", "validation", "dev")] if isinstance(
                value, dict) else []
        if len(splits) > 1:
            raise LearnerError(f"{file.name} holds several tables: {listed(splits)}. Save each to "
                               "a file of its own, and give a dictionary of them: {'train': "
                               "'FILE', 'validation': 'FILE', 'test': 'FILE'}.")
        raise LearnerError(
            f"{file.name} is JSON, but not a table. It needs a list of objects with the same "
            'keys, such as [{"text": "Good.", "label": 1}, …], or an object a line.'
        )
    if rows and not isinstance(rows[0], dict):
        return draw(_listed(file.name, rows, header), share, seed)
    return draw(_objects(file.name, rows, range(1, len(rows) + 1)), share, seed)


def _value(text):
    try:
        return json.loads(text)
    except _BAD_JSON:
        return None


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
    if share < 1:
        table.notes.append(f"{name}: a share of {share:g} is read, {len(rows):,} rows.")
    return table


def _objects(name, rows, index):
    """Return dictionaries as a table; a key that one lacks is None there."""
    columns = dict.fromkeys(key for row in rows for key in row)
    if len(columns) > delimited.MAX_COLUMNS:
        return table(name, list(columns), [], [])
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
