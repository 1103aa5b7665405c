"""Marked texts in JSON: lines or a list, as spaCy, Prodigy, Doccano, Label Studio write them.

A record is a text with marks. What each program calls them is below; where both are there, words
and tags of a record are read, too.
"""

import json
import re

from helpers.entities import offsets
from helpers.errors import LearnerError, short

_TEXTS = ("text", "sentence", "content", "data")
_MARKS = ("entities", "spans", "label", "labels", "ents", "annotation", "annotations")
_TAGS = ("tags", "ner_tags", "ner", "labels", "label")
_STARTS = ("start", "start_offset", "startOffset", "begin", "from")
_ENDS = ("end", "end_offset", "endOffset", "stop", "to")
_TYPES = ("type", "label", "labels", "entity", "entity_group", "tag", "class")
_HALF = re.compile("[\ud800-\udfff]")
_BLANKS = re.compile(r"\s*")
_LIST_OF_RECORDS = re.compile(r"\[\s*[{\[\]]")  # and not a record, as spaCy's ["Hi", {…}] is


def values(text, name):
    """Yield the values of a text of JSON, of a list those in it, each with its line.

    Raises LearnerError, with the line, where it is no JSON.
    """
    decoder, place, inside = json.JSONDecoder(), 0, False
    line, counted = 1, 0  # the line of the place up to which line ends are counted
    while True:
        place = _BLANKS.match(text, place).end()
        if not inside and _LIST_OF_RECORDS.match(text, place):
            inside, place = True, place + 1
        elif inside and text[place : place + 1] == ",":
            place += 1
        elif inside and text[place : place + 1] == "]":
            inside, place = False, place + 1
        elif place >= len(text):
            if inside:
                raise _no_json(name, text, place, "its list is not closed")
            return
        else:
            try:
                value, end = decoder.raw_decode(text, place)
            except json.JSONDecodeError as error:
                raise _no_json(name, text, error.pos, error.msg) from None
            except RecursionError:
                raise _no_json(name, text, place, "it goes too deep") from None
            line, counted = line + text.count("\n", counted, place), place
            yield value, line
            place = end


def _no_json(name, text, place, reason):
    return LearnerError(f"{name}, line {text.count(chr(10), 0, place) + 1}: no JSON here "
                        f"({reason}). Was the file cut, or changed by hand? Export it again.")


def read(text, name):
    """Return the `offsets.Marked` texts of a text of JSON, what the format is called, and notes.

    Raises LearnerError, with the line, for what is no marked text.
    """
    found, left, formats = [], {}, {}
    for value, line in values(text, name):
        for record in _unpacked(value):
            try:
                marked, called = _marked(record, line, left)
            except LearnerError as error:
                raise LearnerError(f"{name}, {_with_line(error, line)}") from None
            formats.setdefault(called, line)
            if marked is not None:
                found.append(marked)
    formats.pop(None, None)
    if not formats and not left:
        raise LearnerError(f"{name}, line 1: no record has marks. They are expected under one of "
                           f"these names: {', '.join(_MARKS[:4])}.")
    notes = [f"{name}: left out, because {why}: {_lines(lines)}." for why, lines in left.items()]
    return found, " and ".join(formats) or "JSON", notes


def _with_line(error, line):
    return str(error) if str(error).startswith("line ") else f"line {line}: {error}"


def _lines(lines):
    return (f"line {lines[0]}" if len(lines) == 1 else
            f"{len(lines):,} records (lines {', '.join(map(str, lines[:3]))}"
            f"{', …' if len(lines) > 3 else ''})")


def _unpacked(value):
    """Return the records of a value: itself, or those of a whole file that stand under a name."""
    if isinstance(value, dict) and not _text_of(value)[0] and isinstance(
            value.get("annotations"), list) and "classes" in value:
        return [record for record in value["annotations"] if record is not None]
    return [value]


def _marked(record, line, left):
    """Return the `Marked` text of a record, None for one to be left out, and its format."""
    if isinstance(record, list) and len(record) == 2 and isinstance(record[0], str):
        text, marks = record  # spaCy's
        marks = marks.get("entities", []) if isinstance(marks, dict) else marks
        return offsets.Marked(_whole(text), _marks(marks, line), line), "JSON of spaCy's"
    if not isinstance(record, dict):
        raise LearnerError(f"{short(json.dumps(record), 60)} is no text with marks, such as "
                           '{"text": "…", "entities": [[0, 5, "person"]]}.')
    if isinstance(record.get("data"), dict):
        return _label_studio(record, line, left), "JSON of Label Studio"
    if record.get("answer", "accept") != "accept":
        left.setdefault(f"its answer is {short(record['answer'])!r}", []).append(line)
        return None, "JSON of Prodigy"
    words = record.get("tokens")
    if isinstance(words, list) and words and all(isinstance(word, str) for word in words):
        return _of_words(record, words, line), "JSON with words and tags"
    text, key = _text_of(record)
    if text is None:
        raise LearnerError("the record has no text. It is expected under one of these names: "
                           f"{', '.join(_TEXTS)}.")
    if not text.strip():
        left.setdefault("the text is empty", []).append(line)
        return None, None
    place = next((each for each in _MARKS if each != key
                  and isinstance(record.get(each), list)), None)
    marks = _marks(record[place] if place else [], line)
    called = {"entities": "JSON with entities", "spans": "JSON with spans"}.get(
        place, f"JSON with marks under {place!r}" if place else None)
    return offsets.Marked(_whole(text), marks, line, str(record.get("id", "")),
                          str(record.get("kind", ""))), called


