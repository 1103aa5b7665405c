"""Around `transformers.Trainer`: the batches of notebook 03, a recorded curve, safe resuming."""

import errno
import json
import math
from pathlib import Path

from safetensors import SafetensorError
from transformers import Trainer, TrainerCallback, default_data_collator

from helpers import batching, paths, plots, runs
from helpers.curves import LossCurve
from helpers.errors import LearnerError
from helpers.runs import checkpoints, incomplete

RUN_FILE = "run.json"
# What in a config says nothing about the model, or is filled in while it trains.
_VOLATILE = (
    "_name_or_path", "transformers_version", "dtype", "architectures", "use_cache",
    "problem_type", "pad_token_id", "bos_token_id", "eos_token_id",
)


class GroupedTrainer(Trainer):
    """A `Trainer` whose training batches are those of `batching.loader`: grouped by length."""

    def get_train_dataloader(self):
        """Return the loader of notebook 03; the seed and the batch size are the arguments'."""
        loader = batching.loader(
            self.train_dataset, self.processing_class, self.args.train_batch_size,
            train=True, seed=self.args.seed,
        )
        return self.accelerator.prepare(loader)


class RecordCurve(TrainerCallback):
    """Records the loss of every step and each evaluation as a `LossCurve`, in `.curve`.

    A resumed run begins with what was recorded before the interruption. Evaluations before and
    after the training are not part of it. Needs `logging_steps=1`.
    """

    def __init__(self):
        self.curve = LossCurve()
        self.recording = False

    def on_train_begin(self, args, state, control, **kwargs):
        """Take over what the checkpoint has recorded; nothing, in a run that starts anew."""
        if args.logging_strategy != "steps" or args.logging_steps != 1:
            raise LearnerError(
                "A curve needs the loss of every step: TrainingArguments(logging_steps=1, …)."
            )
        args.logging_nan_inf_filter = False  # it would log a loss that is nan as a number
        self.recording = True
        self.curve = LossCurve(settings=settings(args))
        for entry in state.log_history:
            self._add(entry)

    def on_log(self, args, state, control, logs=None, **kwargs):
        """Add what the Trainer has just logged."""
        if self.recording:
            self._add(logs)

    def on_train_end(self, args, state, control, **kwargs):
        """Stop recording."""
        self.recording = False

    def _add(self, entry):
        if "loss" in entry:
            self.curve.record(entry["loss"], entry["learning_rate"])
        elif "eval_loss" in entry:
            self.curve.record_validation(entry["eval_loss"], entry.get("eval_accuracy"))


class DrawCurve(RecordCurve):
    """Records the curve and draws it while the model trains, in JupyterLab and Colab alike."""

    def on_train_begin(self, args, state, control, **kwargs):
        """Start a picture."""
        super().on_train_begin(args, state, control, **kwargs)
        self.live = plots.LiveLoss(state.max_steps)

    def on_log(self, args, state, control, logs=None, **kwargs):
        """Add what was logged, and redraw if it is time to."""
        super().on_log(args, state, control, logs, **kwargs)
        if self.recording and "loss" in logs:
            self.live(self.curve)


def settings(args):
    """Return the settings of a run that decide its curve, from its `TrainingArguments`."""
    return {
        "epochs": args.num_train_epochs,
        "max_steps": args.max_steps,
        "batch_size": args.train_batch_size,
        "gradient_accumulation_steps": args.gradient_accumulation_steps,
        "learning_rate": args.learning_rate,
        "schedule": args.lr_scheduler_type.value,
        "warmup_steps": args.warmup_steps,
        "optimizer": args.optim.value,
        "weight_decay": args.weight_decay,
        "max_grad_norm": args.max_grad_norm,
        "seed": args.seed,
    }


def train(trainer, *, resume=False):
    """Run `trainer.train()` after a look at the data and the output directory.

    With `resume=True` the run goes on from the newest complete checkpoint in its `output_dir`,
    and prints which one; incomplete ones, as an interruption leaves them, are named and passed
    over. Returns what `Trainer.train` returns.

    Raises LearnerError for rows that this model cannot learn from (`check_rows`), an output
    directory that cannot be written or holds another run (without `resume`, any checkpoint), a
    disk that fills up (older checkpoints stay), and a loss that ends as nan or infinite.
    """
    check_rows(trainer)
    folder = Path(trainer.args.output_dir)
    found = checkpoints(folder)
    if found and not resume:
        raise LearnerError(
            f"{folder} already holds {found[-1].name} of an earlier run. Continue that run with "
            "resume=True, choose another output_dir, or delete the folder."
        )
    start = None
    for checkpoint in reversed(found):
        problem = incomplete(checkpoint)
        if problem is None:
            start = checkpoint
            break
        print(f"{checkpoint.name} is incomplete, {problem}: passed over.")
    identity = _identity(trainer)
    if found:
        _check_same_run(identity, folder, start)
        print(f"Continuing from {start.name}." if start
              else "No complete checkpoint: starting from the beginning.")
    with paths.replacing(folder / RUN_FILE) as fresh:
        fresh.write_text(json.dumps(identity, indent=1, default=runs.plain), encoding="utf-8")
    trainer.args.logging_nan_inf_filter = False  # it would log a loss that is nan as a number
    try:
        outcome = trainer.train(resume_from_checkpoint=str(start) if start else None)
    except Exception as error:
        if not _is_full_disk(error):
            raise
        whole = [c.name for c in checkpoints(folder) if incomplete(c) is None]
        kept = f"{whole[-1]} is complete" if whole else "No checkpoint is complete yet"
        raise LearnerError(
            f"Writing a checkpoint into {folder} failed at step {trainer.state.global_step}: "
            f"{paths.reason(error)}. {kept}. Free some space, then continue with resume=True."
        ) from error
    _check_loss(trainer, outcome.training_loss)
    return outcome


