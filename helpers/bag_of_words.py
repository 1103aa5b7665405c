"""The baseline that knows no order of words: counts of them, and a linear model, for every task.

Of a pair it counts the words of each text, those that both have, and those that only one has.
"""

import numpy as np

from helpers import tasks


def scores(data):
    """Return the scores of a bag of words on the test texts of a `DatasetDict`, as of a model.

    It learns from train; thresholds of several labels are chosen on validation. The kind of
    scores is that of the task (`helpers.tasks`).
    """
    task = tasks.of_data(data)
    counts, labels = _counts(data), {split: part["label"][:] for split, part in data.items()}
    fitted = _model(task).fit(counts["train"], _targets(task, labels["train"]))
    task, _ = task.fitted(_answers(task, fitted, counts["validation"]),
                          _targets(task, labels["validation"]))
    return task.scores(_answers(task, fitted, counts["test"]), _targets(task, labels["test"]),
                       labels["train"])


def _targets(task, labels):
    return np.asarray(task.targets(labels))


def _counts(data):
    """Return the counts of words of each split, sparse matrices (texts, words)."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import CountVectorizer

    columns = [column for column in ("text", "text_pair")
               if column in data["train"].column_names]
    counter = CountVectorizer().fit(text for column in columns for text in data["train"][column])
    found = {}
    for split, part in data.items():
        sides = [counter.transform(part[column][:]) for column in columns]
        if len(sides) > 1:
            first, second = sides
            sides = [first, second, first.minimum(second), abs(first - second)]
        found[split] = hstack(sides).tocsr()
    return found


def _model(task):
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.multiclass import OneVsRestClassifier

    return {"class": LogisticRegression(max_iter=1000), "number": Ridge(),
            "labels": OneVsRestClassifier(LogisticRegression(max_iter=1000))}[task.kind]


def _answers(task, fitted, counts):
    """Return what `task.answers` would: probabilities, or numbers, shape (texts, outputs)."""
    if task.kind == "number":
        return task.answers(fitted.predict(counts)[:, None])
    return fitted.predict_proba(counts)
