"""Fine-tune BERT or GPT-2 on your own texts, from the command line.

python -m helpers.finetune --data reviews.csv --output my-model

reads a file with a column of texts and one of labels, of any number of classes, splits it, trains,
tests, and leaves a model that from_pretrained loads, with metrics.json, the loss curve and a model
card. Two columns of texts are read as pairs; several labels a text and numbers to predict are told
from the data, or by --task. Stopped in the middle, the same command goes on where it was.
"""

import argparse
import contextlib
import importlib
import importlib.metadata
import io
import json
import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from helpers import (
    batching,
    cards,
    classifiers,
    command,
    frozen,
    parallel,
    paths,
    recipes,
    results,
    reviews,
    runs,
    search,
    tasks,
    texts,
    training,
)
from helpers.entities import finetuning
from helpers.errors import LearnerError
from helpers.measure import Measured
from helpers.recipes import RECIPES, choose_precision, choose_recipe

METRICS, CURVE = "metrics.json", "curve.json"
CHECKPOINT, FROZEN = "checkpoint.pt", ".frozen_outputs"  # there until the run has ended
NOT_PUSHED = 3  # the exit status where the model is saved, and the Hub does not have it
EPILOG = """recipes:
  fast   every layer learns for two epochs, or as many as make 100 steps; the new head ten times
         as fast as the rest. Only the embeddings stay as they are.
  frozen the lower two thirds of the layers are frozen, too, and computed once; two epochs for
         the upper third. For BERT; the fastest, less accurate. Notebook 10 compares them.
  full   every layer and the head learn at one rate, for three epochs. The loop of notebook 03.
  auto   fast for BERT, full for any other model.
  Their learning rates are for the small models of the notebooks; a model as large as BERT-base
  gets three tenths of them.

rare classes:
  --class-weights balanced lets every class count the same in the loss, however rare it is, and
  --metric macro_f1 keeps the epoch with the best mean F1 over the classes on validation.

tasks:
  class    one class a text: accuracy, F1 of each class.
  labels   several labels a text, or none: a column of 0 and 1 for each (--label late,broken), or
           one with lists. Each has a probability of its own, and a threshold that is chosen on the
           validation texts; F1 by label, micro and macro.
  number   one number: correlation and mean error. The model answers on the scale of the file.
  entities names in a text and their types, from marks: JSON, CoNLL, brat (notebook 09). The
           recipe fast has four epochs then, at twice its rate.
  Each may be of one text or of a pair: --text question1,question2.

long texts:
  --long says what is read of a text with more than --max-length tokens: its head, its tail, both
  ends, or windows, which overlap by a quarter and whose answers are averaged: all is read, and
  takes as long. helpers.predict does the same as the training.

search:
  --search MINUTES tries the recipe as it is, then others with another learning rate, other epochs
  and another batch size, drawn by chance, until the minutes are over; what an option says stays
  as it is. The best by --metric on validation is then trained and tested; that takes as long as a
  trial once more. The best of many is partly lucky, and the table says by how much.

several processes:
  python -m helpers.finetune --processes 2 ...
  torchrun --nproc-per-node 2 -m helpers.finetune ...
  accelerate launch --multi_gpu --num_processes 2 -m helpers.finetune ...
  all do the same, with GPUs and without (Accelerate starts several processes on CPUs, too, only
  when told --multi_gpu): each process takes its share of every batch, and the gradients are
  averaged, so that the loss is one process's. The batch size is that of all of them together.

out of memory:
  a smaller --batch-size or --max-length; memory grows with their product.

exit status:
  0 done, 2 refused or diverged (nothing is saved), 3 saved, but --push failed, 130 stopped.
"""


