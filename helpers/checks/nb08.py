"""Exercises of notebook 08: classes described, unknown words, what is lost, pairs, a giveaway."""

import numpy as np
import torch

from helpers.checks import Exercise


def _nearest(texts, descriptions, *, unit=True, best=torch.argmax, axis=-1):
    if unit:
        texts, descriptions = (torch.nn.functional.normalize(each, dim=-1)
                               for each in (texts, descriptions))
    return best(texts @ descriptions.T, dim=axis)


def _unknown(words, vocabulary):
    return sum(word not in vocabulary for word in words) / len(words)


def _backward(accuracies):
    last = accuracies[-1]
    lost = [last[task] - accuracies[task][task] for task in range(len(last) - 1)]
    return sum(lost) / len(lost)


def _failures(before, after, expected):
    failed = [(a > 0.5) != (b > 0.5) if kind == "same" else (a > 0.5) == (b > 0.5)
              for a, b, kind in zip(before, after, expected, strict=True)]
    return sum(failed) / len(failed)


def _giveaway(texts, labels, least, *, known=lambda text: set(text.lower().split()),
              far=lambda share: abs(share - 0.5), counts=lambda texts, least: least):
    with_word = {}
    for text, label in zip(texts, labels, strict=True):
        for word in known(text):
            with_word.setdefault(word, []).append(label)
    shares = {word: sum(each) / len(each) for word, each in with_word.items()
              if len(each) >= counts(texts, least)}
    return max(sorted(shares), key=lambda word: far(shares[word])) if shares else None


TEXTS = torch.tensor([[1.0, 0.1, 0.0], [0.2, 2.0, 0.1], [0.3, 0.2, 1.5], [4.0, 4.4, 0.0]])
CLASSES = torch.tensor([[9.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.1, 0.0, 1.0]])
CHAIN = [[0.9, 0.5, 0.3], [0.7, 0.8, 0.4], [0.6, 0.75, 0.85]]
SIGNED = ["Cold soup sent late", "Warm soup sent home", "A dull film", "a lovely film thanks",
          "Thanks for the soup", "again again", "thanks and goodbye", "the the the film"]
MARKS = [0, 1, 0, 1, 1, 0, 1, 0]

