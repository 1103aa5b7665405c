"""Rows out of delimited text: the separator and the quoting are decided by the whole file.

A sample ranks the candidates; the winner has to hold for all rows, or others are tried on all.
"""

import contextlib
import csv
import io
import itertools
import random
import re
from collections import Counter
from dataclasses import dataclass, field, replace

from helpers.errors import LearnerError, where

SAMPLE = 2**20  # characters
MAX_COLUMNS = 16_384  # as many as a spreadsheet has
FULL_TRIALS = 6
_USUAL = "\t|;,"
# Of two that fit as well, the one that is rarer in prose comes first.
_SEPARATORS = ("\t", "\x01", "\x1f", "|||", "||", "|", "::", "^", ";", ",", "~", "¦")
_NAMES = {"\t": "tabs", "|": "vertical bars", ";": "semicolons", "\x01": "the character \\x01",
          "\x1f": "the character \\x1f"}
_ONE, _CR = "\ue000", "\ue001"  # of private use: a separator of one character, a bare \r
_NUMBER = re.compile(r"\s*[-+]?\d+([.,]\d+)?\s*")


@dataclass(frozen=True)
class Dialect:
    """How fields are parted and quoted."""

    separator: str = _ONE  # which no file has: one column
    quote: str = '"'  # or "'", or "" for none
    escape: bool = False  # a backslash before a quotation mark or a separator
    spaces: bool = False  # after a separator, before a quotation mark
    newline: str = ""  # "\n" where a bare \r is part of a text

    def reader(self, lines):
        """Return a csv.reader of these lines."""
        options = {"delimiter": self.separator[0] if len(self.separator) == 1 else _ONE,
                   "escapechar": "\\" if self.escape else None, "strict": True}
        if self.quote:
            return csv.reader(lines, quotechar=self.quote, skipinitialspace=self.spaces, **options)
        return csv.reader(lines, quoting=csv.QUOTE_NONE, **options)

    def prepare(self, line):
        """Return a line as the csv module can read it."""
        if len(self.separator) > 1:
            line = line.replace(self.separator, _ONE)
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


def read(file, encoding, errors, header, share, seed):
    """Return the `Rows` of a text file. Raises LearnerError if it has none."""
    csv.field_size_limit(2**31 - 1)  # a text of any length is read, so that its row can be named
    with contextlib.ExitStack() as opened:
        return _read(file, (encoding, errors), header, share, seed, opened)


def _read(file, coding, header, share, seed, opened):
    wrapped = False

    def lines(newline=""):
        stream = opened.enter_context(io.TextIOWrapper(file.open(), *coding, newline=newline))
        first = next(stream, "")
        whole = itertools.chain([first.lstrip("\ufeff")], stream)
        return map(_unwrapped, whole) if wrapped else whole

    told = re.match(r'"?sep=(.)"?\s*$', next(lines()), re.IGNORECASE | re.DOTALL)
    skip = 1 if told else 0  # spreadsheets do not count this line

    def parsed(dialect, source, signature=None, drawn=None):
        found = _parse(source, dialect, signature, drawn)
        _judge(found, header)
        return found

    sample = list(_some(itertools.islice(lines(), skip, None)))
    if not any(line.strip() for line in sample) and not any(line.strip() for line in lines()):
        raise LearnerError(f"{file.name} is empty. It needs a header and a row for each text.")
    if _is_wrapped(sample):
        wrapped, sample = True, list(map(_unwrapped, sample))
    ranked = _rank(sample, told and told[1], parsed)
    best = None
    for tried, candidate in enumerate(_candidates(ranked, lines), start=1):
        drawn = random.Random(seed) if share < 1 else None
        source = itertools.islice(lines(candidate.newline), skip, None)
        found = parsed(candidate, source, _signature(ranked[0]), drawn and (drawn, share))
        if best is None or found.fit() > best.fit():
            best = found
        if (not best.odd and not best.repaired) or tried == FULL_TRIALS:
            break
    _explain(file.name, best, told)
    if wrapped:
        best.notes.append(f"{file.name}: quotation marks around whole rows are taken off.")
    return best


