"""The recipes by which the command line trains, and how one is carried out.

A recipe says how much of the model learns, for how long and how fast. `carry_out` tokenizes the
texts, freezes what the recipe freezes, trains with `parallel.train` and counts the scores.
"""

import math
from dataclasses import dataclass, replace

import psutil
import torch
from tqdm.auto import tqdm

from helpers import batching, frozen, measure, parallel, regression, tasks, training
from helpers.curves import LossCurve
from helpers.errors import LearnerError

AT_ONCE = 5000  # texts that are tokenized before the bar moves on
SLACK = 1.1  # by which more is taken than can be counted: measured, 2 to 18 %
LARGE = 768  # the hidden size from which a model gets smaller learning rates: BERT-base's


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. Its head learns at `head_rate` times the learning rate. `frozen` is
    the share of its layers that is frozen and computed once, 0 to 1; with 0 only the embeddings
    are frozen. With few texts there are more `epochs`, until there are `least_steps`.
    """

    name: str
    epochs: int
    batch_size: int
    learning_rate: float
    head_rate: float = 1.0
    frozen: float = 0.0
    least_steps: int = 0

    def over(self, texts):
        """Return the recipe for so many training texts: with the number of epochs it takes."""
        least = math.ceil(self.least_steps / math.ceil(texts / self.batch_size))
        return replace(self, epochs=max(self.epochs, least), least_steps=0)

    def layers_frozen(self, config):
        """Return how many layers of a model with this config are frozen."""
        return int(self.frozen * config.num_hidden_layers)


RECIPES = {
    "fast": Recipe("fast", epochs=2, batch_size=16, learning_rate=1e-4, head_rate=10.0,
                   least_steps=100),
    "frozen": Recipe("frozen", epochs=2, batch_size=16, learning_rate=5e-4, frozen=2 / 3),
    "full": Recipe("full", epochs=3, batch_size=16, learning_rate=1e-4),
}


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
    recipe = replace(recipe, **{k: v for k, v in asked.items() if v})
    return replace(recipe, least_steps=0) if options.epochs else recipe


def choose_precision(asked, earlier, state):
    """Return "fp32" or "bf16": as asked for, else as the run began, else what is faster here."""
    from helpers import speed

    if asked != "auto":
        return asked
    if earlier is not None:
        return earlier["precision"]
    faster = _agreed(state.is_main_process and speed.bf16_pays(state.device), state)
    return "bf16" if faster else "fp32"


@dataclass(frozen=True)
class Run:
    """What came of a training: the loss curve, and the scores of validation and test.

    `cut` is how many texts are as long as the limit of tokens, so most of them were cut; or read
    in several windows. `said` are lines on what was chosen by the validation texts.
    """

    curve: LossCurve
    scores: dict
    cut: int
    said: list


def carry_out(recipe, model, tokenizer, data, accelerator, checkpoints, *, kept, progress=False,
              on_step=None):
    """Train a model in place on a `DatasetDict` by a recipe; returns the `Run`.

    Without a test split, as in a search, only validation is scored. `checkpoints` is a
    `parallel.Checkpoints` that has begun; its identity says what else there is to know. `kept` is
    the file for the outputs of frozen layers. Prints how much memory it takes.

    Raises LearnerError for a training that diverges and a lack of disk.
    """
    chosen, labels = checkpoints.identity, data["train"]["label"][:]
    task = tasks.of_data(data)
    weights = task.weights(chosen["class weights"], labels)
    encoded = _tokens(data, tokenizer, task, chosen, progress)
    encoded, owners = _evaluated_by_length(encoded)
    for name, module in model.base_model.named_children():
        if name in ("embeddings", "wte", "wpe"):  # BERT's, and GPT-2's two tables
            module.requires_grad_(False)
    model.to(accelerator.device)
    fitted, loaders = _loaders(recipe, model, tokenizer, encoded, accelerator, chosen, kept,
                               progress)

    def evaluate(split):
        loss, logits, found = parallel.evaluate(fitted, loaders[split], accelerator, weights)
        return loss, *_by_text(owners[split], task.answers(logits), found)

    with tqdm(total=recipe.epochs * len(loaders["train"]), initial=checkpoints.steps, unit="step",
              disable=not progress) as bar:

        def show(curve):
            bar.set_postfix(loss=f"{curve.loss[-1]:.3f}", refresh=False)
            bar.update()
            if on_step is not None:
                on_step(curve)

        curve = parallel.train(
            fitted, loaders["train"], accelerator, epochs=recipe.epochs,
            learning_rate=recipe.learning_rate, head_rate=recipe.head_rate,
            class_weights=weights, metric=chosen["metric"],
            validate=(lambda: task.figures(*evaluate("validation"))) if chosen["metric"] else None,
            checkpoint=checkpoints, on_step=show,
        )
    found = {split: evaluate(split) for split in encoded if split != "train"}
    _check_converged(curve, found["validation"][0], task.guessing(labels, True), recipe,
                     checkpoints)
    fitted_task, said = task.fitted(*found["validation"][1:])
    if task.kind == "number":
        regression.on_scale(model, task)
    model.config.update(fitted_task.config())
    counts = {split: fitted_task.scores(answers, true, labels)
              for split, (_, answers, true) in found.items()}
    return Run(curve, counts, _cut(encoded, owners, chosen), said)


def _evaluated_by_length(encoded):
    """Return the tokenized splits, those to evaluate sorted by length, and each row's text."""
    encoded = {split: rows if split == "train" else batching.by_length(rows)
               for split, rows in encoded.items()}
    owners = {split: rows["owner"][:] if "owner" in rows.column_names else None
              for split, rows in encoded.items()}
    return {split: rows if owners[split] is None else rows.remove_columns("owner")
            for split, rows in encoded.items()}, owners


