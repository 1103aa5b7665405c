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
from dataclasses import replace

from helpers import files
from helpers.dialects import ONE, Dialect, check_width, parse, signature
from helpers.errors import where

SAMPLE = 2**20  # characters
FULL_TRIALS = 6
_USUAL = "\t|;,"
# Of two that fit as well, the one that is rarer in prose comes first.
_SEPARATORS = ("\t", "\x01", "\x1f", "|||", "||", "|", "::", "^", ";", ",", "~", "¦")
_NAMES = {"\t": "tabs", "|": "vertical bars", ";": "semicolons", "\x01": "the character \\x01",
          "\x1f": "the character \\x1f"}


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

    sample = list(_some(itertools.islice(lines(), skip, None)))
    if not any(line.strip() for line in sample) and not any(line.strip() for line in lines()):
        raise files.empty(file.name)
    if _is_wrapped(sample):
        wrapped, sample = True, list(map(_unwrapped, sample))
    ranked = _rank(sample, told and told[1], header)
    best = None
    for tried, candidate in enumerate(_candidates(ranked, lines), start=1):
        drawn = random.Random(seed) if share < 1 else None
        source = itertools.islice(lines(candidate.newline), skip, None)
        found = parse(source, candidate, header, signature(ranked[0]), drawn and (drawn, share))
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


def _rank(sample, told, header):
    """Return what the candidates make of a sample, the best first."""
    text = "".join(sample)
    filled = [line for line in sample if line.strip()]
    results = []
    for separator in [*([told] if told else _separators(filled)), ONE]:
        for dialect in _dialects(separator, text, len(filled)):
            found = parse(sample, dialect, header)
            if found.repaired or any("\n" in c for row in found.rows.values() for c in row):
                found = parse(sample, dialect, header, signature(found))
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
        found not in several, found.dialect.separator != ONE))


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
        if other.dialect.separator not in (best.separator, ONE) and other.fit() >= 0.3:
            yield other.dialect


def _explain(name, found, told):
    """Put into words what was found out, and which rows do not fit."""
    dialect, separator, width = found.dialect, found.dialect.separator, len(found.header)
    check_width(name, width)
    called = _NAMES[separator] if separator in _NAMES and width > 1 else repr(separator)
    few_quoted = 0 < found.plain < 0.95 * len(found.rows) and not found.needed
    repaired = [number for number in found.repaired if number not in set(found.odd)]
    for holds, said in (
        (told, "the first line says which separator it has, and is no row"),
        (not told and separator not in (",", ONE), f"{called} between the columns"),
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
