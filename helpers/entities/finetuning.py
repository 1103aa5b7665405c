"""`python -m helpers.finetune --task entities`: from a file with entities to a saved model."""

import contextlib
import importlib.metadata
import json
import os
from dataclasses import replace

from helpers import classifiers, command, paths, recipes
from helpers.entities import (
    alignment,
    baselines,
    cards,
    data,
    reading,
    recognizer,
    report,
    scores,
    spans,
)
from helpers.errors import LearnerError, number_of
from helpers.measure import Measured

# The recipe fast for entities, chosen on the validation sentences of data/entities: more epochs,
# and so many times its learning rate.
EPOCHS, TIMES = 4, 2
# Options of the command that are for texts with a label, by their name in the code.
UNSUITED = ("text", "label", "header", "drop_empty", "clean", "share", "class_weights", "metric",
            "search", "long", "precision", "every", "processes", "restarts")


def refused(options, parser):
    """Return the first option, in words, that is given and not for entities, or None.

    `parser` is the one that has read the options.
    """
    given = {name: getattr(options, name) != parser.get_default(name) for name in UNSUITED}
    given["recipe frozen"] = options.recipe == "frozen"
    return next((f"--{name.replace('_', '-').replace('header', 'no-header')}"
                 for name in given if given[name]), None)


def hint(options):
    """Return a sentence for who gives a file with entities and leaves --task out, else none."""
    with contextlib.suppress(LearnerError):
        if options.data and not options.task and reading.has_entities(
                options.data, options.encoding):
            return " The file has entities: they are learned with --task entities."
    return ""


def finetune(options, output, *, progress=True, on_step=None):
    """Train, test and save as the command line says; return the metrics, a dictionary.

    `options` are those of `helpers.finetune`, `output` is the folder, which is checked. Without
    --data it learns from `data/entities`.

    Raises LearnerError for a file, a model or a recipe that cannot be used, a training that
    diverges, and a lack of memory or disk.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise LearnerError("--task entities trains in one process. Start it without torchrun or "
                           "accelerate.")
    paths.check_replaceable(output)  # better now than after the training
    config, origin = classifiers.find(options.model)
    with command.stage("reading the sentences", progress), command.printed_as_options():
        parts, notes = _sentences(options)
        for note in notes:
            print(note)
    recipe = _recipe(options, config, len(parts["train"]))
    types = spans.types(parts["train"])
    model, tokenizer = recognizer.load(options.model, config, types,
                                       max_length=options.max_length, seed=options.seed)
    with command.stage("counting tokens", progress):
        encoded = alignment.encode(tokenizer, parts["train"], types, options.max_length, "repeat")
        told = report.report(parts, encoded, tokenizer)
    print(*told, sep="\n")
    with Measured() as cost, command.enough_memory(recipe.batch_size, options.max_length):
        curve = _train(recipe, model, tokenizer, encoded, options.seed, progress, on_step)
        found = {split: recognizer.find(model, tokenizer, [s.text for s in part])
                 for split, part in parts.items() if split != "train"}
    results = {split: scores.scores(parts[split], found[split]) for split in found}
    metrics = _metrics(options, recipe, config, origin, parts, encoded, curve, cost, found,
                       results)
    with paths.replacing_folder(output) as fresh:
        model.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        curve.save(fresh / "curve.json")
        text = json.dumps(metrics, indent=1, allow_nan=False) + "\n"
        (fresh / "metrics.json").write_text(text, encoding="utf-8")
        cards.card(metrics, origin, name=options.output, data=options.data, notes=notes).save(
            fresh / "README.md")
    print(results["test"])
    new = metrics["unseen_names"]
    print(f"Test entities whose names are not in training: {new['found']} of {new['entities']} "
          "found.")
    for warning in metrics["warnings"]:
        print(f"Warning: {warning}")
    return metrics


def _sentences(options):
    """Return {split: sentences} and what was found out on the way, lines."""
    if not options.data:
        return data.load(), []
    read = reading.read(options.data, options.encoding)
    test = options.test_data and reading.read(options.test_data, options.encoding)
    parts, said = data.split(read.sentences, options.seed, test=test and test.sentences)
    return parts, [*read.notes, *(test.notes if test else []), *said]


def _recipe(options, config, sentences):
    """Return the `recipes.Recipe` for so many sentences, with the options' changes."""
    recipe = recipes.choose_recipe(options, config)
    if recipe.name == "fast":
        recipe = replace(recipe, epochs=options.epochs or EPOCHS,
                         learning_rate=options.learning_rate or TIMES * recipe.learning_rate)
    return recipe.over(sentences)


