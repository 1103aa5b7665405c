"""Texts of your own to learn from: a file, a table in memory, or a data set on the Hub.

Whatever the source, four steps lead to the same `DatasetDict`: read it, find its columns, check
every row, split. It has the columns id, text, label (0 negative, 1 positive), domain and
phenomenon, and is held in memory. Messages count the rows of a file as a spreadsheet does, the
header being row 1, those of a table in memory from 0.
"""

import html
import re
from collections.abc import Mapping

from helpers import paths, tables
from helpers.errors import LearnerError

LABELS = ("negative", "positive")
SPLITS = ("train", "validation", "test")
MAX_WORDS = 20_000
FEWEST = 10  # different texts of each class, where something is to be cut from train
_CLASSES = {"0": 0, "0.0": 0, "false": 0, "1": 1, "1.0": 1, "true": 1}  # as they are written
_DEFAULTS = {"domain": "yours", "phenomenon": "unknown"}  # where the source lacks the column
_MARKUP = re.compile(r"<!--.*?-->|</?[a-z][^<>]*>", re.IGNORECASE | re.DOTALL)


def load(source, text=None, label=None, *, header=True, encoding=None, drop_empty=False,
         clean=False, seed=0):
    """Return labelled texts as a `DatasetDict` of train, validation and test.

    `source` is the path of a file with commas, semicolons or tabs between its columns, a
    DataFrame, a list of dictionaries, a `Dataset`, or a dictionary of splits to any of these.
    Splits that it does not give are cut from train, 70 : 10 : 20 with the labels in equal shares,
    drawn by `seed`. Copies of a text go into one split; a text with both labels is left out.

    `text` and `label` name the columns; without them they are called so, in capitals or not.
    `header=False` is for a file of two columns whose first row is a text already. `encoding` is
    the file's; without it, it is found out. `drop_empty` leaves out rows without text or label,
    `clean` takes HTML out of the texts. What is left out or changed is printed.

    Raises LearnerError for everything that would train a wrong model, all at once.
    """
    parts = source if isinstance(source, Mapping) else {"train": source}
    if "train" not in parts or not set(parts) <= set(SPLITS):
        raise LearnerError(
            "A dictionary of splits has the keys train, validation and test, or at least train. "
            f"This one has: {tables.listed(parts)}."
        )
    checked, problems = {}, []
    for split, part in parts.items():
        name = split if parts is source else "the table"
        name, cells, uneven = tables.read(part, name, header, encoding)
        if cells.empty and not uneven:
            raise LearnerError(f"{name} has no rows. It needs one for each text.")
        columns = _find_columns(name, cells, header, text, label)
        checked[split], wrong = _check(name, cells, *columns, drop_empty, clean)
        problems += uneven + wrong
    if problems:
        raise LearnerError("\n".join(problems[:3]))
    return _split(checked, seed)


def from_hub(name, *, revision, configuration=None, text=None, label=None, splits=SPLITS):
    """Return a data set of the Hub as a `DatasetDict`, with the columns and checks of `load`.

    `revision` pins the commit. `splits` names the Hub's splits for train, validation and test;
    None in the place of one cuts it from train, as happens where there is no validation split.

    Raises LearnerError if the data set is out of reach, or lacks a split or labels.
    """
    from datasets import load_dataset

    try:
        raw = load_dataset(name, configuration, revision=revision)
    # The client raises errors of several libraries; the learner needs the first line of any.
    except Exception as error:
        reason = tables.short(paths.reason(error) or type(error).__name__, 200)
        raise LearnerError(
            f"The data set {name!r} could not be loaded: {reason}. "
            "The reviews that ship need no network: reviews.load()."
        ) from error
    parts = {}
    for ours, theirs in zip(SPLITS, splits, strict=True):
        if theirs in raw:
            parts[ours] = raw[theirs]
        elif theirs is None or ours == "validation":
            print(f"{name}: the split {ours} is cut from train.")
        else:
            raise LearnerError(
                f"{name} has no split {theirs!r}, only: {tables.listed(raw)}. Name three with "
                "splits=…; None in the place of one cuts it from train."
            )
    return load(parts, text, label)


def _find_columns(name, cells, header, text, label):
    """Return the names of the columns of text and label, as asked for or as recognised."""
    if not header and text is None and label is None:
        written = cells.astype(str).apply(lambda column: column.str.strip().str.casefold())
        binary = [set(written[column]) <= {*_CLASSES, ""} for column in written]
        if sorted(binary) == [False, True]:
            return cells.columns[binary.index(False)], cells.columns[binary.index(True)]
        raise LearnerError(
            f"{name}: without a header, two columns are recognised, one of them all 0 and 1. Say "
            "by number which are yours, such as text='1', label='2'."
        )
    found = []
    for option, wanted in (("text", text), ("label", label)):
        sought = option if wanted is None else str(wanted)
        same = [column for column in cells if column == sought] or [
            column for column in cells if wanted is None and column.casefold() == sought]
        if not same:
            raise LearnerError(
                f"{name} has no column {sought!r}, only: {tables.listed(cells)}. Name the right "
                f"one with {option}=…, or say header=False if the first row is a text already."
            )
        if len(same) > 1:
            raise LearnerError(f"{name} has {len(same)} columns {sought!r}. Rename all but one.")
        found += same
    return found


