"""Exercises of notebook 06: a layer unfrozen, a factor, an r, a merge, the cheapest rung."""

import functools

import torch

from helpers.checks import Exercise


def _trained_after(answer, size, learning_rate):
    """Let an answer unfreeze a layer; return what it says and how far a step moves the layer.

    The layer lies below a head, which an optimizer has been training.
    """
    layer = torch.nn.Linear(size, 2).requires_grad_(False)
    head = torch.nn.Linear(2, 1)
    torch.nn.init.constant_(layer.weight, 0.5)
    torch.nn.init.constant_(head.weight, 1.0)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.5)
    said = answer(layer, optimizer, learning_rate)
    if said is None and not layer.weight.requires_grad and len(optimizer.param_groups) == 1:
        return None
    head(layer(torch.ones(1, size))).sum().backward()
    before = layer.weight.detach().clone()
    head_before = head.weight.detach().clone()
    optimizer.step()
    return {"said": said, "moved": float((before - layer.weight).detach().abs().max()),
            "head moved": float((head_before - head.weight).detach().abs().max()) > 0}


def _unfreeze(*, wakes=True, joins=True, own_rate=True, counts="all"):
    """Return an answer that does some of what is wanted."""
    def unfreeze(layer, optimizer, learning_rate):
        if wakes:
            layer.requires_grad_(True)
        if joins:
            rate = {"lr": learning_rate} if own_rate else {}
            optimizer.add_param_group({"params": list(layer.parameters()), **rate})
        groups = {"all": optimizer.param_groups, "new": optimizer.param_groups[1:]}[counts]
        if counts == "new" and not groups:
            return sum(p.numel() for p in layer.parameters())
        return sum(p.numel() for group in groups for p in group["params"])
    return unfreeze


def _factor(share, layers, *, steps=0):
    return share ** (1 / (layers + steps))


