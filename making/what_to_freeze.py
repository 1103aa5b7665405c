"""What to freeze? The ladder, rates by layer and LoRA, as notebook 06 shows them.

python -m making.what_to_freeze

Each of `settings` fine-tunes on all training reviews at the rates of the recipe fast, with five
seeds; a seed draws the same head and the same batches for all of them. They are judged on the
validation reviews and extra.csv together, which no run trains on; the test reviews are not looked
at. The outputs of frozen layers are computed once. What data/reference/what_to_freeze.json holds
already is not trained again. About 30 minutes of two cores.
"""

import json
import time
from dataclasses import dataclass

import torch
from datasets import concatenate_datasets
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    get_linear_schedule_with_warmup,
    set_seed,
)

from helpers import batching, frozen, paths, training, what_to_freeze
from helpers.recipes import RECIPES
from helpers.reviews import LABELS
from helpers.what_to_freeze import FILE, random_weights
from making.learning_curve import given
from making.sweep import unused

SEEDS = (0, 1, 2, 3, 4)
FAST = RECIPES["fast"]
HEAD_RATE = FAST.head_rate * FAST.learning_rate
FIRST = 6  # steps whose losses are kept, for a test to recompute


@dataclass(frozen=True)
class Setting:
    """What is trained, from where, how long and how fast; the defaults are an epoch as in fast.

    `start` is "pretrained" or "random"; `factor` the rate of a layer by that of the one above it;
    with `gradual` layers are unfrozen from the top; with an `r` LoRA is trained instead.
    """

    rung: str = "all but the embeddings"
    start: str = "pretrained"
    epochs: int = 1
    rate: float = FAST.learning_rate
    factor: float = 1.0
    gradual: bool = False
    r: int = 0


def settings(layers):
    """Return {name: Setting} for a BERT with so many layers."""
    ladder = what_to_freeze.rungs(layers)
    return {
        **{rung: Setting(rung) for rung in ladder},
        **{random_weights(rung): Setting(rung, "random") for rung in ladder},
        **{f"{rung}, 3 epochs": Setting(rung, epochs=3)
           for rung in ("head", "head and pooler", "last layer", "last two layers",
                        "all but the embeddings")},
        **{f"factor {factor}": Setting(factor=factor) for factor in (0.9, 0.7, 0.5)},
        "3e-4": Setting(rate=3e-4),
        "3e-4, factor 0.7": Setting(rate=3e-4, factor=0.7),
        "gradual unfreezing": Setting(gradual=True),
        "LoRA, r = 8": Setting(rate=HEAD_RATE, r=8),
        "LoRA, r = 1": Setting(rate=HEAD_RATE, r=1),
        "LoRA, r = 8, at 1e-4": Setting(r=8),
        "LoRA, r = 8, at 3e-3": Setting(r=8, rate=3 * HEAD_RATE),
        "LoRA, r = 8, 3 epochs": Setting(r=8, rate=HEAD_RATE, epochs=3),
        "LoRA, r = 8, at 3e-3, 3 epochs": Setting(r=8, rate=3 * HEAD_RATE, epochs=3),
        random_weights("LoRA, r = 8"): Setting(start="random", rate=HEAD_RATE, r=8),
    }


def network(checkpoint, start, seed):
    """Return the classifier without dropout, pretrained or with random weights."""
    set_seed(seed)
    options = {"num_labels": len(LABELS), **training.NO_DROPOUT}
    if start == "random":
        config = AutoConfig.from_pretrained(checkpoint.path, **options)
        return AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    return AutoModelForSequenceClassification.from_pretrained(
        checkpoint.path, dtype=torch.float32, **options)


def lora_config(r):
    """Return the settings of LoRA: on queries and values, scaled by 2, with a head to train."""
    return LoraConfig(r=r, lora_alpha=2 * r, target_modules=["query", "value"],
                      task_type="SEQ_CLS")


class Texts:
    """The tokenized reviews to train on and to judge by, and what frozen layers made of them."""

    def __init__(self, checkpoint, tokenizer, data):
        self.checkpoint, self.tokenizer = checkpoint, tokenizer
        judged = [batching.tokenize(rows, tokenizer) for rows in (data["validation"], unused())]
        self.train = batching.tokenize(data["train"], tokenizer)
        judged = concatenate_datasets([each.cast(self.train.features) for each in judged])
        sizes = batching.lengths(judged)
        self.order = torch.tensor(sorted(range(len(sizes)), key=sizes.__getitem__))
        self.judged = judged.select(self.order.tolist())
        self.kept = {}  # (start, layers): the seed of the weights, seconds, outputs of each split

    def lower(self, model, start, seed, layers):
        """Return the seconds that the lowest `layers` layers took once, and their outputs."""
        seed = seed if start == "random" else None
        if (start, layers) not in self.kept or self.kept[start, layers][0] != seed:
            begun = time.perf_counter()
            train = frozen.outputs(model, self.train, self.tokenizer, layers)
            seconds = time.perf_counter() - begun
            judged = frozen.outputs(model, self.judged, self.tokenizer, layers)
            self.kept[start, layers] = seed, seconds, train, judged
        return self.kept[start, layers][1:]

    def marks(self, right):
        """Return a 1 for each review, in order, that is right, and a 0 for each other."""
        marks = torch.empty(len(right), dtype=torch.int)
        marks[self.order] = right.int()
        return "".join(map(str, marks.tolist()))