def _unwrapped(line):
    """Return a line without quotation marks around the whole of it."""
    bare = line.strip()
    if len(bare) < 2 or not bare[0] == bare[-1] == '"':
        return line
    return bare[1:-1].replace('""', '"') + "\n"


def _is_wrapped(sample):
    """Say whether each row as a whole stands in quotation marks, as after two exports as CSV."""
    filled = [line.strip() for line in sample if line.strip()][:200]
    if len(filled) < 3 or not all(re.fullmatch('"([^"]|"")*"', line) for line in filled[1:]):
        return False
    return any(len({len(next(csv.reader([_unwrapped(line)], delimiter=separator)))
                    for line in filled}) == 1 and separator in filled[0]
               for separator in ",;\t")


def _some(lines):
    """Yield whole lines of `SAMPLE` characters together, at least one."""
    length = 0
    for line in lines:
        yield line
        length += len(line)
        if length >= SAMPLE:
            return


def _separators(filled):
    """Return what may part the columns of these lines."""
    # A separator is in the first line, or in many; one that is not usual, in nearly all.
    shares = {s: sum(s in line for line in filled) / max(1, len(filled)) for s in _SEPARATORS}
    found = [s for s, share in shares.items() if share > (0.9 if s not in _USUAL else 0.33)
             or (s in _USUAL and s in "".join(filled[:1]))]
    for separator in "@:":  # only where a few labels stand behind it
        ends = {line.strip().rpartition(separator)[2] for line in filled}
        if all(separator in line for line in filled) and (
                "" not in ends and len(ends) <= max(3, len(filled) // 5)):
            found.append(separator)
    if all(line.startswith('"') for line in filled[1:]) and all('" ' in line for line in filled):
        found.append(" ")  # as R writes a table
    return found


def _rank(sample, told, parsed):
    """Return what the candidates make of a sample, the best first."""
    text = "".join(sample)
    filled = [line for line in sample if line.strip()]
    results = []
    for separator in [*([told] if told else _separators(filled)), _ONE]:
        for dialect in _dialects(separator, text, len(filled)):
            found = parsed(dialect, iter(sample))
            if found.repaired or any("\n" in c for row in found.rows.values() for c in row):
                found = parsed(dialect, iter(sample), _signature(found))
            results.append(found)
    # Stable: of two that are as good, the one that was tried first.
    results.sort(key=lambda found: (
        -round(found.fit(), 2), found.is_prose(), not found.is_quoted()))
    if len(results[0].header) < 2 or results[0].fit() < 0.3:
        results = _one_column_first(results)
    best = results[0]
    some = 0 < best.plain < 0.95 * len(best.rows)
    if '"' in text and best.dialect.quote == '"' and (
            not best.needed and best.plain < 0.5 * len(best.rows)) and (
            best.repaired or (some and best.dialect.separator == "\t")):
        # Texts begin with quotation marks; nothing is quoted because it has to be.
        unquoted = replace(best.dialect, quote="", escape=False, spaces=False)
        results.sort(key=lambda found: found.dialect != unquoted)
    return results


def _dialects(separator, text, n_lines):
    """Return ways of quoting that the text gives reason to try, the likeliest first."""
    quotes = [Dialect(separator)]
    single = rf"(?:\A|[\r\n]|{re.escape(separator)})'"
    if len(re.findall(single, text)) >= 0.8 * n_lines:
        quotes.insert(0, Dialect(separator, "'"))
    if text.count(f'{separator} "') > 0.5 * n_lines:
        quotes.insert(0, Dialect(separator, spaces=True))
    if '"' in text:
        quotes.append(Dialect(separator, ""))
    return quotes + [replace(d, escape=True) for d in quotes
                     if f"\\{d.quote or separator}" in text]


def _one_column_first(results):
    """Put one column first, unless the first row or nearly all the others are plainly several."""
    several = [found for found in results if len(found.header) > 1 and all(
        0 < len(cell.strip()) < 40 for cell in found.header)]
    if not several or max(map(len, several[0].rows.values()), default=0) < 2:
        several = [found for found in results if found.is_wider()]
    # Stable: each group keeps its order.
    return sorted(results, key=lambda found: (
        found not in several, found.dialect.separator != _ONE))


def _candidates(ranked, lines):
    """Yield dialects to try on the whole file: the best, with bare \\r as text, then others."""
    best = ranked[0].dialect
    yield best
    ends, signs = Counter(), set()
    for line in lines():
        ends[line[-2:] if line.endswith("\r\n") else line[-1:]] += 1
        signs |= {sign for sign in '"\\' if sign in line}
    if ends["\r"] and ends["\n"] + ends["\r\n"]:
        yield replace(best, newline="\n")
    for quote, escape in (('"', False), ("", False), ('"', True), ("", True)):
        other = replace(best, quote=quote, escape=escape, spaces=False)
        if other != best and (not escape or "\\" in signs) and (escape or '"' in signs):
            yield other
    for other in ranked[1:]:
        if other.dialect.separator not in (best.separator, _ONE) and other.fit() >= 0.3:
            yield other.dialect


def _parse(lines, dialect, signature, drawn):
    """Read all records; one whose quoting is wrong is one line, read without quoting."""
    found = Rows(dialect)
    source = _Lines(map(dialect.prepare, lines))
    reader = dialect.reader(source)
    bare = replace(dialect, quote="", escape=False)
    mark, taken = dialect.quote, source.taken
    for number in itertools.count(1):
        taken.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return found
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
            cells = [c.replace(_ONE, dialect.separator).replace(_CR, "\r") for c in cells]
        found.rows[number] = cells


def _count_quoting(found, cells, taken):
    """Count a record in which there are quotation marks: are they needed, or only there?"""
    dialect, mark, line = found.dialect, found.dialect.quote, taken[0]
    if not mark:
        found.plain += any(len(c) > 1 and c[0] == c[-1] == '"' for c in cells)
        return
    inside = "".join(cells)
    if len(taken) > 1 or dialect.separator[0] in inside or _ONE in inside or (
            mark in inside and (mark * 2 in line or dialect.escape)):
        found.needed += 1
    elif inside.count(mark) < line.count(mark):
        found.plain += 1


def _signature(found):
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
            dialect.separator) == 1 else _ONE)
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


