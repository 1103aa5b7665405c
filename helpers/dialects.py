"""Rows out of delimited text by one dialect, and how well they fit it."""

import csv
import itertools
import re
from collections import Counter
from dataclasses import dataclass, field, replace

from helpers.errors import LearnerError

MAX_COLUMNS = 16_384  # as many as a spreadsheet has
ONE, _CR = "\ue000", "\ue001"  # of private use: a separator of one character, a bare \r
_NUMBER = re.compile(r"\s*[-+]?\d+([.,]\d+)?\s*")


def check_width(name, width):
    """Raise LearnerError if a table has more columns than any spreadsheet."""
    if width > MAX_COLUMNS:
        raise LearnerError(f"{name} has {width:,} columns, and a table of texts has a few. Are "
                           "rows and columns the wrong way round, or does it lack line ends?")


@dataclass(frozen=True)
class Dialect:
    """How fields are parted and quoted."""

    separator: str = ONE  # which no file has: one column
    quote: str = '"'  # or "'", or "" for none
    escape: bool = False  # a backslash before a quotation mark or a separator
    spaces: bool = False  # after a separator, before a quotation mark
    newline: str = ""  # "\n" where a bare \r is part of a text

    def reader(self, lines):
        """Return a csv.reader of these lines."""
        options = {"delimiter": self.separator[0] if len(self.separator) == 1 else ONE,
                   "escapechar": "\\" if self.escape else None, "strict": True}
        if self.quote:
            return csv.reader(lines, quotechar=self.quote, skipinitialspace=self.spaces, **options)
        return csv.reader(lines, quoting=csv.QUOTE_NONE, **options)

    def prepare(self, line):
        """Return a line as the csv module can read it."""
        if len(self.separator) > 1:
            line = line.replace(self.separator, ONE)
        if self.newline and "\r" in line:
            line = line.removesuffix("\r\n").removesuffix("\n").replace("\r", _CR) + "\n"
        if self.escape and "\\" in line:  # any other backslash is one
            line = re.sub(rf"\\(?![\\\"'{re.escape(self.separator)}\r\n])", r"\\\\",
                          re.sub(r"\\\\", r"\\\\", line))
        return line


@dataclass
class Rows:
    """What came of reading: the rows by number, and how well the dialect fits."""

    dialect: Dialect
    rows: dict = field(default_factory=dict)
    seen: int = 0  # rows that are not blank, those left out of the share included
    repaired: list = field(default_factory=list)  # read as if there were no quoting
    needed: int = 0  # rows in which quoting was needed: it holds a separator or a line end
    plain: int = 0  # rows in which something is quoted that need not be
    header: list = field(default_factory=list)
    first: int = 0  # the header's row
    before: list = field(default_factory=list)  # rows left out before the header
    odd: list = field(default_factory=list)  # of another width
    notes: list = field(default_factory=list)

    def fit(self):
        """Return from 0 to 1 how many of the rows are as they should be."""
        bad = len(self.odd) + len(self.repaired)
        if not self.dialect.quote and self.plain > 0.5 * len(self.rows):
            bad += self.plain  # most texts would keep quotation marks around them
        fit = max(0, 1 - bad / max(1, len(self.rows)))
        if self.before:  # rather a separator that the first row has, too
            fit *= 0.8
        return fit if len(self.header) > 1 else 0.45 * fit

    def is_prose(self):
        """Say whether a space follows most separators, as it follows commas in a sentence."""
        cells = [cell for row in self.rows.values() for cell in row[1:] if cell]
        return sum(cell[0] == " " for cell in cells) > 0.5 * len(cells)

    def is_wider(self):
        """Say whether nearly all rows have as many cells, and the header has one."""
        widths = Counter(len(row) for number, row in self.rows.items() if number != self.first)
        usual, count = max(widths.items(), key=lambda item: item[1], default=(0, 0))
        return len(self.header) == 1 < usual and count > max(4, 0.95 * widths.total())

    def is_quoted(self):
        """Say whether quotation marks work as such everywhere, and are needed or all around."""
        return bool(self.dialect.quote and not self.repaired and (
            self.needed or self.plain >= 0.95 * len(self.rows)))


class _Lines:
    """Lines that can be put back; `taken` are those of the record at hand."""

    def __init__(self, lines):
        self.lines, self.back, self.taken = lines, [], []

    def __iter__(self):
        return self

    def __next__(self):
        line = self.back.pop() if self.back else next(self.lines)
        if not self.taken:  # a mark, as at the start of each of several files put together
            line = line.removeprefix("\ufeff")
        self.taken.append(line)
        return line


def parse(lines, dialect, header, signature=None, drawn=None):
    """Return the `Rows` of these lines, their header found and those of other widths named.

    A record whose quoting is wrong, or that swallows rows like those of `signature`, is one line,
    read without quoting. `drawn` is a generator and the share of the rows to keep.
    """
    found = Rows(dialect)
    _read_records(found, lines, signature, drawn)
    _judge(found, header)
    return found


def _read_records(found, lines, signature, drawn):
    dialect = found.dialect
    source = _Lines(map(dialect.prepare, lines))
    reader = dialect.reader(source)
    bare = replace(dialect, quote="", escape=False)
    mark, taken = dialect.quote, source.taken
    for number in itertools.count(1):
        taken.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            cells = None
        if cells is None or (len(taken) > 1 and mark and _swallows(taken, dialect, signature)):
            source.back.extend(reversed(taken[1:]))
            cells = next(bare.reader(taken[:1]))
            if cells:
                found.repaired.append(number)
        elif (mark or '"') in taken[0]:
            _count_quoting(found, cells, taken)
        empty = not any(cell.strip().strip("\x1a") for cell in cells)  # \x1a ends a file of DOS
        if empty and not (cells == [""] and mark and mark in taken[0]):
            continue
        found.seen += 1
        if drawn and found.seen > 1 and drawn[0].random() >= drawn[1]:
            continue
        if len(dialect.separator) > 1 or dialect.newline:
            cells = [c.replace(ONE, dialect.separator).replace(_CR, "\r") for c in cells]
        found.rows[number] = cells


