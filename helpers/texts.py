"""Texts of your own to learn from: a file, a table in memory, or a data set on the Hub.

Whatever the source, five steps lead to the same `Texts`: read it, find its columns, check every
row, sort out the classes, split. The columns are id, text, label (a `ClassLabel` that knows the
names of the classes), domain and phenomenon; all is held in memory. Messages count the rows of a
file as a spreadsheet does, the header being row 1, those of a table in memory from 0.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from datasets import DatasetDict

from helpers import classes, columns, markup, paths, tables
from helpers import report as reports
from helpers.errors import LearnerError

SPLITS = ("train", "validation", "test")
MAX_WORDS = 20_000
MAX_CHARACTERS = 1_000_000
LONGEST_MESSAGE = 400  # characters
_DEFAULTS = {"domain": "yours", "phenomenon": "unknown"}  # where the source lacks the column
_HIDDEN = "-1"  # how data sets of the Hub write that a label is kept secret
_LIKE_EMPTY = {"nan", "null", "none", "na", "n/a", "#n/a", "<na>", "nil", "?"}
_PREDICT = "To predict them with a trained model: python -m helpers.predict."


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

    def say_rows(self, what, rows):
        if len(rows):
            self.say(f"{what} {tables.where(rows)}.")


def load(source, text=None, label=None, *, header=True, encoding=None, drop_empty=False,
         clean=False, seed=0, share=1.0):
    """Return labelled texts as `Texts`, a `DatasetDict` of train, validation and test.

    `source` is the path of a file (CSV with any separator, JSON, JSON lines, Parquet, Excel), a
    DataFrame, a list of dictionaries, a `Dataset`, or a dictionary of splits to any of these.
    Splits that it does not give are cut from train, 70 : 10 : 20 with the classes in equal
    shares, drawn by `seed`. Copies of a text go into one split; a text that is there with
    different labels is left out.

    `text` and `label` name the columns; without them they are recognised where there is no
    doubt. `header=False` is for a file whose first row is a text already; its columns are called
    "1", "2" and so on. `encoding` is the file's; without it, it is found out. `drop_empty` leaves
    out rows without text or label, `clean` takes HTML out of the texts, and a `share` below 1
    reads that part of the rows of a file that is too big, drawn by `seed`. What is recognised,
    left out or changed is printed and is in `notes`.

    Raises LearnerError for everything that would train a wrong model, all at once.
    """
    parts = source if isinstance(source, Mapping) else {"train": source}
    if "train" not in parts or not set(parts) <= set(SPLITS):
        raise LearnerError(
            "A dictionary of splits has the keys train, validation and test, or at least train. "
            f"This one has: {tables.listed(parts)}."
            + " As a table of columns, give pd.DataFrame(…)." * all(
                isinstance(part, list) and not isinstance(next(iter(part), {}), dict)
                for part in parts.values())
        )
    notes, problems, names, checked = _Notes(), [], {}, {}
    found = known = None
    for split in (split for split in SPLITS if split in parts):
        table = tables.read(parts[split], "the table" if parts is not source else split, header,
                            encoding, share, seed)
        for line in table.notes:
            notes.say(line)
        if table.cells.empty:
            raise LearnerError(_in_brief(table.problems or [
                f"{table.name} has no rows. It needs one for each text."]))
        if text is None and label is None and _is_file(parts[split]):
            columns.check_header(table.name, table.cells, header)
        if found is None or any(list(table.cells).count(column) != 1 for column in found):
            found = columns.find(table.name, table.cells, header, text, label)
            if found != tuple(str(option) for option in (text or "text", label or "label")):
                notes.say(f"columns: text {tables.short(found[0])!r}, label "
                          f"{tables.short(found[1])!r}")
        if len(parts) == 1:
            _say_splits(table, notes)
        names[split] = table.name
        given = _class_names(parts[split], found[1])
        known = given if split == "train" else known
        checked[split], wrong = _check(table, split, *found, given, drop_empty, clean, notes)
        problems += table.problems + wrong
    if problems:
        raise LearnerError(_in_brief(problems))
    ours = _sort_classes(names, checked, found[1], known, notes)
    return _split(checked, ours, seed, notes)


def from_hub(name, *, revision, configuration=None, text=None, label=None, splits=SPLITS):
    """Return a data set of the Hub as `Texts`, with the columns and checks of `load`.

    `revision` pins the commit. `splits` names the Hub's splits for train, validation and test;
    None in the place of one cuts it from train, as happens where there is no validation split or
    where the labels of the test split are kept secret.

    Raises LearnerError if the data set is out of reach, or lacks a split or labels.
    """
    from datasets import load_dataset

    try:
        raw = load_dataset(name, configuration, revision=revision)
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
    parts, notes = {}, _Notes()
    for ours, theirs in zip(SPLITS, splits, strict=True):
        if ours != "train" and theirs == ours and theirs in raw and (
                _is_secret(raw[theirs], raw.get(splits[0]), label)):
            notes.say(f"{name}: the labels of {theirs} are kept secret, so {ours} is cut from "
                      "train.")
        elif theirs in raw:
            parts[ours] = raw[theirs]
        elif theirs is None or (ours == "validation" and theirs == ours):
            notes.say(f"{name}: the split {ours} is cut from train.")
        else:
            raise LearnerError(
                f"{name} has no split {theirs!r}, only: {tables.listed(raw)}. Name three with "
                "splits=…; None in the place of one cuts it from train."
            )
    data = load(parts, text, label)
    data.notes[:0] = notes
    return data


def read_unlabelled(source, text=None, *, header=True, encoding=None):
    """Return a name for messages, ids, texts and notes: a text for every row, in order.

    For texts whose labels are to be predicted. The ids are those of a column called id, else the
    rows' numbers. An empty text stays.

    Raises LearnerError for what cannot be read, and where the texts' column is in doubt.
    """
    table = tables.read(source, "the table", header, encoding)
    if table.problems:
        raise LearnerError(_in_brief(table.problems))
    if table.cells.empty:
        raise LearnerError(f"{table.name} has no rows. It needs one for each text.")
    if text is None and _is_file(source):
        columns.check_header(table.name, table.cells, header)
    column = columns.find_text(table.name, table.cells, header, text)
    notes = list(table.notes)
    if column not in (text, "text"):
        notes.append(f"column: text {tables.short(column)!r}")
    return table.name, _ids(table.cells), _as_texts(table.cells[column]), notes


def report(data, tokenizer, max_length=128):
    """Return a `helpers.report.Report` on labelled texts, to be read before any training.

    `print` shows it, its `draw()` draws it. `max_length` is the number of tokens at which the
    training is going to cut.
    """
    return reports.report(data, tokenizer, max_length)


def _say_splits(table, notes):
    """Say that a column has the names of splits, which nobody asked to be used."""
    usual = {"train", "training", "test", "testing", "dev", "val", "valid", "validation"}
    for place, column in enumerate(table.cells):
        if columns.plain(column) in ("split", "set", "subset", "partition", "usage", "type"):
            values = table.cells.iloc[:, place].dropna().astype(str).str.strip().str.lower()
            if len(values) and set(values) <= usual:
                notes.say(f"{table.name}: the column {tables.short(column)!r} names splits and is "
                          "not used. To use it, give a dictionary of the three tables.")


def _is_file(source):
    return isinstance(source, str | Path)


def _is_secret(part, train, label):
    """Say whether no row of a Hub's split has a label, although those of train have."""
    column = label or next((column for column in getattr(train, "column_names", [])
                            if columns.plain(column) in ("label", "labels")), None)
    if column is None:
        return False
    if column not in part.column_names:
        return True
    return set(part.data[column].unique().to_pylist()) <= {-1, "-1", None, ""}