def _explain(name, found, told):
    """Put into words what was found out, and which rows do not fit."""
    dialect, separator, width = found.dialect, found.dialect.separator, len(found.header)
    if width > MAX_COLUMNS:
        raise LearnerError(f"{name} has {width:,} columns, and a table of texts has a few. Does "
                           "it lack line ends, or are rows and columns the wrong way round?")
    called = _NAMES[separator] if separator in _NAMES and width > 1 else repr(separator)
    few_quoted = 0 < found.plain < 0.95 * len(found.rows) and not found.needed
    repaired = [number for number in found.repaired if number not in set(found.odd)]
    for holds, said in (
        (told, "the first line says which separator it has, and is no row"),
        (not told and separator not in (",", _ONE), f"{called} between the columns"),
        (found.before, f"left out before the header: {where(found.before)}"),
        (dialect.quote == "'", "single quotation marks around the texts are taken off"),
        (not dialect.quote, "quotation marks are ordinary characters here, because they are not "
                            "closed, or stand around few texts and nothing needs them"),
        (dialect.quote == '"' and few_quoted,
         "quotation marks around a whole field are taken off"),
        (dialect.escape, "a backslash before a quotation mark or a separator is taken off"),
        (dialect.newline, "carriage returns (\\r) within lines are part of the texts"),
        (repaired, "a quotation mark that is not closed, or not at the end of its field, is part "
                   f"of the text in {where(repaired)}"),
    ):
        if holds:
            found.notes.append(f"{said}.")
    found.notes = [f"{name}: {note}" for note in found.notes]
