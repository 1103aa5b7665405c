"""What the labels of checked rows are: classes, several labels a text, or a number.

It follows from the data where there is no doubt, and can be asked for; what it is, and where it
could be something else, is said.
"""

import re
from collections import Counter

from helpers import classes, quantities, tables, tasks
from helpers.errors import LearnerError
from helpers.together import NO_YES

_SEPARATORS = (";", "|", ",")
MOST_STEPS = 12  # different numbers with decimals that may be classes, such as half stars


def sort(names, checked, column, known, asked, missing, notes):
    """Return the task, {split: rows} with labels as the task's data set has them, and problems.

    `names` are those of the splits' tables, `column` that of the labels or several, `known` the
    classes of a `Dataset`, `asked` the task that is asked for or None, `missing` how many splits
    are to be cut from train. Raises LearnerError if the labels are not what is asked for.
    """
    name, values = names["train"], checked["train"]["label"]
    kind = asked or _kind(values, known)
    _refuse_misfit(name, values, column, kind)
    if kind == "number":
        task, checked, problems = _numbers(names, checked, column, notes)
    elif kind == "labels":
        task, checked, problems = _several(names, checked, column, known, missing, notes)
    else:
        checked = {split: rows.assign(label=rows["label"].map(_only)) for split, rows in
                   checked.items()}
        ours, checked, problems = classes.sort(names, checked, column, known, notes,
                                               sure=asked == "class")
        task = tasks.Classes(tuple(ours))
        if not asked and not known and _may_be_numbers(ours):
            notes.say(f"task: {len(ours)} classes, as the labels are few different numbers; "
                      "task='number' predicts a number.")
    return task, checked, problems


def _kind(values, known):
    """Return which task labels are for, where nobody has said it."""
    if values.map(lambda value: isinstance(value, tuple)).any():
        return "class" if values.map(_is_single).all() else "labels"
    if known:
        return "class"
    written = [*dict.fromkeys(values.map(classes.written))]
    numbers, reasons = quantities.read(written)
    if not any(reasons):
        broken = any(not number.is_integer() for number in numbers)
        return "number" if broken and len({*numbers}) > MOST_STEPS else "class"
    return "labels" if classes.combined(written) else "class"


def _is_single(value):
    return not isinstance(value, tuple) or len(value) == 1


def _only(value):
    return value[0] if isinstance(value, tuple) else value


def _may_be_numbers(ours):
    numbers, reasons = quantities.read(ours)
    return not any(reasons) and (len(ours) >= 4 or any(not n.is_integer() for n in numbers))


def _refuse_misfit(name, values, column, kind):
    """Raise LearnerError if labels cannot be what is asked for."""
    lists = values.map(lambda value: isinstance(value, tuple))
    shown, which = tables.listed(column if isinstance(column, tuple) else [column]), None
    if kind in ("class", "number") and not values.map(_is_single).all():
        which = "several labels a text"
    elif kind == "labels" and not lists.any() and separator(values) is None:
        which = "one label a text"
    if which:
        raise LearnerError(f"{name}: task={kind!r} is {tasks.IN_WORDS[kind]}, and what {shown} "
                           f"holds is {which}. Leave task=… out, or name another column with "
                           "label='…'.")


# One number a text.


def _numbers(names, checked, column, notes):
    written = [_only(value) for rows in checked.values() for value in rows["label"]]
    numbers, reasons = quantities.read(written)
    problems, done, start = [], {}, 0
    for split, rows in checked.items():
        found, why = (part[start : start + len(rows)] for part in (numbers, reasons))
        start += len(rows)
        for reason in dict.fromkeys(filter(None, why)):
            wrong = [place for place, each in enumerate(why) if each == reason]
            value = rows["label"].iloc[wrong[0]]
            problems.append(
                f"{names[split]}: {tables.short(_only(value))!r} as a number: {reason}, in "
                f"{tables.where([rows.index[place] for place in wrong])}. Write numbers such as "
                "4.5, all in one unit.")
        if not any(why):
            done[split] = rows.assign(label=[float(number) for number in found])
    name = tables.short(column)
    if problems:
        return tasks.Number(name), {}, problems
    units = any(not _is_plain(value) for value in written)
    train = done["train"]["label"].tolist()
    if len({*train}) < 2:
        raise LearnerError(f"{names['train']}: every label is {train[0]:g}. A number to predict "
                           "has to differ from text to text.")
    notes.say(f"task: a number to predict, {min(train):g} to {max(train):g}"
              + (f", read from such as {tables.short(written[0])!r}" if units else "")
              + "; task='class' takes each as a class.")
    return tasks.Number(name), done, []


def _is_plain(value):
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


# Several labels a text.


def separator(values):
    """Return what parts the labels of a text in one cell: the first sign that any cell has."""
    cells = [str(value) for value in values if not isinstance(value, tuple)]
    return next((sign for sign in _SEPARATORS if any(sign in cell for cell in cells)), None)