def finetune(options, *, progress=True, on_step=None):
    """Train, test and save as the command line says; returns the metrics, a dictionary.

    `options` are what `parser` reads from it. In several processes each calls this; the first
    one writes, all return the same. `on_step(curve)` is called after every step.

    Raises LearnerError for texts, a model or an output folder that cannot be used, a training
    that diverges, and a lack of memory or disk.
    """
    output = check(options.output, options.overwrite)
    if options.task == "entities":
        return finetuning.finetune(options, output, progress=progress, on_step=on_step)
    state = _state(progress)
    first = state.is_main_process
    progress = progress and first
    with contextlib.redirect_stdout(sys.stdout if first else io.StringIO()):
        recipe, data, model, tokenizer, origin = _load(options, progress)
    checkpoints, identity = _run(options, output, data, model, state, progress)
    recipe, tried = search.chosen(options, recipe, data, tokenizer, checkpoints, identity, state,
                                  _accelerator, progress)
    checkpoints.begin({"search": options.search, "tried": tried} | asdict(recipe) | identity,
                      state)
    accelerator = _accelerator(identity["precision"], state)
    if checkpoints.steps and first:
        print(f"Going on after step {checkpoints.steps}.")
    try:
        with Measured() as cost, command.enough_memory(recipe.batch_size, options.max_length):
            run = recipes.carry_out(recipe, model, tokenizer, data, accelerator, checkpoints,
                                    kept=output / FROZEN / "hidden", progress=progress,
                                    on_step=on_step)
    finally:
        if first:
            shutil.rmtree(output / FROZEN, ignore_errors=True)
    metrics = _metrics(options, recipe, model.config, origin, data, run, cost, checkpoints,
                       accelerator)
    if first:
        with paths.replacing_folder(output, _unfinished(output)) as fresh:  # and the checkpoint
            model.save_pretrained(fresh)
            tokenizer.save_pretrained(fresh)
            run.curve.save(fresh / CURVE)
            text = json.dumps(metrics, indent=1, allow_nan=False) + "\n"
            (fresh / METRICS).write_text(text, encoding="utf-8")
            cards.card(metrics, origin, name=options.output, data=options.data,
                       notes=data.notes).save(fresh / "README.md")
        results.show(run, metrics, options)
    accelerator.wait_for_everyone()
    return metrics


def _state(progress):
    """Import the libraries, which is not in the time it took; return Accelerate's state."""
    import torch

    with command.stage("loading the libraries", progress and _is_first()):
        for module in ("datasets", "sklearn.metrics", "transformers"):
            importlib.import_module(module)
        from accelerate.state import PartialState

        return PartialState(cpu=not torch.cuda.is_available())


def _accelerator(precision, state):
    """Return what averages the gradients of all processes, in this number format."""
    from accelerate import Accelerator

    return Accelerator(cpu=state.device.type == "cpu",
                       mixed_precision={"fp32": "no"}.get(precision, precision))


def _is_first():
    """Say whether this is the first of the processes, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def _load(options, progress):
    """Return recipe, texts, model, tokenizer and the model's origin; print what is to be known."""
    config, origin = classifiers.find(options.model)
    recipe = choose_recipe(options, config)
    classifiers.check_length(options.model, config, options.max_length)
    with command.stage("reading the texts", progress), command.printed_as_options():
        source = ({"train": options.data, "test": options.test_data} if options.test_data
                  else options.data)
        data = texts.load(source, **command.reading(options)) if source else reviews.load()
    task = _fitting(options, data)
    model, tokenizer = classifiers.load(options.model, config,
                                        task, max_length=options.max_length,
                                        seed=options.seed)
    # helpers.predict does the same to its texts.
    model.config.update({"cleaned_texts": options.clean, "long_texts": options.long,
                         "text_pairs": "text_pair" in data["train"].column_names})
    with command.stage("counting tokens", progress):
        report = texts.report(data, tokenizer, options.max_length, options.long,
                              limit=training.positions(config))
    report.notes = []  # which texts.load has printed
    print(command.said(str(report)))
    return recipe.over(len(data["train"])), data, model, tokenizer, origin


def _fitting(options, data):
    """Return the task of the texts; raise LearnerError if an option is not for it."""
    task = tasks.of_data(data)
    if options.metric and options.metric not in task.metrics:
        raise LearnerError(f"--metric {options.metric} is not for {tasks.IN_WORDS[task.kind]}. "
                           f"Choose one of: {', '.join(task.metrics)}.")
    if options.long == "windows" and "text_pair" in data["train"].column_names:
        raise LearnerError("--long windows is for single texts, and these are pairs. Choose head, "
                           "tail or ends.")
    task.weights(options.class_weights, data["train"]["label"][:])
    return task


