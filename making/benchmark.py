"""Several ways to fine-tune the same BERT on the same reviews, timed against each other.

python -m making.benchmark [--seeds 5] [--only loop one_epoch] [--save [--anew]]

Each training runs in a process of its own, the recipes by turns. The clock stands still while
the test reviews are predicted, eight times a training. SetFit takes part where it is installed.
With --save each run is kept for notebook 10 as soon as it has ended, and what is kept already is
not run again; --anew throws away what was kept. `helpers.benchmark` sums the runs up.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from importlib.util import find_spec

import torch
import transformers
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from transformers.modeling_outputs import SequenceClassifierOutput

from helpers import batching, checkpoints, frozen, paths, recipes, reviews, speed, training
from helpers.benchmark import FILE, load, summary, table
from helpers.errors import LearnerError
from helpers.measure import Measured

LOOKS = 8  # times that the test reviews are predicted during a training
# With how many labels SetFit trains as long as it likes; how many steps it gets with more of them:
# as many as three epochs of 16 reviews.
SETFIT_WHOLE, SETFIT_STEPS = 64, 300


class Clock:
    """Counts the seconds of a training, and looks at the test reviews while it stands still."""

    def __init__(self, test, steps):
        self.test, self.at = test, {round(steps * (k + 1) / LOOKS) for k in range(LOOKS)}
        self.steps, self.seconds, self.looks = 0, 0.0, []
        self.batches, self.before = [], 0  # what was trained on; FLOPs before the first step
        self.start = time.perf_counter()

    def watch(self, module, counted_as=None):
        """Note the shape of each batch that a module is trained on, to count its FLOPs, or those
        of another one that computes as much: `UpperLayers` are counted by hidden states.
        """
        def note(module, args, inputs):
            if module.training:
                given = inputs["hidden"] if "hidden" in inputs else inputs["input_ids"]
                labels = torch.empty(len(given), dtype=torch.long, device="meta")
                if isinstance(self.counted, frozen.UpperLayers):
                    shape = (*given.shape[:2], self.counted.classifier.in_features)
                    batch = {"hidden": torch.empty(shape, device="meta")}
                else:
                    batch = {"input_ids": torch.empty_like(given, device="meta")}
                self.batches.append(batch | {"labels": labels})

        self.counted = counted_as or module
        self.hook = module.register_forward_pre_hook(note, with_kwargs=True)

    def figures(self):
        """Return the FLOPs of the whole training, and how many texts it was shown."""
        self.hook.remove()
        return {"operations": self.before + speed.training_operations(self.counted, self.batches),
                "shown": sum(len(batch["labels"]) for batch in self.batches)}

    def step(self, model):
        """Count a step; look if it is time to."""
        self.steps += 1
        if self.steps in self.at:
            self.look(model)

    def look(self, model):
        """Predict the test reviews with the clock stopped."""
        self.seconds += time.perf_counter() - self.start
        trains = model.training
        result = training.evaluate(model, self.test)
        model.train(trains)
        self.looks.append((round(self.seconds, 3), result.correct, result.n))
        self.right = result.predictions == result.labels  # of reviews sorted by length
        self.start = time.perf_counter()


def circulating(model, encoded, tokenizer, seed):
    """Batches of two, every text padded to 128 tokens, AdamW's defaults: as many tutorials do."""
    padded = transformers.DataCollatorWithPadding(tokenizer, padding="max_length",
                                     max_length=batching.MAX_TOKENS)
    rows = DataLoader(encoded["train"], batch_size=2, shuffle=True, collate_fn=padded,
                      generator=torch.Generator().manual_seed(seed))
    clock = Clock(_test(encoded, tokenizer), 3 * len(rows))
    clock.watch(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5)
    for _ in range(3):
        model.train()
        for batch in rows:
            optimizer.zero_grad()
            model(**batch).loss.backward()
            optimizer.step()
            clock.step(model)
    return clock


