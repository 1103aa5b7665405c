"""What goes wrong in a training, brought about on purpose: the curves that notebook 07 shows.

python -m making.gallery

Trains the classifier of the lessons for 80 steps, once as it should be and then with one thing
changed each time (RUNS), and four more times for an exercise (PATIENTS). Loss, gradient norm,
five looks at the validation reviews, and how the loss of one batch falls are written to
data/reference/gallery.json. Then it trains on reviews of which one in twenty is positive, without
and with a remedy, and writes the probabilities that the models give to others to rare.json. What
is there already is not trained again.
"""

import functools
import itertools
import json
import math

import torch
from torch.nn.functional import cross_entropy
from transformers import AutoTokenizer, get_linear_schedule_with_warmup

from helpers import batching, checkpoints, paths, reviews, training
from helpers.gallery import FILE, RARE
from making.learning_curve import network
from making.sweep import unused

STEPS, LOOK_EVERY, BATCH = 80, 16, 16
RATE = 1e-4
# What is changed in each run, in the arguments of `run`.
RUNS = {
    "healthy": {},
    "rate too low": {"rate": 1e-6},
    "rate too high": {"rate": 1e-2},
    "overfitting": {"rows": 100},
    "labels shuffled": {"rows": 100, "labels": "shuffled"},
    "sorted by class": {"order": "sorted"},
    "no zero_grad": {"zero_grad": False, "clip": False},
    "one class": {"positive": 0.05},
    "NaN": {"positive": 0.22, "loss": "by class", "seed": 5},
}
PATIENTS = {
    "A": {"order": "sorted", "rows": 480, "seed": 3},
    "B": {"rows": 64, "rate": 2e-4, "seed": 4},
    "C": {"rate": 3e-7, "seed": 5},
    "D": {"labels": "shuffled", "seed": 6},
}


def chosen(data, rows, positive, labels, order, seed):
    """Return training and validation reviews, changed as the arguments say.

    `positive` is the share of label 1 in both; `labels="shuffled"` deals the training labels out
    anew; `order="sorted"` puts all of label 0 first.
    """
    train, validation = data["train"].select(range(rows)), data["validation"]
    if positive is not None:
        train, validation = (_with_share(split, positive) for split in (data["train"], validation))
    if labels == "shuffled":
        dealt = train["label"][:]
        order_of = torch.randperm(len(dealt), generator=torch.Generator().manual_seed(seed))
        train = train.remove_columns("label").add_column("label", [dealt[i] for i in order_of])
    if order == "sorted":
        train = train.select(sorted(range(len(train)), key=train["label"][:].__getitem__))
    return train, validation


def _with_share(rows, share):
    """Return all rows of label 0, and of label 1 so many that they are this share of the whole."""
    places = [[i for i, label in enumerate(rows["label"][:]) if label == c] for c in (0, 1)]
    few = round(share / (1 - share) * len(places[0]))
    return rows.select(sorted(places[0] + places[1][:few]))


def by_class(logits, labels):
    """Return the mean of each class's mean loss: nan for a batch that lacks a class."""
    each, one = cross_entropy(logits, labels, reduction="none"), labels.float()
    return sum((each * of).sum() / of.sum() for of in (one, 1 - one)) / 2


LOSSES = {"cross-entropy": cross_entropy, "by class": by_class}


def step(model, batch, optimizer, *, zero_grad=True, clip=True, loss="cross-entropy"):
    """Train on one batch; return its loss and the norm of the gradient before clipping.

    `loss` is one of LOSSES, or a function of logits and labels.
    """
    model.train()
    if zero_grad:
        optimizer.zero_grad()
    inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
    value = LOSSES.get(loss, loss)(model(**inputs).logits, batch["labels"])
    value.backward()
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(weights, 1.0 if clip else math.inf)
    optimizer.step()
    return value.item(), norm.item()


def optimizer_of(model, rate):
    """Return AdamW for the weights of a model that are trained."""
    return torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate,
                             fused=True)


