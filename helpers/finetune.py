"""Fine-tune BERT or GPT-2 on your own texts, from the command line.

python -m helpers.finetune --data reviews.csv --output my-model

reads a CSV file with the columns text and label (0 or 1), splits it, trains, tests, and leaves a
model that from_pretrained loads, with metrics.json, the loss curve and a model card. Stopped in
the middle, the same command goes on where it was.
"""

import argparse
import contextlib
import importlib.metadata
import json
import os
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from helpers import batching, checkpoints, frozen, parallel, paths, reviews, training
from helpers.errors import LearnerError
from helpers.measure import Measured

DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout",
            "embd_pdrop", "attn_pdrop", "resid_pdrop")
METRICS, CURVE, CHECKPOINT = "metrics.json", "curve.json", "checkpoint.pt"
EPILOG = """recipes:
  fast   the lower two thirds of the layers are frozen and computed once; two epochs for the
         upper third. For BERT; notebook 09 builds it step by step.
  full   every layer learns, for three epochs; only the embedding tables stay as they are.
         The loop of notebook 03.

several processes:
  python -m helpers.finetune --processes 2 ...
  torchrun --nproc-per-node 2 -m helpers.finetune ...
  accelerate launch --multi_gpu --num_processes 2 -m helpers.finetune ...
  all do the same, with GPUs and without (Accelerate starts several processes on CPUs, too, only
  when told --multi_gpu): each process takes its share of every batch, and the gradients are
  averaged, so that the loss is one process's. The batch size is that of all of them together.

out of memory:
  a smaller --batch-size or --max-length; memory grows with their product.
"""


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. `frozen` is the share of its layers that is frozen and computed
    once, 0 to 1; with 0 only the embedding tables are frozen.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    frozen: float = 0.0


RECIPES = {
    "fast": Recipe(epochs=2, batch_size=16, learning_rate=5e-4, frozen=2 / 3),
    "full": Recipe(epochs=3, batch_size=16, learning_rate=1e-4),
}


@dataclass(frozen=True)
class Job:
    """What is trained on what, and where the result goes."""

    output: str
    data: str | None = None
    model: str = "bert"
    recipe: str = "fast"
    epochs: int = 0  # 0 in these three: as the recipe says
    batch_size: int = 0
    learning_rate: float = 0.0
    max_length: int = batching.MAX_TOKENS
    precision: str = "auto"
    seed: int = 0
    every: int = 50
    overwrite: bool = False