def trainer_defaults(model, encoded, tokenizer, seed):
    """The Trainer with no argument but the seed; it pads each batch to its longest text."""
    with tempfile.TemporaryDirectory() as folder:
        args = transformers.TrainingArguments(folder, seed=seed, save_strategy="no",
                                              disable_tqdm=True)
        steps = 3 * -(-len(encoded["train"]) // args.train_batch_size)
        clock = Clock(_test(encoded, tokenizer), steps)
        clock.watch(model)

        class Tick(transformers.TrainerCallback):
            def on_step_end(self, args, state, control, model=None, **kwargs):
                clock.step(model)

        transformers.Trainer(model, args, train_dataset=encoded["train"],
                             processing_class=tokenizer, callbacks=[Tick()]).train()
    return clock


def loop(model, encoded, tokenizer, seed):
    """The loop of notebook 03: batches of 16 by length, embedding tables frozen, no dropout."""
    model.base_model.embeddings.requires_grad_(False)
    rows = batching.loader(encoded["train"], tokenizer, 16, train=True, seed=seed)
    clock = Clock(_test(encoded, tokenizer), 3 * len(rows))
    clock.watch(model)
    training.train(model, rows, epochs=3, learning_rate=1e-4,
                   on_step=lambda curve: clock.step(model))
    return clock


def one_epoch(model, encoded, tokenizer, seed):
    """Notebook 10's one epoch over all layers, the head at a rate of its own.

    The last layer is computed for the first token alone, which changes no logit.
    """
    return _once(frozen.ComputedAnew(model, 0), frozen.UpperLayers(model, 0), model, encoded,
                 tokenizer, seed)


def two_epochs(model, encoded, tokenizer, seed):
    """The same for two epochs: the recipe fast."""
    return _once(frozen.ComputedAnew(model, 0), frozen.UpperLayers(model, 0), model, encoded,
                 tokenizer, seed, epochs=2)


def mean_pooling(model, encoded, tokenizer, seed):
    """As one_epoch, but the head reads the mean of all tokens: no model that `pipeline` loads."""
    return _once(MeanPooling(model), model, model, encoded, tokenizer, seed)


class MeanPooling(torch.nn.Module):
    """A BERT classifier whose pooler reads the mean of the last layer's tokens, not the first."""

    def __init__(self, model):
        super().__init__()
        self.model, self.base_model = model, model.base_model

    @property
    def device(self):
        """Where the weights are."""
        return self.model.device

    def forward(self, labels=None, **batch):
        """Return loss and logits, (batch, classes), for a batch of `batching.loader`."""
        hidden = self.model.bert(**batch).last_hidden_state
        mean = training.mean_pooled(hidden, batch["attention_mask"]).unsqueeze(1)
        logits = self.model.classifier(self.model.dropout(self.model.bert.pooler(mean)))
        loss = None if labels is None else cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def _once(fitted, counted, model, encoded, tokenizer, seed, epochs=1):
    """Train by the recipe fast, through `fitted`, whose FLOPs are those of `counted`."""
    recipe = replace(recipes.RECIPES["fast"], epochs=epochs)
    model.base_model.embeddings.requires_grad_(False)
    rows = batching.loader(encoded["train"], tokenizer, recipe.batch_size, train=True, seed=seed)
    clock = Clock(_test(encoded, tokenizer), recipe.epochs * len(rows))
    clock.watch(fitted, counted_as=counted)
    # Without autocast's cache, which would keep the weights of the first step.
    with torch.autocast("cpu", torch.bfloat16, enabled=speed.bf16_pays(), cache_enabled=False):
        clock.start = time.perf_counter()
        training.train(
            fitted, rows, epochs=recipe.epochs, learning_rate=recipe.learning_rate,
            head_rate=recipe.head_rate, on_step=lambda curve: clock.step(fitted),
        )
    return clock


def frozen_layers(model, encoded, tokenizer, seed):
    """The recipe frozen of notebook 10: the lower layers frozen and computed once."""
    recipe = recipes.RECIPES["frozen"]
    layers = recipe.layers_frozen(model.config)
    clock = Clock(None, recipe.epochs * -(-len(encoded["train"]) // recipe.batch_size))
    bf16 = speed.bf16_pays()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16, cache_enabled=False):
        frozen.freeze(model, layers)
        clock.start = time.perf_counter()
        rows = frozen.outputs(model, encoded["train"], tokenizer, layers)
        clock.seconds += time.perf_counter() - clock.start
        clock.test = frozen.loader(frozen.outputs(
            model, batching.by_length(encoded["test"]), tokenizer, layers), 32)
        with FlopCounterMode(display=False) as lower:
            frozen.outputs(model, encoded["train"], tokenizer, layers)
        clock.before = lower.get_total_flops()
        clock.start = time.perf_counter()
        upper = frozen.UpperLayers(model, layers)
        clock.watch(upper)
        training.train(
            upper, frozen.loader(rows, recipe.batch_size, train=True, seed=seed),
            epochs=recipe.epochs, learning_rate=recipe.learning_rate,
            on_step=lambda curve: clock.step(upper),
        )
    return clock


def setfit(model, encoded, tokenizer, seed):
    """SetFit: pairs of reviews, then a regression; see `fitted_by_setfit`."""
    data = reviews.load()
    clock = Clock(None, 0)
    classifier = fitted_by_setfit(checkpoints.find("bert"),
                                  data["train"].select(range(len(encoded["train"]))), seed, clock,
                                  model)
    labels = torch.tensor(data["test"]["label"][:])
    right = torch.as_tensor(classifier.predict(data["test"]["text"][:])) == labels
    clock.right = right[_order(encoded["test"])]
    clock.looks.append((round(clock.seconds, 3), int(right.sum()), len(right)))
    return clock


def fitted_by_setfit(checkpoint, train, seed, clock=None, model=None):
    """Return what SetFit makes of labelled texts: by its own defaults, with more than SETFIT_WHOLE
    of them in SETFIT_STEPS steps. A `clock` counts seconds and steps, and FLOPs as `model`'s.
    """
    import setfit as library
    from datasets import disable_progress_bars

    disable_progress_bars()
    classifier = library.SetFitModel.from_pretrained(str(checkpoint.path))
    steps = -1 if len(train) <= SETFIT_WHOLE else SETFIT_STEPS
    args = library.TrainingArguments(max_steps=steps, seed=seed, report_to="none",
                                     show_progress_bar=False, save_strategy="no")
    trainer = library.Trainer(model=classifier, args=args, train_dataset=train)
    if clock is not None:  # watches the embeddings, since the model's own hooks are passed by
        clock.watch(classifier.model_body[0].auto_model.embeddings, counted_as=model)
        clock.start, clock.steps = time.perf_counter(), steps
    trainer.train()
    if clock is not None:
        clock.seconds = time.perf_counter() - clock.start
    return classifier


RECIPES = {
    "circulating": circulating, "trainer_defaults": trainer_defaults, "loop": loop,
    "two_epochs": two_epochs, "one_epoch": one_epoch, "mean_pooling": mean_pooling,
    "frozen": frozen_layers, "setfit": setfit,
}
DROPOUT = {"circulating", "trainer_defaults"}  # as the config has it, and so their authors
SLOW = {"circulating": 3, "setfit": 3}  # of which the first seeds must do


def one(name, seed=0, texts=None):
    """Run one recipe in this process; returns its figures, a dictionary."""
    transformers.logging.set_verbosity_error()
    checkpoint = checkpoints.find("bert")
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint.path)
    data = reviews.load()
    if texts is not None:
        data["train"] = data["train"].select(range(texts))
    encoded = {split: batching.tokenize(rows, tokenizer) for split, rows in data.items()}
    transformers.set_seed(seed)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        checkpoint.path, num_labels=2, dtype=torch.float32,
        **({} if name in DROPOUT else training.NO_DROPOUT),
    )
    rate = speed.matmul_rate()
    with Measured() as cost:
        clock = RECIPES[name](model, encoded, tokenizer, seed)
    return {
        "recipe": name, "seed": seed, "seconds": round(clock.seconds, 3), "steps": clock.steps,
        "looks": clock.looks, "marks": _marks(clock.right, encoded["test"]),
        "texts": len(data["train"]), "matmul_rate": rate, **clock.figures(),
        "peak_memory_gb": round(cost.peak / 2**30, 2),
    }


