"""Does the series' classifier gain from starting at the weights that fill masks, or lose?

python -m making.starts

Trains the classifier of notebook 03 from the bundled weights and from `data/bert-mini-mlm`, on all
training reviews and on the first 400, with five seeds each, and counts the right ones of the 400
test reviews. Every result is noted in `starts.json` there at once: interrupted, the same command
goes on. Then the card is written anew.
"""

import itertools
import json
import statistics
import sys

import torch
import transformers
from scipy.stats import t

from helpers import batching, checkpoints, paths, reviews, training
from making import command, masking

SEEDS = range(5)
SIZES = (1600, 400)  # reviews to learn from
STARTS = {"bundled": "bert", "mlm": "bert-mlm"}
SETTINGS = {"epochs": 3, "learning_rate": 1e-4}  # notebook 03's, with batches of 16
HOME = paths.DATA / "bert-mini-mlm"


def correct(path, size, seed):
    """Train as notebook 03 does; return how many test reviews are right, and of how many."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    encoded = {split: batching.tokenize(rows, tokenizer) for split, rows in reviews.load().items()}
    transformers.set_seed(seed)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        path, num_labels=2, dtype=torch.float32, **training.NO_DROPOUT
    )
    model.bert.embeddings.requires_grad_(False)
    loader = batching.loader(encoded["train"].select(range(size)), tokenizer, train=True,
                             seed=seed)
    training.train(model, loader, **SETTINGS)
    result = training.evaluate(
        model, batching.loader(encoded["test"], tokenizer, batch_size=32)
    )
    return result.correct, result.n


def summary(runs):
    """Return a row per number of reviews: accuracies, and what starting from `mlm` adds.

    `mean` and `deviation` are over the seeds; `difference` is the mean of the differences of runs
    with the same seed, `interval` its 95 % interval by Student's t.
    """
    rows = []
    for size in SIZES:
        shares = {start: [run["correct"] / run["tested"] for run in runs
                          if (run["reviews"], run["start"]) == (size, start)] for start in STARTS}
        pairs = [b - a for a, b in zip(shares["bundled"], shares["mlm"], strict=True)]
        mean, count = statistics.mean(pairs), len(pairs)
        margin = t.ppf(0.975, count - 1) * statistics.stdev(pairs) / count**0.5
        rows.append({
            "reviews": size, "difference": mean, "interval": [mean - margin, mean + margin],
            **{start: {"mean": statistics.mean(found), "deviation": statistics.stdev(found)}
               for start, found in shares.items()},
        })
    return rows


def measure():
    """Run what `starts.json` does not have yet; return all runs."""
    file = HOME / "starts.json"
    runs = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    known = {(run["reviews"], run["start"], run["seed"]) for run in runs}
    for size, seed, start in itertools.product(SIZES, SEEDS, STARTS):
        if (size, start, seed) in known:
            continue
        found, tested = correct(checkpoints.find(STARTS[start], "small").path, size, seed)
        runs.append({"reviews": size, "start": start, "seed": seed, "correct": found,
                     "tested": tested})
        print(f"{size} reviews, {start}, seed {seed}: {found} of {tested}", flush=True)
        with paths.replacing(file) as fresh:
            fresh.write_text("[\n" + ",\n".join(map(json.dumps, runs)) + "\n]\n",
                             encoding="utf-8")
    return runs


def main():
    """Run the command; returns the exit status."""
    checkpoints.quiet()

    def work():
        rows = summary(measure())
        figures = json.loads((HOME / "masking.json").read_text(encoding="utf-8"))
        (HOME / "README.md").write_text(masking.card(figures, rows), encoding="utf-8")
        for row in rows:
            low, high = row["interval"]
            print(f"{row['reviews']} reviews: {row['bundled']['mean']:.3f} from the bundled "
                  f"weights, {row['mlm']['mean']:.3f} from these, difference "
                  f"{row['difference']:+.3f} ({low:+.3f} to {high:+.3f})")

    return command.run(work)


if __name__ == "__main__":
    sys.exit(main())
