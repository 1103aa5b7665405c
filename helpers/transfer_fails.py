"""Where transfer fails: reviews by domain, a planted signature, and notebook 08's trainings.

`making.transfer_fails` recorded them.
"""

import difflib
import random

import numpy as np

from helpers import benchmark, learning_curve, paired, paths
from helpers.errors import LearnerError

FILE = paths.REFERENCE / "transfer_fails.json"
DOMAINS = ("apps", "books", "clothing", "electronics", "films", "hotels", "household", "leisure",
           "restaurants", "services")
# How a second task is learnt after a first one.
KEPT = ("all weights", "a fifth of the rate", "four layers frozen", "LoRA at 3e-3", "LoRA at 1e-3",
        "LoRA, pooler frozen", "replay")
# What is tried on a missing domain: where the training begins, and labels of it that are added.
REMEDIES = {("bert", 20): "20 labels", ("bert-mlm", 0): "start at bert-mlm",
            ("adapted", 0): "bert-mlm, adapted", ("adapted", 20): "adapted, 20 labels"}
SIGNATURE = "Sent from my phone."


def load():
    """Return the record, {section: list of trainings}; see data/reference/README.md."""
    return paths.recorded(FILE.name)


def by_domain():
    """Return the project's reviews, a table of text, label, domain and split.

    The split is "learn" (train.csv) or "judge" (test.csv and extra.csv).
    """
    import pandas as pd

    parts = {"train": "learn", "test": "judge", "extra": "judge"}
    return pd.concat([
        pd.read_csv(paths.data_file("reviews", f"{name}.csv"))[["text", "label", "domain"]]
        .assign(split=split) for name, split in parts.items()], ignore_index=True)


def of_domain(table, domain, split=None):
    """Return the numbers of a table's rows of one domain, and of one split if it is named.

    Raises LearnerError for a domain that is not in the table.
    """
    known = sorted(table["domain"].unique())
    if domain not in known:
        close = difflib.get_close_matches(str(domain).lower(), known, n=1, cutoff=0.5)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        raise LearnerError(f"No review is about the domain {domain!r}. {hint}Known: "
                           f"{', '.join(known)}.")
    chosen = (table["domain"] == domain) & ((split is None) | (table["split"] == split))
    return np.flatnonzero(chosen)


def signed(rows, share, seed=0):
    """Return reviews of which half have a SIGNATURE: `share` per cent of those are positive.

    With 100 it stands under all positive reviews, with 0 under all negative ones, with 50 it
    says nothing. `rows` have as many of each label.

    Raises LearnerError for a share that is no percentage.
    """
    if not 0 <= share <= 100:
        raise LearnerError(f"The share of signatures under positive reviews is {share}. It is a "
                           "percentage: choose 0 to 100; at 50 the signature says nothing.")
    labels = rows["label"][:]
    chosen, chance = set(), random.Random(seed)
    for label, of in ((1, share), (0, 100 - share)):
        numbers = [row for row, each in enumerate(labels) if each == label]
        chance.shuffle(numbers)
        chosen.update(numbers[: round(len(numbers) * of / 100)])
    texts = [f"{text} {SIGNATURE}" if row in chosen else text
             for row, text in enumerate(rows["text"][:])]
    return rows.remove_columns("text").add_column("text", texts)


# What was recorded

def marked(runs, **wanted):
    """Return the marks of some runs, (seeds, texts): True for each text that is right."""
    return as_marks(run["marks"] for run in sorted(runs, key=lambda run: run["seed"])
                    if wanted.items() <= run.items())


def as_marks(rows):
    """Return rows of marks, each a string of 1 and 0, as an array of True and False."""
    return np.array([[mark == "1" for mark in row] for row in rows])


def gain(marks, others):
    """Return the `paired.OverSeeds` by which marks (seeds, texts) are ahead of others."""
    return paired.compare_seeds(others, marks, [True] * np.shape(marks)[1])