def _largest(shapes, parameters, share, *, of=lambda rows, columns: rows + columns, over=0):
    return int(share * parameters // sum(of(*shape) for shape in shapes)) + over


def _merged(W, A, B, alpha, *, scale=lambda alpha, r: alpha / r):
    return W + scale(alpha, A.shape[0]) * B @ A


def _cheapest(trained, differences, margin, *, fits=lambda low, _, margin: low >= -margin,
              best=min):
    places = [i for i, ends in enumerate(differences) if fits(*ends, margin)]
    return best(places, key=lambda i: trained[i]) if places else -1


A = torch.tensor([[1.0, 2.0, 0.5], [0.0, -1.0, 2.0]])
B = torch.tensor([[1.0, 0.5], [-1.0, 2.0], [0.5, 1.0]])
W = torch.tensor([[1.0, 0.0, 2.0], [0.5, 1.0, 0.0], [0.0, 3.0, 1.0]])
LAYER = [(384, 384), (384, 384)]

EXERCISES = {
    "06.1": Exercise(
        _unfreeze(),
        cases=[(3, 0.1), (5, 0.02)],
        wrong={
            "The layer gets gradients now, but the optimizer has never heard of it: "
            "optimizer.add_param_group.": _unfreeze(joins=False),
            "The optimizer has the layer, but its parameters are still frozen: "
            "layer.requires_grad_(True).": _unfreeze(wakes=False),
            "The layer trains at the head's rate. Give its group a rate: "
            "{\"params\": …, \"lr\": learning_rate}.": _unfreeze(own_rate=False),
            "The layer trains. But count all that the optimizer trains, in all of its groups.":
                _unfreeze(counts="new"),
        },
        praise="Both halves are needed: a gradient, and an optimizer that uses it.",
        advice="Unfreeze the layer, add its parameters to the optimizer as a group with the "
               "learning rate, and return how many numbers all groups have together.",
        observe=lambda answer: functools.partial(_trained_after, answer),
    ),
    "06.2": Exercise(
        _factor,
        cases=[(0.1, 6), (0.5, 12), (0.01, 4)],
        wrong={
            "A factor that is applied at each layer multiplies: take a root, not a share of "
            "the difference.": lambda share, layers: 1 - (1 - share) / layers,
            "Dividing spreads a sum evenly. Here a product is wanted: the root of the share.":
                lambda share, layers: share / layers,
            "From the top layer down to the embeddings there are as many steps as layers, not "
            "one fewer.": lambda share, layers: _factor(share, layers, steps=-1),
            "The head has a rate of its own and is no step: count from the top layer down.":
                lambda share, layers: _factor(share, layers, steps=1),
            "The other way round: the share is the factor to the power of the steps.":
                lambda share, layers: share**layers,
        },
        praise="In a model of 24 layers, a factor of 0.9 leaves the embeddings 8 % of the rate.",
        advice="factor ** layers has to be the share.",
    ),
    "06.3": Exercise(
        _largest,
        cases=[(LAYER * 6, 22_700_000, 0.01), (LAYER * 12, 22_700_000, 0.002),
               ([(768, 768), (3072, 768)], 110_000_000, 0.001), ([(10, 30)], 1000, 0.1)],
        wrong={
            "A pair of matrices has r × (rows + columns) numbers, not r × rows × columns.":
                lambda shapes, parameters, share: _largest(
                    shapes, parameters, share, of=lambda rows, columns: rows * columns),
            "Each matrix gets two new ones, A and B: r × columns and rows × r.":
                lambda shapes, parameters, share: _largest(shapes, parameters, share,
                                                           of=lambda rows, columns: rows),
            "A and B are there once for each matrix: r × (rows + columns), not twice that.":
                lambda shapes, parameters, share: _largest(
                    shapes, parameters, share, of=lambda rows, columns: 2 * (rows + columns)),
            "Add up what all matrices get, not the first alone.":
                lambda shapes, parameters, share: _largest(shapes[:1], parameters, share),
            "That is one too many: at most the share, so round down.":
                lambda shapes, parameters, share: _largest(shapes, parameters, share, over=1),
        },
        praise="Few tasks need an r that large.",
        advice="r × the sum of rows + columns over all matrices, at most share × parameters.",
    ),
    "06.4": Exercise(
        _merged,
        cases=[(W, A, B, 4), (W, A, B, 16), (W[:2], A[:, :3], B[:2], 6), (W, A[:1], B[:, :1], 3)],
        wrong={
            "The scale is missing: α / r, with r the rows of A.":
                lambda W, A, B, alpha: _merged(W, A, B, alpha, scale=lambda alpha, r: 1),
            "The scale is α / r, not α alone.":
                lambda W, A, B, alpha: _merged(W, A, B, alpha, scale=lambda alpha, r: alpha),
            "The scale is α / r, not r / α.":
                lambda W, A, B, alpha: _merged(W, A, B, alpha, scale=lambda alpha, r: r / alpha),
            "r is the inner size: the rows of A and the columns of B.":
                lambda W, A, B, alpha: W + alpha / A.shape[1] * B @ A,
            "That is only what LoRA adds. Merged, it is added to W.":
                lambda W, A, B, alpha: alpha / A.shape[0] * B @ A,
        },
        praise="One matrix again, of the same shape, and nothing left to compute beside it.",
        advice="W + α / r × B A.",
    ),
    "06.5": Exercise(
        _cheapest,
        cases=[([770, 148_610, 1_923_074, 10_795_394],
                [(-0.09, -0.07), (-0.08, 0.01), (-0.03, 0.005), (-0.01, 0.01)], 0.02),
               ([770, 148_610, 1_923_074, 10_795_394],
                [(-0.09, -0.07), (-0.015, 0.02), (-0.03, -0.01), (0.01, 0.03)], 0.02),
               ([500, 100, 300], [(0.01, 0.02), (-0.05, -0.01), (0.02, 0.04)], 0.01),
               ([500, 100, 300], [(0.0, 0.02), (-0.05, -0.01), (-0.04, -0.02)], 0.05)],
        wrong={
            "The fewest parameters of all; but how much may it lose? Its low end must not lie "
            "more than the margin below zero.": lambda trained, differences, margin: min(
                range(len(trained)), key=trained.__getitem__),
            "An interval that holds zero may reach far below it: it says that you do not know. "
            "Look at its low end.": lambda trained, differences, margin: _cheapest(
                trained, differences, margin, fits=lambda low, high, _: high >= 0),
            "The middle of the interval is within the margin, its low end may not be.":
                lambda trained, differences, margin: _cheapest(
                    trained, differences, margin,
                    fits=lambda low, high, margin: (low + high) / 2 >= -margin),
            "A loss is allowed, up to the margin.": lambda trained, differences, margin: _cheapest(
                trained, differences, margin, fits=lambda low, high, _: low >= 0),
            "That is the most expensive of those that are good enough.":
                lambda trained, differences, margin: _cheapest(
                    trained, differences, margin, best=max),
        },
        praise="If it loses anything, it is less than you are ready to lose.",
        advice="Of those whose low end is at least minus the margin, the place of the one with "
               "the fewest trained parameters, from 0.",
    ),
}
