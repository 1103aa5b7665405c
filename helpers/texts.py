"""Texts of your own to learn from: a file, a table in memory, or a data set on the Hub.

Whatever the source, five steps lead to the same `Texts`: read it (`tables`), find its columns
(`columns`), check every row (`rows`), sort out the labels (`labels`), split (`splits`). The
columns are id, text (of pairs text_pair, too), label, domain and phenomenon; all is held in
memory. The label is a `ClassLabel` that knows the names of the classes; of several labels a text
it is the list of their numbers (a `List` of `ClassLabel`), of a number to predict a float.
Messages count the rows of a file as a spreadsheet does, the header being row 1, those of a table
in memory from 0.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from datasets import DatasetDict

from helpers import columns, labels, paths, rows, splits, tables, tasks, together
from helpers import report as reports
from helpers.errors import LearnerError
from helpers.rows import TEXTS
from helpers.splits import SPLITS

LONGEST_MESSAGE = 400  # characters
_NAMES_OF_SPLITS = {"train", "training", "test", "testing", "dev", "val", "valid", "validation"}


class Texts(DatasetDict):
    """A `DatasetDict` of train, validation and test, with what was found out on the way to it.

    `notes` is a list of lines: what was left out, changed or worked out, each also printed.
    """

    def __init__(self, splits, notes=()):
        super().__init__(splits)
        self.notes = list(notes)


class _Notes(list):
    """Lines that are kept and printed."""

    def say(self, line):
        if line not in self:
            self.append(line)
            print(line)

    def say_rows(self, what, numbers):
        if len(numbers):
            self.say(f"{what} {tables.where(list(numbers))}.")


def load(source, text=None, label=None, *, task=None, header=True, encoding=None,
         drop_empty=False, clean=False, seed=0, share=1.0):
    """Return labelled texts as `Texts`, a `DatasetDict` of train, validation and test.

    `source` is the path of a file (CSV with any separator, JSON, JSON lines, Parquet, Excel), a
    DataFrame, a list of dictionaries, a `Dataset`, or a dictionary of splits to any of these.
    Splits that it does not give are cut from train, 70 : 10 : 20 with the classes in equal
    shares, drawn by `seed`. Copies of a text go into one split; a text that is there with
    different labels is left out.

    `text` and `label` name the columns; without them they are recognised where there is no
    doubt. Two columns of `text` are a pair that is read together; several of `label` say yes or
    no to a label each. `task` is "class" (one class a text), "labels" (several labels a text, or
    none) or "number"; without it, that follows from the labels. `header=False` is for a file
    whose first row is a text already; its columns are called "1", "2" and so on. `encoding` is
    the file's; without it, it is found out. `drop_empty` leaves out rows without text or label,
    `clean` takes HTML out of the texts, and a `share` below 1 reads that part of the rows of a
    file that is too big, drawn by `seed`. What is recognised, left out or changed is printed and
    is in `notes`.

    Raises LearnerError for everything that would train a wrong model, all at once.
    """
    if task not in (None, *tasks.TASKS):
        raise LearnerError(f"task={task!r} is none. Choose one of: {', '.join(tasks.TASKS)}.")
    parts = source if isinstance(source, Mapping) else {"train": source}
    _check_names_of_splits(parts)
    notes, problems, names, checked = _Notes(), [], {}, {}
    found = known = None
    for split in (split for split in SPLITS if split in parts):
        table = tables.read(parts[split], split if parts is source else "the table", header,
                            encoding, share, seed)
        for line in table.notes:
            notes.say(line)
        _check_whole(table, parts[split], header, text is not None or label is not None)
        if found is None or any(list(table.cells).count(column) != 1
                                for option in found for column in columns.each(option)):
            found = columns.find(table.name, table.cells, header, text, label)
            if found != (str(text or "text"), str(label or "label")):
                notes.say(_columns(*found))
            if label is None:
                _say_several_labels(table, found, notes)
        if len(parts) == 1:
            _say_splits(table, notes)
        names[split] = table.name
        given = _class_names(parts[split], found[1])
        known = given if split == "train" else known
        checked[split], wrong = rows.check(table, split, *found, given, drop_empty, clean, notes)
        problems += table.problems + wrong
    _refuse(problems)
    kind, checked, problems = labels.sort(names, checked, found[1], known, task,
                                          len(SPLITS) - len(parts), notes)
    _refuse(problems)
    parts = splits.split(checked, kind, seed, notes)
    return Texts({split: dataset(part, kind) for split, part in parts.items()}, notes)


def from_hub(name, *, revision, configuration=None, text=None, label=None, task=None,
             splits=SPLITS):
    """Return a data set of the Hub as `Texts`, with the columns, task and checks of `load`.

    `revision` pins the commit. `splits` names the Hub's splits for train, validation and test;
    None in the place of one cuts it from train, as happens where there is no validation split or
    where the labels of the test split are kept secret.

    Raises LearnerError if the data set is out of reach, or lacks a split or labels.
    """
    raw = _downloaded(name, configuration, revision)
    parts, notes = {}, _Notes()
    for ours, theirs in zip(SPLITS, splits, strict=True):
        usual = ours != "train" and theirs == ours
        if usual and theirs in raw and _is_secret(raw[theirs], raw.get(splits[0]), label):
            notes.say(f"{name}: the labels of {theirs} are kept secret, so {ours} is cut from "
                      "train.")
        elif theirs in raw:
            parts[ours] = raw[theirs]
        elif theirs is None or (usual and ours == "validation"):
            notes.say(f"{name}: the split {ours} is cut from train.")
        else:
            raise LearnerError(
                f"{name} has no split {theirs!r}, only: {tables.listed(raw)}. Name three with "
                "splits=…; None in the place of one cuts it from train."
            )
    data = load(parts, text, label, task=task)
    data.notes[:0] = notes
    return data


def read_unlabelled(source, text=None, *, header=True, encoding=None):
    """Return a name for messages, ids, texts and notes: a text for every row, in order.

    For texts whose labels are to be predicted; a pair of texts is a tuple. The ids are those of a
    column called id, else the rows' numbers. An empty text stays.

    Raises LearnerError for what cannot be read, and where the texts' column is in doubt.
    """
    return unlabelled(tables.read(source, "the table", header, encoding), source, text, header)


def unlabelled(table, source, text=None, header=True):
    """Return what `read_unlabelled` returns, for the table that was read from a source."""
    _refuse(table.problems)
    _check_whole(table, source, header, text is not None)
    column = columns.find_text(table.name, table.cells, header, text)
    notes = list(table.notes)
    if column not in (text, "text"):
        notes.append(_columns(column))
    texts = [rows.as_texts(table.cells[one]) for one in columns.each(column)]
    return table.name, rows.ids(table.cells), (
        texts[0] if len(texts) == 1 else list(zip(*texts, strict=True))), notes


def report(data, tokenizer, max_length=128, keep="head", limit=None):
    """Return a `helpers.report.Report` on labelled texts, to be read before any training.

    `print` shows it, its `draw()` draws it. `max_length` is the number of tokens at which the
    training is going to cut, `keep` what it reads of longer texts: "head", "tail", "ends" or
    "windows"; `limit` is the number of tokens that the model reads at most, without it the
    tokenizer's.
    """
    return reports.report(data, tokenizer, max_length, keep, limit)


def baseline(data):
    """Return the scores of a bag of words on labelled texts, for a model to be compared with.

    `print` shows them; they are of the same kind as those of a model for the same task.
    """
    from helpers import bag_of_words

    return bag_of_words.scores(data)


def dataset(rows, task):
    """Return rows with our columns as a `Dataset`, their labels as the task has them."""
    from datasets import Dataset, Features, Value

    kinds = dict.fromkeys(("id", *(column for column in TEXTS if column in rows), "label",
                           "domain", "phenomenon"), Value("string"))
    features = Features(kinds | {"label": task.feature()})
    return Dataset.from_dict({column: rows[column].tolist() for column in kinds},
                             features=features)


def _columns(text, label=None):
    """Return in a line which columns are read."""
    text, label = ("" if option is None else " and ".join(
        repr(tables.short(column)) for column in columns.each(option)) for option in (text, label))
    both = " (a pair)" if " and " in text else ""
    return (f"columns: text {text}{both}, label {label}" if label
            else f"column{'s' * bool(both)}: text {text}{both}")


def _say_several_labels(table, found, notes):
    """Say that there are columns of yes and no beside the one of the labels."""
    cells = table.cells.loc[:, ~table.cells.columns.duplicated()]
    others = [c for c in cells if c not in {*columns.each(found[0]), *columns.each(found[1])}
              and columns.judged(cells[c])["binary"]]
    if isinstance(found[1], str) and (several := together.several_labels(cells, others, others)):
        notes.say(f"{table.name}: {len(several)} other columns say yes or no. For several labels "
                  f"a text: label={tables.short(','.join(several), 60)!r}")


def _check_names_of_splits(parts):
    if "train" in parts and set(parts) <= set(SPLITS):
        return
    are_columns = all(isinstance(part, list) and not isinstance(next(iter(part), {}), dict)
                      for part in parts.values())
    raise LearnerError(
        "A dictionary of splits has the keys train, validation and test, or at least train. "
        f"This one has: {tables.listed(parts)}."
        + " As a table of columns, give pd.DataFrame(…)." * are_columns)


def _check_whole(table, source, header, are_columns_named):
    """Raise LearnerError for a table without rows, or whose first row is not what it should be."""
    if table.cells.empty:
        _refuse(table.problems or [f"{table.name} has no rows. It needs one for each text."])
    if isinstance(source, str | Path) and not are_columns_named:
        columns.check_header(table.name, table.cells, header)


def _refuse(problems):
    """Raise LearnerError for the first of the problems, as many as a message may hold."""
    problems = list(dict.fromkeys(problems))
    if not problems:
        return
    for count in (3, 2, 1):
        rest = ["There is more; it is named when this is mended."] * (len(problems) > count)
        lines = [*problems[:count], *rest]
        if len(lines) <= 3 and len("\n".join(lines)) <= LONGEST_MESSAGE:
            raise LearnerError("\n".join(lines))
    raise LearnerError(tables.short(problems[0], LONGEST_MESSAGE))


def _say_splits(table, notes):
    """Say that a column has the names of splits, which nobody asked to be used."""
    for place, column in enumerate(table.cells):
        if columns.plain(column) in ("split", "set", "subset", "partition", "usage", "type"):
            values = table.cells.iloc[:, place].dropna().astype(str).str.strip().str.lower()
            if len(values) and set(values) <= _NAMES_OF_SPLITS:
                notes.say(f"{table.name}: the column {tables.short(column)!r} names splits and is "
                          "not used. To use it, give a dictionary of the three tables.")


def _class_names(part, label):
    """Return the names of the classes if a `Dataset` knows them, else None."""
    for column, feature in (getattr(part, "features", None) or {}).items():
        feature = getattr(feature, "feature", feature)  # of a list
        if str(column).strip() == label and hasattr(feature, "names"):
            return list(feature.names)
    return None


def _downloaded(name, configuration, revision):
    from datasets import load_dataset

    try:
        return load_dataset(name, configuration, revision=revision)
    # The client raises errors of several libraries; the learner needs the first line of any.
    except Exception as error:
        available = re.search(r"available configs: \[(.*?)\]", str(error), re.DOTALL)
        if available:
            listed = tables.listed(available[1].replace("'", "").split(", "))
            raise LearnerError(f"The data set {name!r} has several configurations: {listed}. "
                               "Choose one with configuration='…'.") from error
        reason = tables.short(paths.reason(error) or type(error).__name__, 200)
        raise LearnerError(
            f"The data set {name!r} could not be loaded: {reason}. "
            "The reviews that ship need no network: reviews.load()."
        ) from error


def _is_secret(part, train, label):
    """Say whether no row of a Hub's split has a label, although those of train have."""
    if label is not None and not isinstance(label, str):
        return False  # a column for each of several labels
    column = label or next((column for column in getattr(train, "column_names", [])
                            if columns.plain(column) in ("label", "labels")), None)
    if column is None:
        return False
    if column not in part.column_names:
        return True
    if part.data.schema.field(column).type.num_fields:
        return False  # lists
    return set(part.data[column].unique().to_pylist()) <= {-1, "-1", None, ""}
