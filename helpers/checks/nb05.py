"""Exercises of notebook 05: bits per byte, the last real token, labels, top-p, forgetting."""

import math

import torch

from helpers.checks import Exercise
from helpers.errors import LearnerError


def _whole(value, *case):
    if torch.tensor(value).is_floating_point():
        raise LearnerError("These have to be whole numbers.")
    return value


def _places(mask):
    return torch.arange(mask.shape[1]).expand_as(mask)


def _top_p(probabilities, p, *, below=False, scale=True):
    ordered, ids = probabilities.sort(descending=True)
    total = ordered.cumsum(0)
    kept = torch.zeros_like(probabilities)
    kept[ids] = ordered * (total <= p if below else total - ordered < p)
    return kept / kept.sum() if scale else kept


def _labels(ids, hidden):
    return ids.masked_fill(hidden, -100)


UNEVEN = torch.tensor([0.05, 0.4, 0.1, 0.3, 0.15])
# The end token, which also fills up, has the id 9.
ROWS = [
    ([[5, 7, 9, 9, 9], [6, 8, 3, 4, 9]], [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]),
    ([[9, 9, 3, 9], [9, 4, 6, 9]], [[0, 0, 1, 1], [0, 1, 1, 1]]),
    ([[2, 3, 9]], [[1, 1, 1]]),
]
# share of prose: (bits per byte on reviews, on prose); 0 is the fine-tuning on reviews alone
MIXES = [
    {0: (1.80, 2.10), 0.1: (1.82, 1.95), 0.3: (1.81, 1.86), 0.5: (1.90, 1.84)},
    {0: (1.5, 1.9), 0.2: (1.49, 1.8), 0.4: (1.52, 1.7), 0.8: (1.7, 1.6)},
    {0: (1.6, 2.0), 0.1: (1.7, 1.75), 0.2: (1.65, 1.7)},
]
EXERCISES = {
    "05.1": Exercise(
        lambda losses, text: sum(losses) / math.log(2) / len(text.encode()),
        cases=[([6.9, 0.8, 3.1], "So good"), ([2.0, 2.5, 7.0, 1.0], "Müllers Café"),
               ([5.0, 3.5], "🔥🔥")],
        wrong={
            "Characters are not bytes: ü takes two, an emoji four. Count those of text.encode().":
                lambda losses, text: sum(losses) / math.log(2) / len(text),
            "Those are nats per byte. A bit is ln 2 nats: divide by math.log(2).":
                lambda losses, text: sum(losses) / len(text.encode()),
            "Those are bits per token, which depend on the tokenizer. Divide the sum by bytes.":
                lambda losses, text: sum(losses) / math.log(2) / len(losses),
            "Take the sum over the tokens, not their mean: all of them are needed for the text.":
                lambda losses, text: sum(losses) / len(losses) / math.log(2) / len(text.encode()),
            "A bit is less than a nat, so there are more of them: divide by ln 2.":
                lambda losses, text: sum(losses) * math.log(2) / len(text.encode()),
            "That is the perplexity per token.":
                lambda losses, text: math.exp(sum(losses) / len(losses)),
        },
        praise="Whatever the tokenizer, the bytes of a text are the same.",
        advice="The sum of the losses in bits, for each byte of the text.",
    ),
    "05.2": Exercise(
        lambda attention_mask: (_places(attention_mask) * attention_mask).argmax(1),
        cases=[(torch.tensor(mask),) for mask in (
            [[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]],
            [[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 1, 1]],
            [[0, 0, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0, 0]])],
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
        lambda input_ids, attention_mask: _labels(input_ids, attention_mask == 0),
        cases=[(torch.tensor(ids), torch.tensor(mask)) for ids, mask in ROWS],
        wrong={
            "You hide every end token, the real ones, too. Ask the mask, not the id.":
                lambda ids, mask: _labels(ids, ids == 9),
            "Padding still counts in the loss. Its label has to be -100.":
                lambda ids, mask: ids,
            "Do not shift: the model does that itself, so yours would be shifted twice.":
                lambda ids, mask: _labels(ids, mask == 0).roll(-1, 1),
            "The wrong way round: -100 where the mask is 0.":
                lambda ids, mask: _labels(ids, mask == 1),
            "The loss leaves out -100. A label of 0 asks for token 0.":
                lambda ids, mask: ids * mask,
        },
        praise="The model is asked for the end of each text once, and never for padding.",
        advice="Return the ids, with -100 wherever the mask is 0.",
        normalize=_whole,
    ),
    "05.4": Exercise(
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
    "05.5": Exercise(
        lambda bits, original, limit: min(
            (share for share in bits if bits[share][1] <= original + limit),
            key=lambda share: bits[share][0]),
        cases=[(MIXES[0], 1.72, 0.2), (MIXES[0], 1.72, 0.13), (MIXES[0], 1.72, 0.5),
               (MIXES[1], 1.55, 0.3), (MIXES[1], 1.55, 0.1), (MIXES[1], 1.55, 0.5),
               (MIXES[2], 1.6, 0.2)],
        wrong={
            "That is the best on reviews, whatever it forgets. First drop those above the limit.":
                lambda bits, original, limit: min(bits, key=lambda share: bits[share][0]),
            "That is the best on prose. Among those within the limit, the reviews decide.":
                lambda bits, original, limit: min(bits, key=lambda share: bits[share][1]),
            "That is the smallest share within the limit; another may be better on reviews.":
                lambda bits, original, limit: min(
                    share for share in bits if bits[share][1] <= original + limit),
            "Fewer bits are better: take the smallest, not the largest.":
                lambda bits, original, limit: max(
                    (share for share in bits if bits[share][1] <= original + limit),
                    key=lambda share: bits[share][0]),
        },
        praise="What may be forgotten is your decision; which mixture keeps to it, data decide.",
        advice="Of the shares whose prose needs at most original + limit, the best on reviews.",
    ),
}
