"""Five ways to fine-tune the same BERT on the same reviews, timed against each other.

python -m making.benchmark [--repeats 3] [--only fast loop] [--save]

Each training runs in a process of its own, the recipes by turns. The clock stands still while
the test reviews are predicted, eight times a training. SetFit takes part where it is installed.
The ceiling is the machine's rate of matrix products in float32, the highest of those measured
before each training; a share of it, the operations of a training's products over its seconds.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec

from helpers import batching, checkpoints, finetune, frozen, paths, reviews, speed, training
from helpers.errors import LearnerError
from helpers.measure import Measured

FILE = paths.REFERENCE / "benchmark.json"
GOAL = 0.90  # the accuracy to which the seconds are counted
LOOKS = 8  # times that the test reviews are predicted during a training


class Clock:
    """Counts the seconds of a training, and looks at the test reviews while it stands still."""

    def __init__(self, test, steps):
        self.test, self.at = test, {round(steps * (k + 1) / LOOKS) for k in range(LOOKS)}
        self.steps, self.seconds, self.looks = 0, 0.0, []
        self.batches, self.before = [], 0  # what was trained on; operations before the first step
        self.start = time.perf_counter()

    def watch(self, module, counted_as=None):
        """Note the shape of each batch that a module is trained on, to count its operations."""
        import torch

        def note(module, args, inputs):
            if module.training:
                name = "hidden" if "hidden" in inputs else "input_ids"
                labels = torch.empty(len(inputs[name]), dtype=torch.long, device="meta")
                self.batches.append(
                    {name: torch.empty_like(inputs[name], device="meta"), "labels": labels})

        self.counted = counted_as or module
        self.hook = module.register_forward_pre_hook(note, with_kwargs=True)

    def figures(self):
        """Return the operations of the whole training, and the texts it was shown."""
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
    """Batches of two, every text padded to 128, AdamW as it comes: what tutorials print."""
    import torch
    from torch.utils.data import DataLoader
    from transformers import DataCollatorWithPadding

    padded = DataCollatorWithPadding(tokenizer, padding="max_length",
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
    import tempfile

    from transformers import Trainer, TrainerCallback, TrainingArguments

    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(folder, seed=seed, save_strategy="no", disable_tqdm=True)
        steps = 3 * -(-len(encoded["train"]) // args.train_batch_size)
        clock = Clock(_test(encoded, tokenizer), steps)
        clock.watch(model)

        class Tick(TrainerCallback):
            def on_step_end(self, args, state, control, model=None, **kwargs):
                clock.step(model)

        Trainer(model, args, train_dataset=encoded["train"], processing_class=tokenizer,
                callbacks=[Tick()]).train()
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
    """The fast recipe of notebook 09: the lower layers frozen and computed once."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    recipe = finetune.RECIPES["fast"]
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
    import torch
    from datasets import disable_progress_bars
    from setfit import SetFitModel, Trainer, TrainingArguments

    disable_progress_bars()
    data = reviews.load()
    data["train"] = data["train"].select(range(len(encoded["train"])))
    classifier = SetFitModel.from_pretrained(str(checkpoints.find("bert").path))
    steps = 3 * -(-len(data["train"]) // 16)
    args = TrainingArguments(batch_size=16, max_steps=steps, seed=seed, show_progress_bar=False,
                             save_strategy="no", report_to="none")
    trainer = Trainer(model=classifier, args=args, train_dataset=data["train"])
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
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, set_seed
    from transformers.utils import logging

    logging.set_verbosity_error()
    checkpoint = checkpoints.find("bert")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint.path)
    data = reviews.load()
    if texts is not None:
        data["train"] = data["train"].select(range(texts))
    encoded = {split: batching.tokenize(rows, tokenizer) for split, rows in data.items()}
    set_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(
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
                raise LearnerError(f"The recipe {name} failed; what it said stands above.")
            yield json.loads(done.stdout.strip().rpartition("\n")[2])


def summary(runs):
    """Return a row a recipe: medians over the runs, and the spread of the seconds."""
    rows, ceiling = {}, max(r["matmul_rate"] for r in runs)
    for name in dict.fromkeys(r["recipe"] for r in runs):
        mine = [r for r in runs if r["recipe"] == name]
        seconds = [r["seconds"] for r in mine]
        correct = [r["looks"][-1][1] for r in mine]
        tested = mine[0]["looks"][-1][2]
        middle = statistics.median_low(correct)
        rows[name] = {
            "seconds": statistics.median(seconds), "fastest": min(seconds),
            "slowest": max(seconds), "accuracy": middle / tested,
            "a_second": statistics.median(r["shown"] / r["seconds"] for r in mine),
            "of_ceiling": statistics.median(
                r["operations"] / r["seconds"] / ceiling for r in mine),
            "interval": training.interval(middle, tested),
            "to_goal": _median_or_none([seconds_to_goal(r) for r in mine]),
            "peak_memory_gb": statistics.median(r["peak_memory_gb"] for r in mine),
        }
    return rows


def load():
    """Return the stored runs, as `run` yields them."""
    return json.loads(paths.data_file("reference", FILE.name).read_text(encoding="utf-8"))


def looks(runs, seed=0):
    """Return the accuracies over time of one seed: {recipe: [(seconds, accuracy), …]}."""
    return {_title(r["recipe"]): [(s, right / n) for s, right, n in r["looks"]]
            for r in runs if r["seed"] == seed}


def seconds_to_goal(run):
    """Return after how many seconds a training was first at GOAL, or None."""
    return next((s for s, right, n in run["looks"] if right / n >= GOAL), None)


def _median_or_none(values):
    return None if None in values else statistics.median(values)


def table(rows):
    """Return the summary as text, each recipe's gain against the first one."""
    first = next(iter(rows.values()))["seconds"]
    lines = [f"{'':<17}{'seconds':>8}{'(spread)':>16}{'gain':>7}{'texts/s':>8}{'ceiling':>8}"
             f"{'accuracy':>9}{'(95 %)':>12}{f's to {GOAL:.2f}':>10}{'GB':>5}"]
    for name, r in rows.items():
        spread = f"({r['fastest']:.1f}-{r['slowest']:.1f})"
        low, high = r["interval"]
        goal = "-" if r["to_goal"] is None else f"{r['to_goal']:.1f}"
        lines.append(
            f"{_title(name):<17}{r['seconds']:>8.1f}{spread:>16}{first / r['seconds']:>6.1f}x"
            f"{r['a_second']:>8.1f}{r['of_ceiling']:>8.0%}{r['accuracy']:>9.3f}"
            f"{f'{low:.2f}-{high:.2f}':>12}{goal:>10}{r['peak_memory_gb']:>5.1f}"
        )
    return "\n".join(lines)


def _title(name):
    return name.replace("_", " ")


def _test(encoded, tokenizer):
    return batching.loader(batching.by_length(encoded["test"]), tokenizer, 32)


def main(arguments=None):
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m making.benchmark", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--texts", type=int, help="only so many training reviews")
    parser.add_argument("--save", action="store_true", help="keep the figures for notebook 09")
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