def _class_names(part, label):
    """Return the names of the classes if a `Dataset` knows them, else None."""
    from datasets import ClassLabel

    features = getattr(part, "features", None) or {}
    feature = {str(column).strip(): kind for column, kind in features.items()}.get(label)
    return list(feature.names) if isinstance(feature, ClassLabel) else None


def _as_texts(cells):
    missing = cells.isna()
    return ["" if gone else value if isinstance(value, str) else str(value)
            for value, gone in zip(cells.tolist(), missing, strict=True)]


def _ids(cells):
    own = [column for column in cells if column == "id"] or [
        column for column in cells if column.casefold() == "id"]
    return _as_texts(cells[own[0]]) if own else [str(row) for row in cells.index]


def _check(table, split, text, label, names, drop_empty, clean, notes):
    """Return our five columns, indexed by row number, and a line for each kind of problem."""
    import numpy as np
    import pandas as pd

    cells, name = table.cells.loc[:, ~table.cells.columns.duplicated()], table.name
    if cells[label].map(lambda value: isinstance(value, list) and len(value) == 1
                        and isinstance(value[0], str | int)).all():
        cells = cells.assign(**{label: cells[label].str[0]})
    _refuse_lists(name, cells, text, label)
    texts, labels = _as_texts(cells[text]), cells[label]
    if names:  # a Dataset's numbers; -1 means that there is none
        labels = labels.map(dict(enumerate(names)), na_action="ignore")
    labels = pd.Series([value.strip() if isinstance(value, str) else value for value in labels],
                       cells.index, dtype=object)
    labels = labels.where(labels.notna(), "")
    if "_task_hash" in cells and "answer" in cells:  # of Prodigy
        rejected = (cells["answer"] != "accept").to_numpy()
        notes.say_rows(f"{name}: left out, because their answer in Prodigy is not 'accept':",
                       cells.index[rejected])
        cells, labels = cells[~rejected], labels[~rejected]
        texts = _as_texts(cells[text])
    dirty = cells.index[[markup.has_html(value) for value in texts]]
    if clean:
        whole, texts = texts, [markup.cleaned(value) for value in texts]
        notes.say_rows(f"{name}: HTML, or NUL characters, taken out of", cells.index[
            [old is not new for old, new in zip(whole, texts, strict=True)]])
    elif len(dirty):
        notes.say(f"{name}: HTML tags or entities stand in {tables.where(dirty)}; clean=True "
                  "takes them out.")
    empty = {"text": np.array([not value or value.isspace() for value in texts], bool),
             "label": (labels == "").to_numpy(bool)}
    rows = pd.DataFrame(index=cells.index)
    rows["id"] = _ids(cells)
    rows["text"] = pd.Series(texts, cells.index, dtype=object)
    rows["label"] = labels
    for column, default in _DEFAULTS.items():
        rows[column] = _as_texts(cells[column]) if column in cells else default
    either = empty["text"] | empty["label"]
    if len(rows) and (empty["label"] | empty["text"]).all():
        if empty["label"].all():
            hollow = [note for note in table.notes if "formulas without values" in note]
            raise LearnerError(hollow[0] if hollow else _without_labels(
                name, split, f"the column {tables.short(label)!r} is empty"))
        raise LearnerError(f"{name}: no row has text and label, in the columns "
                           f"{tables.short(text)!r} and {tables.short(label)!r}. Name the right "
                           "ones with text='…', label='…'.")
    if drop_empty:
        notes.say_rows(f"{name}: left out, because text or label is empty:", rows.index[either])
    problems = [
        f"{name}: the {column} is empty in {tables.where(rows.index[gone])}. Fill it in, or leave "
        "such rows out with drop_empty=True."
        for column, gone in empty.items() if gone.any() and not drop_empty
    ]
    whole = rows[~either]
    return whole, _problems(name, whole, text, label) + problems


