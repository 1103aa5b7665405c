"""Fine-tune BERT or GPT-2 on your own texts, from the command line.

python -m helpers.finetune --data reviews.csv --output my-model

reads a CSV file with the columns text and label (0 or 1), splits it, trains, tests, and leaves a
model that from_pretrained loads, with metrics.json, the loss curve and a model card. Stopped in
the middle, the same command goes on where it was.
"""

import argparse
import contextlib
import hashlib
import importlib.metadata
import json
import math
import os
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from helpers import batching, checkpoints, frozen, parallel, paths, reviews, training
from helpers.errors import LearnerError
from helpers.measure import Measured

DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout",
            "embd_pdrop", "attn_pdrop", "resid_pdrop")
METRICS, CURVE, CHECKPOINT = "metrics.json", "curve.json", "checkpoint.pt"
MADE_BY = "helpers.finetune"
# What a folder may hold that is replaced: what save_pretrained and this module write.
OURS = {METRICS, CURVE, CHECKPOINT, "README.md", "config.json", "tokenizer.json",
        "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
        "vocab.json", "merges.txt", "model.safetensors", "model.safetensors.index.json"}
EPILOG = """recipes:
  fast   the lower two thirds of the layers are frozen and computed once; two epochs for the
         upper third. For BERT; notebook 09 builds it step by step.
  full   every layer learns, for three epochs; only the embeddings stay as they are.
         The loop of notebook 03.
  Their learning rates are for the small models of the notebooks; a model as large as BERT-base
  gets three tenths of them.

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
    once, 0 to 1; with 0 only the embeddings are frozen.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    frozen: float = 0.0

    def layers_frozen(self, config):
        """Return how many layers of a model with this config are frozen."""
        return int(self.frozen * config.num_hidden_layers)


LARGE = 768  # the hidden size from which a model gets smaller learning rates: BERT-base's
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


def finetune(job, *, progress=True):
    """Train, test and save as a `Job` says; returns the metrics, a dictionary.

    In several processes each calls this; the first one writes, all return the same.

    Raises LearnerError for data that cannot be trained on, a model that is not there or not of
    a known kind, an output directory that holds something else, and a lack of memory or disk.
    """
    import torch
    from accelerate import Accelerator
    from accelerate.state import PartialState

    job = replace(job, output=str(job.output), model=str(job.model),
                  data=None if job.data is None else str(job.data))
    output = check(job)
    state = PartialState(cpu=not torch.cuda.is_available())
    data = reviews.load(job.data)
    model, tokenizer, source = _load(job)
    recipe = _recipe(job, model.config)
    encoded = {split: batching.tokenize(rows, tokenizer, job.max_length)
               for split, rows in data.items()}
    precision = _agreed(lambda: _precision(job.precision, state.device), state)
    accelerator = Accelerator(cpu=state.device.type == "cpu", mixed_precision=precision)
    identity = asdict(replace(job, output="", every=0, overwrite=False)) | asdict(recipe) | {
        "model": source, "precision": precision, "texts": _checksum(data),
    }
    if accelerator.is_main_process:
        _tidy(job, output)
    accelerator.wait_for_everyone()
    keeper = parallel.Checkpoints(output / CHECKPOINT, identity, job.every)
    keeper.check_everybody_has_it(accelerator)
    if keeper.steps and accelerator.is_main_process:
        print(f"Going on after step {keeper.steps}.")
    try:
        with Measured() as cost:
            fitted, loaders = _ready(model, encoded, tokenizer, recipe, accelerator, job.seed)
            steps = recipe.epochs * len(loaders["train"])
            with _bar(steps, keeper.steps, progress and accelerator.is_main_process) as bar:
                curve = parallel.train(
                    fitted, loaders["train"], accelerator, epochs=recipe.epochs,
                    learning_rate=recipe.learning_rate, checkpoint=keeper, settings=identity,
                    on_step=bar,
                )
        results = {split: parallel.evaluate(fitted, loaders[split], accelerator)
                   for split in ("validation", "test")}
    except (RuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
        raise LearnerError(
            f"The memory was used up with a batch of {recipe.batch_size}. Try --batch-size "
            f"{max(1, recipe.batch_size // 2)}, a --max-length below {job.max_length}"
            + (", or --recipe full, which keeps no layer's outputs." if recipe.frozen else ".")
        ) from None
    texts = {split: len(rows) for split, rows in data.items()}
    seen = recipe.epochs * texts["train"] * (1 - keeper.steps / steps)
    metrics = {
        "made_by": MADE_BY, "model": source, "recipe": job.recipe, **asdict(recipe),
        "layers_frozen": recipe.layers_frozen(model.config),
        "layers": model.config.num_hidden_layers,
        "precision": accelerator.mixed_precision.replace("no", "fp32"), "seed": job.seed,
        "max_length": job.max_length, "processes": accelerator.num_processes,
        "threads": torch.get_num_threads(), "device": accelerator.device.type, "texts": texts,
        "steps": len(curve.loss), "resumed_after_step": keeper.steps,
        "final_loss": round(curve.final_loss(), 4),
        "seconds": round(keeper.seconds + cost.seconds, 2),
        "texts_per_second": round(seen / cost.seconds, 1),
        "peak_memory_gb": round(cost.peak / 2**30, 2),
        "versions": {name: importlib.metadata.version(name)
                     for name in ("torch", "transformers", "accelerate")},
    }
    for split, (correct, n) in results.items():
        low, high = training.interval(correct, n)
        metrics[split] = {"accuracy": round(correct / n, 4), "interval_95":
                          [round(low, 4), round(high, 4)], "correct": correct, "texts": n}
    if accelerator.is_main_process:
        _save(model, tokenizer, output, metrics, curve, job)
    accelerator.wait_for_everyone()
    return metrics


def check(job):
    """Return where the output goes, as a path.

    Raises LearnerError if something is there that would be lost, or nothing can be written.
    """
    if job.recipe not in RECIPES:
        raise LearnerError(f"{job.recipe!r} is no recipe, only: {', '.join(RECIPES)}.")
    output = Path(job.output).absolute()
    try:
        if output == Path.cwd() or os.path.ismount(output):
            raise LearnerError(f"{job.output!r}: choose a new directory as --output.")
        if output.exists():
            _check_contents(job, output)
        place = next(folder for folder in output.parents if folder.exists())
        with tempfile.TemporaryDirectory(dir=place):
            pass
    except OSError as error:
        raise LearnerError(
            f"Nothing can be written to {job.output}: {error.strerror}. Choose another --output."
        ) from None
    return output


def _check_contents(job, output):
    names = {p.name for p in output.iterdir()} if output.is_dir() else {"a file"}
    names -= {name for name in names if name.startswith(f".{CHECKPOINT}-")}  # _tidy's
    others = {name for name in names - OURS
              if not (name.startswith("model-") and name.endswith(".safetensors"))}
    made_by = None
    if METRICS in names:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            made_by = json.loads((output / METRICS).read_text(encoding="utf-8"))["made_by"]
    finished = made_by == MADE_BY
    if others or (names and not finished and names != {CHECKPOINT}):
        raise LearnerError(
            f"{output} exists and holds something else. It is kept: choose another --output."
        )
    if finished and CHECKPOINT not in names and not job.overwrite:
        raise LearnerError(
            f"{output} already holds a fine-tuned model. It is kept: choose another --output, or "
            "replace it with --overwrite."
        )


def _tidy(job, output):
    """Remove what a killed process has left, and with --overwrite the checkpoint."""
    if job.overwrite and os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0":
        (output / CHECKPOINT).unlink(missing_ok=True)
    for leftover in output.glob(f".{CHECKPOINT}-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _recipe(job, config):
    """Return the recipe with what the model's size and the job change in it."""
    recipe = RECIPES[job.recipe]
    if config.hidden_size >= LARGE:
        recipe = replace(recipe, learning_rate=0.3 * recipe.learning_rate)
    changed = {k: getattr(job, k) for k in ("epochs", "batch_size", "learning_rate")}
    return replace(recipe, **{k: v for k, v in changed.items() if v})


