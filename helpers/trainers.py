"""Around `transformers.Trainer`: the batches of notebook 03, a recorded curve, safe resuming."""

import errno
import json
import re
import tempfile
import zipfile
import zlib
from pathlib import Path

from tqdm.auto import tqdm
from transformers import Trainer, TrainerCallback, default_data_collator

from helpers import batching, paths, plots
from helpers.curves import LossCurve
from helpers.errors import LearnerError

RUN_FILE = "run.json"
# What a checkpoint needs for a run to go on from it (besides the weights), and how it is read.
_NEEDED = ("config.json", "optimizer.pt", "scheduler.pt", "trainer_state.json")
# What in a config says nothing about the model, or is filled in while it trains.
_VOLATILE = (
    "_name_or_path", "transformers_version", "dtype", "architectures", "use_cache",
    "problem_type", "pad_token_id", "bos_token_id", "eos_token_id",
)
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO)


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
    after the training are not part of it. Needs `logging_steps=1`, and switches off the filter
    that would log a loss that is no number as 0.
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
        args.logging_nan_inf_filter = False
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


class ProgressBar(TrainerCallback):
    """A bar with the loss and the newest validation loss, instead of a line for every step."""

    def __init__(self):
        self.bar, self.shown = None, {}

    def on_train_begin(self, args, state, control, **kwargs):
        """Open the bar, where a resumed run goes on."""
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, unit="step")

    def on_log(self, args, state, control, logs=None, **kwargs):
        """Show the newest figures."""
        if self.bar is None:  # an evaluation before the training
            return
        names = {"loss": "loss", "eval_loss": "validation"}
        self.shown |= {names[k]: f"{v:.3f}" for k, v in logs.items() if k in names}
        self.bar.set_postfix(self.shown, refresh=False)
        self.bar.update(state.global_step - self.bar.n)

    def on_train_end(self, args, state, control, **kwargs):
        """Close the bar."""
        self.bar.close()
        self.bar = None


def settings(args):
    """Return the settings of a run that decide its curve, from its `TrainingArguments`."""
    return {
        "epochs": args.num_train_epochs,
        "max_steps": args.max_steps,
        "batch_size": args.train_batch_size,
        "gradient_accumulation_steps": args.gradient_accumulation_steps,
        "learning_rate": args.learning_rate,
        "schedule": str(getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type)),
        "warmup_steps": args.warmup_steps,
        "optimizer": str(getattr(args.optim, "value", args.optim)),
        "weight_decay": args.weight_decay,
        "max_grad_norm": args.max_grad_norm,
        "seed": args.seed,
    }


def train(trainer, *, resume=False):
    """Run `trainer.train()` after a look at the data and the output directory.

    With `resume=True` the run goes on from the newest checkpoint in `trainer.args.output_dir`
    that is complete, and prints which one; incomplete ones, as an interruption leaves them, are
    named and passed over. Returns what `Trainer.train` returns.

    Raises LearnerError for rows that this model cannot be trained on (`check_rows`), for an
    output directory that cannot be written, that holds another run or, without `resume`, any
    checkpoint at all, and for a disk that fills up: then the older checkpoints are as they were.
    """
    check_rows(trainer)
    folder = Path(trainer.args.output_dir)
    _check_writable(folder)
    found = checkpoints(folder)
    if found and not resume:
        raise LearnerError(
            f"{folder} already holds {found[-1].name} of an earlier run. Continue that run with "
            "resume=True, choose another output_dir, or delete the folder."
        )
    start = _newest_complete(folder) if resume else None
    if resume and found:
        _check_same_run(trainer, folder, found[-1] if start is None else start)
        print("No complete checkpoint: starting from the beginning." if start is None
              else f"Continuing from {start.name}.")
    with paths.replacing(folder / RUN_FILE) as fresh:
        fresh.write_text(json.dumps(_identity(trainer), indent=1), encoding="utf-8")
    try:
        return trainer.train(resume_from_checkpoint=None if start is None else str(start))
    except Exception as error:
        if not _is_full_disk(error):
            raise
        whole = [c.name for c in checkpoints(folder) if incomplete(c) is None]
        kept = f"{whole[-1]} is complete" if whole else "No checkpoint is complete yet"
        raise LearnerError(
            f"Writing a checkpoint into {folder} failed at step {trainer.state.global_step}: "
            f"{paths.reason(error)}. {kept}. Free some space, then continue with resume=True."
        ) from error