def _without_labels(name, split, why):
    remedy = _PREDICT if split == "train" else f"Leave {split} out, and it is cut from train."
    return f"{name} has no labels: {why}. {remedy}"


def _refuse_lists(name, cells, text, label):
    """Raise LearnerError if the labels or the texts are lists; labels may be so as text, too."""
    if _mostly(cells[text], lambda value: isinstance(value, list | tuple | dict)):
        raise LearnerError(f"{name}: the column {tables.short(text)!r} holds lists, not texts. "
                           "Name the column of the texts with text='…'.")
    if _mostly(cells[label], lambda value: isinstance(value, list | tuple | set | dict)
               or bool(getattr(value, "shape", ()))
               or bool(re.fullmatch(r"\s*\[.*\]\s*", str(value), re.DOTALL))):
        if _mostly(cells[label], lambda value: isinstance(value, dict)):
            raise LearnerError(f"{name}: the column {tables.short(label)!r} holds objects, not "
                               "labels. Make a column with one label a text, and name it with "
                               "label='…'.")
        inner = [item for value in cells[label].iloc[:100] if isinstance(value, list)
                 for item in value]
        marked = inner and all(isinstance(item, list | dict) for item in inner)
        raise LearnerError(
            f"{name}: the column {tables.short(label)!r} holds lists: it looks like "
            f"{'marked passages of' if marked else 'several labels'} a text, which cannot be "
            "trained on yet. Make a column with one label a text, and name it with label='…'.")


