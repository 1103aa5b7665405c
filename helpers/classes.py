"""From labels as people write them to classes: which are the same, and their order."""

import re
import unicodedata
from collections import Counter

from helpers import tables
from helpers.errors import LearnerError

# Scales that everybody knows, from the low end to the high one.
SCALES = [re.split(r",\s+", scale) for scale in re.split(r";\s+", """
    extremely negative, very negative, negative, somewhat negative, neutral, somewhat positive,
    positive, very positive, extremely positive;
    negative, mixed, positive; neg, neu, pos; very low, low, medium, high, very high;
    low, moderate, high, critical; small, medium, large; easy, medium, hard; no, maybe, yes; n, y;
    -, +; false, true; terrible, bad, ok, good, excellent;
    very bad, bad, neutral, good, very good;
    very unsatisfied, unsatisfied, neutral, satisfied, very satisfied;
    very dissatisfied, dissatisfied, neutral, satisfied, very satisfied;
    strongly disagree, disagree, neutral, agree, strongly agree;
    never, rarely, sometimes, often, always; one, two, three, four, five;
    negativ, neutral, positiv; nein, vielleicht, ja; schlecht, mittel, gut; niedrig, mittel, hoch;
    negativo, neutral, positivo; negativo, neutro, positivo; no, sí; malo, regular, bueno;
    bajo, medio, alto; négatif, neutre, positif; non, oui; mauvais, moyen, bon;
    olumsuz, nötr, olumlu
""".strip())]
_WHOLE = re.compile(r"([+-]?\d+)\.0*")
_UNSEEN = "\u200b\u200e\u200f\u2060\ufeff\xad "  # signs of no width that copying leaves
_NUMBER = re.compile(r"(?:(?<!\w)[+-])?\d+(?:[.,]\d+)?")
_HIDDEN = "-1"  # how data sets of the Hub write that a label is kept secret
_LIKE_EMPTY = {"nan", "null", "none", "na", "n/a", "#n/a", "<na>", "nil", "?"}


def sort(names, checked, label, known, notes, sure=False):
    """Return the classes in order, {split: rows} with numbers of them as labels, and problems.

    `names` are those of the splits' tables, `known` the classes of a `Dataset` that has names for
    them, in its order; `sure` says that classes are asked for, whatever they look like. Raises
    LearnerError if what `label` holds are no classes.
    """
    counts = {split: Counter(rows["label"]) for split, rows in checked.items()}
    class_of = merged(sum(counts.values(), Counter()))
    if known:
        same = {key(name): name for name in reversed(known)}
        class_of = {value: value if value in known else same.get(key(value), name)
                    for value, name in class_of.items()}
    train = {class_of[value] for value in counts["train"]}
    ours = [c for c in known if c in train] if known else ordered(train)
    _refuse_what_are_no_classes(names["train"], len(checked["train"]), tables.short(label), ours,
                                sure)
    _say_what_counts_as_what(class_of, ours, known, notes)
    problems = []
    for split, rows in checked.items():
        strange = rows["label"].map(lambda value: class_of[value] not in train)
        unseen = dict.fromkeys(rows["label"][strange].map(written))
        if strange.all() and set(unseen) == {_HIDDEN}:
            raise no_labels(names[split], split, "each is -1")
        if unseen:
            problems.append(unseen_in(names[split], unseen, rows.index[strange]))
    number_of = {value: ours.index(c) for value, c in class_of.items() if c in train}
    checked = {} if problems else {
        split: rows.assign(label=rows["label"].map(number_of).astype("int64"))
        for split, rows in checked.items()}
    return ours, checked, problems


def unseen_in(name, labels, rows):
    """Return a line on labels that no text of train has, and the rows that have them."""
    return (f"{name}: no text of train has the label {tables.listed(labels)}, as "
            f"{tables.where(rows)} {'has' if len(rows) == 1 else 'have'}. Is it misspelled, or "
            "should train have such texts?")


def no_labels(name, split, why):
    """Return the LearnerError for a split without labels."""
    remedy = ("To predict them with a trained model: python -m helpers.predict."
              if split == "train" else f"Leave {split} out, and it is cut from train.")
    return LearnerError(f"{name} has no labels: {why}. {remedy}")