def _by_text(owners, answers, labels):
    """Return answers and labels of texts, each the mean of its windows' if it is read in some."""
    if owners is None:
        return answers.numpy(), labels.numpy()
    means = training.means(answers, owners)
    of_text = torch.zeros(len(means), *labels.shape[1:], dtype=labels.dtype)
    of_text[torch.tensor(owners)] = labels
    return means.numpy(), of_text.numpy()


def _cut(encoded, owners, chosen):
    """Return how many texts are as long as what is read of them, or read in several windows."""
    if owners["train"] is None:
        sizes = [n for rows in encoded.values() for n in batching.lengths(rows)]
        return sum(n >= chosen["max_length"] for n in sizes)
    return sum(int((torch.bincount(torch.tensor(each)) > 1).sum()) for each in owners.values())


def _check_converged(curve, validation_loss, guessing, recipe, checkpoints):
    """Raise LearnerError if a training ended far above the loss of guessing."""
    ended = min(curve.final_loss(), validation_loss)  # the epoch kept may be a good one
    if ended > 2 * max(guessing, curve.loss[0]):
        raise LearnerError(
            f"The loss ended at {ended:.3g}, far above the {guessing:.2f} of guessing: the "
            "training has diverged, so nothing is saved. Choose a lower --learning-rate than "
            f"{recipe.learning_rate:g}{checkpoints.remedy()}"
        )


def _tokens(data, tokenizer, task, chosen, progress):
    """Return the tokenized splits, a dictionary."""
    from datasets import concatenate_datasets

    with tqdm(total=sum(map(len, data.values())), desc="tokens", unit="text", leave=False,
              disable=not progress) as bar:

        def parts(rows):
            targets = task.targets(rows["label"][:])
            for start in range(0, len(rows), AT_ONCE):
                part = rows.select(range(start, min(start + AT_ONCE, len(rows))))
                yield batching.tokenize(part, tokenizer, chosen["max_length"], chosen["long"],
                                        targets[start : start + AT_ONCE], first=start)
                bar.update(len(part))

        return {split: concatenate_datasets([*parts(rows)]) for split, rows in data.items()}