def finetune(job, accelerator=None, *, progress=True):
    """Train, test and save as a `Job` says; returns the metrics, a dictionary.

    In several processes each calls this; the first one writes and returns the same as the others.

    Raises LearnerError for data that cannot be trained on, a model that is not there or not of
    a known kind, an output directory that holds something else, and a lack of memory or disk.
    """
    import torch
    from accelerate import Accelerator

    recipe = _recipe(job)
    output = Path(job.output)
    if accelerator is None:
        accelerator = Accelerator(
            cpu=not torch.cuda.is_available(), mixed_precision=_precision(job.precision)
        )
    _check_output(job, output)
    data = reviews.load(job.data)
    model, tokenizer, source = _load(job)
    encoded = {split: batching.tokenize(rows, tokenizer, job.max_length)
               for split, rows in data.items()}
    identity = asdict(replace(job, output="", every=0, overwrite=False)) | asdict(recipe) | {
        "model": source, "texts": sum(len(rows) for rows in data.values()),
    }
    keeper = parallel.Checkpoints(output / CHECKPOINT, identity, job.every)
    resumed = keeper.steps()
    if resumed and accelerator.is_main_process:
        print(f"Going on after step {resumed}.")
    try:
        with Measured() as cost:
            fitted, loaders = _ready(model, encoded, tokenizer, recipe, accelerator, job.seed)
            steps = recipe.epochs * len(loaders["train"])
            with _bar(steps, resumed, progress and accelerator.is_main_process) as bar:
                curve = parallel.train(
                    fitted, loaders["train"], accelerator, epochs=recipe.epochs,
                    learning_rate=recipe.learning_rate, checkpoint=keeper, settings=identity,
                    on_step=bar,
                )
    except (RuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
        raise LearnerError(
            f"The memory was used up with a batch of {recipe.batch_size}. Try --batch-size "
            f"{max(1, recipe.batch_size // 2)}, or a --max-length below {job.max_length}."
        ) from None
    metrics = {
        "model": source, "recipe": job.recipe, **asdict(recipe), "precision":
        accelerator.mixed_precision.replace("no", "fp32"), "seed": job.seed,
        "max_length": job.max_length, "processes": accelerator.num_processes,
        "threads": torch.get_num_threads(), "device": accelerator.device.type,
        "texts": {split: len(rows) for split, rows in data.items()},
        "steps": len(curve.loss), "resumed_after_step": resumed,
        "final_loss": round(curve.final_loss(), 4),
        "seconds": round(cost.seconds, 2),
        "texts_per_second": round(
            (len(curve.loss) - resumed) * recipe.batch_size / cost.seconds, 1),
        "peak_memory_gb": round(cost.peak / 2**30, 2),
        "versions": {name: importlib.metadata.version(name)
                     for name in ("torch", "transformers", "accelerate")},
    }
    for split in ("validation", "test"):
        correct, n = parallel.evaluate(fitted, loaders[split], accelerator)
        low, high = training.interval(correct, n)
        metrics[split] = {"accuracy": round(correct / n, 4), "interval_95":
                          [round(low, 4), round(high, 4)], "correct": correct, "texts": n}
    if accelerator.is_main_process:
        _save(model, tokenizer, output, metrics, curve, job)
    accelerator.wait_for_everyone()
    return metrics


def _recipe(job):
    """Return the recipe with what the job changes in it."""
    if job.recipe not in RECIPES:
        raise LearnerError(f"{job.recipe!r} is no recipe, only: {', '.join(RECIPES)}.")
    recipe = RECIPES[job.recipe]
    changed = {k: getattr(job, k) for k in ("epochs", "batch_size", "learning_rate")}
    return replace(recipe, **{k: v for k, v in changed.items() if v})


def _precision(wanted):
    """Return what Accelerate calls a number format; "auto" is bf16 where it is faster."""
    import torch

    from helpers import speed

    if wanted == "auto":
        if torch.cuda.is_available():
            return "bf16" if torch.cuda.is_bf16_supported() else "no"
        return "bf16" if speed.bf16_pays() else "no"
    return {"fp32": "no"}.get(wanted, wanted)


def _check_output(job, output):
    """Raise LearnerError if something is in the output directory that would be lost."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    ours = output.is_dir() and any((output / name).is_file() for name in (METRICS, CHECKPOINT))
    if not ours:
        raise LearnerError(
            f"{output} exists and holds something else. It is kept: choose another --output."
        )
    if job.overwrite:
        (output / CHECKPOINT).unlink(missing_ok=True)
    elif (output / METRICS).is_file():
        raise LearnerError(
            f"{output} already holds a fine-tuned model. It is kept: choose another --output, or "
            "replace it with --overwrite."
        )


def _load(job):
    """Return model, tokenizer and the model's full name, ready to be trained."""
    import torch
    from transformers import (
        AutoConfig,
        AutoModelForSequenceClassification,
        AutoTokenizer,
        set_seed,
    )
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    path, source = job.model, job.model
    if job.model in checkpoints.NAMES:
        found = checkpoints.find(job.model)
        path, source = found.path, f"{found.model_id} at {found.revision}"
    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        tokenizer.padding_side = "right"
        config = AutoConfig.from_pretrained(
            path, num_labels=len(reviews.LABELS), pad_token_id=tokenizer.pad_token_id,
            id2label=dict(enumerate(reviews.LABELS)),
            label2id={name: i for i, name in enumerate(reviews.LABELS)},
        )
        for name in DROPOUTS:
            if hasattr(config, name):
                setattr(config, name, 0.0)
        set_seed(job.seed)
        model = AutoModelForSequenceClassification.from_pretrained(
            path, config=config, dtype=torch.float32
        )
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise LearnerError(
            f"The model {job.model!r} cannot be loaded: {reason} --model is "
            f"{' or '.join(checkpoints.NAMES)}, a folder, or a name on the Hub."
        ) from error
    most = config.max_position_embeddings
    if job.max_length > most:
        raise LearnerError(f"--max-length {job.max_length}: {source} reads {most} tokens at most.")
    if RECIPES[job.recipe].frozen and config.model_type != "bert":
        raise LearnerError(
            f"The recipe {job.recipe!r} is for BERT, and {source} is none. Take --recipe full."
        )
    return model, tokenizer, source


def _ready(model, encoded, tokenizer, recipe, accelerator, seed):
    """Freeze what the recipe freezes; return what is trained, and a loader for each split."""
    model.get_input_embeddings().requires_grad_(False)
    layers = int(recipe.frozen * model.config.num_hidden_layers)
    if not layers:
        return model, {
            split: batching.loader(
                rows if split == "train" else batching.by_length(rows), tokenizer,
                recipe.batch_size, train=split == "train", seed=seed,
            ) for split, rows in encoded.items()
        }
    frozen.freeze(model, layers)
    model.to(accelerator.device)
    with accelerator.autocast():
        made = {split: frozen.outputs(model, rows, tokenizer, layers)
                for split, rows in encoded.items()}
    return frozen.UpperLayers(model, layers), {
        split: frozen.loader(rows, recipe.batch_size, train=split == "train", seed=seed)
        for split, rows in made.items()
    }


@contextlib.contextmanager
def _bar(steps, done, shown):
    """Yield what is called after each step: it moves a progress bar, and shows the loss."""
    from tqdm.auto import tqdm

    with tqdm(total=steps, initial=done, unit="step", disable=not shown) as bar:
        def step(curve):
            bar.set_postfix(loss=f"{curve.loss[-1]:.3f}", refresh=False)
            bar.update()

        yield step


def _out_of_memory(error):
    """Tell a lack of memory from other errors: on a GPU it has a type, on a CPU only words."""
    return (isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
            or "can't allocate memory" in str(error))


def _save(model, tokenizer, output, metrics, curve, job):
    """Save everything, whole or not at all; the checkpoint goes with the older folder."""
    with paths.replacing(output, folder=True) as fresh:
        model.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        curve.save(fresh / CURVE)
        (fresh / METRICS).write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
        (fresh / "README.md").write_text(card(metrics, job.data), encoding="utf-8")


def card(metrics, data=None):
    """Return the model card, in Markdown, from what `metrics.json` holds."""
    m, test = metrics, metrics["test"]
    low, high = test["interval_95"]
    source = f"`{Path(data).name}`" if data else "the reviews of the project"
    frozen_part = (
        f"The lower {m['frozen']:.0%} of the layers kept their weights." if m["frozen"]
        else "The embedding tables kept their weights."
    )
    return f"""# A fine-tuned classifier of short texts

Made from {m['model']} by `python -m helpers.finetune`. It tells {reviews.LABELS[0]} (0) from \
{reviews.LABELS[1]} (1) texts.

## How well

{test['accuracy']:.3f} of {test['texts']} test texts right (95 % interval {low:.2f} to \
{high:.2f}); {m['validation']['accuracy']:.3f} of {m['validation']['texts']} validation texts.

## Data

{m['texts']['train']} texts of {source} to learn from, cut at {m['max_length']} tokens. What is \
not like them it has never seen, and its answers there may be worth nothing.

## Training

Recipe `{m['recipe']}`: {m['epochs']} epochs, {m['steps']} steps of {m['batch_size']} texts, \
learning rate {m['learning_rate']:g}, {m['precision']}, seed {m['seed']}. {frozen_part} \
{m['seconds']:.0f} s on {m['processes']} process(es) of {m['threads']} thread(s), {m['device']}.
""".replace("\\\n", "")


def main(arguments=None):
    """Run the command line; returns the exit status."""
    parser = _parser()
    options = vars(parser.parse_args(arguments))
    processes, threads, port, restarts = (
        options.pop(name) for name in ("processes", "threads", "port", "restarts")
    )
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        parallel.check_count(local, "processes on this machine", "their number")
        if processes is not None and "LOCAL_RANK" not in os.environ:
            parallel.launch("helpers.finetune", given, processes, threads=threads, port=port,
                            restarts=restarts)
            return 0
        if threads is not None:
            import torch

            torch.set_num_threads(parallel.check_count(threads, "threads", "--threads"))
        metrics = finetune(Job(**options))
    except LearnerError as error:
        if os.environ.get("RANK", "0") == "0":  # all processes meet the same one
            print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from the last checkpoint.", file=sys.stderr)
        return 130
    if os.environ.get("RANK", "0") == "0":
        low, high = metrics["test"]["interval_95"]
        print(f"test accuracy {metrics['test']['accuracy']:.3f} (95 %: {low:.2f} to {high:.2f}, "
              f"n = {metrics['test']['texts']}), {metrics['seconds']:.1f} s; saved in "
              f"{options['output']}")
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m helpers.finetune", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole, positive = _at_least(int, 1), _at_least(float, 1e-12)
    add = parser.add_argument
    add("--output", required=True, metavar="DIR", help="where the model goes; a new directory")
    add("--data", metavar="FILE", help="CSV with the columns text and label (default: the "
        "project's reviews)")
    add("--model", default="bert", metavar="NAME", help="bert, gpt2, a folder, or a model's name "
        "on the Hub (default: %(default)s)")
    add("--recipe", choices=RECIPES, default="fast", help="see below (default: %(default)s)")
    add("--epochs", type=whole, default=0, metavar="N", help="times that each text is read")
    add("--batch-size", type=whole, default=0, metavar="N", help="texts a step, all processes "
        "together (default: 16)")
    add("--learning-rate", type=positive, default=0.0, metavar="RATE", help="highest rate; too "
        "high, and the loss stays at 0.69, too low, and it falls too slowly")
    add("--max-length", type=whole, default=batching.MAX_TOKENS, metavar="N",
        help="tokens after which a text is cut (default: %(default)s)")
    add("--precision", choices=("auto", "fp32", "bf16"), default="auto",
        help="bf16 is faster where the processor or GPU knows it; auto measures that")
    add("--seed", type=int, default=0, help="of the new head and the order of the texts")
    add("--every", type=whole, default=50, metavar="N", help="steps from one checkpoint to the "
        "next (default: %(default)s)")
    add("--overwrite", action="store_true", help="replace a model that DIR holds, and start anew")
    add("--processes", type=int, metavar="N", help="start that many, which share the work")
    add("--threads", type=int, metavar="N", help="of each process (default: all cores together)")
    add("--port", type=int, help="where the processes meet (default: any that is free)")
    add("--restarts", type=int, default=0, metavar="N", help="times to go on from the checkpoint "
        "by itself if a process dies")
    return parser


def _at_least(kind, lowest):
    def number(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not value >= lowest:
            raise argparse.ArgumentTypeError(
                f"{text!r} is no number above 0" if kind is float
                else f"{text!r} is no whole number from 1 up"
            )
        return value

    return number


if __name__ == "__main__":
    sys.exit(main())
