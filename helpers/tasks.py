"""Kinds of task: one class a text, several labels a text, one number. What differs stands here.

A task is `Classes`, `Labels` or `Number`, told from a data set (`of_data`) or a model
(`of_config`). All have the same methods, so that nobody else has to ask which of them it is:
`config` for the model, `feature` and `targets` of the labels, `answers` from logits, `predicted`
from answers, `scores`, `figures` by which an epoch may be chosen, and `always`, the baseline.
"""

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from helpers import command, multilabel, regression, scores, tables
from helpers.errors import LearnerError

TASKS = command.TASKS
IN_WORDS = {"class": "one class a text", "labels": "several labels a text",
            "number": "one number a text"}
# The figure of each task that stands for all: its name in metrics.json, and in words.
HEADLINES = {"accuracy": ("interval_95", "accuracy"),
             "micro_f1": ("micro_f1_interval_95", "micro F1"),
             "pearson": ("pearson_interval_95", "correlation"),
             "f1": ("interval_95", "F1 by entity")}


@dataclass(frozen=True)
class Classes:
    """One class a text: softmax over the classes, cross-entropy. Labels are class numbers."""

    names: tuple
    kind = "class"
    metrics = ("accuracy", "macro_f1", "loss")

    def config(self):
        """Return what the model's config has to know, a dictionary."""
        return _config("single_label_classification", self.names)

    def feature(self):
        """Return the feature of the column label."""
        from datasets import ClassLabel

        return ClassLabel(names=list(self.names))

    def targets(self, labels):
        """Return labels as the model is trained on them, a list."""
        return labels

    def answers(self, logits):
        """Return the probabilities of the classes, shape (texts, classes)."""
        return logits.softmax(-1)

    def predicted(self, answers):
        """Return the number of the most probable class, (texts,)."""
        return answers.argmax(-1)

    def fitted(self, answers, labels):
        """Return the task with what is chosen on validation, and lines to be said: nothing."""
        return self, []

    def weights(self, asked, labels):
        """Return the classes' weights in the loss, shape (classes,), or None for equal ones.

        "balanced" gives a text of a class with n_c of n texts the weight n / (classes · n_c).
        """
        from sklearn.utils.class_weight import compute_class_weight

        if asked is None:
            return None
        there = np.unique(labels)
        weights = torch.ones(len(self.names))
        weights[torch.from_numpy(there)] = torch.tensor(
            compute_class_weight(asked, classes=there, y=np.asarray(labels)), dtype=torch.float32)
        return weights

    def figures(self, loss, answers, labels):
        """Return the figures by which an epoch may be chosen, a dictionary."""
        from sklearn.metrics import f1_score

        predicted = self.predicted(answers)
        macro = f1_score(labels, predicted, average="macro", zero_division=0)
        return {"loss": loss, "accuracy": float(np.mean(np.equal(labels, predicted))),
                "macro_f1": float(macro)}

    def scores(self, answers, labels, train_labels):
        """Return the `scores.Scores` of answers for texts with these labels."""
        return scores.scores(labels, self.predicted(answers), self.names,
                             train_labels=train_labels)

    def guessing(self, labels, weighted=False):
        """Return the loss, in nats, of guessing by the classes' shares, or, weighted, alike."""
        shares = np.bincount(labels, minlength=len(self.names)) / len(labels)
        shares = shares[shares > 0]
        return float(np.log(len(self.names)) if weighted else -(shares * np.log(shares)).sum())

    def counts(self, labels):
        """Return {class: texts} of labels."""
        found = np.bincount(labels, minlength=len(self.names)) if len(labels) else self.names
        return dict(zip(self.names, map(int, found), strict=True))

    def always(self, train_labels, test_labels):
        """Return in a line what the simplest of all answers gets right: the largest class."""
        largest = self.counts(train_labels)
        largest = max(largest, key=largest.get)
        share = np.mean(np.equal(test_labels, self.names.index(largest)))
        return (f"Always {tables.short(largest)!r}: {share:.0%} of the test texts right. An "
                "accuracy has to beat that.")

    def strata(self, labels):
        """Return a number for each label; the splits get equal shares of each number."""
        return np.asarray(labels)