def parted(value, sign):
    """Return the labels in one cell, a tuple or a string with a sign between them, as a tuple."""
    parts = value if isinstance(value, tuple) else str(value).split(sign)
    return tuple(dict.fromkeys(filter(None, map(classes.written, parts))))


def _several(names, checked, column, known, missing, notes):
    parting = separator(checked["train"]["label"])
    found = {split: [parted(value, parting) for value in rows["label"]]
             for split, rows in checked.items()}
    times = {split: Counter(label for some in rows for label in some)
             for split, rows in found.items()}
    columns = column if isinstance(column, tuple) else None
    class_of = {c: c for c in columns} if columns else classes.merged(
        sum(times.values(), Counter()))
    train = Counter(c for some in found["train"] for c in {class_of[label] for label in some})
    order = [*(columns or known or classes.ordered(train))]
    ours = [c for c in order if missing < train[c] < len(found["train"])]
    problems = [] if columns or known else _unseen(names, checked, found, class_of, train)
    for what, left in (
        ("no text of train has", [c for c in order if not train[c]]),
        (f"fewer than {missing + 1} texts of train have", [c for c in order
                                                          if 0 < train[c] <= missing]),
        ("every text of train has", [c for c in order if train[c] == len(found["train"])]),
    ):
        if left:
            elsewhere = sum(times[split][c] for split in times if split != "train" for c in left)
            notes.say(f"labels: {what} {tables.listed(left)}, so it cannot be learned and is left "
                      "out" + (f"; other splits have it {elsewhere:,} times." if elsewhere else
                               "."))
    if problems:
        return tasks.Labels(tuple(ours)), {}, problems
    if len(ours) < 2:
        raise LearnerError(
            f"{names['train']}: {len(ours)} of the labels can be learned"
            f"{f', {tables.short(ours[0])!r}' if ours else ''}. Several labels a text need two or "
            "more, each with texts that have it and texts that have not.")
    number_of = {label: ours.index(c) for label, c in class_of.items() if c in ours}
    done = {split: rows.assign(label=[tuple(sorted({number_of[label] for label in some
                                                    if label in number_of}))
                                      for some in found[split]])
            for split, rows in checked.items()}
    _say_several(done["train"]["label"], ours, parting, notes)
    return tasks.Labels(tuple(ours)), done, []


def _unseen(names, checked, found, class_of, train):
    """Return a line for each split with labels that no text of train has."""
    problems = []
    for split, rows in checked.items():
        strange = [[label for label in some if not train[class_of[label]]]
                   for some in found[split]]
        where = [number for number, some in zip(rows.index, strange, strict=True) if some]
        if where:
            labels = dict.fromkeys(label for some in strange for label in some)
            problems.append(classes.unseen_in(names[split], labels, where))
    return problems


def _say_several(labels, ours, parting, notes):
    sizes = [len(some) for some in labels]
    by = f", parted by {parting!r}" if parting else ""
    notes.say(f"task: several labels a text{by}, {len(ours)} labels; of the training texts "
              f"{sizes.count(0):,} have none, {sizes.count(1):,} one, "
              f"{sum(size > 1 for size in sizes):,} more.")
    if {*sizes} == {1}:
        notes.say("Each text has exactly one of the labels, so they are classes: a column with "
                  "the class of each text would train better.")


def yes_or_no(name, cells, columns):
    """Return the labels of texts that have a column for each, as tuples of the columns' names.

    A text for which one is missing has "". Raises LearnerError for what is neither yes nor no.
    """
    values = cells[list(columns)]
    values = values.astype(str).map(lambda value: value.strip().casefold()).where(values.notna(),
                                                                                  "")
    said = {word: number for kind in NO_YES for word, number in kind.items()}
    for column in columns:
        strange = [row for row, value in values[column].items() if value not in ("", *said)]
        if strange:
            raise LearnerError(
                f"{name}: {tables.short(cells[column][strange[0]])!r} in the column "
                f"{tables.short(column)!r}, {tables.where(strange)}, says neither yes nor no. For "
                "several labels a text, each column holds 0 and 1, false and true, or no and yes.")
    return ["" if "" in row else tuple(c for c, value in zip(columns, row, strict=True)
                                       if said[value])
            for row in values.itertuples(index=False, name=None)]


def written_list(value):
    """Return what a cell that holds a written list has, such as "['rude', 'late']", or None."""
    inside = re.fullmatch(r"\s*\[(.*)\]\s*", value, re.DOTALL) if isinstance(value, str) else None
    if inside is None:
        return None
    parts = re.findall(r"""'([^']*)'|"([^"]*)"|([^\s,'"][^,'"]*)""", inside[1])
    return [next(filter(None, part), "").strip() for part in parts]
