"""Exercises of notebook 05: positions under padding, the last real token, and sampling."""

import torch

from helpers.checks import Exercise
from helpers.errors import LearnerError


def _masks(*masks):
    return [(torch.tensor(mask),) for mask in masks]


def _whole(value, *case):
    if torch.tensor(value).is_floating_point():
        raise LearnerError("Positions pick rows of a table, so they have to be whole numbers.")
    return value


def _positions(value, mask):
    """Return position ids with 0 where padding has any position that the row has."""
    ids = torch.tensor(_whole(value))
    if ids.shape != mask.shape:
        return value
    return ids.masked_fill((mask == 0) & (ids >= 0) & (ids < mask.shape[1]), 0).tolist()


def _places(mask):
    return torch.arange(mask.shape[1]).expand_as(mask)


def _top_p(probabilities, p, *, below=False, scale=True):
    ordered, ids = probabilities.sort(descending=True)
    total = ordered.cumsum(0)
    kept = torch.zeros_like(probabilities)
    kept[ids] = ordered * (total <= p if below else total - ordered < p)
    return kept / kept.sum() if scale else kept


UNEVEN = torch.tensor([0.05, 0.4, 0.1, 0.3, 0.15])
EXERCISES = {
    "05.1": Exercise(
        lambda attention_mask: (attention_mask.cumsum(1) - 1).clamp(min=0),
        cases=_masks(
            [[0, 0, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]],
            [[1, 1, 0], [0, 1, 1]], [[0, 1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 0]]),
        wrong={
            "The first real token has position 0: subtract 1.": lambda mask: mask.cumsum(1),
            "Padding on the left gets -1: clamp(min=0) helps.": lambda mask: mask.cumsum(1) - 1,
            "You count the padding, too. Count the real tokens only.": _places,
        },
        praise="With them, a text on the right of its padding gets the logits that it gets alone.",
        advice="Padding may have any position from 0 to tokens - 1.",
        normalize=_positions,
    ),
    "05.2": Exercise(
        lambda attention_mask: (_places(attention_mask) * attention_mask).argmax(1),
        cases=_masks(
            [[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]],
            [[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 1, 1]],
            [[0, 0, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0, 0]]),
        wrong={
            "That is the number of real tokens. Indices start at 0, so it is one less.":
                lambda mask: mask.sum(1),
            "That is right only for padding on the right.": lambda mask: mask.sum(1) - 1,
            "That is the last place, padding or not.": lambda mask: _places(mask)[:, -1],
            "That is the first real token, not the last.": lambda mask: mask.argmax(1),
        },
        praise="The mask knows what is padding, even where the text ends in the same token.",
        normalize=_whole,
    ),
    "05.3": Exercise(
        _top_p,
        cases=[(UNEVEN, 0.75), (UNEVEN, 0.1), (torch.full((4,), 0.25), 0.5), (UNEVEN, 1.0),
               (torch.tensor([0.5, 0.125, 0.375]), 0.7)],
        wrong={
            "You keep less than p: keep one more.": lambda *case: _top_p(*case, below=True),
            "Divide by the sum of what you kept.": lambda *case: _top_p(*case, scale=False),
            "These are sorted. Each probability has to stay at the place of its token.":
                lambda *case: _top_p(*case).sort(descending=True).values,
        },
        praise="It keeps few tokens where the model is sure, and many where it is not.",
        # Of equally probable tokens, any may stay.
        normalize=lambda kept, shares, p: kept if len(set(shares.tolist())) > 1 else sorted(kept),
    ),
}