def _loaders(recipe, model, tokenizer, encoded, accelerator, chosen, kept, progress):
    """Return the module that is trained, and a loader for each split."""
    from datasets import concatenate_datasets

    layers, seed = recipe.layers_frozen(model.config), chosen["seed"]
    shape = sum(sum(batching.lengths(rows)) for rows in encoded.values()), model.config.hidden_size
    keep = bool(layers) and _agreed(frozen.fits(shape, kept.parent), accelerator)
    fitted = model
    if layers:
        frozen.freeze(model, layers)
        fitted = frozen.ComputedAnew(model, layers)
    if layers and not keep and accelerator.is_main_process:
        print(f"The outputs of the frozen layers would take {frozen.size(shape) / 1e9:.1f} GB "
              "of disk, so they are not kept: each batch goes through these layers again.")
    train = encoded["train"]
    longest = batching.by_length(train).select([len(train) - 1])
    _say_memory(fitted, next(iter(batching.loader(longest, tokenizer, 1))),
                min(recipe.batch_size, len(train)), accelerator,
                best=chosen["metric"] is not None, kept=keep * frozen.size(shape))
    if not keep:
        return fitted, {split: batching.loader(
            rows, tokenizer, recipe.batch_size, train=split == "train", seed=seed)
            for split, rows in encoded.items()}
    with accelerator.autocast():
        made = frozen.outputs(model, concatenate_datasets([*encoded.values()]), tokenizer, layers,
                              file=kept, processes=accelerator, progress=progress)
    parts = zip(encoded, made.parts(map(len, encoded.values())), strict=True)
    return frozen.UpperLayers(model, layers), {
        split: frozen.loader(rows, recipe.batch_size, train=split == "train", seed=seed)
        for split, rows in parts}


def _agreed(value, accelerator):
    """Return what the first process says, in every process."""
    from accelerate.utils import broadcast_object_list

    values = [value]
    if accelerator.num_processes > 1:
        broadcast_object_list(values)
    return values[0]


def _say_memory(model, row, batch_size, accelerator, *, best, kept):
    """Print about how much memory the training takes, and whether there is as much."""
    if not accelerator.is_main_process:
        return
    processes = accelerator.num_processes
    with accelerator.autocast():
        needed = memory(model, row, math.ceil(batch_size / processes), model.device, best=best,
                        kept=kept)
    each = " in each process" if processes > 1 else ""
    of = "GPU memory" if model.device.type == "cuda" else "memory"
    print(f"Training takes about {needed / 1e9:.1f} GB of {of}{each}.")
    free = _free(model.device) / processes
    if needed > free:
        print(f"There are {free / 1e9:.1f} GB. If it does not go well, choose a smaller "
              "--batch-size or --max-length.")


def memory(model, row, rows, device="cpu", *, best=False, kept=0):
    """Return the bytes that training takes at most, on a GPU if `device` is one.

    That is what is held already; for every trained parameter a gradient, the two moments of
    AdamW, and a copy of the best ones if the epoch is chosen; `rows` times what the forward pass
    keeps of `row`, a batch of one of the longest texts, for the backward pass; and the `kept`
    outputs of frozen layers, which are mapped into memory.
    """
    device = torch.device(device)
    trained = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    # Batches of different lengths leave gaps between each other.
    activations = SLACK * rows * measure.activations(model, row.to(device))
    if device.type == "cuda":
        return SLACK * (torch.cuda.memory_allocated(device) + 3 * trained + activations)
    held = psutil.Process().memory_info().rss
    return SLACK * (held + (3 + best) * trained + activations) + kept


def _free(device):
    """Return the bytes that this process may take at most: those free, and its own."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_allocated(device)
    return psutil.virtual_memory().available + psutil.Process().memory_info().rss