def check_rows(trainer):
    """Raise LearnerError if the rows of a Trainer are none that its model can learn from.

    For a classifier every row needs a label, a whole number from 0 to `num_labels` - 1, and the
    model a pad token; rows of different lengths need a collator that pads.
    """
    if trainer.train_dataset is None:
        raise LearnerError("The Trainer has no train_dataset, so there is nothing to learn from.")
    if isinstance(trainer, GroupedTrainer) and trainer.processing_class is None:
        raise LearnerError("The tokenizer pads the batches: Trainer(processing_class=tokenizer).")
    config = trainer.model.config
    classifies = type(trainer.model).__name__.endswith("ForSequenceClassification")
    if classifies and getattr(config, "pad_token_id", 0) is None:
        raise LearnerError(
            "The model does not know its pad token, so it cannot find the end of a text in a "
            "batch: model.config.pad_token_id = tokenizer.pad_token_id."
        )
    # In a regression and with several labels a text, floats are right.
    has_classes = classifies and config.num_labels > 1 and config.problem_type in (
        None, "single_label_classification"
    )
    splits = {"train_dataset": trainer.train_dataset}
    if isinstance(trainer.eval_dataset, dict):
        splits |= {f"eval_dataset[{k!r}]": rows for k, rows in trainer.eval_dataset.items()}
    elif trainer.eval_dataset is not None:
        splits["eval_dataset"] = trainer.eval_dataset
    for name, rows in splits.items():
        if not hasattr(rows, "__len__"):
            continue
        if len(rows) == 0:
            raise LearnerError(f"{name} has no rows.")
        if has_classes:
            _check_labels(name, rows, config.num_labels)
        if trainer.data_collator is default_data_collator and "input_ids" in rows[0]:
            sizes = {len(rows[i]["input_ids"]) for i in range(len(rows))}
            if len(sizes) > 1:
                raise LearnerError(
                    f"{name} has rows of {min(sizes)} to {max(sizes)} tokens and nothing that "
                    "pads them: Trainer(processing_class=tokenizer) does."
                )


def _check_labels(name, rows, classes):
    column = next((c for c in ("labels", "label") if c in rows[0]), None)
    if column is None:
        raise LearnerError(
            f"{name} has no labels, only {', '.join(rows[0])}. The model computes a loss if each "
            "row has 'labels': rename your column with rename_column."
        )
    for i in range(len(rows)):
        label = rows[i].get(column)
        value = label.tolist() if hasattr(label, "tolist") else label  # a tensor's, or numpy's
        if type(value) is not int or not 0 <= value < classes:  # to Python, True is an int
            raise LearnerError(
                f"{name}, row {i}: label {value!r} is not a whole number from 0 to {classes - 1}. "
                "Map your classes to these numbers and drop rows without a label, or build the "
                "model with another num_labels."
            )


def _check_loss(trainer, mean):
    """Raise LearnerError if a training, whose mean loss is `mean`, has ended without a number."""
    logged = {e["step"]: e["loss"] for e in trainer.state.log_history if "loss" in e}
    finite = [step for step, loss in logged.items() if math.isfinite(loss)]
    last = logged[max(logged)] if len(finite) < len(logged) else mean
    if not math.isfinite(last):
        raise LearnerError(
            f"After step {max(finite, default=0)} the loss is no longer a finite number, so this "
            f"model is lost. Lower the learning rate ({trainer.args.learning_rate:g} here) and "
            "start again in another output_dir; the checkpoints of this run are kept."
        )


def _identity(trainer):
    """Return what makes two runs the same run: the model, the data, the settings."""
    model, rows = trainer.model, trainer.train_dataset
    identity = {
        "model": type(model).__name__,
        **_known_config(model.config.to_dict()),
        "parameters": runs.fingerprint(
            [(name, list(p.shape), p.requires_grad) for name, p in model.named_parameters()]),
        **settings(trainer.args),
    }
    if hasattr(rows, "__len__"):
        identity |= {"rows": len(rows), "training rows": runs.fingerprint(rows)}
    return identity


def _known_config(config):
    return {k: v for k, v in config.items() if k not in _VOLATILE}


def _check_same_run(identity, folder, checkpoint):
    """Raise LearnerError if the checkpoints in `folder` are those of another run.

    Of a plain Trainer's run only what its newest complete checkpoint says is known, and compared.
    """
    try:
        there = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        if checkpoint is None:
            return
        config, state = (json.loads((checkpoint / name).read_text(encoding="utf-8"))
                         for name in ("config.json", "trainer_state.json"))
        there = _known_config(config)
        if "train_batch_size" in state:
            there["batch_size"] = state["train_batch_size"]
    here = {k: v for k, v in identity.items() if k in there}
    different = runs.differing({k: there[k] for k in here}, here)
    if different:
        raise LearnerError(
            f"{folder} holds a run with other settings: {runs.sentence(different)}. A run can "
            "only continue as it began: set it back, or start a new one in another output_dir."
        )


def _is_full_disk(error):
    """Tell a failed write from any other error; torch and safetensors raise their own kinds."""
    numbers = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO)
    return (
        getattr(error, "errno", None) in numbers or isinstance(error, SafetensorError)
        or any(part in str(error) for part in ("PytorchStreamWriter", "inline_container"))
    )
