"""Every row of a table checked: a text and a label in each, and nothing that trains wrongly."""


from helpers import classes, columns, labels, markup, tables
from helpers.errors import LearnerError

MAX_WORDS = 20_000
MAX_CHARACTERS = 1_000_000
_NUMBER_OR_DATE = r"\s*[+-]?[\d.,:/T -]*\d\s*"
TEXTS = ("text", "text_pair")


def check(table, split, text, label, names, drop_empty, clean, notes):
    """Return the columns id, text, label, domain and phenomenon, and a line for each problem.

    They are indexed by row number. Of pairs, `text` is a tuple of two columns, and the second is
    called text_pair; where `label` is a tuple of columns, or holds lists, the labels are tuples.
    `names` are those of the classes, where a `Dataset` has numbers for them. Raises LearnerError
    where no row has text and label.
    """
    import pandas as pd

    cells, name = table.cells.loc[:, ~table.cells.columns.duplicated()], table.name
    cells = _accepted_in_prodigy(name, cells, notes)
    texts = dict(zip(TEXTS, columns.each(text), strict=False))
    found = labels_of(name, cells, texts.values(), label, names)
    rows = pd.DataFrame({"id": ids(cells),
                         **{ours: as_texts(cells[theirs]) for ours, theirs in texts.items()},
                         "label": found}, cells.index, dtype=object)
    for column, default in (("domain", "yours"), ("phenomenon", "unknown")):
        rows[column] = as_texts(cells[column]) if column in cells else default
    for ours in texts:
        _take_out_html(name, rows, ours, clean, notes)
    empty = {ours if len(texts) == 1 else tables.short(theirs):
             rows[ours].map(lambda value: not value or value.isspace()).astype(bool)
             for ours, theirs in texts.items()} | {"label": rows["label"].map(_is_empty)}
    either = pd.concat(empty.values(), axis=1).any(axis=1)
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
    found = [line for ours, theirs in texts.items()
             for line in _problems(name, rows, ours, theirs, label)] if len(rows) else []
    return rows, found + problems


def _is_empty(label):
    return isinstance(label, str) and label == ""


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


def labels_of(name, cells, texts, label, names):
    """Return the labels, "" where one is missing; several labels a text are tuples.

    Raises LearnerError if they are objects or marked passages, or the texts are lists.
    """
    import pandas as pd

    for text in texts:
        if _mostly(cells[text], lambda value: isinstance(value, list | tuple | dict)):
            raise LearnerError(f"{name}: the column {tables.short(text)!r} holds lists, not "
                               "texts. Name the column of the texts with text='…'.")
    if isinstance(label, tuple):
        return labels.yes_or_no(name, cells, label)
    found = cells[label]
    _refuse_objects(name, found, tables.short(label))
    if _mostly(found, lambda value: labels.written_list(value) is not None):
        found = found.map(labels.written_list, na_action="ignore")
    if names:  # a Dataset's numbers; -1 means that there is none
        numbers = dict(enumerate(names))
        found = found.map(lambda value: [numbers.get(i) for i in value]
                          if isinstance(value, list) else numbers.get(value), na_action="ignore")
    return pd.Series(map(_as_label, found), cells.index, dtype=object)


def _as_label(value):
    """Return a label without spaces around it, a list of several as a tuple, "" for none."""
    if isinstance(value, list | tuple | set):
        return tuple(str(one).strip() for one in value)
    if isinstance(value, str):
        return value.strip()
    return "" if value is None or value != value else value  # noqa: PLR0124  nan is not itself


def _refuse_objects(name, found, label):
    """Raise LearnerError if labels are objects, tables or marked passages of a text."""
    remedy = "Make a column with one label a text, and name it with label='…'."
    if _mostly(found, lambda value: isinstance(value, dict)):
        raise LearnerError(f"{name}: the column {label!r} holds objects, not labels. {remedy}")
    if _mostly(found, lambda value: bool(getattr(value, "shape", ())) or (isinstance(
            value, list) and any(isinstance(item, list | dict) for item in value))):
        raise LearnerError(
            f"{name}: the column {label!r} holds lists: it looks like marked passages of a text, "
            f"which cannot be trained on yet. {remedy}")


def _mostly(cells, is_so):
    first = cells.iloc[:1000].tolist()
    return sum(bool(is_so(value)) for value in first) > len(first) / 2


def _take_out_html(name, rows, text, clean, notes):
    """Take HTML out of the texts if asked to, or else say where it stands."""
    if clean:
        whole, rows[text] = rows[text], rows[text].map(markup.cleaned)
        notes.say_rows(f"{name}: HTML, or NUL characters, taken out of",
                       rows.index[whole != rows[text]])
        return
    dirty = rows.index[rows[text].map(markup.has_html).astype(bool)]
    if len(dirty):
        notes.say(f"{name}: HTML tags or entities stand in {tables.where(dirty)}; clean=True "
                  "takes them out.")


def _refuse_all_empty(table, split, text, label, are_labels):
    if not are_labels:
        raise LearnerError(f"{table.name}: no row has text and label, in the columns "
                           f"{tables.listed(columns.each(text))!r} and "
                           f"{tables.listed(columns.each(label))!r}. Name the right ones with "
                           "text='…', label='…'.")
    for note in table.notes:
        if "formulas without values" in note:
            raise LearnerError(note)
    empty = tables.listed(columns.each(label))
    raise classes.no_labels(table.name, split, f"the column {empty!r} is empty")


def _problems(name, rows, column, text, label):
    """Return a line for each kind of thing in the texts that would train a wrong model."""
    texts, text, label = rows[column], tables.short(text), tables.listed(columns.each(label))
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
