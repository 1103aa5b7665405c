"""How well several labels a text are told: F1 by label, micro and macro, and the thresholds.

scikit-learn computes the figures; the intervals come from a bootstrap, as in `scores`: as many
texts are drawn again, with replacement, a thousand times.
"""

from dataclasses import dataclass

import numpy as np

from helpers import tables
from helpers.scores import DRAWS, f1_from, middle, rounded, with_interval, worst


@dataclass(frozen=True)
class LabelScore:
    """The figures of one label: `n` texts have it, `predicted` were given it.

    Recall and F1 are None where no text has it.
    """

    name: str
    n: int
    predicted: int
    threshold: float
    precision: float
    recall: float | None
    f1: float | None
    f1_interval: tuple | None


@dataclass(frozen=True)
class Scores:
    """The figures of several labels on `n` texts, with 95 % intervals as (low, high).

    Micro F1 counts every label of every text alike; macro F1 is the mean of the labels that are
    there. `exact` is the share of texts whose labels are all right; `always_f1` the micro F1 of
    giving every label to every text.
    """

    n: int
    micro_f1: float
    micro_f1_interval: tuple
    macro_f1: float
    macro_f1_interval: tuple
    exact: float
    always_f1: float
    by_label: list

    @property
    def never_predicted(self):
        """The labels that are there and were never given."""
        return [each.name for each in self.by_label if each.n and not each.predicted]

    @property
    def varied(self):
        """Whether some label was given to some texts and not to others."""
        return any(0 < each.predicted < self.n for each in self.by_label)

    def figures(self):
        """Return the figures as metrics.json holds them, rounded to four digits."""
        return {
            "texts": self.n, "micro_f1": round(self.micro_f1, 4),
            "micro_f1_interval_95": rounded(self.micro_f1_interval),
            "macro_f1": round(self.macro_f1, 4),
            "macro_f1_interval_95": rounded(self.macro_f1_interval),
            "all_labels_right": round(self.exact, 4),
            "baseline": {"answer": "every label", "micro_f1": round(self.always_f1, 4)},
            "by_label": {each.name: {
                "texts": each.n, "predicted": each.predicted,
                "threshold": round(each.threshold, 4), "precision": round(each.precision, 4),
                "recall": rounded(each.recall), "f1": rounded(each.f1),
                "f1_interval_95": rounded(each.f1_interval),
            } for each in self.by_label},
        }

    def headlines(self):
        """Return a line with the main figure, where the table does not have it."""
        low, high = self.micro_f1_interval
        return [f"micro F1 {self.micro_f1:.3f} (95 %: {low:.2f} to {high:.2f}, n = {self.n})"]

    def warnings(self):
        """Return a line for everything that the micro F1 alone would hide."""
        lines = []
        never = self.never_predicted
        absent = [each.name for each in self.by_label if not each.n]
        if never:
            lines.append(f"Never predicted: {tables.listed(never)}.")
        if absent:
            lines.append(f"No test text has the label {tables.listed(absent)}, so nothing is "
                         "known of it.")
        if self.micro_f1_interval[0] <= self.always_f1:
            lines.append("Not shown to be better than giving every label to every text: that has "
                         f"a micro F1 of {self.always_f1:.3f}.")
        return lines

    def __str__(self):
        shown, rest = worst(self.by_label, "labels")
        width = max(5, *(len(tables.short(each.name)) for each in shown))
        lines = [f"{'label':<{width}} {'texts':>6}  from  precision  recall  F1 (95 %)"]
        for each in shown:
            recall = "none" if each.recall is None else f"{each.recall:.2f}"
            lines.append(f"{tables.short(each.name):<{width}} {each.n:>6,}  {each.threshold:.2f}  "
                         f"{each.precision:>9.2f}  {recall:>6}  "
                         f"{with_interval(each.f1, each.f1_interval)}".rstrip())
        low, high = self.macro_f1_interval
        return "\n".join(lines) + (
            f"\n{rest}macro F1 {self.macro_f1:.3f} (95 %: {low:.2f} to {high:.2f}); all labels "
            f"right in {self.exact:.0%} of the texts; every label for every text: micro F1 "
            f"{self.always_f1:.3f}")


def scores(labels, predictions, names, seed=0, thresholds=()):
    """Return the `Scores` of predictions for texts with these labels, (texts, labels) of 0 and 1.

    `seed` is the bootstrap's; `thresholds` are said beside the labels.
    """
    from sklearn.metrics import precision_recall_fscore_support

    labels, predictions = np.asarray(labels) > 0.5, np.asarray(predictions) > 0.5
    precision, recall, f1, n = precision_recall_fscore_support(labels, predictions,
                                                               zero_division=0)
    right, either = (labels & predictions).astype(float), labels.astype(float) + predictions
    draws = np.random.default_rng(seed).multinomial(
        len(labels), np.full(len(labels), 1 / len(labels)), size=DRAWS).astype(float)
    each = draws @ right, draws @ either  # (draws, labels)
    drawn, micro = f1_from(*each), f1_from(*(part.sum(1) for part in each))
    there = n > 0
    share = labels.mean()
    return Scores(
        n=len(labels), micro_f1=float(f1_from(right.sum(), either.sum())),
        micro_f1_interval=middle(micro),
        macro_f1=float(f1[there].mean()) if there.any() else 0.0,
        macro_f1_interval=middle(drawn[:, there].mean(1)) if there.any() else (0.0, 0.0),
        exact=float((labels == predictions).all(1).mean()),
        always_f1=float(2 * share / (1 + share)),
        by_label=[LabelScore(
            name=name, n=int(n[i]), predicted=int(predictions[:, i].sum()),
            threshold=float(thresholds[i]) if thresholds else 0.5,
            precision=float(precision[i]), recall=float(recall[i]) if n[i] else None,
            f1=float(f1[i]) if n[i] else None,
            f1_interval=middle(drawn[:, i]) if n[i] else None,
        ) for i, name in enumerate(names)],
    )


def thresholds(labels, probabilities, names):
    """Return for each label the probability from which it is best given, by F1, and lines on it.

    Both arrays have the shape (texts, labels). A label that no text has, or all have, keeps 0.5.
    """
    from sklearn.metrics import precision_recall_curve

    found, kept = [], []
    for i, name in enumerate(names):
        if labels[:, i].min() == labels[:, i].max():
            found.append(0.5)
            kept.append(name)
            continue
        precision, recall, at = precision_recall_curve(labels[:, i] > 0.5, probabilities[:, i])
        best = int(f1_from(precision * recall, (precision + recall))[:-1].argmax())
        below = at[best - 1] if best else 0.0  # halfway to the next text that gets no label
        found.append(float((at[best] + below) / 2))
    said = [f"No validation text, or each, has the label {tables.listed(kept)}, so its threshold "
            "stays 0.5."] if kept else []
    return tuple(found), said
