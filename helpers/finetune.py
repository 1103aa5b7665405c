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

from helpers import batching, classifiers, frozen, parallel, paths, reviews, runs, texts, training
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


def finetune(options, *, progress=True):
    """Train, test and save as the command line says; returns the metrics, a dictionary.

    `options` are what `parser` reads from it. In several processes each calls this; the first
    one writes, all return the same.

    Raises LearnerError for data that cannot be trained on, a model that is not there or not of
    a known kind, an output folder that holds something else, a loss that is not finite, and a
    lack of memory or disk.
    """
    import torch
    from accelerate import Accelerator
    from accelerate.state import PartialState

    output = check(options.output, options.overwrite)
    state = PartialState(cpu=not torch.cuda.is_available())
    with contextlib.redirect_stdout(sys.stdout if state.is_main_process else io.StringIO()):
        data = (texts.load(options.data, options.text, options.label) if options.data
                else reviews.load())
        classes = data["train"].features["label"].names
        config, origin = classifiers.find(options.model)
        recipe = choose_recipe(options, config)
        model, tokenizer = classifiers.load(options.model, config, classes,
                                            max_length=options.max_length, seed=options.seed)
    restarted = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"
    keeper = parallel.Checkpoints(output / CHECKPOINT, options.every,
                                  anew=options.overwrite and not restarted)
    precision = choose_precision(options.precision, keeper.identity, state)
    keeper.begin(asdict(recipe) | {
        "max_length": options.max_length, "precision": precision, "seed": options.seed,
        "model weights": frozen.checksum(model.base_model),
        **{f"{split} texts": runs.fingerprint(rows) for split, rows in data.items()},
    }, state)
    accelerator = Accelerator(cpu=state.device.type == "cpu",
                              mixed_precision={"fp32": "no"}.get(precision, precision))
    if keeper.steps and accelerator.is_main_process:
        print(f"Going on after step {keeper.steps}.")
    try:
        with Measured() as cost:
            curve, results = _train(model, tokenizer, data, recipe, accelerator, keeper, progress)
    except (RuntimeError, MemoryError) as error:
        # On a GPU a lack of memory has a type of its own, on a CPU only words.
        if not (isinstance(error, MemoryError | torch.OutOfMemoryError)
                or "can't allocate memory" in str(error)):
            raise
        raise LearnerError(
            f"The memory was used up with a batch of {recipe.batch_size}. Try --batch-size "
            f"{max(1, recipe.batch_size // 2)} or a --max-length below {options.max_length}."
        ) from None
    finally:
        if accelerator.is_main_process:
            shutil.rmtree(output / FROZEN, ignore_errors=True)
    trained_on = len(data["train"]) * recipe.epochs * (1 - keeper.steps / len(curve.loss))
    metrics = {
        "model": origin[0], "labels": classes, "recipe": recipe.name,
        "epochs": recipe.epochs, "batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate, "layers": model.config.num_hidden_layers,
        "layers_frozen": recipe.layers_frozen(model.config), "precision": precision,
        "seed": options.seed, "max_length": options.max_length,
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
        **{split: {"accuracy": round(correct / n, 4), "correct": correct, "texts": n,
                   "interval_95": [round(end, 4) for end in training.interval(correct, n)]}
           for split, (correct, n) in results.items()},
    }
    if accelerator.is_main_process:
        tokenizer.model_max_length = options.max_length
        # Whole or not at all; the checkpoint goes with the older folder.
        with paths.replacing_folder(output, _unfinished(output)) as fresh:
            model.save_pretrained(fresh)
            tokenizer.save_pretrained(fresh)
            curve.save(fresh / CURVE)
            (fresh / METRICS).write_text(json.dumps(metrics, indent=1, allow_nan=False) + "\n",
                                         encoding="utf-8")
            _card(metrics, origin, options).save(fresh / "README.md")
    accelerator.wait_for_everyone()
    return metrics


def check(output, overwrite=False):
    """Return where the output goes, as a path; an interrupted replacement is undone first.

    Raises LearnerError if something is there that would be lost, or nothing can be written.
    """
    place = Path(output).absolute()
    try:
        if os.environ.get("RANK", "0") == "0":
            paths.bring_back(place)
        paths.check_replaceable(place, _unfinished(place))
        if (place / paths.MANIFEST).exists() and not (overwrite or (place / CHECKPOINT).exists()):
            raise LearnerError(
                f"{place} already holds a fine-tuned model. It is kept: choose another --output, "
                "or replace it with --overwrite."
            )
        for leftover in _unfinished(place) - {CHECKPOINT}:
            shutil.rmtree(place / leftover, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent):  # better now than after the training
            pass
    except OSError as error:
        raise LearnerError(f"Nothing can be written to {output}: {paths.reason(error)}. "
                           "Choose another --output.") from None
    return place