def written(value):
    """Return a label as a class is called: "1" for 1, 1.0 and "1.0", "True" for True."""
    value = " ".join(str(value).split()).strip(_UNSEEN)
    whole = _WHOLE.fullmatch(value)
    return whole[1] if whole else value


def key(value):
    """Return what labels of one class have in common."""
    return unicodedata.normalize("NFKC", written(value)).casefold()


def merged(counts):
    """Return {label: class} for {label: how often it is there}.

    Labels that differ only in capitals, spaces or a ".0" are one class, spelled as most often.
    """
    spellings = {}
    for value, count in counts.items():
        spellings.setdefault(key(value), Counter())[written(value)] += count
    names = {same: min(spelled, key=lambda name: (-spelled[name], name))
             for same, spelled in spellings.items()}
    return {value: names[key(value)] for value in counts}


def ordered(names):
    """Return classes in the order of their numbers, of a scale that everybody knows, or by letter.

    "4 stars" comes after "1 star".
    """
    names = sorted(names, key=lambda name: (name.casefold(), name))
    if len({_without_number(name) for name in names}) == 1 and all(map(_NUMBER.search, names)):
        return sorted(names, key=lambda name: float(_NUMBER.search(name)[0].replace(",", ".")))
    plain = {name: " ".join(re.split(r"[\s_-]+", name.casefold())).strip() or name
             for name in names}
    for scale in SCALES:
        if set(plain.values()) <= set(scale):
            return sorted(names, key=lambda name: scale.index(plain[name]))
    return names


def _without_number(name):
    return _NUMBER.sub("#", name, count=1).casefold().strip().removesuffix("s")


def _say_what_counts_as_what(class_of, ours, known, notes):
    unseen = [c for c in known or () if c not in ours]
    if unseen:
        notes.say(f"labels: no text of train has the class {tables.listed(unseen)}; left out of "
                  "the classes.")
    gaps = [repr(c) for c in ours if c.casefold() in _LIKE_EMPTY]
    if gaps and not known:
        notes.say(f"labels: {tables.listed(gaps)} is taken as a class. Where it means that the "
                  "label is missing, leave those rows out of the file.")
    for c in ours:
        spellings = sorted({str(value) for value, name in class_of.items()
                            if name == c and written(value) != c})
        if spellings:
            notes.say(f"labels: {tables.listed(map(repr, map(tables.short, spellings)))} counted "
                      f"as {tables.short(c)!r}")


def _refuse_what_are_no_classes(name, n, column, ours, sure):
    """Raise LearnerError for one class, for numbers to predict, and for texts as labels."""
    if ours == [_HIDDEN]:
        raise no_labels(name, "train", "each is -1")
    if len(ours) == 1:
        raise LearnerError(f"{name}: every label is {tables.short(ours[0])}. A classifier needs "
                           "texts of at least two classes.")
    if sure:
        return
    some = f"{name}: the column {column!r} holds {len(ours):,} different"
    such = f"such as {tables.listed(ours[:3])}"
    if all(map(_NUMBER.fullmatch, ours)):
        # A number that is measured hardly ever comes twice; broken ones are told before.
        if len(ours) > 20 and n / len(ours) < 10:
            raise LearnerError(
                f"{some} numbers, {such}. If it is a number to predict, say task='number'. If you "
                "mean classes, name their column with label='…'; ranges such as low and high "
                "need a column of their own.")
    elif len(ours) > 2 and n / len(ours) < 3:
        raise LearnerError(
            f"{some} values, {such}, in {n:,} rows. That looks like free text; a class needs "
            "several texts. Name the column of the classes with label='…'.")


def combined(ours):
    """Return the classes that are several in one, such as "Action, Comedy" beside "Comedy"."""
    parts = {c: re.split(r"\s*[,;|]\s*", c) for c in ours}
    times = Counter(part for some in parts.values() for part in some)
    several = [c for c, some in parts.items() if len(some) > 1]
    inside = {part for c in several for part in parts[c]}
    again = sum(times[part] > 1 for part in inside)
    return several if len(several) > 1 and again > 0.5 * len(inside) else []