def _check(name, cells, text, label, drop_empty, clean):
    """Return our five columns, indexed by row number, and a line for each kind of problem."""
    cells = cells.loc[:, ~cells.columns.duplicated()]
    rows = cells[[text, label]].set_axis(["text", "label"], axis=1).astype(object)
    rows = rows.where(rows.notna(), "").astype(str)
    rows["label"] = rows["label"].str.strip()
    for column, default in {"id": cells.index, **_DEFAULTS}.items():
        rows[column] = cells.get(column, default)
    if clean:
        written = rows["text"]
        rows["text"] = written.map(_without_html)
        _say(f"{name}: HTML is taken out of", rows.index[rows["text"] != written])
    empty = rows[["text", "label"]].apply(lambda column: column.str.strip() == "")
    whole = rows[~empty.any(axis=1)]
    if drop_empty:
        _say(f"{name}: left out, because text or label is empty:", rows.index[empty.any(axis=1)])
    problems = [
        f"{name}: the {column} is empty in {tables.where(rows.index[empty[column]])}. Fill it "
        "in, or leave such rows out with drop_empty=True."
        for column in empty if empty[column].any() and not drop_empty
    ]
    known = whole["label"].str.casefold().map(_CLASSES)
    return whole.assign(label=known), problems + _problems(name, whole, known, text, label)


def _without_html(text):
    plain = html.unescape(_MARKUP.sub(" ", text))
    return text if plain == text else " ".join(plain.split())


def _problems(name, rows, known, text, label):
    """Return a line for each kind of thing that would train a wrong model."""
    import pandas as pd

    numbers = pd.to_numeric(rows["text"], errors="coerce").notna()
    if numbers.mean() > 0.5:
        return [
            f"{name}: {numbers.sum()} of {len(rows)} texts in the column {text!r} are numbers. "
            f"Are the columns the wrong way round? Then say text={label!r}, label={text!r}."
        ]
    problems = []
    long = rows.index[rows["text"].str.split().str.len() > MAX_WORDS]
    if len(long):
        problems.append(
            f"{name}: more than {MAX_WORDS:,} words in {tables.where(long)}. Is a quotation mark "
            "left open? If it really is one text, cut it into parts with a label each."
        )
    others = rows["label"][known.isna()]
    classes = [*known.dropna().astype(int).drop_duplicates().sort_values(), *others.unique()]
    if classes == ["-1"]:
        problems.append(f"{name} has no labels: each is -1. Choose a split that has labels.")
    elif len(others):
        problems.append(
            f"{name}: the column {label!r} holds the classes {tables.listed(classes)} "
            f"({len(classes)} in all); these lessons take two, written 0 and 1. Other labels are "
            f"in {tables.where(others.index)}. More classes are for notebook 12."
        )
    elif len(classes) == 1:
        problems.append(f"{name}: every label is {classes[0]}. A classifier needs both classes.")
    return problems


def _split(checked, seed):
    """Return all splits, cutting what is missing from train; no text is in two of them."""
    import pandas as pd
    from datasets import DatasetDict

    rows = pd.concat([rows.assign(split=SPLITS.index(split)) for split, rows in checked.items()])
    rows["same"] = rows["text"].str.split().str.join(" ").str.casefold()
    copies = rows.groupby("same")
    both = copies["label"].transform("nunique") > 1
    later = (rows["split"] < copies["split"].transform("max")) & ~both
    _say("Left out, because the text is there with both labels:", rows.index[both])
    _say("Left out, because a later split has the text, too:", rows.index[later])
    rows = rows[~both & ~later]
    _say("Copies of another text, kept in its split:", rows.index[rows.duplicated("same")])
    parts = {split: rows[rows["split"] == SPLITS.index(split)] for split in checked}
    for split, part in parts.items():
        if part.empty:
            raise LearnerError(
                f"No text is left for {split}. Each needs a label, the same in all of its copies, "
                "and no copy in a later split."
            )
    different = parts["train"].drop_duplicates("same")["label"]
    smallest = min((different == 0).sum(), (different == 1).sum())
    if smallest < FEWEST and len(parts) < len(SPLITS):
        raise LearnerError(
            f"Only {smallest} of the {len(different)} different texts are in the smaller class. "
            f"At least {FEWEST} of each are needed to train, choose and test."
        )
    for split, share in (("test", 0.2), ("validation", 0.125)):
        if split not in parts:
            # With the labels in equal shares, and each text beside its copies.
            whole = parts["train"]
            copies = whole.groupby("same").indices
            unique = _dataset(whole.drop_duplicates("same").assign(id=lambda rows: rows["same"]))
            halves = unique.train_test_split(share, stratify_by_column="label", seed=seed)
            parts["train"], parts[split] = (
                whole.iloc[[place for text in half["id"][:] for place in copies[text]]]
                for half in halves.values()
            )
    return DatasetDict({split: _dataset(parts[split]) for split in SPLITS})


def _dataset(rows):
    from datasets import ClassLabel, Dataset, Features, Value

    columns = dict.fromkeys(("id", "text", "label", *_DEFAULTS), Value("string"))
    features = Features(columns | {"label": ClassLabel(names=list(LABELS))})
    values = {column: rows[column].astype(str).tolist() for column in columns}
    values["label"] = rows["label"].astype(int).tolist()
    return Dataset.from_dict(values, features=features)


def _say(what, rows):
    if len(rows):
        print(f"{what} {tables.where(rows)}.")
