"""Files of brat: a text (.txt) and, beside it, its marks (.ann).

https://brat.nlplab.org/standoff.html describes the format. A text becomes a sentence a line.
"""

import itertools
import re
from pathlib import Path

from helpers.entities import offsets, spans
from helpers.errors import LearnerError, number_of, short

_MARK = re.compile(r"T\S*[\t ]+(\S+)[\t ]+(\d+ \d+(?:;\d+ \d+)*)(?:[\t ](.*))?")
_OTHERS = "REAMN#*"  # relations, events, attributes, modifications, normalizations, notes


def pair(path):
    """Return the texts and marks of a path, [(.txt, .ann)]: of one of them, or of a folder.

    An empty list where the path is neither. Raises LearnerError if one of the two is missing.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        marks = sorted(path.glob("*.ann"))
    elif path.suffix.lower() == ".ann":
        marks = [path]
    elif path.suffix.lower() == ".txt" and path.with_suffix(".ann").is_file():
        marks = [path.with_suffix(".ann")]
    else:
        return []
    for each in marks:
        if not each.with_suffix(".txt").is_file():
            raise LearnerError(f"{each.name} has no text beside it: {each.stem}.txt is missing. "
                               "A file of brat's is two files, of one name.")
    return [(each.with_suffix(".txt"), each) for each in marks]


def read(text, lines, name):
    """Return the `spans.Sentence`s of a text with the marks of an .ann file, and notes.

    `lines` are those of the .ann file called `name`. Raises LearnerError, with its line, for a
    mark that cannot be read, and as `offsets.read` does.
    """
    marks, torn, others = _marks(text, lines, name)
    if _misfits(text, marks) > _misfits(shorter := text.replace("\r\n", "\n"), marks):
        text = shorter
        marks, torn, others = _marks(text, lines, name)
    (whole,), notes = offsets.read([offsets.Marked(text, marks, 1)], name)
    if torn:
        notes.append(f"{name}: left out, because a tag a word cannot say it: "
                     f"{number_of(len(torn), 'entity')} in several parts, such as line {torn[0]}.")
    if others:
        notes.append(f"{name}: relations, attributes and notes are not read: "
                     f"{number_of(others, 'line')}.")
    return _by_line(whole), notes


def _misfits(text, marks):
    return sum(mark.covered is not None and text[mark.start : mark.end].split()
               != mark.covered.split() for mark in marks)


def _marks(text, lines, name):
    """Return the marks of lines, the lines of those in several parts, and how many are others."""
    marks, torn, others = [], [], 0
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line[0] in _OTHERS:
            others += bool(line.strip())
            continue
        found = _MARK.fullmatch(line.rstrip())
        if not found:
            raise LearnerError(f"{name}, line {number}: {short(line, 60)!r} is no mark of brat's, "
                               "such as T1, a tab, person 0 5, a tab, and the text.")
        parts = [tuple(map(int, part.split())) for part in found[2].split(";")]
        gaps = [text[end:start] for (_, end), (start, _) in itertools.pairwise(parts)]
        if any(gap.strip() for gap in gaps):
            torn.append(number)
            continue
        marks.append(offsets.Mark(parts[0][0], parts[-1][1], found[1], found[3], number))
    return marks, torn, others


def _by_line(whole):
    """Return a `Sentence` for each line that is not blank; lines that share an entity are one."""
    text, found, start = whole.text, [], 0
    borders = {len(text), *(line.end() for line in re.finditer(r"\r\n|\r|\n", text))} - {0}
    for entity in whole.entities:
        borders -= set(range(entity.start + 1, entity.end))
    for end in sorted(borders):
        part = text[start:end]
        left = start + len(part) - len(part.lstrip())
        if part.strip():
            found.append(spans.Sentence(part.strip(), tuple(
                spans.Entity(e.start - left, e.end - left, e.type)
                for e in whole.entities if start <= e.start < end)))
        start = end
    return found
