"""The Trainer with our batches, recorded, interrupted and resumed."""

import multiprocessing
import random
import shutil
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
import tiny_run
import torch
from transformers import Trainer, TrainerCallback, TrainingArguments, default_data_collator

from helpers import batching, curves, trainers, training
from helpers.errors import LearnerError
from making.progress import ProgressBar
from tools import run

TRIALS = 20 if "forkserver" in multiprocessing.get_all_start_methods() else 4


# The same training

def test_the_trainer_takes_the_steps_of_the_loop_written_by_hand(
    new_model, encoded, tokenizer, data, tmp_path
):
    by_hand, by_trainer = new_model(), new_model()
    expected = training.train(
        by_hand, batching.loader(encoded, tokenizer, 12, train=True), epochs=1
    )
    record = trainers.RecordCurve()
    optimizer = torch.optim.AdamW(training.parameter_groups(by_trainer), lr=5e-5, fused=True)
    arguments = TrainingArguments(
        str(tmp_path), num_train_epochs=1, per_device_train_batch_size=12, learning_rate=5e-5,
        warmup_steps=0, logging_steps=1, save_strategy="no", seed=0, disable_tqdm=True,
        use_cpu=True,
    )
    trainer = trainers.GroupedTrainer(
        by_trainer, arguments, train_dataset=encoded, processing_class=tokenizer,
        optimizers=(optimizer, None), callbacks=[record],
    )
    trainers.train(trainer)
    assert len(record.curve.loss) == len(expected.loss) == 8
    assert np.abs(np.subtract(record.curve.loss, expected.loss)).max() <= 1e-5
    assert record.curve.learning_rate == pytest.approx(expected.learning_rate)
    texts = data["test"]["text"][:64]
    assert torch.allclose(training.predict(by_hand, tokenizer, texts),
                          training.predict(by_trainer, tokenizer, texts), atol=1e-5)


def test_what_the_notebook_writes_by_hand_is_what_helpers_keeps(tmp_path):
    """Its two classes give the batches and the curve of `trainers`' own."""
    path = next(p for p in run.chosen() if p.name.startswith("04"))
    cells = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    space = {"Trainer": Trainer, "TrainerCallback": TrainerCallback,
             "batching": batching, "curves": curves, "time": time}
    for name in ("class GroupedTrainer(", "class RecordCurve("):
        exec(next(source for source in cells if source.startswith(name)), space)
    found = []
    for kind, callback in ((space["GroupedTrainer"], space["RecordCurve"]),
                           (trainers.GroupedTrainer, trainers.RecordCurve)):
        record = callback()
        tiny_run.build(tmp_path, kind=kind, callbacks=[record], save_strategy="no").train()
        found.append(record.curve)
    assert found[0].loss == found[1].loss
    assert found[0].learning_rate == found[1].learning_rate


def test_a_live_curve_is_the_recorded_one(tmp_path, capsys):
    record, draw = trainers.RecordCurve(), trainers.DrawCurve()
    trainer = tiny_run.build(tmp_path, callbacks=[record, draw], save_strategy="no",
                             eval_strategy="epoch", max_steps=12, evaluation=tiny_run.rows(16))
    trainer.train()
    assert record.curve == draw.curve
    assert len(record.curve.loss) == 12
    assert [v["step"] for v in record.curve.validation] == [8, 12]
    assert "Image" in capsys.readouterr().out


def test_a_curve_wants_every_step(tmp_path):
    trainer = tiny_run.build(tmp_path, callbacks=[trainers.RecordCurve()], logging_steps=5)
    with pytest.raises(LearnerError, match="logging_steps=1"):
        trainer.train()


def with_labels(labels):
    rows = tiny_run.rows(len(labels)).remove_columns("labels")
    return [dict(row, labels=label) for row, label in zip(rows, labels, strict=True)]


def stop(_):
    raise KeyboardInterrupt


# Killed and resumed