def _precision(wanted, device):
    """Return what Accelerate calls a number format; "auto" is bf16 where it is faster."""
    from helpers import speed

    if wanted == "auto":
        return "bf16" if speed.bf16_pays(device) else "no"
    return {"fp32": "no"}.get(wanted, wanted)


def _agreed(choose, state):
    """Return what the first process chooses, in every process."""
    from accelerate.utils import broadcast_object_list

    chosen = [choose() if state.is_main_process else None]
    if state.num_processes > 1:
        broadcast_object_list(chosen)
    return chosen[0]


def _checksum(data):
    """Return a checksum of the texts and their labels."""
    digest = hashlib.sha256()
    for split, rows in data.items():
        digest.update(repr((split, rows["text"][:], rows["label"][:])).encode())
    return digest.hexdigest()[:16]


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
    set_seed(job.seed)  # the new head's
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
        model = AutoModelForSequenceClassification.from_pretrained(
            path, config=config, dtype=torch.float32
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise LearnerError(
            f"The model {job.model!r} cannot be loaded: {reason} --model is "
            f"{' or '.join(checkpoints.NAMES)}, a folder, or a name on the Hub."
        ) from error
    most = getattr(config, "max_position_embeddings", math.inf)
    if config.model_type == "roberta":  # whose positions start after that of padding
        most -= config.pad_token_id + 1
    if job.max_length > most:
        raise LearnerError(f"--max-length {job.max_length}: {source} reads {most} tokens at most.")
    if RECIPES[job.recipe].frozen and config.model_type != "bert":
        raise LearnerError(
            f"The recipe {job.recipe!r} is for BERT, and {source} is none. Take --recipe full."
        )
    return model, tokenizer, source


def _ready(model, encoded, tokenizer, recipe, accelerator, seed):
    """Freeze what the recipe freezes; return what is trained, and a loader for each split."""
    body = model.base_model
    for name in ("embeddings", "wte", "wpe"):  # BERT's, and GPT-2's two tables
        if hasattr(body, name):
            getattr(body, name).requires_grad_(False)
    layers = recipe.layers_frozen(model.config)
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
    with paths.replacing_folder(output) as fresh:
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
        f"The embeddings and the lower {m['layers_frozen']} of {m['layers']} layers kept their "
        "weights." if m["layers_frozen"] else "The embeddings kept their weights."
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
    if processes is None and (port is not None or restarts):
        parser.error("--port and --restarts go with --processes")
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        parallel.check_processes(local, "their number")
        if processes is not None and "LOCAL_RANK" not in os.environ:
            parallel.launch("helpers.finetune", given, processes, threads=threads, port=port,
                            restarts=restarts)
            return 0
        if "LOCAL_RANK" in os.environ and threads is None:  # torchrun would give each but one
            threads = max(1, parallel.available_cores() // local)
        if threads is not None:
            import torch

            torch.set_num_threads(parallel.check_count(threads, "threads", "--threads"))
        metrics = finetune(Job(**options))
    except LearnerError as error:
        if not parallel.leave_message(error):
            print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        again = " without --overwrite" if options["overwrite"] else ""
        print(f"Stopped. The same command{again} goes on from the last checkpoint.",
              file=sys.stderr)
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
    length, natural = _at_least(int, 3), _at_least(int, 0)
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
    add("--max-length", type=length, default=batching.MAX_TOKENS, metavar="N",
        help="tokens after which a text is cut (default: %(default)s)")
    add("--precision", choices=("auto", "fp32", "bf16"), default="auto",
        help="bf16 is faster where the processor or GPU knows it; auto measures that")
    add("--seed", type=natural, default=0, help="of the new head and the order of the texts")
    add("--every", type=whole, default=50, metavar="N", help="steps from one checkpoint to the "
        "next (default: %(default)s)")
    add("--overwrite", action="store_true", help="replace a model that DIR holds, and start anew")
    add("--processes", type=int, metavar="N", help="start that many, which share the work; on "
        "Windows, only in WSL")
    add("--threads", type=int, metavar="N", help="of each process (default: all cores together)")
    add("--port", type=int, help="where the processes meet (default: any that is free)")
    add("--restarts", type=natural, default=0, metavar="N", help="times to go on from the "
        "checkpoint by itself if a process dies")
    return parser


def _at_least(kind, lowest):
    def number(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not lowest <= value < math.inf:
            raise argparse.ArgumentTypeError(
                f"{text!r} is no number above 0" if kind is float
                else f"{text!r} is no whole number from {lowest} up"
            )
        return value

    return number


if __name__ == "__main__":
    sys.exit(main())
