"""Exercises of notebook 03: the loop on a tiny BERT, clipping, the schedule, the best weights."""

import warnings
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


def _fitted(answer, rows, batches):
    """Let an answer train; return the weights and the rate that it leaves, and its losses."""
    torch.default_generator.manual_seed(4)
    model, ran = BertForSequenceClassification(TINY), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.8)

    def before_forward(_, inputs, named):
        ran.append(True)
        return send_to_device((inputs, named), "cpu")  # the answer may have moved the batch

    model.register_forward_pre_hook(before_forward, with_kwargs=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's about the order of the two steps
        losses = answer(model, [_batch(rows, seed) for seed in range(batches)], optimizer,
                        scheduler)
    if losses is None and not ran:
        return None
    if isinstance(losses, list):
        losses = [None if getattr(loss, "requires_grad", False) else loss for loss in losses]
    return {"weights": model.classifier.weight.tolist(), "rate": scheduler.get_last_lr()[0],
            "losses": losses}


def _fit(inside, returned=torch.Tensor.item, after=""):
    """Return an answer that makes these calls after the forward pass of each batch."""
    def fit(model, loader, optimizer, scheduler):
        losses = []
        for batch in loader:
            loss = model(**batch).loss
            calls = {"zero_grad": optimizer.zero_grad, "backward": loss.backward,
                     "step": optimizer.step, "schedule": scheduler.step}
            for call in inside.split():
                calls[call]()
            losses.append(returned(loss))
        for call in after.split():
            calls[call]()
        return losses
    return fit


def _any(loss):
    return ANY


def _together(gradients):
    return torch.stack([gradient.norm() for gradient in gradients]).norm()


def _scaled(gradients, factor):
    return [gradient * float(factor) for gradient in gradients]


def _rate(step, steps, warmup, peak):
    return peak * (step / warmup if step < warmup else (steps - step) / (steps - warmup))


def _weights_of(answer, weights, losses):
    """Let an answer choose among epochs that leave these weights, at these validation losses.

    Return the weight that it chose and the one that its training left in the model.
    """
    model = torch.nn.Linear(1, 1, bias=False)

    def epoch(weight):
        return lambda net: torch.nn.init.constant_(net.weight, weight)

    def validate(net):
        return losses[weights.index(net.weight.item())]

    chosen = answer(model, [epoch(weight) for weight in weights], validate)
    if chosen is None and model.weight.item() not in weights:
        return None
    return {"weight": getattr(chosen, "get", {}.get)("weight"), "left": model.weight.item()}


def _chosen(best, copied=True):
    """Return an answer that keeps the weights whenever `best(loss, losses so far)` says so."""
    def best_weights(model, epochs, validate):
        losses = []
        for train_epoch in epochs:
            train_epoch(model)
            losses.append(validate(model))
            if best(losses[-1], losses):
                kept = model.state_dict()
                kept = {name: t.clone() for name, t in kept.items()} if copied else kept
        return kept
    return best_weights


def _lowest(loss, losses):
    return loss == min(losses)


EXERCISES = {
    "03.1": Exercise(
        _fit("zero_grad backward step schedule"),
        cases=[(16, 3), (7, 4)],
        wrong={  # most of them whatever they return
            "The first step is right, but the next adds to its gradient: call zero_grad in each.":
                _fit("backward step schedule", _any),
            "The weights do not change: is loss.backward() or optimizer.step() missing, or are "
            "the gradients cleared between them?": _fit("backward zero_grad step schedule", _any),
            "The learning rate stays the same: scheduler.step() is missing.":
                _fit("zero_grad backward step", _any),
            "scheduler.step() comes once per batch, not once at the end.":
                _fit("zero_grad backward step", _any, after="schedule"),
            "scheduler.step() comes after optimizer.step(), or the first rate is never used.":
                _fit("zero_grad backward schedule step", _any),
            "The weights are right. Return numbers, without their graphs: loss.item().":
                _fit("zero_grad backward step schedule", lambda loss: None),
        },
        praise="Everything else in a training loop is bookkeeping.",
        advice="For each batch: zero_grad, forward, backward, optimizer.step, scheduler.step, "
               "once each. Return the list of loss.item().",
        observe=lambda answer: lambda rows, batches: _fitted(answer, rows, batches),
    ),
    "03.2": Exercise(
        lambda gradients, limit: _scaled(gradients, min(1, limit / _together(gradients))),
        cases=[([torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])], 1.0),
               ([torch.tensor([0.3, -0.2]), torch.tensor([0.1, 0.4])], 1.0),
               ([torch.tensor([0.5, -2.0]), torch.tensor([6.0, 1.0])], 2.5)],
        wrong={
            "A gradient that is short enough stays as it is: no factor above 1.":
                lambda gradients, limit: _scaled(gradients, limit / _together(gradients)),
            "Take one norm over all tensors. Clipped one by one, they point in a new direction.":
                lambda gradients, limit: [g * min(1, limit / float(g.norm())) for g in gradients],
            "That cuts single numbers, which changes the direction. Scale all by one factor.":
                lambda gradients, limit: [g.clamp(-limit, limit) for g in gradients],
            "Norms do not add up: the square root of the sum of their squares is wanted.":
                lambda gradients, limit: _scaled(
                    gradients, min(1, limit / sum(g.norm() for g in gradients))),
        },
        praise="The direction has stayed, only the length is new.",
        advice="Multiply every tensor by the same factor: limit / norm, but never above 1.",
    ),
    "03.3": Exercise(
        _rate,
        cases=[(0, 300, 30, 1e-2), (15, 300, 30, 1e-2), (30, 300, 30, 1e-2),
               (165, 300, 30, 1e-2), (299, 300, 30, 1e-2), (15, 300, 30, 2e-2),
               (15, 100, 10, 1e-2)],
        wrong={
            "The rate starts at zero and rises for `warmup` steps.":
                lambda step, steps, warmup, peak: peak * (steps - step) / (steps - warmup),
            "After the warm-up it falls from the peak to zero at step `steps`: it has "
            "steps - warmup steps for that.": lambda step, steps, warmup, peak: peak * (
                step / warmup if step < warmup else (steps - step) / steps),
            "After the warm-up it falls, in a straight line, to zero at step `steps`.":
                lambda step, steps, warmup, peak: peak * min(1, step / warmup),
            "Steps are counted from 0: the first one has a rate of 0.":
                lambda step, steps, warmup, peak: _rate(step + 1, steps, warmup, peak),
        },
        praise="Change the number of epochs, and every step of the run has another rate.",
        advice="Two straight lines: up to `peak` at step `warmup`, down to 0 at step `steps`.",
    ),
    "03.4": Exercise(
        _chosen(_lowest),
        cases=[([1.0, 2.0, 3.0], [0.35, 0.34, 0.46]), ([4.0, 5.0], [0.3, 0.4]),
               ([6.0, 7.0, 8.0, 9.0], [0.5, 0.6, 0.2, 0.3])],
        wrong={
            "Those are the last epoch's: state_dict() shares its memory with the model, so take a "
            "copy.deepcopy of it.": _chosen(_lowest, copied=False),
            "The lowest loss is wanted, not the highest.":
                _chosen(lambda loss, losses: loss == max(losses)),
            "Those are the first epoch's. Compare each loss with the lowest so far.":
                _chosen(lambda loss, losses: len(losses) == 1),
        },
        praise="Without the copy, every entry of the dictionary would have gone on training.",
        advice="Return the state dict, as it was when validate(model) was lowest.",
        observe=lambda answer: lambda weights, losses: _weights_of(answer, weights, losses),
    ),
}