def run(checkpoint, tokenizer, data, *, rate=RATE, seed=0, steps=STEPS, rows=640, positive=None,
        labels="true", order="drawn", **habits):
    """Train for so many steps; return losses, gradient norms and looks at validation."""
    train, validation = chosen(data, rows, positive, labels, order, seed)
    encoded = batching.tokenize(train, tokenizer)
    loader = batching.loader(encoded, tokenizer, BATCH, train=order == "drawn", seed=seed)
    held_out = batching.loader(
        batching.by_length(batching.tokenize(validation, tokenizer)), tokenizer, 32)
    model = network("fine-tuned", checkpoint, seed)
    optimizer = optimizer_of(model, rate)
    scheduler = get_linear_schedule_with_warmup(optimizer, STEPS // 10, STEPS)
    recorded = {"loss": [], "norm": [], "validation": []}
    endless = itertools.chain.from_iterable(itertools.repeat(loader))
    for number, batch in enumerate(itertools.islice(endless, steps), 1):
        value, norm = step(model, batch, optimizer, **habits)
        scheduler.step()
        recorded["loss"].append(value)
        recorded["norm"].append(norm)
        if number % LOOK_EVERY == 0:
            seen = training.evaluate(model, held_out)
            recorded["validation"].append({
                "step": number, "loss": seen.loss, "accuracy": seen.accuracy,
                "positive": seen.predictions.float().mean().item()})
    return recorded


def one_batch(checkpoint, tokenizer, data, *, rate=RATE, seed=0, rows=640, positive=None,
              labels="true", order="drawn", **habits):
    """Train on the first eight reviews alone, 20 times; return the first and the last loss."""
    train, _ = chosen(data, rows, positive, labels, order, seed)
    encoded = batching.tokenize(train.select(range(8)), tokenizer)
    batch = next(iter(batching.loader(encoded, tokenizer, 8)))
    model = network("fine-tuned", checkpoint, seed)
    optimizer = optimizer_of(model, rate)
    found = [step(model, batch, optimizer, **habits)[0] for _ in range(20)]
    return [found[0], found[-1]]


def rare(checkpoint, tokenizer, train, tested, remedy, steps=STEPS):
    """Train on reviews of which few are positive; return the probability of that for others.

    The remedy is "none", "class weights" in the loss, so that both classes weigh the same, or
    "resampling": positive reviews are repeated until there are as many as negative ones.
    """
    loss = cross_entropy
    if remedy == "class weights":
        weights = balanced_weights(train["label"][:])
        loss = functools.partial(cross_entropy, weight=weights)
    if remedy == "resampling":
        train = evened(train)
    loader = batching.loader(batching.tokenize(train, tokenizer), tokenizer, BATCH, train=True)
    model = network("fine-tuned", checkpoint, 0)
    optimizer = optimizer_of(model, RATE)
    scheduler = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    for batch in itertools.islice(itertools.chain.from_iterable(itertools.repeat(loader)), steps):
        step(model, batch, optimizer, loss=loss)
        scheduler.step()
    return training.predict(model, tokenizer, tested["text"][:])[:, 1].tolist()


def balanced_weights(labels):
    """Return n / (2 n_c) for each class c, shape (2,): then both weigh the same in a loss."""
    counts = torch.bincount(torch.tensor(labels), minlength=2)
    return len(labels) / (2 * counts)


def evened(rows):
    """Return rows with those of label 1 repeated until there are about as many as of label 0."""
    places = [[i for i, label in enumerate(rows["label"][:]) if label == c] for c in (0, 1)]
    return rows.select(places[0] + places[1] * round(len(places[0]) / len(places[1])))


def rounded(value):
    """Return a recording with four digits a number; what is no finite number becomes a word."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else str(value)
    return value


def given():
    """Return the small checkpoint, its tokenizer and the reviews."""
    checkpoints.quiet()
    checkpoint = checkpoints.find("bert", "small")
    return checkpoint, AutoTokenizer.from_pretrained(checkpoint.path), reviews.load()


def record():
    """Train what is not recorded yet, and record it, run by run."""
    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
    things = given()
    for name, changes in (RUNS | PATIENTS).items():
        if known.get(name, {}).get("changes") == changes:
            continue
        known[name] = {"changes": changes, **rounded(run(*things, **changes)),
                       "one batch": rounded(one_batch(*things, **changes))}
        last = known[name]["validation"][-1]
        print(f"{name:<16} loss {known[name]['loss'][-1]}  validation {last}", flush=True)
        _write({each: known[each] for each in RUNS | PATIENTS if each in known}, FILE)


def record_rare():
    """Train without and with each remedy for a rare class, and record what they say."""
    known = json.loads(RARE.read_text(encoding="utf-8")) if RARE.is_file() else {}
    *things, data = given()
    train, tested = (_with_share(rows, 0.05) for rows in (data["train"], unused()))
    known["label"] = "".join(map(str, tested["label"][:]))
    for remedy in ("none", "class weights", "resampling"):
        if remedy not in known:
            known[remedy] = rounded(rare(*things, train, tested, remedy))
            print(remedy, f"{sum(known[remedy]) / len(known[remedy]):.3f}", flush=True)
            _write(known, RARE)


def _write(known, file):
    with paths.replacing(file) as fresh:
        fresh.write_text(json.dumps(known) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
    record_rare()