def _mostly(cells, is_so):
    first = cells.iloc[:1000].tolist()
    return sum(map(is_so, first)) > len(first) / 2


def _problems(name, rows, text, label):
    """Return a line for each kind of thing in the texts that would train a wrong model."""
    if rows.empty:
        return []
    judged = columns.judged(rows["text"]), columns.judged(rows["label"])
    numbers = rows["text"].str.fullmatch(r"\s*[+-]?[\d.,:/T -]*\d\s*").astype(bool)
    if numbers.mean() > 0.5 or (judged[0]["label"] and judged[1]["text"]):
        shown = tables.short(text), tables.short(label)
        if judged[1]["text"]:
            return [f"{name}: the columns look the wrong way round: {shown[0]!r} holds few "
                    f"different values, {shown[1]!r} the texts. Say text={shown[1]!r}, "
                    f"label={shown[0]!r}."]
        return [f"{name}: {numbers.sum():,} of {len(rows):,} texts in the column {shown[0]!r} are "
                "numbers or dates. Name the column that has the texts with text='…'."]
    problems = []
    length = rows["text"].map(len)
    long = length > MAX_CHARACTERS
    for place, size in enumerate(length):  # so many words have spaces between them
        if size > 2 * MAX_WORDS - 2 and not long.iloc[place]:
            long.iloc[place] = len(rows["text"].iloc[place].split()) > MAX_WORDS
    if long.any():
        problems.append(
            f"{name}: more than {MAX_WORDS:,} words, or a million characters, in "
            f"{tables.where(rows.index[long])}. Is a quotation mark left open? If it really is "
            "one text, cut it into parts."
        )
    nul = rows.index[["\0" in value for value in rows["text"]]]
    if len(nul):
        problems.append(
            f"{name}: NUL characters in {tables.where(nul)}. Is the file damaged, or in another "
            "encoding, such as encoding='utf-16'? clean=True takes them out."
        )
    return problems


def _sort_classes(names, checked, label, known, notes):
    """Turn the labels of all splits into numbers of classes; return the classes' names.

    `known` are the names of a `Dataset` that has them, in its order.
    """
    counts = {split: rows["label"].value_counts() for split, rows in checked.items()}
    together = {}
    for count in counts.values():
        for value, n in count.items():
            together[value] = together.get(value, 0) + n
    classes_of = classes.merged(together)
    if known:
        folded = {classes.key(name): name for name in reversed(known)}
        classes_of = {value: value if value in known else folded.get(classes.key(value), name)
                      for value, name in classes_of.items()}
    train = {classes_of[value] for value in counts["train"].index}
    ours = [c for c in known if c in train] if known else classes.ordered(train)
    _refuse_what_are_no_classes(names["train"], checked["train"], label, ours)
    if known and len(ours) < len(known):
        unseen = tables.listed([c for c in known if c not in ours])
        notes.say(f"labels: no text of train has the class {unseen}; left out of the classes.")
    gaps = [c for c in ours if c.casefold() in _LIKE_EMPTY]
    if gaps and not known:
        which = tables.listed(map(repr, gaps))
        notes.say(f"labels: {which} is taken as a class. Where it means that the label is "
                  "missing, leave those rows out of the file.")
    for c in ours:
        spellings = sorted({str(value) for value, name in classes_of.items()
                            if name == c and classes.written(value) != c})
        if spellings:
            notes.say(f"labels: {tables.listed(map(repr, map(tables.short, spellings)))} counted "
                      f"as {tables.short(c)!r}")
    problems = []
    for split, rows in checked.items():
        strange = rows["label"].map(lambda value: classes_of[value] not in train)
        if strange.all() and set(rows["label"].map(classes.written)) == {_HIDDEN}:
            raise LearnerError(_without_labels(names[split], split, "each is -1"))
        if strange.any():
            problems.append(
                f"{names[split]}: no text of train has the label "
                f"{tables.listed(dict.fromkeys(rows['label'][strange].map(classes.written)))}, as "
                f"{tables.where(rows.index[strange])} {'has' if strange.sum() == 1 else 'have'}. "
                "Is it misspelled, or should train have such texts?")
    if problems:
        raise LearnerError(_in_brief(problems))
    numbers = {value: ours.index(c) for value, c in classes_of.items()}
    for split, rows in checked.items():
        checked[split] = rows.assign(label=rows["label"].map(numbers).astype("int64"))
    return ours


