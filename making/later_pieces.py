"""The later pieces of a word: left out of the loss, or with its label again? For notebook 09.

python -m making.later_pieces

Trains the model of notebook 09 in both ways, with three seeds each, and records its strict F1 on
the validation sentences. What data/reference/later_pieces.json holds already is not trained again.
"""

import itertools

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, set_seed

from helpers import checkpoints, paths, training
from helpers.entities import alignment, data, recognizer, scores, spans
from making.command import write_json

FILE = "later_pieces.json"
EPOCHS, LEARNING_RATE, HEAD_RATE, BATCH_SIZE = 4, 2e-4, 10, 16
SEEDS = (0, 1, 2)


def trained(checkpoint, tokenizer, sentences, types, later_pieces, seed):
    """Return the model of notebook 09, trained on sentences with this label for later pieces."""
    names = spans.tag_names(types)
    set_seed(seed)
    model = AutoModelForTokenClassification.from_pretrained(
        checkpoint.path, dtype=torch.float32, id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)}, **training.NO_DROPOUT)
    model.base_model.embeddings.requires_grad_(False)
    encoded = alignment.encode(tokenizer, sentences, types, later_pieces=later_pieces)
    loader = recognizer.loader(encoded, tokenizer, BATCH_SIZE, train=True, seed=seed)
    recognizer.train(model, loader, epochs=EPOCHS, learning_rate=LEARNING_RATE,
                     head_rate=HEAD_RATE)
    return model


def record(seeds=SEEDS):
    """Train what is not recorded yet, and record it."""
    checkpoint, sentences = checkpoints.find("bert"), data.load()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint.path)
    types, judged = spans.types(sentences["train"]), sentences["validation"]
    target = paths.REFERENCE / FILE
    known = paths.recorded(FILE) if target.is_file() else {"f1": {}}
    for seed, way in itertools.product(seeds, alignment.LATER_PIECES):
        each = known["f1"].setdefault(way, [])
        if len(each) > seeds.index(seed):
            continue
        model = trained(checkpoint, tokenizer, sentences["train"], types, way, seed)
        found = recognizer.find(model, tokenizer, [sentence.text for sentence in judged])
        each.append(round(scores.scores(judged, found).f1, 4))
        with paths.replacing(target) as fresh:
            write_json(known | {"seeds": list(seeds), "sentences": len(judged)}, fresh)
        print(f"{way:<8}seed {seed}: {each[-1]:.3f}", flush=True)


if __name__ == "__main__":
    checkpoints.quiet()
    record()