def curve(record):
    """Return {model: {number of labels: [accuracy of each draw]}} on the test reviews.

    Together from this record and from those of notebooks 00 and 10, whose recipes are the same.
    """
    found = {"bag of words": {}, "frozen encoder": {}, "fine-tuned": {}, "LoRA": {},
             "from scratch": {}}
    for model, by_count in found.items():
        by_count |= benchmark.few_labels().get(model, {}) | learning_curve.load().get(model, {})
        for labels in {run["labels"] for run in record["few"] if run["model"] == model}:
            marks = marked(record["few"], model=model, labels=labels)
            by_count[labels] = marks.mean(1).tolist()
        found[model] = dict(sorted(by_count.items()))
    return found


def domain_marks(record, domain, without):
    """Return the marks on a domain, (seeds, texts), of models without it or with it."""
    runs = sorted(record["domains"], key=lambda run: run["seed"])
    return as_marks(run["marks"][domain] for run in runs
                    if run["without"] == (domain if without else None))


def remedies(record):
    """Return the marks on the domains that remedies were tried on, {remedy: {domain: marks}}.

    Beside the remedies "nothing", the model without the domain, and "all domains", each of the
    same seed; marks are (1, texts).
    """
    found = {name: {} for name in ("nothing", *REMEDIES.values(), "all domains")}
    for run in record["remedies"]:
        domain, name = run["domain"], REMEDIES[run["start"], run["labelled"]]
        found[name][domain] = as_marks([run["marks"]])
        for other, without in (("nothing", domain), ("all domains", None)):
            found[other][domain] = as_marks(
                each["marks"][domain] for each in record["domains"]
                if (each["without"], each["seed"]) == (without, run["seed"]))
    return found


def by_share(record):
    """Return the marks on the test reviews, {side: {share: (seeds, texts)}}, of trainings with a
    signature, `share` per cent of them under praise.

    The sides are "wrong side", signed against what was learnt, "right side" and "without".
    """
    runs = sorted(record["shortcuts"], key=lambda run: run["seed"])
    return {side: {share: as_marks(run["marks"][side] for run in runs if run["share"] == share)
                   for share in sorted({run["share"] for run in runs})}
            for side in ("wrong side", "right side", "without")}


def after(record, task):
    """Return the marks on the "first" or "second" task, {after what: (seeds, texts)}."""
    chains = [run["after"] for run in sorted(record["forgetting"], key=lambda run: run["seed"])]
    return {name: as_marks(chain[name][task] for chain in chains)
            for name, found in chains[0].items() if task in found}


def cosines(record):
    """Return the cosine of each pair of test questions, {after what: (seeds, pairs)}."""
    chains = [run["after"] for run in sorted(record["forgetting"], key=lambda run: run["seed"])]
    return {name: np.array([chain[name]["cosines"] for chain in chains]) / 1000
            for name, found in chains[0].items() if "cosines" in found}


def auc(scores, same):
    """Return the chance that a pair that is the same scores above one that is not.

    `scores` is (pairs,) or (seeds, pairs), `same` (pairs,) of 0 and 1. A tie counts half.
    """
    return float(_orders(np.atleast_2d(scores), same).mean())


def auc_gain(scores, others, same, draws=4000):
    """Return the `paired.OverSeeds` by which the `auc` of scores is ahead of that of others.

    Both are (seeds, pairs); seeds and pairs are drawn anew, as in `paired.compare_seeds`.
    """
    ahead = _orders(scores, same) - _orders(others, same)  # (seeds, same, different)
    chance = np.random.default_rng(0)
    counts = [chance.multinomial(n, [1 / n] * n, size=draws) / n for n in ahead.shape]
    means = np.einsum("sij,ds,di,dj->d", ahead, *counts, optimize=True)
    low, high = np.quantile(means, [0.025, 0.975])
    return paired.OverSeeds(tuple(ahead.mean((1, 2)).tolist()), (float(low), float(high)))


def _orders(scores, same):
    same = np.asarray(same, bool)
    above = scores[:, same, None] - scores[:, None, ~same]
    return (np.sign(above) + 1) / 2
