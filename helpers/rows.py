"""Every row of a table checked: a text and a label in each, and nothing that trains wrongly."""

import re

from helpers import classes, columns, markup, tables
from helpers.errors import LearnerError

MAX_WORDS = 20_000
MAX_CHARACTERS = 1_000_000
_NUMBER_OR_DATE = r"\s*[+-]?[\d.,:/T -]*\d\s*"
_WRITTEN_LIST = re.compile(r"\s*\[.*\]\s*", re.DOTALL)


def check(table, split, text, label, names, drop_empty, clean, notes):
    """Return the columns id, text, label, domain and phenomenon, and a line for each problem.

    They are indexed by row number. `names` are those of the classes, where a `Dataset` has
    numbers for them. Raises LearnerError where no row has text and label.
    """
    import pandas as pd

    cells, name = table.cells.loc[:, ~table.cells.columns.duplicated()], table.name
    cells = _accepted_in_prodigy(name, cells, notes)
    labels = _labels(name, cells, text, label, names)
    rows = pd.DataFrame({"id": ids(cells), "text": as_texts(cells[text]), "label": labels},
                        cells.index, dtype=object)
    for column, default in (("domain", "yours"), ("phenomenon", "unknown")):
        rows[column] = as_texts(cells[column]) if column in cells else default
    _take_out_html(name, rows, clean, notes)
    empty = {"text": rows["text"].map(lambda value: not value or value.isspace()).astype(bool),
             "label": rows["label"] == ""}
    either = empty["text"] | empty["label"]
    if len(rows) and either.all():
        _refuse_all_empty(table, split, text, label, empty["label"].all())
    if drop_empty:
        notes.say_rows(f"{name}: left out, because text or label is empty:", rows.index[either])
    problems = [
        f"{name}: the {column} is empty in {tables.where(rows.index[gone])}. Fill it in, or leave "
        "such rows out with drop_empty=True."
        for column, gone in empty.items() if gone.any() and not drop_empty
    ]
    rows = rows[~either]
    return rows, (_problems(name, rows, text, label) if len(rows) else []) + problems


def as_texts(cells):
    """Return the cells of a column as strings, empty where they are missing."""
    return ["" if gone else str(value)
            for value, gone in zip(cells.tolist(), cells.isna(), strict=True)]


def ids(cells):
    """Return what the column called id has, or else the rows' numbers, as strings."""
    own = [column for column in cells if column == "id"] or [
        column for column in cells if column.casefold() == "id"]
    return as_texts(cells[own[0]]) if own else list(map(str, cells.index))


def _accepted_in_prodigy(name, cells, notes):
    if not {"_task_hash", "answer"} <= set(cells):
        return cells
    accepted = cells["answer"] == "accept"
    notes.say_rows(f"{name}: left out, because their answer in Prodigy is not 'accept':",
                   cells.index[~accepted])
    return cells[accepted]


def _labels(name, cells, text, label, names):
    """Return the labels, "" where one is missing; raise LearnerError if they, or texts, are lists.

    A list of one label is that label.
    """
    import pandas as pd

    labels = cells[label]
    if labels.map(lambda value: isinstance(value, list) and len(value) == 1
                  and isinstance(value[0], str | int)).all():
        labels = labels.str[0]
    _refuse_lists(name, cells[text], labels, tables.short(text), tables.short(label))
    if names:  # a Dataset's numbers; -1 means that there is none
        labels = labels.map(dict(enumerate(names)), na_action="ignore")
    labels = pd.Series([value.strip() if isinstance(value, str) else value for value in labels],
                       cells.index, dtype=object)
    return labels.where(labels.notna(), "")


def _refuse_lists(name, texts, labels, text, label):
    """Raise LearnerError if the labels or the texts are lists; labels may be so as text, too."""
    if _mostly(texts, lambda value: isinstance(value, list | tuple | dict)):
        raise LearnerError(f"{name}: the column {text!r} holds lists, not texts. Name the column "
                           "of the texts with text='…'.")
    remedy = "Make a column with one label a text, and name it with label='…'."
    if _mostly(labels, lambda value: isinstance(value, dict)):
        raise LearnerError(f"{name}: the column {label!r} holds objects, not labels. {remedy}")
    if _mostly(labels, lambda value: isinstance(value, list | tuple | set | dict)
               or bool(getattr(value, "shape", ())) or _WRITTEN_LIST.fullmatch(str(value))):
        inner = [item for value in labels.iloc[:100] if isinstance(value, list) for item in value]
        marked = inner and all(isinstance(item, list | dict) for item in inner)
        raise LearnerError(
            f"{name}: the column {label!r} holds lists: it looks like "
            f"{'marked passages of' if marked else 'several labels'} a text, which cannot be "
            f"trained on yet. {remedy}")


def _mostly(cells, is_so):
    first = cells.iloc[:1000].tolist()
    return sum(bool(is_so(value)) for value in first) > len(first) / 2


def _take_out_html(name, rows, clean, notes):
    """Take HTML out of the texts if asked to, or else say where it stands."""
    if clean:
        whole, rows["text"] = rows["text"], rows["text"].map(markup.cleaned)
        notes.say_rows(f"{name}: HTML, or NUL characters, taken out of",
                       rows.index[whole != rows["text"]])
        return
    dirty = rows.index[rows["text"].map(markup.has_html).astype(bool)]
    if len(dirty):
        notes.say(f"{name}: HTML tags or entities stand in {tables.where(dirty)}; clean=True "
                  "takes them out.")


def _refuse_all_empty(table, split, text, label, are_labels):
    if not are_labels:
        raise LearnerError(f"{table.name}: no row has text and label, in the columns "
                           f"{tables.short(text)!r} and {tables.short(label)!r}. Name the right "
                           "ones with text='…', label='…'.")
    for note in table.notes:
        if "formulas without values" in note:
            raise LearnerError(note)
    raise classes.no_labels(table.name, split, f"the column {tables.short(label)!r} is empty")


def _problems(name, rows, text, label):
    """Return a line for each kind of thing in the texts that would train a wrong model."""
    texts, text, label = rows["text"], tables.short(text), tables.short(label)
    of_texts, of_labels = columns.judged(texts), columns.judged(rows["label"])
    numbers = texts.str.fullmatch(_NUMBER_OR_DATE).astype(bool)
    if of_labels["text"] and (of_texts["label"] or numbers.mean() > 0.5):
        return [f"{name}: the columns look the wrong way round: {text!r} holds few different "
                f"values, {label!r} the texts. Say text={label!r}, label={text!r}."]
    if numbers.mean() > 0.5:
        return [f"{name}: {numbers.sum():,} of {len(rows):,} texts in the column {text!r} are "
                "numbers or dates. Name the column that has the texts with text='…'."]
    long = rows.index[texts.map(_is_too_long)]
    nul = rows.index[texts.map(lambda value: "\0" in value)]
    return [line for found, line in (
        (long, f"{name}: more than {MAX_WORDS:,} words, or a million characters, in {{}}. Is a "
               "quotation mark left open? If it really is one text, cut it into parts."),
        (nul, f"{name}: NUL characters in {{}}. Is the file damaged, or in another encoding, such "
              "as encoding='utf-16'? clean=True takes them out."),
    ) if len(found) for line in [line.replace("{}", tables.where(found))]]


def _is_too_long(text):
    if len(text) <= 2 * MAX_WORDS:  # so many words have spaces between them
        return False
    return len(text) > MAX_CHARACTERS or len(text.split()) > MAX_WORDS
