"""Three splits out of checked rows: each text in one of them, each class in all of them.

Of several labels a text, the shares are equal by the rarest label of each text, of a number to
predict by tenths. Pairs that have a text in common go into one split, and with them the pairs
that have one in common with those, as long as no such group is too large for it.
"""

import math

from helpers import markup, tables
from helpers.errors import LearnerError

SPLITS = ("train", "validation", "test")
FEWEST = 10  # texts with a number to predict
LARGEST_GROUP = 0.1  # of all pairs, that hang together by their texts


def split(checked, task, seed, notes):
    """Return {split: rows} for all splits, cutting what is missing from train.

    `checked` has the rows of the splits that are given, their labels as the task has them. No
    text is in two splits. Raises LearnerError if a split or a class has too few texts.
    """
    rows = _without_conflicts(checked, notes, task.kind != "number")
    parts = {split: rows[rows["split"] == SPLITS.index(split)] for split in checked}
    missing = [split for split in SPLITS if split not in parts]
    if task.kind == "class":
        _refuse_small_classes(parts["train"], task.names, missing)
    elif missing and parts["train"]["same"].nunique() < FEWEST:
        raise LearnerError(f"{parts['train']['same'].nunique()} different texts are too few for "
                           f"{len(missing) + 1} splits. Find {FEWEST} or more.")
    cut = _cut_groups if _in_groups(parts, missing, notes) else _cut
    for split in reversed(missing):  # test, then validation, of what test leaves
        share = {"test": 0.2, "validation": 0.125}[split]
        parts["train"], parts[split] = cut(parts["train"], task, share, seed)
    parts = {split: parts[split] for split in SPLITS}
    if missing and task.kind == "class":
        _say_smallest_class(parts, task.names, notes)
    return parts


def _without_conflicts(checked, notes, contradict):
    """Return the rows of all splits, without texts of two labels or of a later split.

    Copies of a text have the same number in the column `same`, those of a pair also with its
    sides swapped. Only the same text with other labels is a contradiction, and that only if
    labels `contradict` each other, as numbers do not: copies keep each its own.
    """
    import pandas as pd

    rows = pd.concat([part.assign(
        split=SPLITS.index(split),
        where=[f"{row} of {split}" if len(checked) > 1 else row for row in part.index],
    ) for split, part in checked.items()], ignore_index=True)
    sides = [rows[column].map(markup.folded) for column in ("text", "text_pair")
             if column in rows]
    rows["folded"] = pairs = pd.Series(zip(*sides, strict=True), rows.index)
    rows["same"] = pd.factorize(pairs.map(lambda pair: tuple(sorted(pair))))[0]
    copies = rows.groupby("same")
    label = pd.Series(pd.factorize(rows["label"])[0], rows.index).groupby(pd.factorize(pairs)[0])
    both = (label.transform("min") != label.transform("max")) & contradict
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


def _in_groups(parts, missing, notes):
    """Number the pairs of train by what hangs together, in place; say if a split cuts groups.

    Returns False for single texts, and where groups are too large to be split.
    """
    if not missing or "text_pair" not in parts["train"]:
        return False
    import pandas as pd
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    train = parts["train"]
    texts = pd.factorize(pd.concat([train["folded"].str[0], train["folded"].str[1]]))[0]
    first, second = texts[: len(train)], texts[len(train) :]
    n = texts.max() + 1
    _, group_of = connected_components(coo_array(([1] * len(train), (first, second)), (n, n)))
    groups = group_of[first]
    parts["train"] = train.assign(group=groups)
    largest = pd.Series(groups).value_counts().iloc[0]
    shared = len({*texts}) < 2 * train["same"].nunique()
    if largest > max(2, LARGEST_GROUP * len(train)):
        notes.say(f"{largest:,} of {len(train):,} pairs hang together by texts that they have in "
                  "common, so a text may stand in several splits, each time in another pair.")
        return False
    if shared:
        notes.say("Pairs that have a text in common are in one split.")
    return bool(shared)


def _cut_groups(rows, task, share, seed):
    """Return the rows left and the rows cut off, groups whole, classes in about equal shares."""
    import warnings

    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold

    folds = StratifiedGroupKFold(round(1 / share), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class rarer than the folds
        left, cut = next(folds.split(np.zeros(len(rows)), task.strata(rows["label"].tolist()),
                                     rows["group"]))
    return rows.iloc[left], rows.iloc[cut]


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


def _cut(rows, task, share, seed):
    """Return the rows left and the rows cut off, classes in equal shares, copies together.

    As `Dataset.train_test_split` draws it, but every class is in what is cut off.
    """
    import numpy as np
    from datasets.utils.stratify import stratified_shuffle_split_generate_indices

    unique = rows.drop_duplicates("same")
    labels = _strata(unique, task)
    n_classes = labels.max() + 1
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


def _strata(rows, task):
    """Return the number of each row's stratum, (rows,); of labels, small ones are put together."""
    import numpy as np

    found = task.strata(rows["label"].tolist())
    if task.kind == "class":
        return found
    _, found, counts = np.unique(found, return_inverse=True, return_counts=True)
    small = counts[found] < 3
    if small.any():
        found = np.where(small, counts.argmax() if small.sum() < 3 else len(counts), found)
    return np.unique(found, return_inverse=True)[1]


def _say_smallest_class(parts, ours, notes):
    counts = {split: part["label"].value_counts().reindex(range(len(ours)), fill_value=0)
              for split, part in parts.items()}
    all_counts = sum(counts.values())
    smallest = int(all_counts.argmin())
    if counts["train"][smallest] < 10:
        each = ", ".join(f"{count[smallest]} in {split}" for split, count in counts.items())
        notes.say(f"The smallest class, {tables.short(ours[smallest])!r}, has "
                  f"{all_counts[smallest]} texts: {each}.")
