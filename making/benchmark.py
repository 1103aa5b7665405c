"""Five ways to fine-tune the same BERT on the same reviews, timed against each other.

python -m making.benchmark [--repeats 3] [--only fast loop] [--save]

Each training runs in a process of its own, the recipes by turns. The clock stands still while
the test reviews are predicted, eight times a training. SetFit takes part where it is installed.
`helpers.benchmark` sums the runs up.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec

import torch
import transformers
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from helpers import batching, checkpoints, frozen, paths, recipes, reviews, speed, training
from helpers.benchmark import FILE, summary, table
from helpers.errors import LearnerError
from helpers.measure import Measured

LOOKS = 8  # times that the test reviews are predicted during a training


class Clock:
    """Counts the seconds of a training, and looks at the test reviews while it stands still."""

    def __init__(self, test, steps):
        self.test, self.at = test, {round(steps * (k + 1) / LOOKS) for k in range(LOOKS)}
        self.steps, self.seconds, self.looks = 0, 0.0, []
        self.batches, self.before = [], 0  # what was trained on; FLOPs before the first step
        self.start = time.perf_counter()

    def watch(self, module, counted_as=None):
        """Note the shape of each batch that a module is trained on, to count its FLOPs."""
        def note(module, args, inputs):
            if module.training:
                name = "hidden" if "hidden" in inputs else "input_ids"
                labels = torch.empty(len(inputs[name]), dtype=torch.long, device="meta")
                self.batches.append(
                    {name: torch.empty_like(inputs[name], device="meta"), "labels": labels})

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


def fast(model, encoded, tokenizer, seed):
    """The fast recipe of notebook 10: the lower layers frozen and computed once."""
    recipe = recipes.RECIPES["frozen"]
    layers = recipe.layers_frozen(model.config)
    clock = Clock(None, recipe.epochs * -(-len(encoded["train"]) // recipe.batch_size))
    bf16 = speed.bf16_pays()
    # Without its cache, which would keep the weights of the first step.
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16, cache_enabled=False):
        frozen.freeze(model, layers)
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
    """SetFit: pairs of texts, as many steps as three epochs of 16 have, then a regression."""
    import setfit as library
    from datasets import disable_progress_bars

    disable_progress_bars()
    data = reviews.load()
    data["train"] = data["train"].select(range(len(encoded["train"])))
    classifier = library.SetFitModel.from_pretrained(str(checkpoints.find("bert").path))
    steps = 3 * -(-len(data["train"]) // 16)
    args = library.TrainingArguments(batch_size=16, max_steps=steps, seed=seed, report_to="none",
                                     show_progress_bar=False, save_strategy="no")
    trainer = library.Trainer(model=classifier, args=args, train_dataset=data["train"])
    clock = Clock(None, steps)
    # The embeddings, since the model's own hooks are passed by.
    clock.watch(classifier.model_body[0].auto_model.embeddings, counted_as=model)
    clock.start = time.perf_counter()
    trainer.train()
    clock.seconds, clock.steps = time.perf_counter() - clock.start, steps
    guesses = torch.as_tensor(classifier.predict(data["test"]["text"][:]))
    right = int((guesses == torch.tensor(data["test"]["label"][:])).sum())
    clock.looks.append((round(clock.seconds, 3), right, len(guesses)))
    return clock


RECIPES = {f.__name__: f for f in (circulating, trainer_defaults, loop, fast, setfit)}
DROPOUT = {"circulating", "trainer_defaults"}  # as the config has it


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
        "looks": clock.looks, "texts": len(data["train"]), "matmul_rate": rate, **clock.figures(),
        "peak_memory_gb": round(cost.peak / 2**30, 2),
    }


def run(names, repeats, texts=None):
    """Run the recipes by turns, each in a process of its own; yields their figures."""
    for seed in range(repeats):
        for name in names:
            command = [sys.executable, "-m", "making.benchmark", "--one", name,
                       "--seed", str(seed), *([] if texts is None else ["--texts", str(texts)])]
            done = subprocess.run(command, cwd=paths.ROOT, stdout=subprocess.PIPE, text=True,
                                  check=False)
            if done.returncode:
                raise LearnerError(f"The recipe {name} failed; its own message is above.")
            yield json.loads(done.stdout.strip().rpartition("\n")[2])


def _test(encoded, tokenizer):
    return batching.loader(batching.by_length(encoded["test"]), tokenizer, 32)


def main(arguments=None):
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m helpers benchmark", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--texts", type=int, help="only so many training reviews")
    parser.add_argument("--save", action="store_true", help="keep the figures for notebook 10")
    parser.add_argument("--one", choices=RECIPES, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error("--repeats is a whole number from 1 up")
    if options.texts is not None and not 1 <= options.texts <= len(reviews.load()["train"]):
        parser.error("--texts is a number from 1 to that of the training reviews")
    if options.save and (options.texts is not None or set(options.only) != set(RECIPES)):
        parser.error("--save keeps a whole benchmark: leave --texts and --only out")
    if options.one:
        print(json.dumps(one(options.one, options.seed, options.texts)))
        return 0
    names = [n for n in options.only if n != "setfit" or find_spec("setfit")]
    if "setfit" in options.only and "setfit" not in names:
        print("SetFit is not installed (python -m pip install setfit): left out.")
        if not names:
            return 1
    runs = []
    try:
        for figures in run(names, options.repeats, options.texts):
            runs.append(figures)
            print(f"{figures['recipe']:<18}{figures['seconds']:8.1f} s", flush=True)
        print(table(summary(runs)))
        if options.save:
            with paths.replacing(FILE) as fresh:
                lines = ",\n".join(json.dumps(figures) for figures in runs)
                fresh.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    except LearnerError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
