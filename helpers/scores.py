"""How well a classifier does, and how sure that is: accuracy, macro F1, and each class by itself.

scikit-learn computes the figures. The intervals of shares (accuracy, recall) are Wilson's; those
of F1 come from a bootstrap: as many texts are drawn again, with replacement, each with its label
and its prediction, a thousand times.
"""

from dataclasses import dataclass

import numpy as np

from helpers import tables, training

DRAWS = 1000
MOST_LINES = 12  # classes that a table shows; of more, it shows the worst
WORST = 5


@dataclass(frozen=True)
class ClassScore:
    """The figures of one class: `n` texts are of it, `predicted` were taken for it.

    Recall is None where no text is of the class, and so is what follows from it.
    """

    name: str
    n: int
    predicted: int
    precision: float
    recall: float | None
    recall_interval: tuple | None
    f1: float | None
    f1_interval: tuple | None


@dataclass(frozen=True)
class Scores:
    """The figures of a classifier on `n` texts, with 95 % intervals as (low, high).

    `majority` and `majority_share` are the class that is most frequent in training, and the
    accuracy of always answering it. `macro_f1` is the mean F1 of the classes that are there or
    were predicted. `never_predicted` names the classes that are there and were never predicted.
    """

    n: int
    correct: int
    accuracy: float
    interval: tuple
    majority: str
    majority_share: float
    macro_f1: float
    macro_f1_interval: tuple
    by_class: list
    never_predicted: list

    @property
    def varied(self):
        """Whether more than one class was predicted."""
        return sum(c.predicted > 0 for c in self.by_class) > 1

    def figures(self):
        """Return the figures as metrics.json holds them, rounded to four digits."""
        return {
            "accuracy": round(self.accuracy, 4), "correct": self.correct, "texts": self.n,
            "interval_95": rounded(self.interval),
            "majority": {"class": self.majority, "accuracy": round(self.majority_share, 4)},
            "macro_f1": round(self.macro_f1, 4),
            "macro_f1_interval_95": rounded(self.macro_f1_interval),
            "by_class": {c.name: {
                "texts": c.n, "predicted": c.predicted, "precision": round(c.precision, 4),
                "recall": rounded(c.recall), "recall_interval_95": rounded(c.recall_interval),
                "f1": rounded(c.f1), "f1_interval_95": rounded(c.f1_interval),
            } for c in self.by_class},
            "never_predicted": self.never_predicted,
        }

    def headlines(self):
        """Return a line with the main figure, where the table does not have it."""
        low, high = self.interval
        return [f"accuracy {self.accuracy:.3f} (95 %: {low:.2f} to {high:.2f}, n = {self.n})"]

    def warnings(self):
        """Return a line for everything that the accuracy alone would hide."""
        lines = []
        if self.never_predicted:
            missed = sum(c.n for c in self.by_class if c.name in self.never_predicted)
            lines.append(f"Never predicted: {tables.listed(self.never_predicted)} ({missed} of "
                         f"{self.n} texts).")
        if self.interval[0] <= self.majority_share:
            lines.append(
                f"Not shown to be better than always answering {tables.short(self.majority)}: "
                f"that gets {self.majority_share:.3f} right, and the interval of the accuracy is "
                f"{self.interval[0]:.2f} to {self.interval[1]:.2f}."
            )
        return lines

    def __str__(self):
        shown, rest = worst([c for c in self.by_class if c.n or c.predicted], "classes")
        width = max(5, *(len(tables.short(c.name)) for c in shown))
        lines = [f"{'class':<{width}} {'texts':>6}  precision  recall (95 %)        F1 (95 %)"]
        for c in shown:
            recall, f1 = with_interval(c.recall, c.recall_interval), with_interval(
                c.f1, c.f1_interval)
            lines.append(f"{tables.short(c.name):<{width}} {c.n:>6,}  {c.precision:>9.2f}  "
                         f"{recall:<19}  {f1}".rstrip())
        low, high = self.macro_f1_interval
        return "\n".join(lines) + (
            f"\n{rest}macro F1 {self.macro_f1:.3f} (95 %: {low:.2f} to {high:.2f}); always "
            f"{tables.short(self.majority)}: accuracy {self.majority_share:.3f}"
        )


