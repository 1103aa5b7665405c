"""Exercises of notebook 01: a layer counted, pooling, a load report, two losses by hand."""

import torch
from torch.nn.functional import cross_entropy

from helpers.checks import Exercise


def _count(hidden, intermediate, *, maps=4, biases=True, norms=True):
    matrices = maps * hidden * hidden + 2 * hidden * intermediate
    return matrices + biases * (maps * hidden + intermediate + hidden) + norms * 4 * hidden


def _case(mask, size):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(len(mask), len(mask[0]), size, generator=generator), torch.tensor(mask)


def _sum(hidden, mask):
    return (hidden * mask[..., None]).sum(1)


def _guesses(labels, pieces):
    generator = torch.Generator().manual_seed(2)
    return 2 * torch.randn(len(labels), pieces, generator=generator), torch.tensor(labels)


def _shares(counts):
    return torch.tensor(counts) / sum(counts)


def _masked_loss(logits, labels):
    return cross_entropy(logits, labels)  # leaves out the label -100


HEAD = ["classifier.bias", "classifier.weight"]
POOLER = ["bert.pooler.dense.bias", "bert.pooler.dense.weight"]
LAYER = [f"bert.encoder.layer.3.{part}.dense.{kind}" for part in ("intermediate", "output")
         for kind in ("bias", "weight")]
TABLE = ["bert.embeddings.word_embeddings.weight"]

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
    "01.3": Exercise(
        lambda missing: sum(n.startswith(("bert.embeddings.", "bert.encoder.")) for n in missing),
        cases=[(HEAD,), (HEAD + POOLER,), (HEAD + LAYER,), (TABLE + POOLER,),
               (HEAD + TABLE + LAYER + POOLER,)],
        wrong={
            "The head's own tensors count in your sum, but they have to be missing.": len,
            "The pooler stands on top of the encoder: it is not part of it.":
                lambda missing: sum(not n.startswith("classifier.") for n in missing),
            "The embedding table belongs to the checkpoint, too.":
                lambda missing: sum(n.startswith("bert.encoder.") for n in missing),
            "The layers of the encoder belong to the checkpoint, too.":
                lambda missing: sum(n.startswith("bert.embeddings.") for n in missing),
        },
        praise="Anything above 0 means that a part of the pretrained model is random: stop there.",
        advice="Count the names that begin with bert.embeddings. or with bert.encoder.",
    ),
    "01.4": Exercise(
        _masked_loss,
        cases=[_guesses([-100, 4, -100, 1], 6), _guesses([0, -100, -100], 5),
               _guesses([-100, 2, 3, 3, -100], 4)],
        wrong={
            "That is the sum over the masked tokens. Take their mean.":
                lambda logits, labels: cross_entropy(logits, labels, reduction="sum"),
            "You divide by all tokens. Only those whose label is not -100 count.":
                lambda x, y: cross_entropy(x, y, reduction="sum") / len(y),
            "The tokens that were not masked count in yours. Leave out those with the label -100.":
                lambda x, y: cross_entropy(x, y.clamp(min=0)),
            "The sign: the logarithm of a probability is negative, the loss is minus that.":
                lambda x, y: -cross_entropy(x, y),
            "That is the mean probability. Take minus the logarithm of each first.":
                lambda x, y: x[y >= 0].softmax(-1).gather(-1, y[y >= 0][:, None]).mean(),
            "You took the logits as they are. Make probabilities of them first: softmax.":
                lambda x, y: -x[y >= 0].gather(-1, y[y >= 0][:, None]).mean(),
            "That is the loss of the likeliest piece. Take the probability of the right one.":
                lambda x, y: -x[y >= 0].log_softmax(-1).max(-1).values.mean(),
            "Your logarithm has another base. The loss uses the natural one.":
                lambda x, y: cross_entropy(x, y) / torch.log(torch.tensor(2.0)),
        },
        praise="That is the loss of BERT's pretraining, and what the model returns for labels=….",
        advice="Of each token whose label is not -100: softmax, the probability at its label, "
               "minus the logarithm. Then the mean.",
    ),
    "01.5": Exercise(
        lambda counts: -(_shares(counts) * _shares(counts).log()).sum(),
        cases=[([90, 10],), ([50, 50],), ([7, 2, 1],), ([400, 300, 200, 100],)],
        wrong={
            "That is ln k, right only if all classes are equally frequent.":
                lambda counts: torch.tensor(len(counts)).log(),
            "That is the accuracy of the most frequent class. What is its loss?":
                lambda counts: max(counts) / sum(counts),
            "Weight each logarithm by how often its class occurs, instead of averaging them.":
                lambda counts: -_shares(counts).log().mean(),
            "The sign: a loss is minus the logarithm of a probability.":
                lambda counts: (_shares(counts) * _shares(counts).log()).sum(),
            "Your logarithm has another base. The loss uses the natural one.":
                lambda counts: -(_shares(counts) * _shares(counts).log2()).sum(),
        },
        praise="With 90 and 10 that is 0.33: a loss below ln 2 may have learnt nothing of a text.",
        advice="A text of class i costs −ln of the share of class i. Average over the texts.",
    ),
}