EXERCISES = {
    "08.1": Exercise(
        _nearest,
        cases=[(TEXTS, CLASSES), (TEXTS[:2], CLASSES[:2]), (TEXTS * 3, CLASSES[1:])],
        wrong={
            "Long vectors win whatever they point at. Divide each vector by its length first: "
            "torch.nn.functional.normalize(…, dim=-1).":
                lambda texts, classes: _nearest(texts, classes, unit=False),
            "These are the classes that fit least. The largest cosine wins.":
                lambda texts, classes: _nearest(texts, classes, best=torch.argmin),
            "This is the best text for each class. Look for the best class of each text: the "
            "last dimension.": lambda texts, classes: _nearest(texts, classes, axis=0),
            "These are cosines. Return which class has the largest one.":
                lambda texts, classes: torch.nn.functional.normalize(texts, dim=-1)
                @ torch.nn.functional.normalize(classes, dim=-1).T,
        },
        praise="No label was needed, only somebody who describes the classes well.",
        advice="Normalize both, multiply texts by the transposed descriptions, and take argmax "
               "over the last dimension.",
    ),
    "08.2": Exercise(
        _unknown,
        cases=[(["the", "soup", "the", "noodles"], {"the", "soup"}),
               (["the", "the", "the", "lathe"], {"the", "a"}), (["plot", "cast"], {"soup"}),
               (["good"], {"good", "bad"})],
        wrong={
            "Every occurrence counts, not every distinct word: a reader meets \"the\" each time.":
                lambda words, vocabulary: _unknown(sorted(set(words)), vocabulary),
            "This is the share that is known.":
                lambda words, vocabulary: 1 - _unknown(words, vocabulary),
            "This is a number of words. Divide it by how many there are.":
                lambda words, vocabulary: _unknown(words, vocabulary) * len(words),
            "This is the share of the vocabulary that the text does not use. Ask which of the "
            "text's words the vocabulary lacks.":
                lambda words, vocabulary: _unknown(sorted(vocabulary), set(words)),
        },
        praise="A word can be known and still mean something else here; this counts only the "
               "new ones.",
        advice="Count the words that are not in the vocabulary and divide by all words.",
    ),
    "08.3": Exercise(
        _backward,
        cases=[([[0.9, 0.5], [0.7, 0.8]],), (CHAIN,), ([[0.8, 0.2], [0.85, 0.9]],)],
        wrong={
            "The last task was learnt last and had no time to be forgotten: leave it out.":
                lambda accuracies: sum(accuracies[-1][t] - accuracies[t][t] for t in
                                       range(len(accuracies))) / len(accuracies),
            "The sign is the other way round: less at the end than before is negative.":
                lambda accuracies: -_backward(accuracies),
            "Compare with the accuracy right after a task was learnt, which is on the diagonal, "
            "and not with that after the first task.": lambda accuracies: sum(
                accuracies[-1][t] - accuracies[0][t] for t in range(len(accuracies) - 1)
            ) / (len(accuracies) - 1),
            "A sum grows with the number of tasks. Take the mean.":
                lambda accuracies: _backward(accuracies) * (len(accuracies) - 1),
        },
        praise="Lopez-Paz and Ranzato (2017) call it backward transfer. Above zero, later tasks "
               "have helped earlier ones.",
        advice="For each task but the last: its accuracy in the last row minus that on the "
               "diagonal; then the mean.",
    ),
    "08.4": Exercise(
        _failures,
        cases=[([0.9, 0.2, 0.8, 0.3], [0.7, 0.6, 0.1, 0.4], ["same"] * 2 + ["opposite"] * 2),
               ([0.9, 0.6, 0.8], [0.1, 0.95, 0.9], ["same"] * 3),
               ([0.9, 0.55, 0.2], [0.8, 0.45, 0.1], ["opposite"] * 3)],
        wrong={
            "A change that is wanted fails if the class stays. Look at expected for each pair.":
                lambda before, after, expected: _failures(before, after, ["same"] * len(before)),
            "This is the share of pairs that pass.":
                lambda before, after, expected: 1 - _failures(before, after, expected),
            "A probability may move without the class changing: compare on which side of 0.5 "
            "the two lie.": lambda before, after, expected: float(np.mean(
                [(abs(a - b) > 0.1) == (kind == "same")
                 for a, b, kind in zip(before, after, expected, strict=True)])),
            "This is a number of pairs. Divide it by how many there are.":
                lambda before, after, expected: _failures(before, after, expected) * len(before),
        },
        praise="No label was needed: a pair says by itself whether the two answers go together.",
        advice="\"same\" fails if the two lie on different sides of 0.5, \"opposite\" if they "
               "lie on one side. Return failures divided by pairs.",
    ),
    "08.5": Exercise(
        _giveaway,
        cases=[(SIGNED, MARKS, 3), (SIGNED, MARKS, 2),
               (["a b", "a c", "a b", "c a"], [0, 1, 0, 0], 2)],
        wrong={
            "A word twice in one review is still one review: count texts, not words.":
                lambda texts, labels, least: _giveaway(texts, labels, least,
                                                       known=lambda text: text.lower().split()),
            "A word can also give the label 0 away: look for the share farthest from one half.":
                lambda texts, labels, least: _giveaway(texts, labels, least,
                                                       far=lambda share: share),
            "\"Thanks\" and \"thanks\" are one word: lower().":
                lambda texts, labels, least: _giveaway(texts, labels, least,
                                                       known=lambda text: set(text.split())),
            "Words in fewer than `least` texts give a label away by chance. Leave them out.":
                lambda texts, labels, least: _giveaway(texts, labels, least,
                                                       counts=lambda texts, least: 1),
        },
        praise="The report of your own texts (notebook 12) looks for such words, too.",
        advice="For each word of texts in lower case: the labels of the texts that have it, once "
               "each. Leave out words of fewer than least texts; return the one whose share of 1 "
               "is farthest from one half.",
    ),
}
