"""Exercises of notebook 13: a mask, an output, an accuracy and labels of old recipes, repaired."""

import torch
from transformers.modeling_outputs import SequenceClassifierOutput

from helpers.checks import Exercise
from helpers.errors import LearnerError


def _mask(real):
    return lambda ids, pad_id: [[int(real(i, pad_id)) for i in row] for row in ids]


def _with_a_model(answer):
    def result(features, weights, labels):
        """Give a model of one linear layer, and a batch for it."""
        def model(inputs, labels=None):
            logits = inputs @ torch.tensor(weights)
            loss = None if labels is None else torch.nn.functional.cross_entropy(logits, labels)
            return SequenceClassifierOutput(loss=loss, logits=logits)

        return _checked(answer(model, {"inputs": torch.tensor(features),
                                       "labels": torch.tensor(labels)}))
    return result


def _checked(result):
    if result is None or result is ...:
        return result
    if not isinstance(result, dict) or set(result) != {"loss", "classes"}:
        raise LearnerError("Return a dictionary with the keys 'loss' and 'classes'.")
    return result


def _judged(classes, loss=lambda output: output.loss.item()):
    def judge(model, batch):
        output = model(**batch)
        return {"loss": loss(output), "classes": classes(output).tolist()}
    return judge


def _unpacked(model, batch):
    loss, logits = model(**batch)
    return {"loss": loss.item(), "classes": logits.argmax(-1).tolist()}


def _accuracy(batches):
    right = sum(sum(map(int.__eq__, guesses, labels)) for guesses, labels in batches)
    return right / sum(len(labels) for _, labels in batches)


def _shares(batches):
    return [_accuracy([batch]) for batch in batches]


def _classes(order=lambda labels: sorted(set(labels))):
    def class_ids(labels):
        known = list(order(labels))
        return [known.index(label) for label in labels]
    return class_ids


EXERCISES = {
    "13.1": Exercise(
        _mask(lambda i, pad_id: i != pad_id),
        cases=[([[101, 2204, 102, 0], [101, 102, 0, 0]], 0), ([[0, 713, 2, 1], [0, 2, 1, 1]], 1),
               ([[0, 50, 7, 9], [6, 9, 9, 9]], 9)],
        wrong={
            "That is the recipe: it takes 0 for padding, whatever the tokenizer's pad id is.":
                _mask(lambda i, pad_id: i > 0),
            "The other way round: 1 stands for a token to read, 0 for padding.":
                _mask(lambda i, pad_id: i == pad_id),
            "Ids below that of padding are tokens, too.": _mask(lambda i, pad_id: i > pad_id),
        },
        praise="Better still, keep the mask that the tokenizer returns.",
        advice="Compare each id with pad_id.",
    ),
    "13.2": Exercise(
        _classes(),
        cases=[(["good", "bad", "good"],), ([1, 2, 5, 2],), ([1.0, 0.0, 1.0],), ([-1, 1, -1],),
               (["3 stars", "1 star"],)],
        wrong={
            "By first appearance, another file of the same labels gets other ids: sort them.":
                _classes(dict.fromkeys),
            "They are to be counted from 0.": lambda labels: [
                i + 1 for i in _classes()(labels)],
            "Subtracting leaves gaps: of 1, 2 and 5 you need 0, 1 and 2.": lambda labels: [
                label - min(labels) if not isinstance(label, str) else _classes()(labels)[i]
                for i, label in enumerate(labels)],
            "Sorted downwards. Let the smallest be 0.":
                _classes(lambda labels: sorted(set(labels), reverse=True)),
        },
        praise="Keep the list of names, too: it is the model's id2label.",
        advice="Sort the different labels; each one's place in that list is its id.",
    ),
    "13.3": Exercise(
        _judged(lambda output: output.logits.argmax(-1)),
        cases=[([[1.0, 0.0], [0.0, 2.0], [1.0, 3.0]], [[0.5, -1.0], [0.2, 0.9]], [0, 1, 0]),
               ([[2.0, 1.0]], [[0.1, 0.4, 3.0], [0.0, 2.0, 0.1]], [1]),
               ([[0.0, 1.0], [3.0, 0.0]], [[0.5, -1.0], [0.2, 0.9]], [1, 1])],
        wrong={
            "An output is a dictionary: unpacked, it gives the names of its fields.": _unpacked,
            "With labels in the batch, output[0] is the loss. Take output.logits.":
                _judged(lambda output: output[0].argmax(-1)),
            "Those are logits, a number for each class. The class is where the largest stands.":
                _judged(lambda output: output.logits),
            "You looked for the largest in each column. The classes are the last dimension: -1.":
                _judged(lambda output: output.logits.argmax(0)),
            "The loss is in output.loss; you returned a sum or mean of the logits.":
                _judged(lambda output: output.logits.argmax(-1),
                        lambda output: output.logits.mean().item()),
        },
        observe=_with_a_model,
        praise="By their names, the fields stay right when their order or number changes.",
        advice="'loss' is output.loss as a number, 'classes' the argmax of output.logits.",
    ),
    "13.4": Exercise(
        _accuracy,
        cases=[([([1, 0, 1, 1], [1, 0, 0, 1]), ([0], [1])],),
               ([([1, 1], [1, 0]), ([0, 0], [0, 0])],),
               ([([2, 1, 0], [2, 1, 1]), ([1, 1, 1], [0, 1, 1]), ([2], [2])],)],
        wrong={
            "That is the recipe: a mean of means, in which a text of a small batch counts more.":
                lambda batches: sum(_shares(batches)) / len(batches),
            "You divided by the number of batches; divide by the number of texts.":
                lambda batches: _accuracy(batches) * sum(len(y) for _, y in batches)
                / len(batches),
            "The last batch may be smaller: count the texts, do not multiply.":
                lambda batches: _accuracy(batches) * sum(len(y) for _, y in batches)
                / (len(batches) * len(batches[0][1])),
        },
        praise="With 400 texts in batches of 32, a text of the last batch would weigh twice.",
        advice="Count all that are right, and divide once, by all texts.",
    ),
}
