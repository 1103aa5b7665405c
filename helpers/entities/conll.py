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
    widths = Counter(map(len, rows))
    width, count = widths.most_common(1)[0] if rows else (0, 0)
    if width < 2 or count <= 0.5 * len(rows):
        return False
    rows = [row for row in rows if len(row) == width]
    # In the last column may be mistakes, or bare types and many an O.
    return any(all(_is_tag(row[place]) for row in rows) for place in range(width)) or sum(
        _is_tag(row[-1]) or bool(width > _MISC and _IN_MISC.search(row[_MISC]))
        for row in rows) > 0.3 * len(rows)


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
    words, tags, called = _columns(rows, name)
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


def _is_range(row):
    """Say whether a row of CoNLL-U is a word that the next rows take apart, such as 1-2."""
    return re.fullmatch(r"\d+[-.]\d+", row[0]) is not None


def _columns(rows, name):
    """Return the column of the words, a function from a row to its tag, and its column's name."""
    plain = {number: row for number, row in rows.items() if not _is_range(row)}
    width = len(next(iter(rows.values())))
    counted = width > 2 and all(row[0].isdecimal() for row in plain.values())
    words = int(counted)
    if width > _MISC and any(_IN_MISC.search(row[_MISC]) for row in plain.values()):
        return words, _of_misc, f"tags in column {_MISC + 1}"
    shares = {place: sum(_is_tag(row[place]) for row in plain.values()) / len(plain)
              for place in range(width) if place != words}
    if width == 2 and not shares[1]:
        words, shares = 1, {0: sum(_is_tag(row[0]) for row in plain.values()) / len(plain)}
    place = max((place for place in shares if shares[place] > 0.5), default=None)
    values = Counter(row[-1] for row in plain.values())
    if words != width - 1 and values[spans.OUTSIDE] > 0.3 * len(plain) and (
            len(values) <= _FEW and not any(map(spans.TAG.fullmatch, values))):
        return words, lambda row: row[-1], f"types in column {width}"
    if place is None:
        raise LearnerError(f"{name}, line {min(rows)}: no column has a tag for each word, such as "
                           "O or B-person.")
    for number, row in plain.items():
        if not _is_tag(row[place]):
            raise LearnerError(f"{name}, line {number}: {short(row[place])!r} in column "
                               f"{place + 1} is no tag. Tags are O, or a prefix and a type, such "
                               "as B-person.")
    return words, lambda row: row[place], f"tags in column {place + 1}"


def _of_misc(row):
    found = _IN_MISC.search(row[_MISC])
    return found[1] if found else spans.OUTSIDE


def _marked(block, words, tags):
    """Return the `Marked` text of a block."""
    found, inside = {}, range(0)  # {line: [word, tag, row]}
    for number, row in block.rows.items():
        if _is_range(row) and "-" in row[0]:
            first, last = map(int, row[0].split("-"))
            inside = range(first, last + 1)
            found[number] = [row[words], spans.OUTSIDE, row]
        elif row[0].isdecimal() and int(row[0]) in inside:  # a part of the word before
            *_, whole = found.values()
            if whole[1] == spans.OUTSIDE:
                whole[1] = tags(row)
        elif not _is_range(row):  # else it stands for a word that is left out
            found[number] = [row[words], tags(row), row]
    text = block.text
    if text is None and any(_unspaced(row) for *_, row in found.values()):
        text = "".join(word + " " * (not _unspaced(row))
                       for word, _, row in found.values()).strip()
    return offsets.of_words([word for word, *_ in found.values()],
                            [tag for _, tag, _ in found.values()], text, list(found))


def _unspaced(row):
    """Say whether a row of CoNLL-U is a word with no blank behind it."""
    return len(row) > _MISC and "SpaceAfter=No" in row[_MISC]