def worst(each, what):
    """Return the scores of classes or labels that a table shows, and a line if these are few."""
    if len(each) <= MOST_LINES:
        return each, ""
    there = [one for one in each if one.n]
    return (sorted(there, key=lambda one: one.f1)[:WORST],
            f"The {WORST} {what} with the lowest F1, of {len(there)}; metrics.json has all.\n")


def scores(labels, predictions, names, seed=0, train_labels=None):
    """Return the `Scores` of predictions for texts with these labels, class numbers, (texts,).

    `names` are the classes'. The majority baseline is the most frequent class of `train_labels`;
    without them, of `labels`. `seed` is the bootstrap's.

    Raises ValueError if there is no text.
    """
    from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if not len(labels):
        raise ValueError("There is no text to count.")
    every = np.arange(len(names))
    confusion = confusion_matrix(labels, predictions, labels=every)
    precision, recall, f1, n = precision_recall_fscore_support(
        labels, predictions, labels=every, zero_division=0)
    predicted, correct = confusion.sum(0), int(confusion.trace())
    majority = int(np.bincount(labels if train_labels is None else np.asarray(train_labels),
                               minlength=len(names)).argmax())
    drawn = _bootstrap(confusion, seed)
    there = (n + predicted) > 0
    return Scores(
        n=len(labels), correct=correct, accuracy=correct / len(labels),
        interval=training.interval(correct, len(labels)),
        majority=names[majority], majority_share=float(n[majority] / len(labels)),
        macro_f1=float(f1_score(labels, predictions, average="macro", zero_division=0)),
        macro_f1_interval=middle(drawn[:, there].mean(1)),
        by_class=[ClassScore(
            name=names[c], n=int(n[c]), predicted=int(predicted[c]),
            precision=float(precision[c]),
            recall=float(recall[c]) if n[c] else None,
            recall_interval=training.interval(int(confusion[c, c]), int(n[c])) if n[c] else None,
            f1=float(f1[c]) if n[c] else None, f1_interval=middle(drawn[:, c]) if n[c] else None,
        ) for c in every],
        never_predicted=[names[c] for c in every if n[c] and not predicted[c]],
    )


def _bootstrap(confusion, seed):
    """Return the F1 of each class in each draw, shape (draws, classes).

    It is 0 for a class that a draw has neither among its labels nor among its predictions, so
    that the interval of a class of two or three texts is as wide as they are few. Drawing texts
    is drawing cells of the confusion matrix, so no text is touched.
    """
    generator = np.random.default_rng(seed)
    label, prediction = confusion.nonzero()
    counts = confusion[label, prediction]
    cells = np.zeros((len(counts), len(confusion)))  # how often each class stands in a cell
    for classes in (label, prediction):
        np.add.at(cells, (np.arange(len(counts)), classes), 1)
    drawn = generator.multinomial(counts.sum(), counts / counts.sum(), size=DRAWS)
    right = np.zeros((DRAWS, len(confusion)))
    right[:, label[label == prediction]] = drawn[:, label == prediction]
    return f1_from(right, drawn @ cells)


def f1_from(right, either):
    """Return F1, 0 where it is not defined, from how many were given rightly, and how many there
    were and were given together; both numbers or arrays of a shape.
    """
    return np.divide(2 * right, either, out=np.zeros_like(either, dtype=float), where=either > 0)


def middle(values):
    """Return the middle 95 % of values, as (low, high)."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def rounded(value):
    """Return a figure, or an interval, with four digits; None stays."""
    if value is None:
        return None
    return [round(end, 4) for end in value] if isinstance(value, tuple) else round(value, 4)


def with_interval(value, interval):
    """Return a figure and its interval in words, "none" for None."""
    return "none" if value is None else f"{value:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"