def run(names, seeds, texts=None, known=()):
    """Run the recipes by turns, each in a process of its own; yields their figures.

    What is `known`, pairs of a recipe and a seed, is left out. The SLOW ones run less often.
    """
    for seed, name in itertools.product(range(seeds), names):
        if (name, seed) in known or seed >= SLOW.get(name, seeds):
            continue
        command = [sys.executable, "-m", "making.benchmark", "--one", name,
                   "--seed", str(seed), *([] if texts is None else ["--texts", str(texts)])]
        done = subprocess.run(command, cwd=paths.ROOT, stdout=subprocess.PIPE, text=True,
                              check=False)
        if done.returncode:
            raise LearnerError(f"The recipe {name} failed; its own message is above.")
        yield json.loads(done.stdout.strip().rpartition("\n")[2])


def _test(encoded, tokenizer):
    return batching.loader(batching.by_length(encoded["test"]), tokenizer, 32)


def _order(encoded):
    """Return the row numbers in the order of `batching.by_length`."""
    sizes = batching.lengths(encoded)
    return torch.tensor(sorted(range(len(sizes)), key=sizes.__getitem__))


def _marks(right, encoded):
    """Return a 1 for each review, in order, that is right, and a 0 for each other."""
    marks = torch.empty(len(right), dtype=torch.int)
    marks[_order(encoded)] = right.int()
    return "".join(map(str, marks.tolist()))