def _unfinished(output):
    """Return the names of what an unfinished run keeps in its output folder."""
    return {CHECKPOINT, FROZEN, *(path.name for path in output.glob(f".{CHECKPOINT}-*"))}


def choose_recipe(options, config):
    """Return the `Recipe` for a model with this config, with what the options change in it.

    Raises LearnerError if it is not for this kind of model.
    """
    is_bert = config.model_type == "bert"
    name = {"auto": "fast" if is_bert else "full"}.get(options.recipe, options.recipe)
    recipe = RECIPES[name]
    if recipe.frozen and not is_bert:
        raise LearnerError(f"The recipe {name} is for BERT, and {options.model} is of the kind "
                           f"{config.model_type!r}. Leave --recipe out, or take --recipe full.")
    if config.hidden_size >= LARGE:
        recipe = replace(recipe, learning_rate=0.3 * recipe.learning_rate)
    asked = {k: getattr(options, k) for k in ("epochs", "batch_size", "learning_rate")}
    return replace(recipe, **{k: v for k, v in asked.items() if v})


def choose_precision(asked, earlier, state):
    """Return "fp32" or "bf16": as asked for, else as the run began, else what is faster here."""
    from accelerate.utils import broadcast_object_list

    from helpers import speed

    if asked != "auto":
        return asked
    if earlier is not None:
        return earlier["precision"]
    faster = [state.is_main_process and speed.bf16_pays(state.device)]
    if state.num_processes > 1:
        broadcast_object_list(faster)  # what the first process has measured
    return "bf16" if faster[0] else "fp32"


def _train(model, tokenizer, data, recipe, accelerator, keeper, progress):
    """Return the loss curve, and (correct, texts) of validation and test."""
    from datasets import concatenate_datasets
    from tqdm.auto import tqdm

    progress = progress and accelerator.is_main_process
    seed, max_length = keeper.identity["seed"], keeper.identity["max_length"]
    encoded = {split: batching.tokenize(rows, tokenizer, max_length)
               for split, rows in data.items()}
    for name in ("embeddings", "wte", "wpe"):  # BERT's, and GPT-2's two tables
        if hasattr(model.base_model, name):
            getattr(model.base_model, name).requires_grad_(False)
    layers = recipe.layers_frozen(model.config)
    if layers:
        frozen.freeze(model, layers)
        model.to(accelerator.device)
        with accelerator.autocast():
            made = frozen.outputs(
                model, concatenate_datasets([*encoded.values()]), tokenizer, layers,
                file=keeper.file.with_name(FROZEN) / "hidden", processes=accelerator,
                progress=progress,
            )
        fitted, parts = frozen.UpperLayers(model, layers), made.parts(map(len, encoded.values()))
        loaders = {
            split: frozen.loader(rows, recipe.batch_size, train=split == "train", seed=seed)
            for split, rows in zip(encoded, parts, strict=True)
        }
    else:
        fitted, loaders = model, {
            split: batching.loader(
                rows if split == "train" else batching.by_length(rows), tokenizer,
                recipe.batch_size, train=split == "train", seed=seed,
            ) for split, rows in encoded.items()
        }
    with tqdm(total=recipe.epochs * len(loaders["train"]), initial=keeper.steps, unit="step",
              disable=not progress) as bar:

        def show(curve):
            bar.set_postfix(loss=f"{curve.loss[-1]:.3f}", refresh=False)
            bar.update()

        curve = parallel.train(fitted, loaders["train"], accelerator, epochs=recipe.epochs,
                               learning_rate=recipe.learning_rate, checkpoint=keeper, on_step=show)
    return curve, {split: parallel.evaluate(fitted, loaders[split], accelerator)
                   for split in ("validation", "test")}