def checkpoints(folder):
    """Return the checkpoint folders in an output directory, by step, complete or not."""
    found = [
        (int(match[1]), path) for path in Path(folder).glob("checkpoint-*")
        if path.is_dir() and (match := re.fullmatch(r"checkpoint-(\d+)", path.name))
    ]
    return [path for _, path in sorted(found)]


def incomplete(checkpoint):
    """Say why a run cannot go on from a checkpoint folder, or return None if it can.

    The Trainer writes its files one after the other, so an interruption leaves some missing or
    cut off. Every file is opened here by the rules of its format.
    """
    checkpoint = Path(checkpoint)
    weights = sorted(checkpoint.glob("model*.safetensors"))
    random_states = sorted(checkpoint.glob("rng_state*.pth"))  # one for each process
    missing = [name for name in _NEEDED if not (checkpoint / name).is_file()]
    missing += [] if weights else ["model.safetensors"]
    missing += [] if random_states else ["rng_state.pth"]
    if missing:
        return f"{missing[0]} is missing"
    for path in (*weights, *random_states, *(checkpoint / name for name in _NEEDED)):
        if not _is_whole(path):
            return f"{path.name} is cut off or damaged"
    return None


def check_rows(trainer):
    """Raise LearnerError if the rows of a Trainer are none that its model can learn from.

    For a classifier every row needs a label, a whole number from 0 to `num_labels` - 1, and the
    model a pad token; rows of different lengths need a collator that pads.
    """
    parts = {"train_dataset": trainer.train_dataset}
    several = isinstance(trainer.eval_dataset, dict)
    parts |= (
        {f"eval_dataset[{name!r}]": rows for name, rows in trainer.eval_dataset.items()}
        if several else {"eval_dataset": trainer.eval_dataset}
    )
    if trainer.train_dataset is None:
        raise LearnerError("The Trainer has no train_dataset, so there is nothing to learn from.")
    if isinstance(trainer, GroupedTrainer) and trainer.processing_class is None:
        raise LearnerError("The tokenizer pads the batches: Trainer(processing_class=tokenizer).")
    classifies = _is_classifier(trainer.model)
    if classifies and getattr(trainer.model.config, "pad_token_id", 0) is None:
        raise LearnerError(
            "The model does not know its pad token, so it cannot find the end of a text in a "
            "batch: model.config.pad_token_id = tokenizer.pad_token_id."
        )
    for name, rows in parts.items():
        if rows is None or not hasattr(rows, "__len__"):
            continue
        if len(rows) == 0:
            raise LearnerError(f"{name} has no rows.")
        if classifies:
            _check_labels(name, rows, trainer.model.config)
        if trainer.data_collator is default_data_collator:
            _check_equal_lengths(name, rows)


def _is_classifier(model):
    return type(model).__name__.endswith("ForSequenceClassification")


def _check_labels(name, rows, config):
    if config.num_labels == 1 or config.problem_type not in (
        None, "single_label_classification",
    ):
        return  # a regression or several labels a text: floats are right there
    column = next((c for c in ("labels", "label") if c in _columns(rows)), None)
    if column is None:
        raise LearnerError(
            f"{name} has no labels, only {', '.join(_columns(rows))}. The model computes a loss "
            "if each row has 'labels': rename your column with rename_column."
        )
    for i, label in enumerate(_column(rows, column)):
        where = f"{name}, row {i}: label {label!r}"
        label = label.item() if hasattr(label, "item") else label
        if label is None:
            raise LearnerError(f"{name}, row {i} has no label. Give it one or drop the row.")
        if isinstance(label, float):
            raise LearnerError(
                f"{where} is a float. Classes are whole numbers from 0: cast the column to int."
            )
        if isinstance(label, bool) or not isinstance(label, int):
            raise LearnerError(f"{where} is no whole number. Map your classes to 0, 1, … first.")
        if not 0 <= label < config.num_labels:
            raise LearnerError(
                f"{where} is not between 0 and {config.num_labels - 1}. The model was built with "
                f"num_labels={config.num_labels}."
            )