def _refuse_what_are_no_classes(name, rows, label, ours):
    """Raise LearnerError for one class, for numbers to predict, and for texts as labels."""
    column, n = tables.short(label), len(rows)
    if ours == [_HIDDEN]:
        raise LearnerError(_without_labels(name, "train", "each is -1"))
    if len(ours) == 1:
        raise LearnerError(f"{name}: every label is {tables.short(ours[0])}. A classifier needs "
                           "texts of at least two classes.")
    numbers = [classes.as_number(c) for c in ours]
    some = f"{len(ours):,} different {{}}, such as {tables.listed(ours[:3])}"
    if None not in numbers:
        broken = any(not number.is_integer() for number in numbers)
        # Half stars are ten classes; a number that is measured hardly ever comes twice.
        if (broken and len(ours) > 12) or (len(ours) > 20 and n / len(ours) < 10):
            raise LearnerError(
                f"{name}: the column {column!r} holds {some.format('numbers')}. It looks like a "
                "number to predict, which is not possible yet. If you mean classes, name their "
                "column with label='…'; ranges such as low and high need a column of their own.")
    elif combined := _combined(ours):
        raise LearnerError(
            f"{name}: the column {column!r} seems to hold several labels a text, such as "
            f"{tables.short(combined[0])!r}. That cannot be trained on yet. Make a column with "
            "one label a text, and name it with label='…'.")
    elif len(ours) > 2 and n / len(ours) < 3:
        raise LearnerError(
            f"{name}: the column {column!r} holds {some.format('values')}, in {n:,} rows. That "
            "looks like free text; a class needs several texts. Name the column of the classes "
            "with label='…'.")


def _combined(ours):
    """Return the classes that are several in one, such as "Action, Comedy" beside "Comedy"."""
    parts = {c: re.split(r"\s*[,;|]\s*", c) for c in ours}
    times = Counter(part for some in parts.values() for part in some)
    several = [c for c, some in parts.items() if len(some) > 1]
    inside = {part for c in several for part in parts[c]}
    again = sum(times[part] > 1 for part in inside)
    return several if len(several) > 1 and again > 0.5 * len(inside) else []


def _in_brief(problems):
    """Return the first lines of what is wrong, as many as a message may hold."""
    problems = list(dict.fromkeys(problems))
    more, kept = "There is more; it is named when this is mended.", []
    for line in problems:
        room = LONGEST_MESSAGE - sum(map(len, kept)) - len(kept)
        last = line == problems[-1]
        if len(kept) == (3 if last else 2) or len(line) + (0 if last else len(more) + 1) > room:
            return "\n".join([*kept, more]) if kept else tables.short(line, LONGEST_MESSAGE)
        kept.append(line)
    return "\n".join(kept)


