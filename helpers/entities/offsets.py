"""Marks of other programs, and what their offsets count: characters, UTF-16, bytes, from 1.

Programs in JavaScript count an emoji as two, others count the end in, or begin with 1. Whatever
makes all marks of a file fit its words, or the text that comes with each mark, is taken.
"""

import itertools
from dataclasses import dataclass, field

from helpers.entities import spans
from helpers.errors import LearnerError, short


@dataclass(frozen=True)
class Mark:
    """A mark as a file has it: two offsets, the type, and the text that it covers, where it says.

    `line` is the file's line, counted from 1.
    """

    start: int
    end: int
    type: str
    covered: str | None = None
    line: int = 0


@dataclass(frozen=True)
class Marked:
    """A text of a file, with its marks, and the line where it stands."""

    text: str
    marks: list
    line: int
    id: str = ""
    kind: str = ""


@dataclass
class Read:
    """What a file holds: `sentences`, its `format`, and lines on what was found and changed."""

    sentences: list
    format: str
    notes: list = field(default_factory=list)


def _characters(text):
    return None


def _utf16(text):
    """Return the number of characters before each unit of UTF-16, None within a character."""
    return _places(text, lambda character: 1 + (character > "\uffff"))


def _utf8(text):
    return _places(text, lambda character: len(character.encode("utf-8", "surrogatepass")))


def _places(text, size):
    found = []
    for place, character in enumerate(text):
        found += [place, *[None] * (size(character) - 1)]
    return [*found, len(text)]


_UNITS = {"characters": _characters, "units of UTF-16": _utf16, "bytes of UTF-8": _utf8}
_SHIFTS = {"": (0, 0), ", the end included": (0, 1), ", from 1, the end included": (-1, 0),
           ", from 1": (-1, -1)}


def read(marked, name):
    """Return the `Sentence`s of marked texts, and lines on what was put right.

    Raises LearnerError, with the line, for a mark that is no entity however offsets are counted,
    or covers another text than the file says.
    """
    counted, meant = _meant(marked)
    notes = [f"{name}: offsets count {counted}."] if counted != "characters" else []
    found, said = [], []
    for each, marks in zip(marked, meant, strict=True):
        sentence = spans.Sentence(each.text, (), each.id, each.kind)
        for mark, span in zip(each.marks, marks, strict=True):
            where = f"{name}, line {mark.line or each.line}"
            entity = spans.Entity(*(span or (mark.start, mark.end)), mark.type)
            sentence, more = spans.sentence(each.text, [*sentence.entities, entity], id=each.id,
                                            kind=each.kind, where=where)
            _check_covered(each.text, mark, entity, where)
            said += more
        found.append(sentence)
    return found, [*notes, *said[:3], *([f"{name}: {len(said) - 3} more of these."] if
                                        len(said) > 3 else [])]


def _meant(marked):
    """Return how offsets are counted, and the (start, end) in characters of each text's marks."""
    plain = [[(mark.start, mark.end) for mark in each.marks] for each in marked]
    best = -1, "characters", plain
    for unit, shift in itertools.product(_UNITS, _SHIFTS):
        meant = [_converted(each, _UNITS[unit](each.text), _SHIFTS[shift]) for each in marked]
        pairs = [(each.text, mark, span) for each, row in zip(marked, meant, strict=True)
                 for mark, span in zip(each.marks, row, strict=True)]
        if all(itertools.starmap(_fits, pairs)):
            if meant == plain:
                return "characters", plain
            tight = sum(text[span[0]].isalnum() + text[span[1] - 1].isalnum()
                        for text, _, span in pairs)
            best = max(best, (tight, unit + shift, meant), key=lambda each: each[0])
    return best[1:]


def _converted(each, places, shift):
    """Return (start, end) in characters for each mark, None where there is no such place."""
    found = []
    for mark in each.marks:
        ends = [mark.start + shift[0], mark.end + shift[1]]
        if places is not None:
            ends = [places[end] if 0 <= end < len(places) else None for end in ends]
        found.append(None if None in ends else tuple(ends))
    return found


def _fits(text, mark, span):
    """Say whether a mark covers what the file says, or else neither begins nor ends in a word."""
    if span is None or not 0 <= span[0] <= span[1] <= len(text) or not text[slice(*span)].strip():
        return False
    if mark.covered is not None:
        return _alike(text[slice(*span)], mark.covered)
    return not any(0 < border < len(text) and text[border - 1].isalnum() and text[border].isalnum()
                   for border in span)


def _alike(one, other):
    return one.split() == other.split()


def _check_covered(text, mark, entity, where):
    found = text[entity.start : entity.end]
    if mark.covered is not None and not _alike(found, mark.covered):
        raise LearnerError(
            f"{where}: from {mark.start} to {mark.end} stands {short(found)!r}, and the mark says "
            f"{short(mark.covered)!r}. Is it the mark of another text, or was the text changed?")


def of_words(words, tags, text, lines):
    """Return the `Marked` text of words and their tags; `lines` has the line of each word.

    Without a text, the words are joined by blanks. Raises LearnerError for a word that is not in
    the text, in its turn.
    """
    if text is None:
        text = " ".join(words)
    places, done = [], 0
    for word, line in zip(words, lines, strict=True):
        start, length = _place(text, word, done)
        if start < 0:
            raise LearnerError(
                f"line {line}: the word {short(word)!r} is not in the text behind "
                f"{short(text[max(0, done - 20) : done])!r}. Are words and text of two versions?")
        places.append((start, start + length))
        done = start + length
    return Marked(text, [Mark(e.start, e.end, e.type)
                         for e in spans.entities_of(places, tags)], lines[0])


# How the Penn Treebank writes brackets and quotation marks.
_TREEBANK = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}",
             "``": '"', "''": '"'}


def _place(text, word, done):
    """Return where a word stands next, after nothing but blanks, and its length; -1 if nowhere."""
    start = done
    while start < len(text) and text[start].isspace():
        start += 1
    for form in (word, _TREEBANK.get(word)):
        if form and text.startswith(form, start):
            return start, len(form)
    return -1, 0
