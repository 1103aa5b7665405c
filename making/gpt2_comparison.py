"""GPT-2 beside BERT as classifiers of few reviews: the comparison that notebook 05 shows.

python -m making.gpt2_comparison [--rates]

Every model learns from the same reviews, drawn anew for each of five seeds, and answers all test
reviews; the answers are kept, so that any two models can be compared text by text. What
data/reference/gpt2_comparison.json holds already is not trained again. `--rates` first tries
learning rates on the validation reviews, with two seeds that are not among the five.
"""

import argparse
import json

import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GPT2ForSequenceClassification,
    set_seed,
)
from transformers.modeling_outputs import SequenceClassifierOutput

from helpers import batching, checkpoints, paths, reviews, training
from helpers.gpt2_comparison import FILE, chosen_rate
from helpers.reviews import drawn

COUNT = 300
SEEDS = (0, 1, 2, 3, 4)
SEEDS_OF_RATES = (5, 6)
BATCH = 16
RATES = {  # tried on the validation reviews
    "BERT": (5e-5, 1e-4, 2e-4),
    "GPT-2": (1e-4, 2e-4, 4e-4),
    "GPT-2, from scratch": (1e-4, 3e-4, 1e-3),
}
EPOCHS = {"BERT": 4, "GPT-2": 4, "GPT-2, from scratch": 12}
BAG = "bag of words"
POOLED = {"GPT-2, first token": "first", "GPT-2, mean": "mean"}  # trained like "GPT-2"
NO_DROPOUT = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}


class Pooled(GPT2ForSequenceClassification):
    """A GPT-2 classifier that reads its answer off the first token or the mean of all tokens."""

    pooling = "mean"

    def forward(self, input_ids, attention_mask, labels=None):
        """Return loss and logits (batch, classes) of right-padded rows."""
        hidden = self.transformer(input_ids, attention_mask=attention_mask).last_hidden_state
        if self.pooling == "first":
            vectors = hidden[:, 0]
        else:
            vectors = training.mean_pooled(hidden, attention_mask)
        logits = self.score(vectors)
        loss = None if labels is None else torch.nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def new_model(name, seed, pad_token_id):
    """Return an untrained head on BERT or GPT-2; pretrained embeddings are frozen."""
    folder = checkpoints.find("bert" if name == "BERT" else "gpt2", "small").path
    settings = {"num_labels": 2, "dtype": torch.float32}
    settings |= training.NO_DROPOUT if name == "BERT" else NO_DROPOUT
    settings |= {} if name == "BERT" else {"pad_token_id": pad_token_id}
    set_seed(seed)
    if name == "GPT-2, from scratch":
        config = AutoConfig.from_pretrained(folder, **settings)
        return AutoModelForSequenceClassification.from_config(config)
    kind = Pooled if name in POOLED else AutoModelForSequenceClassification
    model = kind.from_pretrained(folder, **settings)
    if name in POOLED:
        model.pooling = POOLED[name]
    frozen = [model.bert.embeddings] if name == "BERT" else [model.transformer.wte,
                                                             model.transformer.wpe]
    for table in frozen:
        table.requires_grad_(False)
    return model


def answers(name, train, texts, seed, learning_rate=None, epochs=None):
    """Train one model on some reviews; return its answers to `texts`, a list of 0 and 1."""
    if name == BAG:
        bag = make_pipeline(CountVectorizer(), LogisticRegression(max_iter=1000))
        return bag.fit(train["text"][:], train["label"][:]).predict(texts).tolist()
    tokenizer = tokenizer_of(name)
    loader = batching.loader(batching.tokenize(train, tokenizer), tokenizer, BATCH, train=True,
                             seed=seed)
    model = new_model(name, seed, tokenizer.pad_token_id)
    training.train(model, loader, epochs=epochs or EPOCHS[recipe_of(name)],
                   learning_rate=learning_rate)
    return training.predict(model, tokenizer, texts).argmax(-1).tolist()


def recipe_of(name):
    """Return the name of the model whose learning rate and epochs a model takes over."""
    return "GPT-2" if name in POOLED else name


def tokenizer_of(name):
    """Return the tokenizer of a model, GPT-2's with its end token as pad token."""
    folder = checkpoints.find("bert" if name == "BERT" else "gpt2", "small").path
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    return tokenizer


def try_rates():
    """Record how many validation reviews each model gets right with each learning rate."""
    data, known = reviews.load(), read()
    labels, texts = data["validation"]["label"][:], data["validation"]["text"][:]
    for name, rates in RATES.items():
        for rate in rates:
            tried = known["rates"].setdefault(name, {})
            if str(rate) in tried:
                continue
            tried[str(rate)] = [
                sum(p == y for p, y in zip(found, labels, strict=True))
                for found in (answers(name, drawn(data["train"], COUNT, seed), texts, seed, rate)
                              for seed in SEEDS_OF_RATES)
            ]
            print(f"{name:<20}{rate:.0e}  {tried[str(rate)]} of {len(labels)}", flush=True)
            write(known)


def record():
    """Train what is not recorded yet, seed by seed, with the rates that validation chose."""
    data, known = reviews.load(), read()
    known |= {"count": COUNT, "epochs": EPOCHS, "batch": BATCH, "labels": join(data["test"])}
    for seed in SEEDS:
        for name in (*RATES, *POOLED, BAG):
            row = known["answers"].setdefault(name, {})
            if str(seed) not in row:
                train = drawn(data["train"], COUNT, seed)
                rate = None if name == BAG else chosen_rate(known["rates"], recipe_of(name))
                found = answers(name, train, data["test"]["text"][:], seed, rate)
                row[str(seed)] = "".join(map(str, found))
                right = sum(str(p) == y for p, y in zip(found, known["labels"], strict=True))
                print(f"seed {seed}  {name:<20}{right / len(found):.3f}", flush=True)
                write(known)


def join(rows):
    """Return the labels of a split as one string."""
    return "".join(map(str, rows["label"][:]))


def read():
    """Return what is recorded so far."""
    if FILE.is_file():
        return json.loads(FILE.read_text(encoding="utf-8"))
    return {"rates": {}, "answers": {}}


def write(known):
    """Record it, whole or not at all."""
    with paths.replacing(FILE) as fresh:
        fresh.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def main(arguments=None):
    """Try learning rates, or record the comparison, as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m making.gpt2_comparison",
                                     description=__doc__.partition("\n")[0])
    parser.add_argument("--rates", action="store_true",
                        help="try learning rates on the validation reviews")
    checkpoints.quiet()
    try_rates() if parser.parse_args(arguments).rates else record()


if __name__ == "__main__":
    main()