def trained(setting, texts, seed, on_step=None):
    """Train by a setting; return the figures of the run and which reviews it gets right."""
    model = network(texts.checkpoint, setting.start, seed)
    layers = model.config.num_hidden_layers
    whole, once = bool(setting.r) or setting.rung == "all", 0.0
    if setting.r:
        model = fitted = get_peft_model(model, lora_config(setting.r))
    else:
        what_to_freeze.train_only(model, what_to_freeze.rungs(layers)[setting.rung])
        fitted = model
    if whole:
        train = batching.loader(texts.train, texts.tokenizer, FAST.batch_size, train=True,
                                seed=seed)
        judged = batching.loader(texts.judged, texts.tokenizer, 32)
    else:
        below = lower_layers(setting.rung, layers)
        once, *outputs = texts.lower(model, setting.start, seed, below)
        fitted = frozen.UpperLayers(model, below)
        train = frozen.loader(outputs[0], FAST.batch_size, train=True, seed=seed)
        judged = frozen.loader(outputs[1], 32)
    groups = (lora_groups(model, setting.rate) if setting.r else
              what_to_freeze.layer_groups(model, setting.rate, setting.factor, HEAD_RATE))
    begun = time.perf_counter()
    losses = fit(fitted, train, groups, setting, model, on_step)
    seconds = once + time.perf_counter() - begun
    result = training.evaluate(fitted, judged)
    numbers = sum(p.numel() for group in groups for p in group["params"])
    return {"trained": numbers, "seconds": round(seconds, 2),
            "first": [round(loss, 5) for loss in losses[:FIRST]],
            "loss": round(sum(losses[-9:]) / len(losses[-9:]), 4),
            "marks": texts.marks(result.predictions == result.labels)}


def fit(fitted, loader, groups, setting, model, on_step=None):
    """Train a module in place as `training.train` does, by these groups; return the losses."""
    steps, losses = setting.epochs * len(loader), []
    optimizer = torch.optim.AdamW(groups, fused=True)
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    weights = [p for group in groups for p in group["params"]]
    fitted.train()
    for _ in range(setting.epochs):
        for batch in loader:
            if setting.gradual:
                what_to_freeze.unfreeze(model, len(losses), steps)
            optimizer.zero_grad()
            loss = fitted(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            if on_step is not None:
                on_step(losses)
    return losses


def lora_groups(model, rate):
    """Return a group for AdamW of each trained parameter: LoRA's at `rate`, the head's apart."""
    return [{"params": [weights], "lr": rate if "lora_" in name else HEAD_RATE,
             "weight_decay": 0.01 if weights.ndim > 1 else 0.0}
            for name, weights in model.named_parameters() if weights.requires_grad]


def lower_layers(rung, layers):
    """Return how many of the lowest layers a rung leaves frozen; they are computed once.

    Where only the head is trained, the last layer stays with it, to be computed for one token.
    """
    trained = {"last two layers": 2, "last three layers": 3, "all but the embeddings": layers}
    return layers - trained.get(rung, 1)


def record():
    """Train what is not recorded yet, and record it, seed by seed."""
    texts = Texts(*given())
    layers = AutoConfig.from_pretrained(texts.checkpoint.path).num_hidden_layers
    runs = json.loads(FILE.read_text(encoding="utf-8"))["runs"] if FILE.is_file() else []
    known = {(run["setting"], run["seed"]) for run in runs}
    for seed in SEEDS:
        for name, setting in settings(layers).items():
            if (name, seed) in known:
                continue
            run = {"setting": name, "seed": seed, **trained(setting, texts, seed)}
            runs.append(run)
            print(f"{name:<40} seed {seed}  {run['marks'].count('1')} of {len(run['marks'])}  "
                  f"{run['seconds']:.1f} s", flush=True)
            lines = ",\n".join(json.dumps(each) for each in runs)
            with paths.replacing(FILE) as fresh:
                fresh.write_text(f'{{"runs": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    record()
