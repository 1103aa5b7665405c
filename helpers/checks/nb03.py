"""Exercises of notebook 03: accuracy, and training steps observed on a tiny BERT."""

from unittest.mock import ANY

import torch
from accelerate.utils import send_to_device
from transformers import BatchEncoding, BertConfig, BertForSequenceClassification

from helpers.checks import Exercise

TINY = BertConfig(
    vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
    max_position_embeddings=8, initializer_range=0.1, hidden_dropout_prob=0,
    attention_probs_dropout_prob=0,
)


def _batch(rows, seed):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(9, (rows, 6), generator=generator)
    labels = torch.randint(2, (rows,), generator=generator)
    return BatchEncoding(
        {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels})


def _observed(answer, three):
    """Call an answer on three batches, or lists of them; return weights and losses after each."""
    torch.default_generator.manual_seed(4)
    model, ran = BertForSequenceClassification(TINY), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def before_forward(_, inputs, named):
        ran.append(True)
        return send_to_device((inputs, named), "cpu")  # the answer may have moved the batch

    model.register_forward_pre_hook(before_forward, with_kwargs=True)
    weights, losses = [], []
    for batches in three:
        loss = answer(model, batches, optimizer)
        losses.append(None if getattr(loss, "requires_grad", False) else loss)
        weights.append(model.classifier.weight.tolist())
    return {"weights": weights, "losses": losses} if ran or losses.count(None) < 3 else None


def _step(before, inside, after, divide=True, returned=lambda loss: ANY):
    """Return an answer that makes these calls before, in and after its loop over the batches."""
    def step(model, batches, optimizer):
        def call(names):
            for name in names.split():
                (loss.backward if name == "backward" else getattr(optimizer, name))()

        batches = batches if isinstance(batches, list) else [batches]
        call(before)
        for batch in batches:
            loss = model(**batch).loss / (len(batches) if divide else 1)
            call(inside)
        call(after)
        return returned(loss)
    return step


EXERCISES = {
    "03.1": Exercise(
        lambda logits, labels: (logits.argmax(-1) == labels).float().mean(),
        cases=[(torch.tensor(logits), torch.tensor(labels)) for logits, labels in [
            ([[2., -1], [.3, .1], [-1, 1.5], [.2, .9], [-3, -2]], [0, 1, 1, 1, 0]),
            ([[1., 3, 2], [.5, -1, 2], [4, 3, 2], [0, .2, .1]], [1, 2, 0, 2]),
            ([[.5, .2], [.1, .4], [-1, -2]], [0, 1, 0]),
        ]],
        wrong={
            "Take the mean: one number is wanted.": lambda x, y: x.argmax(-1) == y,
            "Divide by the number of texts.": lambda x, y: (x.argmax(-1) == y).sum(),
            "Compare the logits: take argmax.": lambda x, y: ((x[:, 1] > 0) == y).float().mean(),
            "It works for two classes only. argmax over the last dimension works for any.":
                lambda x, y: ((x[:, 1] > x[:, 0]) == y).float().mean(),
        },
        praise="Logits need no softmax for this: it keeps their order.",
        advice="Compare argmax over the last dimension with the labels.",
    ),
    "03.2": Exercise(
        _step("zero_grad", "backward", "step", returned=torch.Tensor.item),
        cases=[(16,), (7,)],
        wrong={  # the first two whatever they return
            "The first step is right, but the next adds to its gradient: call zero_grad in each.":
                _step("", "backward", "step"),
            "The weights do not change: is loss.backward() or optimizer.step() missing, or are "
            "the gradients cleared between them?": _step("", "backward", "zero_grad step"),
            "The weights are right. Return the loss as a number, without its graph: loss.item().":
                _step("zero_grad", "backward", "step", returned=lambda loss: None),
        },
        praise="Everything else in a training loop is bookkeeping.",
        advice="A step is zero_grad, forward, backward, step, once each. Return loss.item().",
        observe=lambda answer: lambda rows: _observed(
            answer, [_batch(rows, seed) for seed in range(3)]),
    ),
    "03.3": Exercise(
        _step("zero_grad", "backward", "step"),
        cases=[(2, 8), (4, 3)],
        wrong={
            "Divide each loss by len(batches).": _step("zero_grad", "backward", "step", False),
            "Clear the gradients once, before the loop.": _step("", "zero_grad backward", "step"),
            "Old gradients are left: zero_grad() before the loop.": _step("", "backward", "step"),
            "No weight changes: clear, loop, then step.": _step("zero_grad", "backward", ""),
            "Step once, after the loop, not in it.": _step("zero_grad", "backward step", ""),
        },
        praise="Several small batches have made the update of one large batch.",
        advice="The update is not that of one large batch. Clear the gradients once, before the "
               "loop; in every turn, divide the loss by the number of batches and go backward.",
        observe=lambda answer: lambda parts, rows: _observed(
            answer, [[_batch(rows, seed) for seed in range(turn, turn + parts)]
                     for turn in range(3)]),
    ),
}
