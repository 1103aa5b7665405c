"""Which learning rate, and did it win? The runs that notebook 07 shows.

python -m making.sweep

Fine-tunes on all training reviews for one epoch, with five rates and three seeds each, and notes
which validation reviews come out right; for the rates that can win, also which of the unused
reviews, those in extra.csv. What data/reference/sweep.json holds already is not trained again.
"""

import itertools
import json

from datasets import Dataset

from helpers import batching, paths, training
from helpers.sweep import FILE
from making.learning_curve import given, network

RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3)
SEEDS = (0, 1, 2)
CONTENDERS = (3e-5, 1e-4, 3e-4)  # those with the highest validation accuracy, hardly apart
BATCH = 16


def trained(checkpoint, tokenizer, encoded, rate, seed):
    """Return a model after one epoch over tokenized reviews, and its `LossCurve`."""
    model = network("fine-tuned", checkpoint, seed)
    loader = batching.loader(encoded, tokenizer, BATCH, train=True, seed=seed)
    return model, training.train(model, loader, epochs=1, learning_rate=rate)


def marks(model, tokenizer, rows):
    """Return a 1 for each review, in order, that the model gets right, and a 0 for each other."""
    predicted = training.predict(model, tokenizer, rows["text"][:]).argmax(-1).tolist()
    return "".join(str(int(p == y)) for p, y in zip(predicted, rows["label"][:], strict=True))


def unused():
    """Return the reviews of extra.csv, which no notebook trains on."""
    return Dataset.from_csv(str(paths.data_file("reviews", "extra.csv")), keep_in_memory=True)


def record():
    """Train what is not recorded yet, and record it, run by run."""
    (checkpoint, tokenizer, data), extra = given(), unused()
    encoded = batching.tokenize(data["train"], tokenizer)
    runs = json.loads(FILE.read_text(encoding="utf-8"))["runs"] if FILE.is_file() else []
    known = {(run["rate"], run["seed"]) for run in runs}
    for seed, rate in itertools.product(SEEDS, RATES):
        if (rate, seed) in known:
            continue
        model, curve = trained(checkpoint, tokenizer, encoded, rate, seed)
        validation = marks(model, tokenizer, data["validation"])
        runs.append({
            "rate": rate, "seed": seed, "loss": [round(loss, 4) for loss in curve.loss],
            "validation": validation,
            "unused": marks(model, tokenizer, extra) if rate in CONTENDERS else None,
        })
        print(f"{rate:.0e}  seed {seed}  loss {curve.final_loss():.3f}  "
              f"validation {validation.count('1')} of {len(validation)}", flush=True)
        with paths.replacing(FILE) as fresh:
            fresh.write_text(json.dumps({"runs": runs}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