def _train(recipe, model, tokenizer, encoded, seed, progress, on_step):
    """Train by a recipe, with the embeddings as they are; return the loss curve."""
    from tqdm.auto import tqdm

    for name, module in model.base_model.named_children():
        if name == "embeddings":
            module.requires_grad_(False)
    batches = recognizer.loader(encoded, tokenizer, recipe.batch_size, train=True, seed=seed)
    with tqdm(total=recipe.epochs * len(batches), unit="step", disable=not progress) as bar:

        def show(curve):
            bar.set_postfix(loss=f"{curve.loss[-1]:.3f}", refresh=False)
            bar.update()
            if on_step is not None:
                on_step(curve)

        return recognizer.train(
            model, batches, epochs=recipe.epochs, learning_rate=recipe.learning_rate,
            head_rate=recipe.head_rate, on_step=show,
            device=_device())


def _metrics(options, recipe, config, origin, parts, encoded, curve, cost, found, results):
    """Return what metrics.json holds."""
    import torch

    known = baselines.names(parts["train"])
    listed = [baselines.find_names(known, sentence.text) for sentence in parts["test"]]
    return {
        "model": origin[0], "task": "entities", "types": list(encoded.types),
        "recipe": recipe.name, "epochs": recipe.epochs, "batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate, "head_rate": recipe.head_rate,
        "layers": config.num_hidden_layers, "seed": options.seed,
        "max_length": options.max_length,
        "texts": {split: len(part) for split, part in parts.items()},
        "entities": {split: sum(len(s.entities) for s in part) for split, part in parts.items()},
        "train_entities_by_type": {kind: sum(e.type == kind for s in parts["train"]
                                             for e in s.entities) for kind in encoded.types},
        "lost_in_training": len(encoded.lost),
        "steps": len(curve.loss), "final_loss": round(curve.final_loss(), 4),
        "peak_memory_gb": round(cost.peak / 2**30, 2),
        "versions": {name: importlib.metadata.version(name)
                     for name in ("torch", "transformers", "seqeval")},
        **{split: result.figures() for split, result in results.items()},
        "unseen_names": _unseen(parts["test"], found["test"], known),
        "list_of_names": scores.scores(parts["test"], listed).figures()["f1"],
        "warnings": _warnings(parts, found, listed, results["test"]),
        "threads": torch.get_num_threads(), "device": _device(), "precision": "fp32",
        "seconds": round(cost.seconds, 2),
    }


def _device():
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _unseen(sentences, found, known):
    """Return how many entities have a name that training has not, and how many were found."""
    new = [(e, row) for sentence, row in zip(sentences, found, strict=True)
           for e, name in zip(sentence.entities, sentence.names(), strict=True)
           if baselines.words_of(name) not in known]
    return {"entities": len(new), "found": sum(e in row for e, row in new)}


def _warnings(parts, found, listed, test):
    """Return lines on what the figures would hide."""
    lines = []
    ahead = scores.compare(parts["test"], listed, found["test"])
    if ahead.interval[0] <= 0:
        lines.append(f"Not shown to be better than a list of the training names: {ahead}.")
    never = [t.name for t in test.by_type if t.n and not t.predicted]
    if never:
        lines.append(f"Never found: {', '.join(never)}.")
    lines += [f"{t.name} has {number_of(t.n, 'entity')} in the test: its figures say little."
              for t in test.by_type if 0 < t.n < 10]
    return lines
