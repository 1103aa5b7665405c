"""A training that takes a second, for tests that start, kill and resume it."""

import contextlib
import gc
import hashlib
import os
import signal
from pathlib import Path

import torch
import transformers
from datasets import Dataset
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from helpers import checkpoints, trainers
from helpers.errors import LearnerError

SAVE_STEPS = 2
STEPS = 16
WRITES = 6  # of a checkpoint that can be cut off: weights, arguments, optimizer, …, state


def rows(n=64):
    """Return rows of token ids of many lengths, with labels that depend on them."""
    generator = torch.Generator().manual_seed(7)
    lengths = torch.randint(3, 20, (n,), generator=generator).tolist()
    ids = [torch.randint(1000, 2000, (k,), generator=generator).tolist() for k in lengths]
    return Dataset.from_dict({
        "input_ids": ids,
        "attention_mask": [[1] * k for k in lengths],
        "labels": [row[0] % 2 for row in ids],
    })


def model(layers=2, seed=0):
    """Return a BERT of 1 M parameters with random weights, dropout included."""
    transformers.set_seed(seed)
    return BertForSequenceClassification(BertConfig(
        hidden_size=32, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=64,
    ))


def build(folder, *, layers=2, kind=trainers.GroupedTrainer, train=None, evaluation=None,
          callbacks=(), **changed):
    """Return a Trainer whose runs are the same every time, dropout and all."""
    settings = {
        "num_train_epochs": 2, "per_device_train_batch_size": 8, "learning_rate": 1e-3,
        "warmup_steps": 2, "logging_steps": 1, "save_steps": SAVE_STEPS, "save_total_limit": 3,
        "seed": 0, "disable_tqdm": True, "use_cpu": True,
    }
    trainer = kind(
        model(layers), transformers.TrainingArguments(str(folder), **(settings | changed)),
        train_dataset=rows() if train is None else train, eval_dataset=evaluation,
        processing_class=AutoTokenizer.from_pretrained(checkpoints.find("bert").path),
        callbacks=list(callbacks),
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def weights(trainer):
    """Return the SHA-256 of all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(trainer.model.state_dict().items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


class At(transformers.TrainerCallback):
    """Calls `do(model)` as soon as so many steps are done."""

    def __init__(self, steps, do):
        self.steps, self.do = steps, do

    def on_step_begin(self, args, state, control, model=None, **kwargs):
        if state.global_step == self.steps:
            self.do(model)


def _fill_the_disk(_):
    """From now on no file may grow beyond 1 MB."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))


def work(folder, started, die_at=None, full=False):
    """Train in this process, going on where an earlier one was killed; leave `weights.txt`.

    With `die_at` the process kills itself in the middle of its n-th write into a checkpoint;
    with `full` the second checkpoint finds the disk full.
    """
    gc.freeze()  # the Trainer collects garbage; what the imports left is none
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    folder = Path(folder)
    record = trainers.RecordCurve()
    callbacks = [At(0, lambda _: started.set()), record]
    callbacks += [At(SAVE_STEPS + 1, _fill_the_disk)] if full else []
    with open(folder / "printed.txt", "w", buffering=1) as log, contextlib.redirect_stdout(log):
        trainer = build(folder / "run", callbacks=callbacks)
        if die_at is not None:
            _die_in_the_middle_of(die_at)
        try:
            trainers.train(trainer, resume=True)
        except LearnerError as error:
            print("CLEAR:", error)
            return
    record.curve.save(folder / "curve.json")
    (folder / "weights.txt").write_text(weights(trainer))


def _die_in_the_middle_of(n):
    """Let the n-th write into a checkpoint end with half a file and SIGKILL."""
    counter = iter(range(1, 10**6))

    def deadly(write):
        def half(content, path, *arguments, **options):
            result = write(content, path, *arguments, **options)
            if next(counter) == n:
                os.truncate(path, os.path.getsize(path) // 2)
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return half

    for place, name in ((torch, "save"), (transformers.TrainerState, "save_to_json"),
                        (transformers.modeling_utils, "safe_save_file")):
        setattr(place, name, deadly(getattr(place, name)))
