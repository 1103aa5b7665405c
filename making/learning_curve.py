"""How many labels does each of four models need? The curve that notebook 00 shows.

python -m making.learning_curve [--rates]

Trains each model on 50 to 1,600 of the training reviews, with three seeds, and counts how many
test reviews it gets right. What data/reference/learning_curve.json holds already is not trained
again. `--rates` instead tries learning rates from scratch on the validation reviews.
"""

import argparse
import itertools
import json
import math

import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, set_seed

from helpers import batching, checkpoints, paths, reviews, training
from helpers.learning_curve import FILE
from helpers.reviews import LABELS, drawn

COUNTS = (50, 100, 200, 400, 800, 1600)
SEEDS = (0, 1, 2)
BATCH = 16
# Chosen by `--rates`. Epochs are counted up until there are at least so many steps.
RECIPES = {
    "fine-tuned": {"learning_rate": 1e-4, "epochs": 3, "steps": 100},
    "from scratch": {"learning_rate": 1e-4, "epochs": 8, "steps": 200},
}
RATES = (1e-4, 3e-4, 1e-3)  # tried for the network from scratch; 1e-4 is the other notebooks'


def network(name, checkpoint, seed, dropout=0.0):
    """Return the pretrained classifier with its embeddings frozen, or the same network untrained.

    What is not pretrained trains all of its parameters: a random table that stays is no table.
    """
    set_seed(seed)
    options = {"num_labels": len(LABELS), **dict.fromkeys(training.NO_DROPOUT, dropout)}
    if name == "from scratch":
        config = AutoConfig.from_pretrained(checkpoint.path, **options)
        return AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    model = AutoModelForSequenceClassification.from_pretrained(
        checkpoint.path, dtype=torch.float32, **options)
    model.base_model.embeddings.requires_grad_(False)
    return model


def correct(name, checkpoint, tokenizer, train, tested, seed, **recipe):
    """Train one model on some reviews; return how many of the `tested` ones it gets right."""
    texts, labels = train["text"][:], train["label"][:]
    if name == "bag of words":
        model = make_pipeline(CountVectorizer(), LogisticRegression(max_iter=1000))
        predicted = model.fit(texts, labels).predict(tested["text"][:])
    elif name == "frozen encoder":
        encoder = AutoModel.from_pretrained(checkpoint.path, dtype=torch.float32)
        model = LogisticRegression(C=10, max_iter=1000)
        model.fit(training.embed(encoder, tokenizer, texts), labels)
        predicted = model.predict(training.embed(encoder, tokenizer, tested["text"][:]))
    else:
        recipe = RECIPES[name] | recipe
        loader = batching.loader(batching.tokenize(train, tokenizer), tokenizer, BATCH,
                                 train=True, seed=seed)
        epochs = max(recipe["epochs"], math.ceil(recipe["steps"] / len(loader)))
        model = network(name, checkpoint, seed)
        training.train(model, loader, epochs=epochs, learning_rate=recipe["learning_rate"])
        predicted = training.predict(model, tokenizer, tested["text"][:]).argmax(-1).tolist()
    return sum(int(p) == y for p, y in zip(predicted, tested["label"][:], strict=True))


def record(counts=COUNTS, seeds=SEEDS):
    """Train what is not recorded yet, and record it, model by model."""
    checkpoint, tokenizer, data = given()
    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {"correct": {}}
    known |= {"tested": len(data["test"]), "seeds": list(seeds), "recipes": RECIPES}
    for count, name in itertools.product(counts, ("bag of words", "frozen encoder", *RECIPES)):
        by_count = known["correct"].setdefault(name, {})
        if str(count) in by_count:
            continue
        by_count[str(count)] = [
            correct(name, checkpoint, tokenizer, drawn(data["train"], count, seed), data["test"],
                    seed) for seed in seeds
        ]
        print(f"{count:>5}  {name:<16}{by_count[str(count)]}", flush=True)
        with paths.replacing(FILE) as fresh:
            fresh.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def try_rates(count=400):
    """Print the validation accuracy of the network from scratch with each learning rate."""
    checkpoint, tokenizer, data = given()
    for rate in RATES:
        right = correct("from scratch", checkpoint, tokenizer, drawn(data["train"], count, 0),
                        data["validation"], 0, learning_rate=rate)
        print(f"{rate:.0e}  {right / len(data['validation']):.3f}", flush=True)


def given():
    """Return the checkpoint, its tokenizer and the reviews."""
    checkpoints.quiet()
    from transformers import AutoTokenizer

    checkpoint = checkpoints.find("bert", "small")
    return checkpoint, AutoTokenizer.from_pretrained(checkpoint.path), reviews.load()


def main(arguments=None):
    """Record the curve, or try learning rates, as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m making.learning_curve",
                                     description=__doc__.partition("\n")[0])
    parser.add_argument("--rates", action="store_true",
                        help="try learning rates on the validation reviews, record nothing")
    try_rates() if parser.parse_args(arguments).rates else record()


if __name__ == "__main__":
    main()