def save(runs):
    """Keep the figures of the runs for notebook 10."""
    with paths.replacing(FILE) as fresh:
        lines = ",\n".join(json.dumps(figures) for figures in runs)
        fresh.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def main(arguments=None):
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m helpers benchmark", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each recipe; "
                        f"{', '.join(SLOW)}: at most {max(SLOW.values())} (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--texts", type=int, help="only so many training reviews")
    parser.add_argument("--save", action="store_true", help="keep the figures for notebook 10")
    parser.add_argument("--anew", action="store_true", help="with --save: keep nothing of before")
    parser.add_argument("--one", choices=RECIPES, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error("--seeds is a whole number from 1 up")
    if options.texts is not None and not 1 <= options.texts <= len(reviews.load()["train"]):
        parser.error("--texts is a number from 1 to that of the training reviews")
    if options.save and options.texts is not None:
        parser.error("--save keeps trainings on all reviews: leave --texts out")
    if options.one:
        print(json.dumps(one(options.one, options.seed, options.texts)))
        return 0
    names = [n for n in options.only if n != "setfit" or find_spec("setfit")]
    if "setfit" in options.only and "setfit" not in names:
        print("SetFit is not installed (python -m pip install setfit): left out.")
        if not names:
            return 1
    runs = load() if options.save and not options.anew and FILE.is_file() else []
    known = {(figures["recipe"], figures["seed"]) for figures in runs}
    try:
        for figures in run(names, options.seeds, options.texts, known):
            runs.append(figures)
            print(f"{figures['recipe']:<18}{figures['seconds']:8.1f} s", flush=True)
            if options.save:
                save(runs)
        print(table(summary(sorted(runs, key=lambda r: [*RECIPES].index(r["recipe"])))))
    except LearnerError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped." + " The same command without --anew goes on." * options.save,
              file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