def _check_equal_lengths(name, rows):
    if "input_ids" in _columns(rows):
        sizes = {len(ids) for ids in _column(rows, "input_ids")}
        if len(sizes) > 1:
            raise LearnerError(
                f"{name} has rows of {min(sizes)} to {max(sizes)} tokens and nothing that pads "
                "them: Trainer(processing_class=tokenizer) does."
            )


def _columns(rows):
    return list(getattr(rows, "column_names", None) or rows[0])


def _column(rows, name):
    if hasattr(rows, "column_names"):
        return rows[name][:]
    return [rows[i].get(name) for i in range(len(rows))]


def _check_writable(folder):
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise LearnerError(
            f"{folder} cannot be written: {error.strerror}. Choose another output_dir."
        ) from error


def _newest_complete(folder):
    for checkpoint in reversed(checkpoints(folder)):
        problem = incomplete(checkpoint)
        if problem is None:
            return checkpoint
        print(f"{checkpoint.name} is incomplete, {problem}: passed over.")
    return None


def _identity(trainer):
    """Return what makes two runs the same run: the model, the data, the settings."""
    config, rows = trainer.model.config.to_dict(), trainer.train_dataset
    identity = {
        "model": type(trainer.model).__name__,
        **{f"config.{k}": v for k, v in _plain(config).items() if k not in _VOLATILE},
        "trained parameters": sum(
            p.numel() for p in trainer.model.parameters() if p.requires_grad
        ),
        **_plain(settings(trainer.args)),
    }
    if hasattr(rows, "__len__"):
        ends = [_plain(rows[0]), _plain(rows[len(rows) - 1])]
        identity |= {"rows": len(rows), "first and last row": zlib.crc32(str(ends).encode())}
    return identity


def _plain(value):
    """Return a value as it comes back out of JSON, so that two of them can be compared."""
    return json.loads(json.dumps(value, default=str))


def _check_same_run(trainer, folder, checkpoint):
    """Raise LearnerError if the checkpoints in `folder` are those of another run."""
    mine = _identity(trainer)
    theirs = _recorded_identity(folder, checkpoint)
    differing = [k for k in theirs if k in mine and mine[k] != theirs[k]]
    if not differing:
        return
    if any(k == "model" or k.startswith("config.") for k in differing):
        kind = "another model's checkpoints"
    else:
        kind = "a run with other settings"
    listing = ", ".join(
        f"{k.removeprefix('config.')} {_short(theirs[k])} there, {_short(mine[k])} here"
        for k in differing[:3]
    )
    raise LearnerError(
        f"{folder} holds {kind}: {listing}. A run can only continue as it began: set it back, "
        "or start a new one in another output_dir."
    )


def _recorded_identity(folder, checkpoint):
    """Return what is known of the run: all of it, or for a plain Trainer's run what its
    checkpoint says.
    """
    known = _read_json(folder / RUN_FILE)
    if known is not None:
        return known
    state = _read_json(checkpoint / "trainer_state.json") or {}
    config = _read_json(checkpoint / "config.json") or {}
    known = {f"config.{k}": v for k, v in config.items() if k not in _VOLATILE}
    return known | ({"batch_size": state["train_batch_size"]} if "train_batch_size" in state
                    else {})


def _short(value):
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _is_whole(path):
    if path.suffix == ".json":
        return _read_json(path) is not None
    if path.suffix == ".safetensors":
        return _is_whole_safetensors(path)
    try:  # torch.save writes a zip archive with a checksum for every part
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError, EOFError):
        return False


def _is_whole_safetensors(path):
    from safetensors import SafetensorError, safe_open

    try:  # the header says how long the file has to be, and that is compared here
        with safe_open(path, "pt"):
            return True
    except (SafetensorError, OSError):
        return False


def _read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _is_full_disk(error):
    """Tell a failed write from any other error; torch and safetensors raise their own kinds."""
    if isinstance(error, OSError):
        return error.errno in _DISK_ERRORS
    return type(error).__name__ == "SafetensorError" or (
        isinstance(error, RuntimeError)
        and any(part in str(error) for part in ("PytorchStreamWriter", "inline_container"))
    )