def _text_of(record):
    """Return the text of a record, None without one, and its name."""
    return next(((record[key], key) for key in _TEXTS if isinstance(record.get(key), str)),
                (None, None))


def _whole(text):
    """Return a text in which half of a character, as JSON may hold it, is �."""
    return _HALF.sub("\ufffd", text)


def _of_words(record, words, line):
    tags = next((record[key] for key in _TAGS if isinstance(record.get(key), list)), None)
    if tags is None or len(tags) != len(words):
        raise LearnerError(f"there are {len(words)} tokens and {len(tags or ())} tags; each token "
                           "has one.")
    if not all(isinstance(tag, str) for tag in tags):
        raise LearnerError("the tags are numbers, and nothing says which is which. Write their "
                           "names, such as B-person: dataset.features['ner_tags'].feature.names.")
    return offsets.of_words(words, tags, _text_of(record)[0], [line] * len(words))


def _marks(marks, line):
    """Return the `offsets.Mark`s of a list, whatever it calls their parts."""
    if not isinstance(marks, list):
        raise LearnerError(f"{short(json.dumps(marks), 60)} is no list of marks.")
    return [found for mark in marks for found in _mark(mark, line)]


def _mark(mark, line):
    """Yield a mark; several, where one type is given to several places, as in points."""
    if isinstance(mark, list):
        kinds = [part for part in mark if isinstance(part, str)]
        numbers = [part for part in mark if isinstance(part, int | float)]
        if len(kinds) != 1 or len(numbers) < 2:
            raise _no_mark(mark)
        yield offsets.Mark(*_whole_numbers(numbers[:2], mark), kinds[0], line=line)
        return
    if not isinstance(mark, dict):
        raise _no_mark(mark)
    for point in mark.get("points") or [mark]:
        start, end = (next((point[key] for key in keys if point.get(key) is not None), None)
                      for keys in (_STARTS, _ENDS))
        kind = next((mark[key] for key in _TYPES if mark.get(key)), None)
        if isinstance(kind, list):
            if len(kind) != 1:
                raise LearnerError(f"the mark from {start} to {end} has {len(kind)} types "
                                   f"({', '.join(map(str, kind))}). A token has one: keep one.")
            kind = kind[0]
        if start is None or end is None or not isinstance(kind, str):
            raise _no_mark(mark)
        covered = next((point[key] for key in ("text", "covered") if isinstance(
            point.get(key), str)), None)
        yield offsets.Mark(*_whole_numbers((start, end), mark), kind,
                           None if covered is None else _whole(covered), line)


def _whole_numbers(numbers, mark):
    try:
        if any(isinstance(number, bool) or int(number) != float(number) for number in numbers):
            raise ValueError
        return [int(number) for number in numbers]
    except (TypeError, ValueError):
        raise _no_mark(mark) from None


def _no_mark(mark):
    return LearnerError(f"{short(json.dumps(mark, ensure_ascii=False), 80)} is no mark: two whole "
                        'numbers and a type are needed, such as [0, 5, "person"].')


def _label_studio(task, line, left):
    """Return the `Marked` text of a task of Label Studio, or None if nobody has marked it."""
    done = [each for each in task.get("annotations") or task.get("completions") or []
            if not (each.get("was_cancelled") or each.get("skipped"))]
    if not done:
        left.setdefault("nobody has marked it", []).append(line)
        return None
    if len(done) > 1:
        left.setdefault("another one has marked the same text before", []).extend(
            [line] * (len(done) - 1))
    regions = [region for region in done[0].get("result") or [] if region.get("type") == "labels"]
    texts = {key: value for key, value in task["data"].items() if isinstance(value, str)}
    named = {region.get("to_name") for region in regions}
    key = next((key for key in (*sorted(map(str, named)), *_TEXTS) if key in texts), None)
    if key is None and len(texts) != 1:
        raise LearnerError("the task has no text. It is expected in its data, under the name "
                           "'text'.")
    text = texts[key] if key else next(iter(texts.values()))
    return offsets.Marked(_whole(text), _marks([region.get("value") for region in regions], line),
                          line, str(task.get("id", "")))