def _run(options, output, data, model, state, progress):
    """Return the `Checkpoints` of this run, and what makes it the same run but for its recipe."""
    restarted = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"
    checkpoints = parallel.Checkpoints(output / CHECKPOINT, options.every,
                                       anew=options.overwrite and not restarted)
    precision = choose_precision(options.precision, checkpoints.identity, state)
    with command.stage("comparing with earlier runs", progress):
        return checkpoints, {
            "max_length": options.max_length, "precision": precision, "seed": options.seed,
            "class weights": options.class_weights, "metric": options.metric,
            "long": options.long, "task": tasks.of_data(data).kind,
            "model weights": frozen.checksum(model.base_model),
            **{f"{split} texts": runs.fingerprint(rows) for split, rows in data.items()},
        }


def _metrics(options, recipe, config, origin, data, run, cost, checkpoints, accelerator):
    """Return what metrics.json holds."""
    import torch

    labels, task = data["train"]["label"][:], tasks.of_data(data)
    steps, before = len(run.curve.loss), checkpoints.steps
    best = {"best_epoch": parallel.best_epoch(run.curve.validation, options.metric)
            } if options.metric else {}
    return {
        "model": origin[0], "task": task.kind, "labels": list(task.names),
        "pairs": config.text_pairs, "number_shift": getattr(config, "number_shift", None),
        "recipe": recipe.name,
        "epochs": recipe.epochs, "batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate, "head_rate": recipe.head_rate,
        "layers": config.num_hidden_layers, "layers_frozen": recipe.layers_frozen(config),
        "class_weights": options.class_weights, "metric": options.metric, **best,
        "search": checkpoints.identity["tried"] and {
            "minutes": options.search, **checkpoints.identity["tried"]},
        "seed": options.seed, "max_length": options.max_length, "long": options.long,
        "cleaned": options.clean,
        "texts": {split: len(rows) for split, rows in data.items()},
        "train_texts_by_class": task.counts(labels),
        "texts_as_long": run.cut,
        "steps": steps, "final_loss": round(run.curve.final_loss(), 4),
        "peak_memory_gb": round(cost.peak / 2**30, 2),
        "versions": {name: importlib.metadata.version(name)
                     for name in ("torch", "transformers", "accelerate")},
        **{split: found.figures() for split, found in run.scores.items()},
        "warnings": results.warnings(run, task, labels, options.class_weights),
        "precision": checkpoints.identity["precision"], "processes": accelerator.num_processes,
        "threads": torch.get_num_threads(), "device": accelerator.device.type,
        "resumed_after_step": before, "seconds": round(checkpoints.seconds + cost.seconds, 2),
        "texts_per_second": round(
            len(labels) * recipe.epochs * (1 - before / steps) / cost.seconds, 1),
    }


def check(output, overwrite=False):
    """Return where the output goes, as a path; an interrupted replacement is undone first.

    Raises LearnerError if something is there that would be lost, or nothing can be written.
    """
    place = Path(output).absolute()
    with command.writable(output, place):  # better now than after the training
        if _is_first():
            paths.bring_back(place)
        paths.check_replaceable(place, _unfinished(place))
        if (place / paths.MANIFEST).exists() and not (overwrite or (place / CHECKPOINT).exists()):
            raise LearnerError(
                f"{place} already holds a fine-tuned model. It is kept: choose another --output, "
                "or replace it with --overwrite."
            )
        for leftover in _unfinished(place) - {CHECKPOINT}:
            shutil.rmtree(place / leftover, ignore_errors=True)
    return place


def _unfinished(output):
    """Return the names of what an unfinished run keeps in its output folder."""
    return {CHECKPOINT, FROZEN, *(path.name for path in output.glob(f".{CHECKPOINT}-*"))}