@dataclass(frozen=True)
class Labels:
    """Several labels a text, or none: a sigmoid each, binary cross-entropy.

    A text's label is the list of the numbers of its labels. `thresholds`, one a label, are the
    probabilities from which a label is given.
    """

    names: tuple
    thresholds: tuple = ()
    kind = "labels"
    metrics = ("micro_f1", "macro_f1", "loss")

    def config(self):
        """Return what the model's config has to know, a dictionary."""
        return _config("multi_label_classification", self.names) | {
            "thresholds": list(self.thresholds) or [0.5] * len(self.names)}

    def feature(self):
        """Return the feature of the column label."""
        from datasets import ClassLabel, List

        return List(ClassLabel(names=list(self.names)))

    def matrix(self, labels):
        """Return labels as 1 where a text has one and 0 where not, shape (texts, labels)."""
        found = np.zeros((len(labels), len(self.names)), dtype=np.float32)
        for row, numbers in enumerate(labels):
            found[row, list(numbers)] = 1
        return found

    def targets(self, labels):
        """Return labels as the model is trained on them, a list."""
        return self.matrix(labels).tolist()

    def answers(self, logits):
        """Return the probability of each label, shape (texts, labels)."""
        return logits.sigmoid()

    def predicted(self, answers):
        """Return 1 for each label that is given and 0 for the others, shape (texts, labels)."""
        return (np.asarray(answers) >= np.asarray(self.thresholds or 0.5)).astype(int)

    def fitted(self, answers, labels):
        """Return the task with thresholds that are best by F1 on validation, and lines on it."""
        found, said = multilabel.thresholds(np.asarray(labels), np.asarray(answers), self.names)
        return replace(self, thresholds=found), said

    def weights(self, asked, labels):
        """Return how much more a text counts that has a label than one that has not, (labels,).

        "balanced" lets both together count the same; None for no difference.
        """
        if asked is None:
            return None
        there = self.matrix(labels).sum(0)
        return torch.tensor((len(labels) - there) / np.maximum(there, 1))

    def figures(self, loss, answers, labels):
        """Return the figures by which an epoch may be chosen, a dictionary."""
        from sklearn.metrics import f1_score

        micro, macro = (float(f1_score(labels, self.predicted(answers), average=average,
                                       zero_division=0)) for average in ("micro", "macro"))
        return {"loss": loss, "micro_f1": micro, "macro_f1": macro}

    def scores(self, answers, labels, train_labels):
        """Return the `multilabel.Scores` of answers for texts with these labels."""
        return multilabel.scores(np.asarray(labels), self.predicted(answers), self.names,
                                 thresholds=self.thresholds)

    def guessing(self, labels, weighted=False):
        """Return the loss, in nats, of guessing each label by its share, or, weighted, by half."""
        shares = self.matrix(labels).mean(0).clip(1e-9, 1 - 1e-9)
        if weighted:
            return float(2 * np.log(2) * (1 - shares).mean())
        return float(-(shares * np.log(shares) + (1 - shares) * np.log(1 - shares)).mean())

    def counts(self, labels):
        """Return {label: texts} of labels."""
        return dict(zip(self.names, map(int, self.matrix(labels).sum(0)), strict=True))

    def always(self, train_labels, test_labels):
        """Return in a line what the simplest of all answers gets right: every label."""
        share = self.matrix(test_labels).mean()
        none = np.mean([not numbers for numbers in test_labels])
        return (f"Every label for every text: micro F1 {2 * share / (1 + share):.2f}, to be "
                f"beaten. Of the test texts, {none:.0%} have none.")

    def strata(self, labels):
        """Return a number for each text: its rarest label, or one for none."""
        there = self.matrix(labels)
        order = there.sum(0).argsort(kind="stable")
        return np.where(there.any(1), order[there[:, order].argmax(1)], len(self.names))