def _split(checked, ours, seed, notes):
    """Return all splits, cutting what is missing from train; no text is in two of them."""
    import numpy as np
    import pandas as pd

    several = len(checked) > 1
    rows = pd.concat([rows.assign(split=SPLITS.index(split)) for split, rows in checked.items()])
    where = (np.array([f"{row} of {SPLITS[split]}" for row, split in
                       zip(rows.index, rows["split"], strict=True)], object)
             if several else rows.index.to_numpy())
    rows["same"] = pd.factorize(np.array([markup.folded(t) for t in rows["text"]], object))[0]
    copies = rows.groupby("same")
    both = (copies["label"].transform("min") != copies["label"].transform("max")).to_numpy()
    later = (rows["split"] < copies["split"].transform("max")).to_numpy() & ~both
    split_of = rows["split"].to_numpy()
    notes.say_rows("Left out, because the text is there with different labels:", where[both])
    notes.say_rows("Left out, because a later split has the text, too:", where[later])
    rows, where = rows[~both & ~later], where[~both & ~later]
    again = rows.duplicated("same").to_numpy()
    notes.say_rows("Copies of another text, kept in its split:", where[again])
    rows = rows.reset_index(drop=True)
    parts = {split: np.flatnonzero(rows["split"] == SPLITS.index(split)) for split in checked}
    for split, part in parts.items():
        if not len(part):
            there = split_of == SPLITS.index(split)
            why = ("all of its texts are in a later split, too" if later[there].all() else
                   "each needs a label, the same in all of its copies, and no copy in a later "
                   "split")
            raise LearnerError(f"No text is left for {split}: {why}.")
    same, labels = rows["same"].to_numpy(), rows["label"].to_numpy()
    missing = [split for split in SPLITS if split not in parts]
    _refuse_small_classes(rows.iloc[parts["train"]], where[parts["train"]], ours, missing)
    for split in reversed(missing):  # test, then validation, of what test leaves
        share = {"test": 0.2, "validation": 0.125}[split]
        parts["train"], parts[split] = _cut(parts["train"], same, labels, len(ours), share, seed)
    counts = {split: np.bincount(labels[parts[split]], minlength=len(ours)) for split in SPLITS}
    smallest = int(sum(counts.values()).argmin())
    if missing and counts["train"][smallest] < 10:
        notes.say(f"The smallest class, {tables.short(ours[smallest])!r}, has "
                  f"{sum(counts.values())[smallest]} texts: " + ", ".join(
                      f"{counts[split][smallest]} in {split}" for split in SPLITS) + ".")
    return Texts({split: dataset(rows.iloc[parts[split]], ours) for split in SPLITS}, notes)


def _and(words):
    return " and ".join([", ".join(words[:-1])] * (len(words) > 1) + words[-1:])


def _refuse_small_classes(train, where, ours, missing):
    """Raise LearnerError for classes that cannot have a text in each of the splits."""
    different = train.drop_duplicates("same")["label"].value_counts()
    needed = 1 + len(missing)
    small = [c for i, c in enumerate(ours) if different.get(i, 0) < needed]
    if small:
        which = tables.listed(map(repr, map(tables.short, small)))
        rows = where[train["label"].isin([ours.index(c) for c in small]).to_numpy()]
        raise LearnerError(
            f"Too few different texts have the label {which}: {tables.where(rows)}. Each class "
            f"needs {needed}, for {_and(['train', *missing])}. If a label is misspelled, correct "
            "it; else find more such texts, or leave these rows out.")


def _cut(rows, same, labels, n_classes, share, seed):
    """Return the rows left and the rows cut off, classes in equal shares, copies together.

    As `Dataset.train_test_split` draws it, but every class is in what is cut off.
    """
    import numpy as np
    from datasets.utils.stratify import stratified_shuffle_split_generate_indices

    codes, first = np.unique(same[rows], return_index=True)
    unique = rows[np.sort(first)]  # of each text the first row
    n = max(math.ceil(share * len(unique)), n_classes)
    # The function behind `train_test_split`, which itself reads every label on its own.
    left, cut = (unique[half].tolist() for half in next(stratified_shuffle_split_generate_indices(
        labels[unique], len(unique) - n, n, np.random.default_rng(seed))))
    for c in sorted(set(range(n_classes)) - set(labels[cut].tolist())):
        chosen = [row for row in left if labels[row] == c][-1]
        left.remove(chosen)
        cut.append(chosen)
    # With each text its copies, in the order of the file.
    order = np.argsort(same[rows], kind="stable")
    starts = np.searchsorted(same[rows][order], codes)
    groups = dict(zip(codes.tolist(), np.split(rows[order], starts[1:]), strict=True))
    return tuple(np.concatenate([groups[same[row]] for row in half]) for half in (left, cut))


def dataset(rows, names):
    """Return rows with our columns, the labels being numbers of classes, as a `Dataset`."""
    from datasets import ClassLabel, Dataset, Features, Value

    kinds = dict.fromkeys(("id", "text", "label", *_DEFAULTS), Value("string"))
    features = Features(kinds | {"label": ClassLabel(names=list(names))})
    return Dataset.from_dict({column: rows[column].tolist() for column in kinds},
                             features=features)
