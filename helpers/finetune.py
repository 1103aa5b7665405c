"""Fine-tune BERT or GPT-2 on your own texts, from the command line.

python -m helpers.finetune --data reviews.csv --output my-model

reads a CSV file with the columns text and label (0 or 1), splits it, trains, tests, and leaves a
model that from_pretrained loads, with metrics.json, the loss curve and a model card. Stopped in
the middle, the same command goes on where it was.
"""

import argparse
import contextlib
import importlib.metadata
import io
import json
import math
import os
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from helpers import (
    batching,
    classifiers,
    frozen,
    parallel,
    paths,
    reviews,
    runs,
    texts,
    training,
)
from helpers.errors import LearnerError
from helpers.measure import Measured

METRICS, CURVE = "metrics.json", "curve.json"
CHECKPOINT, FROZEN = "checkpoint.pt", ".frozen_outputs"  # there until the run has ended
EPILOG = """recipes:
  fast   the lower two thirds of the layers are frozen and computed once; two epochs for the
         upper third. For BERT; notebook 10 builds it step by step.
  full   every layer learns, for three epochs; only the embeddings stay as they are.
         The loop of notebook 03.
  auto   fast for BERT, full for any other model.
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

    name: str
    epochs: int
    batch_size: int
    learning_rate: float
    frozen: float = 0.0

    def layers_frozen(self, config):
        """Return how many layers of a model with this config are frozen."""
        return int(self.frozen * config.num_hidden_layers)


LARGE = 768  # the hidden size from which a model gets smaller learning rates: BERT-base's
RECIPES = {
    "fast": Recipe("fast", epochs=2, batch_size=16, learning_rate=5e-4, frozen=2 / 3),
    "full": Recipe("full", epochs=3, batch_size=16, learning_rate=1e-4),
}


@dataclass(frozen=True)
class Job:
    """What is trained on what, and where the result goes."""

    output: str
    data: str | None = None
    text: str | None = None  # the columns' names; None: text and label
    label: str | None = None
    model: str = "bert"
    recipe: str = "auto"
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
    a known kind, an output folder that holds something else, a loss that is not finite, and a
    lack of memory or disk.
    """
    import torch
    from accelerate import Accelerator
    from accelerate.state import PartialState

    job = replace(job, output=str(job.output), model=str(job.model),
                  data=None if job.data is None else str(job.data))
    output = check(job)
    state = PartialState(cpu=not torch.cuda.is_available())
    with contextlib.redirect_stdout(sys.stdout if state.is_main_process else io.StringIO()):
        data = texts.load(job.data, job.text, job.label) if job.data else reviews.load()
        classes = data["train"].features["label"].names
        pretrained = classifiers.find(job.model)
        recipe = _recipe(job, pretrained.config)
        model, tokenizer = classifiers.load(pretrained, classes, max_length=job.max_length,
                                            seed=job.seed)
    anew = job.overwrite and os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0"
    keeper = parallel.Checkpoints(output / CHECKPOINT, job.every, anew)
    precision = _precision(job, keeper.identity, state)
    keeper.belong_to(asdict(recipe) | {
        "max_length": job.max_length, "precision": precision, "seed": job.seed,
        "model weights": frozen.checksum(model.base_model),
        **{f"{split} texts": runs.fingerprint(rows) for split, rows in data.items()},
    })
    accelerator = Accelerator(cpu=state.device.type == "cpu",
                              mixed_precision={"fp32": "no"}.get(precision, precision))
    keeper.start_together(accelerator)
    if keeper.steps and accelerator.is_main_process:
        print(f"Going on after step {keeper.steps}.")
    encoded = {split: batching.tokenize(rows, tokenizer, job.max_length)
               for split, rows in data.items()}
    try:
        with Measured() as cost:
            curve, results = _train(model, encoded, tokenizer, recipe, accelerator, keeper,
                                    job.seed, progress)
    except (RuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
        raise LearnerError(
            f"The memory was used up with a batch of {recipe.batch_size}. Try --batch-size "
            f"{max(1, recipe.batch_size // 2)} or a --max-length below {job.max_length}."
        ) from None
    finally:
        if accelerator.is_main_process:
            shutil.rmtree(output / FROZEN, ignore_errors=True)
    trained_on = len(data["train"]) * recipe.epochs * (1 - keeper.steps / len(curve.loss))
    metrics = {
        "model": pretrained.name, "labels": classes, "recipe": recipe.name,
        "epochs": recipe.epochs, "batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate, "layers": model.config.num_hidden_layers,
        "layers_frozen": recipe.layers_frozen(model.config), "precision": precision,
        "seed": job.seed, "max_length": job.max_length,
        "processes": accelerator.num_processes, "threads": torch.get_num_threads(),
        "device": accelerator.device.type,
        "texts": {split: len(rows) for split, rows in data.items()},
        "steps": len(curve.loss), "resumed_after_step": keeper.steps,
        "final_loss": round(curve.final_loss(), 4),
        "seconds": round(keeper.seconds + cost.seconds, 2),
        "texts_per_second": round(trained_on / cost.seconds, 1),
        "peak_memory_gb": round(cost.peak / 2**30, 2),
        "versions": {name: importlib.metadata.version(name)
                     for name in ("torch", "transformers", "accelerate")},
    }
    for split, (correct, n) in results.items():
        low, high = training.interval(correct, n)
        metrics[split] = {"accuracy": round(correct / n, 4), "interval_95":
                          [round(low, 4), round(high, 4)], "correct": correct, "texts": n}
    if accelerator.is_main_process:
        tokenizer.model_max_length = job.max_length
        card = _card(metrics, pretrained, job)
        _save(model, tokenizer, output, metrics, curve, card)
    accelerator.wait_for_everyone()
    return metrics


def check(job):
    """Return where the output goes, as a path; an interrupted replacement is undone first.

    Raises LearnerError if something is there that would be lost, or nothing can be written.
    """
    output = Path(job.output).absolute()
    try:
        if os.environ.get("RANK", "0") == "0":
            paths.bring_back(output)
        paths.check_replaceable(output, _own(output))
        names = {path.name for path in output.iterdir()} if output.exists() else set()
        if names - paths.CLUTTER - _own(output) and not (CHECKPOINT in names or job.overwrite):
            raise LearnerError(
                f"{output} already holds a fine-tuned model. It is kept: choose another --output, "
                "or replace it with --overwrite."
            )
        for leftover in _own(output) - {CHECKPOINT}:
            shutil.rmtree(output / leftover, ignore_errors=True)
        # Without any folder, as with a drive that is not there, the next line says so.
        place = next((folder for folder in output.parents if folder.exists()), output.parent)
        with tempfile.TemporaryDirectory(dir=place):
            pass
    except OSError as error:
        raise LearnerError(f"Nothing can be written to {job.output}: {paths.reason(error)}. "
                           "Choose another --output.") from None
    return output


def _own(output):
    """Return the names of what an unfinished run keeps in its output folder."""
    return {CHECKPOINT, FROZEN, *(path.name for path in output.glob(f".{CHECKPOINT}-*"))}


def _recipe(job, config):
    """Return the recipe for a model with this config, with what the job changes in it."""
    is_bert = config.model_type == "bert"
    name = job.recipe if job.recipe != "auto" else "fast" if is_bert else "full"
    if name not in RECIPES:
        raise LearnerError(f"There is no recipe {name!r}, only: auto, {', '.join(RECIPES)}.")
    recipe = RECIPES[name]
    if recipe.frozen and not is_bert:
        raise LearnerError(f"The recipe {name} is for BERT, and {job.model} is of the kind "
                           f"{config.model_type!r}. Leave --recipe out, or take --recipe full.")
    if config.hidden_size >= LARGE:
        recipe = replace(recipe, learning_rate=0.3 * recipe.learning_rate)
    changed = {k: getattr(job, k) for k in ("epochs", "batch_size", "learning_rate")}
    return replace(recipe, **{k: v for k, v in changed.items() if v})


def _precision(job, earlier, state):
    """Return "fp32" or "bf16": as asked for, else as the run began, else what is faster here."""
    from accelerate.utils import broadcast_object_list

    from helpers import speed

    if job.precision != "auto" or earlier is not None:
        return job.precision if job.precision != "auto" else earlier["precision"]
    faster = [state.is_main_process and speed.bf16_pays(state.device)]
    if state.num_processes > 1:
        broadcast_object_list(faster)  # what the first process has measured
    return "bf16" if faster[0] else "fp32"


def _train(model, encoded, tokenizer, recipe, accelerator, keeper, seed, progress):
    """Return the loss curve, and (correct, texts) of validation and test."""
    from tqdm.auto import tqdm

    progress = progress and accelerator.is_main_process
    fitted, loaders = _prepare(model, encoded, tokenizer, recipe, accelerator,
                               keeper.file.with_name(FROZEN), seed, progress)
    with tqdm(total=recipe.epochs * len(loaders["train"]), initial=keeper.steps, unit="step",
              disable=not progress) as bar:

        def show(curve):
            bar.set_postfix(loss=f"{curve.loss[-1]:.3f}", refresh=False)
            bar.update()

        curve = parallel.train(
            fitted, loaders["train"], accelerator, epochs=recipe.epochs,
            learning_rate=recipe.learning_rate, checkpoint=keeper, settings=keeper.identity,
            on_step=show,
        )
    return curve, {split: parallel.evaluate(fitted, loaders[split], accelerator)
                   for split in ("validation", "test")}


def _prepare(model, encoded, tokenizer, recipe, accelerator, folder, seed, progress):
    """Freeze what the recipe freezes; return what is trained, and a loader for each split.

    What the frozen layers compute is kept in files in `folder`.
    """
    for name in ("embeddings", "wte", "wpe"):  # BERT's, and GPT-2's two tables
        if hasattr(model.base_model, name):
            getattr(model.base_model, name).requires_grad_(False)
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
    folder.mkdir(parents=True, exist_ok=True)
    size = sum(frozen.size(model, rows) for rows in encoded.values())
    frozen.check_space(folder, size, progress)
    with accelerator.autocast():
        made = {split: frozen.outputs(model, rows, tokenizer, layers, file=folder / split,
                                      processes=accelerator, progress=progress)
                for split, rows in encoded.items()}
    return frozen.UpperLayers(model, layers), {
        split: frozen.loader(rows, recipe.batch_size, train=split == "train", seed=seed)
        for split, rows in made.items()
    }


def _out_of_memory(error):
    """Tell a lack of memory from other errors: on a GPU it has a type, on a CPU only words."""
    return (isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
            or "can't allocate memory" in str(error))


def _save(model, tokenizer, output, metrics, curve, card):
    """Save everything, whole or not at all; the checkpoint goes with the older folder."""
    with paths.replacing_folder(output, _own(output)) as fresh:
        model.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        curve.save(fresh / CURVE)
        (fresh / METRICS).write_text(json.dumps(metrics, indent=1, allow_nan=False) + "\n",
                                     encoding="utf-8")
        card.save(fresh / "README.md")


def _card(metrics, pretrained, job):
    """Return the model card, from what `metrics.json` holds and the template card.md."""
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    name, data = (Path(path).name.encode("utf-8", "replace").decode()  # a card is valid UTF-8
                  for path in (job.output, job.data or "the project's reviews"))
    accuracy = EvalResult(
        task_type="text-classification", dataset_type=data, dataset_name=data,
        dataset_split="test", metric_type="accuracy", metric_value=metrics["test"]["accuracy"],
    )
    about = ModelCardData(
        base_model=pretrained.hub_id, license=pretrained.licence,
        language=None if job.data else "en", library_name="transformers",
        pipeline_tag="text-classification", tags=["text-classification"], model_name=name,
        eval_results=[accuracy],
    )
    return ModelCard.from_template(about, Path(__file__).with_name("card.md"), data=data,
                                   **metrics)


def main(arguments=None):
    """Run the command line; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a console may lack the letters of a path or a text
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    options = vars(parser.parse_args(arguments))
    processes, threads, port, restarts = (
        options.pop(name) for name in ("processes", "threads", "port", "restarts")
    )
    if processes is None and (port is not None or restarts):
        parser.error("--port and --restarts go with --processes")
    if (options["text"] or options["label"]) and not options["data"]:
        parser.error("--text and --label go with --data")
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
    add("--text", metavar="COLUMN", help="the column of the texts, if it is called otherwise")
    add("--label", metavar="COLUMN", help="the column of the labels, likewise")
    add("--model", default="bert", metavar="NAME", help="bert, gpt2, a folder, or a model's name "
        "on the Hub (default: %(default)s)")
    add("--recipe", choices=("auto", *RECIPES), default="auto",
        help="see below (default: %(default)s)")
    add("--epochs", type=whole, default=0, metavar="N", help="times that each text is read")
    add("--batch-size", type=whole, default=0, metavar="N", help="texts a step, all processes "
        "together (default: 16)")
    add("--learning-rate", type=positive, default=0.0, metavar="RATE", help="highest rate; too "
        "high, and the loss stays at 0.69, too low, and it falls too slowly")
    add("--max-length", type=length, default=batching.MAX_TOKENS, metavar="N",
        help="tokens after which a text is cut (default: %(default)s)")
    add("--precision", choices=("auto", "fp32", "bf16"), default="auto",
        help="bf16 is faster where the processor or GPU supports it; auto measures that")
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
                f"{text!r} is not a number above 0" if kind is float
                else f"{text!r} is not a whole number of at least {lowest}"
            )
        return value

    return number


if __name__ == "__main__":
    sys.exit(main())