@pytest.fixture(scope="module")
def processes():
    """A context whose processes start at once: a server has the imports behind it."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "transformers.trainer", "datasets",
                                    "transformers.models.bert.modeling_bert",
                                    "helpers.trainers"])
    return context


class Job:
    """One training in a process of its own."""

    def __init__(self, processes, folder, **fate):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.started = processes.Event()
        self.process = processes.Process(target=tiny_run.work, args=(folder, self.started),
                                         kwargs=fate)
        self.process.start()

    def finish(self):
        self.process.join(120)
        assert self.process.exitcode == 0, (self.folder / "printed.txt").read_text()
        return (self.folder / "weights.txt").read_text()


def test_a_run_killed_at_any_moment_ends_with_the_same_weights(processes, tmp_path):
    whole = Job(processes, tmp_path / "whole")
    whole.started.wait(60)
    start = time.monotonic()
    expected = whole.finish()
    seconds = time.monotonic() - start
    expected_curve = curves.load(tmp_path / "whole" / "curve.json")
    writes = tiny_run.WRITES * tiny_run.STEPS // tiny_run.SAVE_STEPS
    chance = random.Random(0)
    incomplete = 0

    def trial(number):
        """Kill every second run at a moment, the others in the middle of a write."""
        if number % 2 == 0:
            return Job(processes, tmp_path / f"trial{number}", die_at=chance.randint(1, writes))
        job = Job(processes, tmp_path / f"trial{number}")
        job.started.wait(60)
        time.sleep(chance.uniform(0, seconds))
        job.process.kill()
        return job

    for first in range(0, TRIALS, 2):  # two at a time
        killed = [trial(first), trial(first + 1)]
        for job in killed:
            job.process.join(60)
        found = [trainers.checkpoints(job.folder / "run") for job in killed]
        complete = [[c for c in each if not trainers.incomplete(c)] for each in found]
        incomplete += sum(each[-1:] != usable[-1:]
                          for each, usable in zip(found, complete, strict=True))
        resumed = [Job(processes, job.folder) for job in killed]
        for job, usable in zip(resumed, complete, strict=True):
            assert job.finish() == expected, job.folder
            assert curves.load(job.folder / "curve.json").loss == expected_curve.loss
            said = (job.folder / "printed.txt").read_text()
            assert (f"Continuing from {usable[-1].name}." if usable else "") in said
            assert ("Continuing" in said) == bool(usable)
    assert incomplete >= TRIALS // 4, "too few runs were caught while they wrote"


@pytest.fixture(scope="module")
def one_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    trainers.train(tiny_run.build(folder))
    return folder


@pytest.fixture
def finished(one_run, tmp_path):
    """An output directory with three checkpoints of a finished run."""
    return Path(shutil.copytree(one_run, tmp_path / "run"))


def test_checkpoints_are_found_by_step_whatever_else_lies_there(finished):
    (finished / "checkpoint-notes").mkdir()
    (finished / "checkpoint-16" / ".ipynb_checkpoints").mkdir()
    (finished / ".DS_Store").write_text("icons")
    (finished / "checkpoint-100").write_text("a file")
    assert [c.name for c in trainers.checkpoints(finished)] == [
        "checkpoint-12", "checkpoint-14", "checkpoint-16",
    ]
    assert all(trainers.incomplete(c) is None for c in trainers.checkpoints(finished))


INDEX, SHARD = "model.safetensors.index.json", "model-00002-of-00004.safetensors"


@pytest.mark.parametrize("damage", ["gone", "cut off", "empty"])
@pytest.mark.parametrize("name", [
    "model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json",
    "config.json", INDEX, SHARD,
])
def test_a_damaged_file_makes_a_checkpoint_incomplete(finished, name, damage):
    checkpoint = trainers.checkpoints(finished)[-1]
    if name in (INDEX, SHARD):
        (checkpoint / "model.safetensors").unlink()
        tiny_run.model().save_pretrained(checkpoint, max_shard_size="50KB")
    assert trainers.incomplete(checkpoint) is None
    content = (checkpoint / name).read_bytes()
    (checkpoint / name).unlink()
    if damage == "gone":
        missing = "model.safetensors" if name == INDEX else name
        assert trainers.incomplete(checkpoint) == f"{missing} is missing"
    else:
        (checkpoint / name).write_bytes(content[:-9] if damage == "cut off" else b"")
        assert trainers.incomplete(checkpoint) == f"{name} is cut off or damaged"


def test_an_incomplete_checkpoint_is_said_and_passed_over(finished, capsys):
    (finished / "checkpoint-16" / "optimizer.pt").unlink()
    trainer = tiny_run.build(finished)
    trainers.train(trainer, resume=True)
    said = capsys.readouterr().out
    assert "checkpoint-16 is incomplete, optimizer.pt is missing: passed over." in said
    assert "Continuing from checkpoint-14." in said
    assert trainer.state.global_step == tiny_run.STEPS
    for checkpoint in trainers.checkpoints(finished):
        (checkpoint / "trainer_state.json").write_text("{")
    trainers.train(tiny_run.build(finished), resume=True)
    assert "No complete checkpoint: starting from the beginning." in capsys.readouterr().out


def test_a_new_run_does_not_mix_with_an_older_one(finished):
    with pytest.raises(LearnerError, match=r"already holds checkpoint-16.*resume=True"):
        trainers.train(tiny_run.build(finished))


BATCHES_OF_4 = ({"per_device_train_batch_size": 4}, "other settings: batch_size 8 there, 4 here")
FIRST, *BETWEEN, LAST = tiny_run.rows()["labels"]
FLIPPED = [FIRST, *(1 - label for label in BETWEEN), LAST]
THREE_LAYERS = ({"layers": 3}, "other settings: num_hidden_layers 2 there, 3 here")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        BATCHES_OF_4, THREE_LAYERS,
        ({"seed": 1}, "other settings: seed 0 there, 1 here"),
        ({"learning_rate": 1e-4}, "learning_rate 0.001 there, 0.0001 here"),
        ({"train": tiny_run.rows(40)}, "rows 64 there, 40 here, other training rows"),
        ({"train": tiny_run.rows().select(range(63, -1, -1))}, "settings: other training rows"),
        ({"train": with_labels(FLIPPED)}, "settings: other training rows"),
        ({"optim": "sgd"}, "optimizer adamw_torch_fused there, sgd here"),
    ],
    ids=["batch size", "model", "seed", "rate", "rows", "order", "labels", "optimizer"],
)
def test_another_run_does_not_resume(finished, changed, said):
    before = sorted(finished.rglob("*"))
    with pytest.raises(LearnerError, match=said):
        trainers.train(tiny_run.build(finished, **changed), resume=True)
    assert sorted(finished.rglob("*")) == before


@pytest.mark.parametrize(("changed", "said"), [BATCHES_OF_4, THREE_LAYERS], ids=["size", "model"])
def test_a_plain_trainers_checkpoints_are_compared_too(finished, changed, said):
    (finished / trainers.RUN_FILE).unlink()
    test_another_run_does_not_resume(finished, changed, said)


@pytest.mark.parametrize("changed", [{}, {"max_steps": 16}, {"num_train_epochs": 1.5}])
@pytest.mark.parametrize("plain", [True, False])
def test_an_interrupted_run_goes_on(plain, changed, tmp_path, capsys):
    """With a new Trainer after a plain one, or with the very Trainer that was interrupted."""
    trainer = tiny_run.build(tmp_path, evaluation=tiny_run.rows(8), **changed)
    trainer.evaluate()
    interrupt = tiny_run.At(5, stop)
    trainer.add_callback(interrupt)
    with pytest.raises(KeyboardInterrupt):
        trainer.train() if plain else trainers.train(trainer)
    trainer.remove_callback(interrupt)
    again = tiny_run.build(tmp_path, **changed) if plain else trainer
    trainers.train(again, resume=True)
    assert "Continuing from checkpoint-4." in capsys.readouterr().out
    assert again.state.global_step == again.state.max_steps


@pytest.mark.parametrize("logging_steps", [1, 3, 500])
def test_a_training_whose_loss_ends_as_nan_is_no_success(logging_steps, tmp_path):
    poison = tiny_run.At(3, lambda model: model.classifier.weight.data.fill_(float("nan")))
    record = [trainers.RecordCurve()] if logging_steps == 1 else []
    trainer = tiny_run.build(tmp_path, callbacks=[*record, poison], logging_steps=logging_steps)
    said = rf"After step {3 if logging_steps < 500 else 0} the loss .* rate \(0\.001 here\)"
    with pytest.raises(LearnerError, match=said):
        trainers.train(trainer)
    assert trainers.checkpoints(tmp_path)
    for each in record:
        assert curves.compare(each.curve, each.curve).kind == "not finite"


def test_an_evaluation_after_the_training_is_not_part_of_the_curve(tmp_path):
    record = trainers.RecordCurve()
    trainer = tiny_run.build(tmp_path, callbacks=[record, ProgressBar()],
                             save_strategy="no", evaluation=tiny_run.rows(8))
    trainer.evaluate()
    trainers.train(trainer)
    trainer.evaluate()
    assert record.curve.validation == []
    assert len(record.curve.loss) == tiny_run.STEPS


# Bad rows, bad places

@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (tiny_run.rows(8).remove_columns("labels"), "has no labels, only input_ids"),
        (tiny_run.rows(8).rename_column("labels", "stars"), "rename_column"),
        *((with_labels([0, label]), f"dataset, row 1: label {said} is not a whole number from 0")
          for label, said in ((1.0, 1.0), (None, None), (2, 2), (-1, -1), (True, True),
                              ("pos", "'pos'"), (np.float32(1), 1.0))),
        (tiny_run.rows(8).select([]), "train_dataset has no rows"),
    ],
)
def test_rows_that_cannot_be_learnt_from_are_named(rows, said, tmp_path):
    with pytest.raises(LearnerError, match=said):
        trainers.train(tiny_run.build(tmp_path, train=rows))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda t: setattr(t, "data_collator", default_data_collator),
         r"rows of 3 to 19 tokens.*processing_class=tokenizer"),
        (lambda t: setattr(t, "processing_class", None), "processing_class=tokenizer"),
        (lambda t: setattr(t.model.config, "pad_token_id", None),
         r"config\.pad_token_id = tokenizer\.pad_token_id"),
        (lambda t: setattr(t, "eval_dataset", with_labels([5])), "eval_dataset, row 0: label 5"),
        (lambda t: setattr(t, "eval_dataset", {"x": with_labels([5])}), r"dataset\['x'\], row 0"),
        (lambda t: setattr(t.args, "output_dir", __file__), r"Could not write run\.json into"),
    ],
    ids=["no collator", "no tokenizer", "no pad token", "label", "label of several", "no folder"],
)
def test_a_trainer_that_cannot_work_is_told_what_to_change(spoil, said, tmp_path):
    trainer = tiny_run.build(tmp_path)
    spoil(trainer)
    with pytest.raises(LearnerError, match=said):
        trainers.train(trainer)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file size are a POSIX feature")
def test_a_full_disk_leaves_the_older_checkpoint_and_it_is_used(processes, tmp_path):
    job = Job(processes, tmp_path / "full", full=True)
    job.process.join(60)
    said = (job.folder / "printed.txt").read_text()
    assert "CLEAR: Writing a checkpoint into" in said
    assert "checkpoint-2 is complete. Free some space" in said
    whole = Job(processes, tmp_path / "whole")
    assert Job(processes, job.folder).finish() == whole.finish()


def test_an_error_that_is_not_the_disks_is_passed_on(tmp_path):
    with pytest.raises(ZeroDivisionError):
        trainers.train(tiny_run.build(tmp_path, callbacks=[tiny_run.At(1, lambda _: 1 / 0)]))


def test_tensorboard_gets_its_logs(tmp_path, monkeypatch):
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "logs"))
    trainers.train(tiny_run.build(tmp_path / "run", report_to="tensorboard", save_strategy="no"))
    assert list((tmp_path / "logs").glob("events.out.tfevents*"))