def _count_quoting(found, cells, taken):
    """Count a record in which there are quotation marks: are they needed, or only there?"""
    dialect, mark, line = found.dialect, found.dialect.quote, taken[0]
    if not mark:
        found.plain += any(len(c) > 1 and c[0] == c[-1] == '"' for c in cells)
        return
    inside = "".join(cells)
    if len(taken) > 1 or dialect.separator[0] in inside or ONE in inside or (
            mark in inside and (mark * 2 in line or dialect.escape)):
        found.needed += 1
    elif inside.count(mark) < line.count(mark):
        found.plain += 1


def signature(found):
    """Return for each column the few values that it has, or that they are numbers, or None."""
    rows = [row for number, row in found.rows.items() if number != found.first
            and len(row) == len(found.header) and not any("\n" in cell for cell in row)]
    columns = []
    for column in list(zip(*rows, strict=True))[:50]:
        values = set(itertools.islice(column, 5_000))
        few = len(rows) > 3 and len(values) <= max(2, min(50, len(rows) // 3))
        numbers = rows and all(_NUMBER.fullmatch(value) for value in values)
        columns.append(values if few else _NUMBER if numbers else None)
    return columns


def _swallows(taken, dialect, signature):
    """Say whether the lines of one record look like rows of their own: a quote is left open."""
    if not signature or len(signature) < 2:
        return False
    known = any(column is not None for column in signature)
    alike = 0
    for line in taken:
        cells = line.rstrip("\r\n").split(dialect.separator if len(
            dialect.separator) == 1 else ONE)
        alike += len(cells) == len(signature) and all(
            column is None or (column.fullmatch(value) if column is _NUMBER else value in column)
            for column, value in zip(signature, cells, strict=True))
    # The last line of a quoted text may end like a row, or the first begin like one; not both.
    return alike >= (0.75 if known else 1) * len(taken)


def _judge(found, header):
    """Find the header and which rows have another width than it; drop what is before it."""
    rows = found.rows
    _drop_remarks(found, header)
    if not rows:
        return
    found.first = next(iter(rows))
    names = rows[found.first]
    if not header:
        found.first = 0
        width = Counter(map(len, rows.values())).most_common(1)[0][0]
        found.header = [str(column) for column in range(1, width + 1)]
    else:
        below = next(itertools.islice(rows, 1, 2), 0)
        # Of Markdown and databases: a line of dashes below the names.
        if below and re.fullmatch("[-+=:| ]*-{3}[-+=:| ]*", "|".join(rows[below])):
            del rows[below]
            found.notes.append(f"row {below}, a line of dashes below the header, is left out.")
        found.header = ["", *names] if _has_index(rows, found.first) else names
    width = least = len(found.header)
    if header and len(names) == width:  # names of the last columns may be empty
        least = max((place for place, name in enumerate(names, 1) if name.strip()), default=width)
    # Most rows may have empty cells too many, from separators at their end, or the header may.
    # A single row may not: a separator within its text could have moved its cells.
    body = [len(row) for number, row in rows.items() if number != found.first]
    usual = Counter(body).most_common(1)[0][0] if body else width
    fine = {usual, width} if usual > width else {usual} if usual >= least else {width}
    found.odd = [number for number, row in rows.items() if number != found.first and (
        len(row) not in fine or any(map(str.strip, row[width:])))]


def _drop_remarks(found, header):
    """Drop rows before the header: remarks behind a #, and titles of one cell."""
    rows = found.rows
    for number in list(itertools.islice(rows, 20)):
        if len(rows) < 3 or max(map(len, itertools.islice(rows.values(), 2))) > MAX_COLUMNS:
            return
        row, some = rows[number], list(itertools.islice(rows.values(), 1000))
        usual, count = Counter(map(len, some)).most_common(1)[0]
        is_remark = row[0].lstrip().startswith("#") and (
            len(row) != usual or _is_header(rows, 1))
        is_title = header and sum(bool(cell.strip()) for cell in row) == 1 < usual and (
            count > 0.7 * len(some) and not _has_index(rows, number)
            and _is_header(rows, [len(row) for row in some].index(usual)) is not False)
        if not (is_remark or is_title):
            return
        del rows[number]
        found.before.append(number)


def _is_header(rows, place):
    """Say whether the row here has a value where those below repeat a few; None if unknown."""
    below = list(itertools.islice(rows.values(), place, place + 200))
    below = [row for row in below if len(row) == len(below[0])]
    few = [column for column in zip(*below, strict=True)
           if len(below) > 4 and len({*column[1:]}) <= max(2, len(column) // 3)]
    return any(column[0] not in column[1:] for column in few) if few else None


def _has_index(rows, first):
    """Say whether rows are one cell longer than the header: row numbers, which R does not name."""
    width = len(rows[first])
    below = [row for number, row in itertools.islice(rows.items(), 1, 200) if number != first]
    return len(below) > 1 and all(
        len(row) == width + 1 and row[0].strip().isdigit() and row[-1].strip() for row in below
    ) and len({row[0] for row in below}) == len(below)