@dataclass(frozen=True)
class Number:
    """One number a text: squared error. Labels are numbers, on the scale of the file.

    The model learns them with mean 0 and standard deviation 1, by `mean` and `std` of the
    training texts; `regression.on_scale` puts these into its last layer when it has learned.
    """

    name: str
    mean: float = 0.0
    std: float = 1.0
    span: tuple = (0.0, 1.0)  # the lowest and the highest number of the training texts
    kind = "number"
    metrics = ("pearson", "mean_absolute_error", "loss")

    @property
    def names(self):
        """The name, as that of the model's one output."""
        return (self.name,)

    def config(self):
        """Return what the model's config has to know, a dictionary."""
        return _config("regression", self.names)

    def feature(self):
        """Return the feature of the column label."""
        from datasets import Value

        return Value("float64", id=self.name)

    def targets(self, labels):
        """Return labels as the model is trained on them, a list."""
        return ((np.asarray(labels, float) - self.mean) / self.std).tolist()

    def answers(self, logits):
        """Return the numbers, shape (texts, 1)."""
        return logits * self.std + self.mean

    def predicted(self, answers):
        """Return the numbers, (texts,)."""
        return np.asarray(answers)[:, 0]

    def fitted(self, answers, labels):
        """Return the task with what is chosen on validation, and lines to be said: nothing."""
        return self, []

    def weights(self, asked, labels):
        """Return None; raise LearnerError if weights of classes are asked for."""
        if asked is not None:
            raise LearnerError("--class-weights is for classes and labels, and this is one "
                               "number a text. Leave it out.")

    def figures(self, loss, answers, labels):
        """Return the figures by which an epoch may be chosen, a dictionary."""
        labels = np.asarray(labels, float) * self.std + self.mean
        found = self.predicted(answers)
        return {"loss": loss, "pearson": regression.correlation(labels, found),
                "mean_absolute_error": float(np.abs(labels - found).mean())}

    def scores(self, answers, labels, train_labels):
        """Return the `regression.Scores` of answers for texts with these labels."""
        return regression.scores(np.asarray(labels, float) * self.std + self.mean,
                                 self.predicted(answers),
                                 mean=float(np.mean(train_labels)))

    def guessing(self, labels, weighted=False):
        """Return the loss of always answering the mean: the variance of what is learned, 1."""
        return 1.0

    def counts(self, labels):
        """Return {range: texts} of labels, in five ranges of equal width of the training's.

        What lies outside of them is counted in the first or the last.
        """
        edges = np.linspace(*self.span, 6)
        digits = max(0, 1 - math.floor(math.log10(edges[1] - edges[0])))
        where = np.digitize(np.asarray(labels, float), edges[1:-1])
        return {f"{low:.{digits}f} to {high:.{digits}f}": int((where == i).sum())
                for i, (low, high) in enumerate(itertools.pairwise(edges))}

    def always(self, train_labels, test_labels):
        """Return in a line what the simplest of all answers gets right: the mean."""
        mean = np.mean(train_labels)
        error = np.abs(np.asarray(test_labels) - mean).mean()
        return (f"Always the mean of the training texts, {mean:.3g}: off by {error:.3g} on "
                "average, which has to be beaten.")

    def strata(self, labels):
        """Return a number for each label: the tenth, or of few texts the half, that it is in."""
        ranks = np.asarray(labels, float).argsort(kind="stable").argsort(kind="stable")
        return ranks * max(1, min(10, len(labels) // 10)) // max(1, len(labels))


def of_data(data):
    """Return the task of a `DatasetDict` with a column label, as `texts.load` makes it.

    Raises LearnerError if its labels are of no such kind.
    """
    from datasets import ClassLabel, List, Value

    feature = data["train"].features["label"]
    if isinstance(feature, ClassLabel):
        return Classes(tuple(feature.names))
    if isinstance(feature, List) and isinstance(feature.feature, ClassLabel):
        return Labels(tuple(feature.feature.names))
    if isinstance(feature, Value) and feature.dtype.startswith("float"):
        labels = np.asarray(data["train"]["label"][:])
        span = float(labels.min()), float(labels.max())
        return Number(feature.id or "number", float(labels.mean()), float(labels.std()) or 1.0,
                      span if span[0] < span[1] else (span[0], span[0] + 1))
    raise LearnerError("The labels of the data set are neither classes, nor lists of labels, nor "
                       "numbers. Read it with texts.load.")


def of_config(config):
    """Return the task of a model with this config."""
    names = tuple(str(config.id2label[i]) for i in range(config.num_labels))
    if config.problem_type == "multi_label_classification":
        return Labels(names, tuple(getattr(config, "thresholds", None) or [0.5] * len(names)))
    if config.problem_type == "regression" or config.num_labels == 1:
        return Number(names[0], mean=getattr(config, "number_shift", 0.0))
    return Classes(names)


def loss(logits, labels, weights=None):
    """Return the summed loss of a batch and the weight by which it is divided for the mean.

    The kind of loss follows from the labels: class numbers (texts,), zeros and ones of the shape
    of the logits, (texts, labels), or numbers (texts,) for logits of shape (texts, 1). `weights`
    are those of the task.
    """
    logits, rows = logits.float(), torch.tensor(float(len(labels)), device=logits.device)
    weights = None if weights is None else weights.to(logits.device)
    if not labels.is_floating_point():
        summed = functional.cross_entropy(logits, labels, weights, reduction="sum")
        return summed, rows if weights is None else weights[labels].sum()
    if labels.ndim == 2:
        each = functional.binary_cross_entropy_with_logits(
            logits, labels.float(), pos_weight=weights, reduction="none")
        return each.mean(-1).sum(), rows
    return functional.mse_loss(logits.squeeze(-1), labels.float(), reduction="sum"), rows


def right(logits, labels):
    """Return how many texts of a batch are right, or None where labels are numbers.

    Of several labels it is the share of them that is right, added up.
    """
    if not labels.is_floating_point():
        return (logits.argmax(-1) == labels).sum()
    if labels.ndim == 2:
        return ((logits > 0) == (labels > 0.5)).float().mean(-1).sum()
    return None


def _config(problem_type, names):
    return {"id2label": dict(enumerate(names)), "problem_type": problem_type,
            "label2id": {name: i for i, name in enumerate(names)}}


def headline(figures):
    """Return the main figure of a split in metrics.json in words, with its interval."""
    name = next(name for name in HEADLINES if name in figures)
    interval, called = HEADLINES[name]
    if figures[name] is None:
        return f"{called} not defined (n = {figures['texts']})"
    low, high = figures[interval]
    return (f"{called} {figures[name]:.3f} (95 %: {low:.2f} to {high:.2f}, "
            f"n = {figures['texts']})")