def main(arguments=None):
    """Run the command line; returns the exit status."""
    import torch

    command.prepare_console()
    arguments = sys.argv[1:] if arguments is None else arguments
    reader = parser()
    options = reader.parse_args(arguments)
    if options.task == "entities" and (lost := finetuning.refused(options, reader)):
        reader.error(f"{lost} is not for --task entities: leave it out")
    if not options.data and (lost := command.needs_data(options)):
        reader.error(f"{lost} goes with --data")
    if options.restarts and not options.processes:
        reader.error("--restarts goes with --processes")
    started = int(os.environ.get("LOCAL_WORLD_SIZE", "0"))  # processes, by a launcher
    try:
        threads = parallel.threads_each(started or options.processes or 1, options.threads)
        if options.processes and not started:
            parallel.launch("helpers.finetune", arguments, options.processes, threads,
                            options.restarts)
            return _push(options)
        if started or options.threads:  # torchrun would give each but one
            torch.set_num_threads(threads)
        test = (metrics := finetune(options))["test"]
        if _is_first():
            print(f"test {tasks.headline(test)}, {metrics['seconds']:.1f} s; saved in "
                  f"{options.output}")
    except LearnerError as error:
        if not parallel.leave_message(error):
            print(command.said(str(error)) + finetuning.hint(options), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        again = " without --overwrite" if options.overwrite else ""
        kept = (Path(options.output) / CHECKPOINT).exists()
        print(f"Stopped. The same command{again} goes on from the last checkpoint." if kept else
              "Stopped before the first checkpoint, so the same command begins anew; --every says "
              "how often there is one.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        print("Stopped: what is printed goes into a pipe that is closed.", file=sys.stderr)
        return command.pipe_closed()
    return _push(options) if _is_first() and not parallel.was_launched() else 0


def _push(options):
    """Upload what was saved, if asked to; returns the exit status."""
    if not options.push:
        return 0
    from helpers import sharing

    try:
        address = sharing.push(options.output, options.push)
    except LearnerError as error:
        again = ("from helpers import sharing; "
                 f"print(sharing.push({options.output!r}, {options.push!r}))")
        print(f"{command.said(str(error))}\nThe model is saved in {options.output}. To upload it "
              f'later: python -c "{again}"', file=sys.stderr)
        return NOT_PUSHED
    print(f"Uploaded to {address}")
    return 0


def parser():
    """Return what reads the command line."""
    found = argparse.ArgumentParser(
        prog="python -m helpers.finetune", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    natural, whole, length = (command.at_least(lowest) for lowest in (0, 1, 3))
    add = found.add_argument
    add("--output", required=True, metavar="DIR", help="where the model goes; a new directory")
    command.data_options(found)
    add("--test-data", metavar="FILE", help="texts to test with, in a file of their own (default: "
        "a fifth of FILE)")
    add("--model", default="bert", metavar="NAME", help="bert, gpt2, a folder, or a model's name "
        "on the Hub (default: %(default)s)")
    add("--recipe", choices=("auto", *RECIPES), default="auto",
        help="see below (default: %(default)s)")
    add("--epochs", type=whole, metavar="N", help="times that each text is read")
    add("--batch-size", type=whole, metavar="N", help="texts a step, all processes together "
        "(default: 16)")
    add("--learning-rate", type=command.rate, metavar="RATE", help="highest rate; too high, and "
        "the loss stays where it began, too low, and it falls too slowly")
    add("--class-weights", choices=("balanced",), help="balanced: a text counts more in the loss, "
        "the rarer its class; see below")
    add("--metric", choices=tuple(dict.fromkeys(name for kind in (
        tasks.Classes, tasks.Labels, tasks.Number) for name in kind.metrics)), help="keep the "
        "epoch that is best by this on the validation texts (default: the last epoch)")
    add("--search", type=command.rate, metavar="MINUTES", help="try other learning rates, epochs "
        "and batch sizes for so long, and take the best; see below")
    add("--max-length", type=length, default=batching.MAX_TOKENS, metavar="N",
        help="tokens after which a text is cut (default: %(default)s)")
    add("--long", choices=batching.KEEP, default="head", help="what is read of a text that is "
        "longer; see below (default: %(default)s)")
    add("--precision", choices=("auto", "fp32", "bf16"), default="auto",
        help="bf16 is faster where the processor or GPU supports it; auto measures that")
    add("--seed", type=natural, default=0, help="of the new head and the order of the texts")
    add("--every", type=whole, default=50, metavar="N", help="steps from one checkpoint to the "
        "next (default: %(default)s)")
    add("--overwrite", action="store_true", help="replace a model that DIR holds, and start anew")
    add("--push", metavar="NAME", help="upload the model to the Hub under this name, as private")
    add("--processes", type=whole, metavar="N", help="start that many, which share the work; on "
        "Windows, only in WSL")
    add("--threads", type=whole, metavar="N", help="of each process (default: all cores together)")
    add("--restarts", type=natural, default=0, metavar="N", help="with --processes: times to go "
        "on from the checkpoint by itself if a process dies")
    return found


if __name__ == "__main__":
    sys.exit(main())
