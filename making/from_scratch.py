"""Is it the pretraining, or would the same network learn the task without? Notebook 03's control.

python -m making.from_scratch

Trains the same classifier from the pretrained weights and from random ones. Both train all of
their parameters, on the same batches. From scratch has more EPOCHS and its own learning rate, one
of RATES. Validation chooses the rate and, in every run, the epoch: the highest accuracy, and of
equal ones the lowest loss. (From scratch the loss rises long before the accuracy stops rising.)
Its weights are tested, once. What data/reference/from_scratch.json holds is not trained again.
"""

import copy
import json
from dataclasses import asdict

from helpers import batching, paths, training
from helpers.from_scratch import FILE
from making import command, learning_curve
from making.learning_curve import BATCH, SEEDS

EPOCHS = {"fine-tuned": 3, "from scratch": 8}
RATE = 1e-4  # the notebook's, of the fine-tuned network
RATES = (1e-4, 3e-5, 3e-4, 1e-3)  # tried from scratch with the first seed


def trained(name, checkpoint, tokenizer, encoded, seed, rate, on_step=None):
    """Train one network; return its `LossCurve`, the best epoch and the network as it was then."""
    model = learning_curve.network(name, checkpoint, seed).requires_grad_(True)
    loader = batching.loader(encoded["train"], tokenizer, BATCH, train=True, seed=seed)
    validation = batching.loader(encoded["validation"], tokenizer, 32)
    looks, best = [], {}

    def look(curve):
        if on_step is not None:
            on_step(curve)
        if len(curve.loss) % len(loader) == 0:
            result = training.evaluate(model, validation)
            looks.append((result.accuracy, -result.loss))
            print(f"  epoch {len(looks)}: {result}, loss {result.loss:.3f}", flush=True)
            if looks[-1] == max(looks):
                best.update(copy.deepcopy(model.state_dict()))

    curve = training.train(model, loader, epochs=EPOCHS[name], learning_rate=rate,
                           validation_loader=validation, on_step=look)
    model.load_state_dict(best)
    return curve, looks.index(max(looks)), model


def record():
    """Train what is not recorded yet, and record it, run by run."""
    checkpoint, tokenizer, data = learning_curve.given()
    encoded = {split: batching.tokenize(rows, tokenizer) for split, rows in data.items()}
    test = batching.loader(encoded["test"], tokenizer, 32)
    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {
        "tested": len(data["test"]), "rates": {}, "curves": {}, "runs": {}}

    def run(name, seed, rate):
        print(f"{name}, seed {seed}, learning rate {rate:g}", flush=True)
        curve, best, model = trained(name, checkpoint, tokenizer, encoded, seed, rate)
        look = curve.validation[best]
        return {"seed": seed, "learning_rate": rate, "epoch": best + 1,
                "validation": look["accuracy"]}, -look["loss"], curve, model

    def keep(name, chosen, _, curve, model):
        chosen["correct"] = training.evaluate(model, test).correct
        known["runs"].setdefault(name, []).append(chosen)
        if chosen["seed"] == SEEDS[0]:
            known["curves"][name] = asdict(curve)
        _write(known)

    if "from scratch" not in known["runs"]:
        tried = [run("from scratch", SEEDS[0], rate) for rate in RATES]
        known["rates"] = {f"{each[0]['learning_rate']:g}": each[0]["validation"] for each in tried}
        keep("from scratch", *max(tried, key=lambda each: (each[0]["validation"], each[1])))
    own = known["runs"]["from scratch"][0]["learning_rate"]
    for name, rate in (("fine-tuned", RATE), ("from scratch", own)):
        for seed in SEEDS[len(known["runs"].get(name, [])):]:
            keep(name, *run(name, seed, rate))


def _write(known):
    rounded = json.loads(json.dumps(known), parse_float=lambda x: float(f"{float(x):.6g}"))
    with paths.replacing(FILE) as fresh:
        command.write_json(rounded, fresh)


if __name__ == "__main__":
    record()
