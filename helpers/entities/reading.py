"""Sentences with entities out of the files that people have: JSON, brat, words and their tags.

What a file is, is told by its content. Messages count lines from 1.
"""

import re
from collections import Counter
from pathlib import Path

from helpers import encodings, files
from helpers.entities import brat, conll, offsets, records
from helpers.entities.offsets import Read
from helpers.errors import LearnerError, number_of

FORMATS = ("JSON lines with entities ([start, end, type]), the JSON of spaCy, Prodigy, Doccano or "
           "Label Studio, a .txt and an .ann of brat, or columns with a word and a tag a line")


def read(path, encoding=None):
    """Return the `offsets.Read` sentences of a file or, of brat, of a folder.

    Entities come with offsets of characters, whatever the file counts, and in any of the schemes
    of `spans`. `encoding` is found out where it is not given.

    Raises LearnerError, with the line, for what is no entity, and for a file of another format.
    """
    if pairs := brat.pair(path):
        found = _brat(pairs, encoding)
    else:
        text, name, notes = _decoded(path, encoding)
        found = _text(_with_newlines(text), name)
        found.notes = [*notes, *found.notes]
    if not found.sentences:
        raise LearnerError(f"{Path(path).name} has no sentences to learn from.")
    return found


def has_entities(path, encoding=None):
    """Say whether a file is of a format with entities, and not a table or a plain text."""
    if brat.pair(path):
        return True
    if files.find(path).kind != "text":
        return False
    text = _with_newlines(_decoded(path, encoding)[0])
    if text.lstrip()[:1] in ("[", "{") and not conll.looks_like(text.split("\n")):
        try:
            records.read(text, "")
        except LearnerError:
            return False
        return True
    return conll.looks_like(text.split("\n"))


def _decoded(path, encoding):
    """Return the text of a file, its name, and notes on its encoding."""
    file = files.find(path)
    files.check_size(file, 1.0)
    if file.kind != "text":
        raise LearnerError(f"{file.name} is a table, and entities come in other files: {FORMATS}.")
    encoding, errors, notes = encodings.find(file, encoding)
    with file.open() as stream:
        text = stream.read().decode(encoding, errors)
    if errors == "surrogateescape":
        text = "\n".join(encodings.mended(text.split("\n"), errors))
        notes = [*notes, f"{file.name}: read as cp1252 (Western European) where it is not UTF-8."]
    return text.removeprefix("\ufeff"), file.name, notes


def _with_newlines(text):
    return re.sub(r"\r\n?", "\n", text)


def _text(text, name):
    """Return the `Read` sentences of a text: of JSON, or of columns."""
    lines = text.split("\n")
    if text.lstrip()[:1] in ("[", "{") and not conll.looks_like(lines):
        marked, called, notes = records.read(text, name)
    elif conll.looks_like(lines):
        (marked, called), notes = conll.read(lines, name), []
    else:
        raise LearnerError(f"{name} is of no format with entities that is known here. Known are "
                           f"{FORMATS}.")
    sentences, more = offsets.read(marked, name)
    return _counted(sentences, called, name, [*notes, *more])


def _brat(pairs, encoding):
    """Return the `Read` sentences of pairs of files of brat's."""
    sentences, notes = [], []
    for text_file, mark_file in pairs:
        text, _, said = _decoded(text_file, encoding)
        try:
            marks, name, more = _decoded(mark_file, encoding)
        except LearnerError:  # an empty file: no marks
            if mark_file.stat().st_size:
                raise
            marks, name, more = "", mark_file.name, []
        found, changed = brat.read(text, _with_newlines(marks).split("\n"), name)
        sentences += found
        notes += [*said, *more, *changed]
    return _counted(sentences, "text and marks of brat", pairs[0][0].name, notes)


def _counted(sentences, called, name, notes):
    kinds = Counter(entity.type for sentence in sentences for entity in sentence.entities)
    each = ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common(8))
    return Read(sentences, called, [
        f"{name}: {called}; {number_of(len(sentences), 'sentence')}, "
        f"{number_of(kinds.total(), 'entity')}{f' ({each})' if each else ''}.", *notes])


