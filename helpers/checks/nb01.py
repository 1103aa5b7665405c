"""Exercises of notebook 01: the parameters of a layer, and pooling."""

import torch

from helpers.checks import Exercise


def _count(hidden, intermediate, *, maps=4, biases=True, norms=True):
    matrices = maps * hidden * hidden + 2 * hidden * intermediate
    return matrices + biases * (maps * hidden + intermediate + hidden) + norms * 4 * hidden


def _case(mask, size):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(len(mask), len(mask[0]), size, generator=generator), torch.tensor(mask)


def _sum(hidden, mask):
    return (hidden * mask[..., None]).sum(1)


EXERCISES = {
    "01.1": Exercise(
        _count,
        cases=[(384, 1536), (768, 3072), (256, 700)],
        wrong={
            "Add the biases: one number for each output.": lambda h, i: _count(h, i, biases=False),
            "Add scale and shift of the two LayerNorms.": lambda h, i: _count(h, i, norms=False),
            "Add biases and LayerNorms.": lambda h, i: _count(h, i, biases=False, norms=False),
            "Attention has a fourth map, for the output.": lambda h, i: _count(h, i, maps=3),
        },
        praise="For BERT-base, with 768 and 3072, that makes 7,087,872 in each layer.",
    ),
    "01.2": Exercise(
        lambda hidden, mask: _sum(hidden, mask) / mask.sum(1, keepdim=True),
        cases=[
            _case([[1, 1, 1, 1], [1, 1, 0, 0]], size=3),
            _case([[1, 0, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], size=2),
            _case([[0, 1, 1], [1, 1, 1], [0, 0, 1], [1, 0, 0]], size=4),
        ],
        wrong={
            "The padding counts, too: multiply by the mask.": lambda hidden, mask: hidden.mean(1),
            "The padding is zero in your sum, but you still divide by all positions.":
                lambda hidden, mask: _sum(hidden, mask) / mask.shape[1],
            "That is the sum. Divide it by the number of real tokens.": _sum,
            "That is [CLS]. Take the mean of the real tokens.": lambda hidden, mask: hidden[:, 0],
        },
        praise="An average over padding raises no error; it only makes the numbers worse.",
        advice="Average the vectors whose mask is 1, for each text on its own.",
    ),
}
