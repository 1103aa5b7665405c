"""Exercises of notebook 05: positions under padding, the last real token, and sampling."""

import torch

from helpers.checks import Exercise, Hint
from helpers.checks.results import leaves, shape


def _whole(value, *case):
    if not all(type(number) is int for number in leaves(value)):
        raise Hint("Positions pick rows of a table, so they have to be whole numbers.")
    return value


def _positions(ids, mask):
    """Return position ids with 0 where padding has any position that the row has."""
    if shape(_whole(ids)) != mask.shape:
        return ids
    ids, tokens = torch.tensor(ids), mask.shape[1]
    ids = ids.where(mask == 1, ids.clamp(-1, tokens))
    return ids.masked_fill((mask == 0) & (ids >= 0) & (ids < tokens), 0).tolist()


def _places(mask):
    return torch.arange(mask.shape[1]).expand_as(mask)


def _top_p(probabilities, p, *, inside=lambda total, ordered, p: total - ordered < p, scale=True):
    ordered, ids = probabilities.sort(descending=True)
    kept = torch.zeros_like(probabilities)
    kept[ids] = ordered * inside(ordered.cumsum(0), ordered, p)
    return kept / kept.sum() if scale else kept


def _as_probable(probabilities, p):
    kept = _top_p(probabilities, p)
    kept = probabilities * (probabilities >= probabilities[kept > 0].min())
    return kept / kept.sum()


UNEVEN = torch.tensor([0.05, 0.4, 0.1, 0.3, 0.15])
EXERCISES = {
    "05.1": Exercise(
        lambda attention_mask: (attention_mask.cumsum(1) - 1).clamp(min=0),
        cases=[
            (torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]]),),
            (torch.tensor([[1, 1, 0], [0, 1, 1]]),),
            (torch.tensor([[0, 1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 0]]),),
        ],
        wrong={
            "The first real token has position 0: the running sum counts one too many.":
                lambda mask: mask.cumsum(1),
            "The padding on the left gets a negative position. clamp(min=0) helps.":
                lambda mask: mask.cumsum(1) - 1,
            "Some padding gets a position beyond the row, which the model may not have.":
                lambda mask: (mask.cumsum(1) - 1).masked_fill(mask == 0, mask.shape[1]),
            "These are the places in the row, padding included. Count the real tokens only.":
                _places,
            "You count from the end; the first real token has position 0.":
                lambda mask: mask.sum(1, keepdim=True) - mask.cumsum(1),
        },
        praise="With them, a text on the right of its padding gets the logits that it gets alone.",
        tolerance=0,
        normalize=_positions,
    ),
    "05.2": Exercise(
        lambda attention_mask: (_places(attention_mask) * attention_mask).argmax(1),
        cases=[
            (torch.tensor([[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]]),),
            (torch.tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 1, 1]]),),
            (torch.tensor([[0, 0, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0, 0]]),),
        ],
        wrong={
            "That is the number of real tokens. Indices start at 0, so it is one less.":
                lambda mask: mask.sum(1),
            "It is right for padding on the right. On the left, counting ones is not enough.":
                lambda mask: mask.sum(1) - 1,
            "That is the last place of the row, padding or not.":
                lambda mask: _places(mask)[:, -1],
            "That is the first real token. Multiply the mask by the places before argmax.":
                lambda mask: mask.argmax(1),
        },
        praise="The mask knows what is padding, even where the text ends in the same token.",
        tolerance=0,
        normalize=_whole,
    ),
    "05.3": Exercise(
        _top_p,
        cases=[(UNEVEN, 0.75), (UNEVEN, 0.1), (torch.full((4,), 0.25), 0.5), (UNEVEN, 1.0),
               (torch.tensor([0.5, 0.125, 0.375]), 0.7)],
        wrong={
            "You keep less than p. The token that takes the sum past p stays in.":
                lambda shares, p: _top_p(shares, p, inside=lambda total, ordered, p: total <= p),
            "The right tokens; now divide by their sum, so that they add up to 1.":
                lambda shares, p: _top_p(shares, p, scale=False),
            "Nothing was left out. The least probable tokens are not needed.":
                lambda shares, p: shares,
            "These are sorted. Each probability has to stay at the place of its token.":
                lambda shares, p: _top_p(shares, p).sort(descending=True).values,
            "Of equally probable tokens you keep all. Keep only as many as hold p together.":
                _as_probable,
        },
        praise="It keeps few tokens where the model is sure, and many where it is not.",
        # Of equally probable tokens, any may stay.
        normalize=lambda kept, shares, p: kept if len(set(shares.tolist())) > 1 else sorted(kept),
    ),
}