def _card(metrics, origin, options):
    """Return the model card, from what `metrics.json` holds and the template card.md."""
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    name, data = (Path(path).name.encode("utf-8", "replace").decode()  # a card is valid UTF-8
                  for path in (options.output, options.data or "the project's reviews"))
    accuracy = EvalResult(
        task_type="text-classification", dataset_type=data, dataset_name=data,
        dataset_split="test", metric_type="accuracy", metric_value=metrics["test"]["accuracy"],
    )
    about = ModelCardData(
        base_model=origin[1], license=origin[2],
        language=None if options.data else "en", library_name="transformers",
        pipeline_tag="text-classification", tags=["text-classification"], model_name=name,
        eval_results=[accuracy],
    )
    return ModelCard.from_template(about, Path(__file__).with_name("card.md"), data=data,
                                   **metrics)


def main(arguments=None):
    """Run the command line; returns the exit status."""
    import torch

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a console may lack the letters of a path or a text
            stream.reconfigure(errors="backslashreplace")
    arguments = sys.argv[1:] if arguments is None else arguments
    reader = parser()
    options = reader.parse_args(arguments)
    if (((options.text or options.label) and not options.data)
            or (options.restarts and not options.processes)):
        reader.error("--text and --label go with --data, --restarts with --processes")
    started = int(os.environ.get("LOCAL_WORLD_SIZE", "0"))  # processes, by a launcher
    try:
        threads = parallel.threads_each(started or options.processes or 1, options.threads)
        if options.processes and not started:
            parallel.launch("helpers.finetune", arguments, options.processes, threads,
                            options.restarts)
            return 0
        if started or options.threads:  # torchrun would give each but one
            torch.set_num_threads(threads)
        metrics = finetune(options)
    except LearnerError as error:
        if not parallel.leave_message(error):
            print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        again = " without --overwrite" if options.overwrite else ""
        print(f"Stopped. The same command{again} goes on from the last checkpoint.",
              file=sys.stderr)
        return 130
    if os.environ.get("RANK", "0") == "0":
        test = metrics["test"]
        low, high = test["interval_95"]
        print(f"test accuracy {test['accuracy']:.3f} (95 %: {low:.2f} to {high:.2f}, "
              f"n = {test['texts']}), {metrics['seconds']:.1f} s; saved in {options.output}")
    return 0


def parser():
    """Return what reads the command line."""
    found = argparse.ArgumentParser(
        prog="python -m helpers.finetune", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    natural, whole, length = (_at_least(lowest) for lowest in (0, 1, 3))
    add = found.add_argument
    add("--output", required=True, metavar="DIR", help="where the model goes; a new directory")
    add("--data", metavar="FILE", help="CSV with the columns text and label (default: the "
        "project's reviews)")
    add("--text", metavar="COLUMN", help="the column of the texts, if it is called otherwise")
    add("--label", metavar="COLUMN", help="the column of the labels, likewise")
    add("--model", default="bert", metavar="NAME", help="bert, gpt2, a folder, or a model's name "
        "on the Hub (default: %(default)s)")
    add("--recipe", choices=("auto", *RECIPES), default="auto",
        help="see below (default: %(default)s)")
    add("--epochs", type=whole, metavar="N", help="times that each text is read")
    add("--batch-size", type=whole, metavar="N", help="texts a step, all processes together "
        "(default: 16)")
    add("--learning-rate", type=_rate, metavar="RATE", help="highest rate; too high, and the "
        "loss stays at 0.69, too low, and it falls too slowly")
    add("--max-length", type=length, default=batching.MAX_TOKENS, metavar="N",
        help="tokens after which a text is cut (default: %(default)s)")
    add("--precision", choices=("auto", "fp32", "bf16"), default="auto",
        help="bf16 is faster where the processor or GPU supports it; auto measures that")
    add("--seed", type=natural, default=0, help="of the new head and the order of the texts")
    add("--every", type=whole, default=50, metavar="N", help="steps from one checkpoint to the "
        "next (default: %(default)s)")
    add("--overwrite", action="store_true", help="replace a model that DIR holds, and start anew")
    add("--processes", type=whole, metavar="N", help="start that many, which share the work; on "
        "Windows, only in WSL")
    add("--threads", type=whole, metavar="N", help="of each process (default: all cores together)")
    add("--restarts", type=natural, default=0, metavar="N", help="with --processes: times to go "
        "on from the checkpoint by itself if a process dies")
    return found


def _at_least(lowest):
    def number(text):
        if not text.isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number of at least {lowest}"
            )
        return int(text)

    return number


def _rate(text):
    with contextlib.suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")


if __name__ == "__main__":
    sys.exit(main())
