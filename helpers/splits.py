"""Three splits out of checked rows: each text in one of them, each class in all of them."""

import math

from helpers import markup, tables
from helpers.errors import LearnerError

SPLITS = ("train", "validation", "test")


def split(checked, ours, seed, notes):
    """Return {split: rows} for all splits, cutting what is missing from train.

    `checked` has the rows of the splits that are given, their labels as numbers of the classes
    `ours`. No text is in two splits. Raises LearnerError if a split or a class has too few texts.
    """
    rows = _without_conflicts(checked, notes)
    parts = {split: rows[rows["split"] == SPLITS.index(split)] for split in checked}
    missing = [split for split in SPLITS if split not in parts]
    _refuse_small_classes(parts["train"], ours, missing)
    for split in reversed(missing):  # test, then validation, of what test leaves
        share = {"test": 0.2, "validation": 0.125}[split]
        parts["train"], parts[split] = _cut(parts["train"], len(ours), share, seed)
    parts = {split: parts[split] for split in SPLITS}
    if missing:
        _say_smallest_class(parts, ours, notes)
    return parts


def _without_conflicts(checked, notes):
    """Return the rows of all splits, without texts of two labels or of a later split.

    Copies of a text have the same number in the column `same`.
    """
    import pandas as pd

    rows = pd.concat([part.assign(
        split=SPLITS.index(split),
        where=[f"{row} of {split}" if len(checked) > 1 else row for row in part.index],
    ) for split, part in checked.items()], ignore_index=True)
    rows["same"] = pd.factorize(rows["text"].map(markup.folded))[0]
    copies = rows.groupby("same")
    both = copies["label"].transform("min") != copies["label"].transform("max")
    later = ~both & (rows["split"] < copies["split"].transform("max"))
    notes.say_rows("Left out, because the text is there with different labels:",
                   rows["where"][both])
    notes.say_rows("Left out, because a later split has the text, too:", rows["where"][later])
    kept = rows[~both & ~later]
    notes.say_rows("Copies of another text, kept in its split:",
                   kept["where"][kept.duplicated("same")])
    for split in checked:
        number = SPLITS.index(split)
        if not (kept["split"] == number).any():
            why = ("all of its texts are in a later split, too"
                   if later[rows["split"] == number].all() else
                   "each needs a label, the same in all of its copies, and no copy in a later "
                   "split")
            raise LearnerError(f"No text is left for {split}: {why}.")
    return kept


def _refuse_small_classes(train, ours, missing):
    """Raise LearnerError for classes that cannot have a text in each of the splits."""
    different = train.drop_duplicates("same")["label"].value_counts()
    needed = 1 + len(missing)
    small = [c for c in range(len(ours)) if different.get(c, 0) < needed]
    if small:
        which = tables.listed([repr(tables.short(ours[c])) for c in small])
        found = train["where"][train["label"].isin(small)].tolist()
        names = ", ".join(["train", *missing][:-1]) + f" and {missing[-1]}" if missing else "train"
        raise LearnerError(
            f"Too few different texts have the label {which}: {tables.where(found)}. Each class "
            f"needs {needed}, for {names}. If a label is misspelled, correct it; else find more "
            "such texts, or leave these rows out.")


def _cut(rows, n_classes, share, seed):
    """Return the rows left and the rows cut off, classes in equal shares, copies together.

    As `Dataset.train_test_split` draws it, but every class is in what is cut off.
    """
    import numpy as np
    from datasets.utils.stratify import stratified_shuffle_split_generate_indices

    unique = rows.drop_duplicates("same")
    labels = unique["label"].to_numpy()
    n = max(math.ceil(share * len(unique)), n_classes)
    # The function behind `train_test_split`, which itself reads every label on its own.
    left, cut = map(np.ndarray.tolist, next(stratified_shuffle_split_generate_indices(
        labels, len(unique) - n, n, np.random.default_rng(seed))))
    for c in sorted(set(range(n_classes)) - set(labels[cut])):
        chosen = [place for place in left if labels[place] == c][-1]
        left.remove(chosen)
        cut.append(chosen)
    places = rows.groupby("same").indices  # of each text and its copies, in the file's order
    same = unique["same"].to_numpy()
    return tuple(rows.iloc[np.concatenate([places[text] for text in same[half]])]
                 for half in (left, cut))


def _say_smallest_class(parts, ours, notes):
    counts = {split: part["label"].value_counts().reindex(range(len(ours)), fill_value=0)
              for split, part in parts.items()}
    all_counts = sum(counts.values())
    smallest = int(all_counts.argmin())
    if counts["train"][smallest] < 10:
        each = ", ".join(f"{count[smallest]} in {split}" for split, count in counts.items())
        notes.say(f"The smallest class, {tables.short(ours[smallest])!r}, has "
                  f"{all_counts[smallest]} texts: {each}.")
