"""Files with a word a line and its tag in a column: CoNLL of 2 or 4 columns, CoNLL-U and the like.

Tjong Kim Sang, E. and De Meulder, F. (2003), "Introduction to the CoNLL-2003 shared task", and
https://universaldependencies.org/format.html describe the two commonest.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

from helpers.entities import offsets, spans
from helpers.errors import LearnerError, short

_COMMENT = re.compile(r"#\s*[\w.: -]*=|#\s*(newdoc|newpar)\b")
_TEXT = re.compile(r"#\s*text\s*=\s*(.*)")
_IN_MISC = re.compile(r"(?:^|\|)(?:NER|NE|Entity)=([^|]+)", re.IGNORECASE)
_MISC = 9  # the column of CoNLL-U for whatever else there is
_FEW = 60  # different types that a column of bare types has at most


@dataclass
class _Block:
    """A sentence: its rows, {line: cells}, and the text that a comment gives."""

    rows: dict = field(default_factory=dict)
    text: str | None = None


def looks_like(lines):
    """Say whether lines are words with a tag in one of several columns."""
    rows = [_cells(line) for line in lines[:2000] if _is_row(line)]
    rows = [row for row in rows if len(row) > 1] if len(rows) < 2 * sum(
        len(row) > 1 for row in rows) else []
    columns = range(max(map(len, rows), default=0))
    # In the last one may be mistakes, or bare types and many an O.
    return any(all(_is_tag(row[place]) for row in rows if len(row) > place)
               for place in columns) or sum(_is_tag(row[-1]) for row in rows) > 0.3 * len(rows)


def _is_row(line):
    return bool(line.strip(" \t")) and not line.startswith("-DOCSTART-") and not (
        line.startswith("#") and (_COMMENT.match(line) or not _is_tag(_cells(line)[-1])))


def _is_tag(cell):
    return cell == spans.OUTSIDE or spans.TAG.fullmatch(cell) is not None


def _cells(line, by_tabs=True):
    if by_tabs and "\t" in line:
        return [cell.strip(" ") for cell in line.rstrip(" \t").split("\t")]
    return re.split(r"[ \t]+", line.strip(" \t"))


def read(lines, name):
    """Return the `offsets.Marked` texts of lines, and what the format is called.

    Raises LearnerError, with the line, for another number of columns, for no tag, and for a word
    that is not in its text.
    """
    blocks = _blocks(lines, name)
    rows = {number: row for block in blocks for number, row in block.rows.items()}
    words = _word_column(blocks)
    tags, called = _tag_column(rows, words, name)
    found = []
    for block in blocks:
        try:
            found.append(_marked(block, words, tags))
        except LearnerError as error:
            raise LearnerError(f"{name}, {error}") from None
    scheme = spans.scheme([[tags(row) for row in block.rows.values() if not _is_range(row)]
                           for block in blocks])
    return found, f"columns of words and {called}, {scheme}"


def _blocks(lines, name):
    """Return the sentences of lines, whose rows all have as many columns."""
    for by_tabs in (True, False):
        blocks, width = [_Block()], Counter()
        for number, line in enumerate(lines, start=1):
            if _is_row(line):
                blocks[-1].rows[number] = _cells(line, by_tabs)
                width[len(blocks[-1].rows[number])] += 1
            elif (text := _TEXT.match(line)) and not blocks[-1].rows:
                blocks[-1].text = text[1].strip()
            elif not line.startswith("#") and blocks[-1].rows:
                blocks.append(_Block())
        if len(width) == 1:
            break
    usual = width.most_common(1)[0][0]
    for block in blocks:
        for number, row in block.rows.items():
            if len(row) != usual:
                raise LearnerError(
                    f"{name}, line {number}: {len(row)} columns, and most lines have {usual}: "
                    f"{short(' '.join(row), 60)!r}. Is a word or a tag missing, or a tab or a "
                    "blank too many?")
    return [block for block in blocks if block.rows]


def _word_column(blocks):
    """Return the column of the words: the second where the first one counts them."""
    counts = all(re.fullmatch(r"\d+([-.]\d+)?", row[0]) for b in blocks for row in b.rows.values())
    firsts = [next(iter(b.rows.values()))[0] for b in blocks]
    return int(counts and all(re.match(r"[01]\b", first) for first in firsts)
               and len(next(iter(blocks[0].rows.values()))) > 2)


def _is_range(row):
    """Say whether a row of CoNLL-U is a word that the next rows take apart, such as 1-2."""
    return re.fullmatch(r"\d+[-.]\d+", row[0]) is not None


def _tag_column(rows, words, name):
    """Return a function from a row to its tag, and what the column is called."""
    plain = {number: row for number, row in rows.items() if not _is_range(row)}
    width = len(next(iter(rows.values())))
    shares = {place: sum(_is_tag(row[place]) for row in plain.values()) / len(plain)
              for place in range(width) if place != words}
    if width == 2 and shares[1] == 0:
        shares = {0: sum(_is_tag(row[0]) for row in plain.values()) / len(plain)}
    best = max(shares, key=lambda place: (shares[place], place), default=None)
    if width > _MISC and shares[best] < 1 and any(
            _IN_MISC.search(row[_MISC]) for row in plain.values()):
        return _of_misc, f"tags in column {_MISC + 1}"
    called = f"tags in column {(best or 0) + 1}"
    if best is not None and shares[best] == 1:
        return lambda row: row[best], called
    values = Counter(row[width - 1] for row in plain.values())
    if width > 1 and values[spans.OUTSIDE] > 0.3 * len(plain) and len(values) <= _FEW and not any(
            spans.TAG.fullmatch(value) for value in values):
        return lambda row: row[width - 1], f"types in column {width}"
    if best is not None and shares[best] > 0.5:
        number, row = next((n, r) for n, r in plain.items() if not _is_tag(r[best]))
        raise LearnerError(f"{name}, line {number}: {short(row[best])!r} in column {best + 1} is "
                           "no tag. Tags are O, or a prefix and a type, such as B-person.")
    raise LearnerError(f"{name}, line {min(rows)}: no column has a tag for each word, such as O "
                       "or B-person.")


def _of_misc(row):
    found = _IN_MISC.search(row[_MISC])
    return found[1] if found else spans.OUTSIDE


def _marked(block, words, tags):
    """Return the `Marked` text of a block."""
    cells, found, inside = [], [], range(0)
    for row in block.rows.values():
        if _is_range(row) and "-" in row[0]:
            first, last = map(int, row[0].split("-"))
            inside = range(first, last + 1)
            cells.append((row[words], None, row))
        elif _is_range(row):  # an empty node, which stands for a word that is left out
            continue
        elif row[0].isdecimal() and int(row[0]) in inside:
            if cells[-1][1] in (None, spans.OUTSIDE):
                cells[-1] = (cells[-1][0], tags(row), cells[-1][2])
        else:
            cells.append((row[words], tags(row), row))
    found = [tag or spans.OUTSIDE for _, tag, _ in cells]
    text = block.text
    if text is None and any(len(row) > _MISC and "SpaceAfter=No" in row[_MISC]
                            for *_, row in cells):
        text = "".join(word + " " * ("SpaceAfter=No" not in row[_MISC])
                       for word, _, row in cells).strip()
    return offsets.of_words([word for word, *_ in cells], found, text, min(block.rows))
