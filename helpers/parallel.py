"""One training in several processes: who gets which rows, what is summed, what is kept.

The processes are PyTorch's (`torchrun`, `accelerate launch` or `notebook_launcher` start them) and
Accelerate averages their gradients. Here stand the batches, the loop and its checkpoints: the loop
of notebook 03 once more, for any number of processes (notebook 10).
"""

import os
import pickle
import zipfile
from pathlib import Path

import torch
from torch.utils.data import Sampler

from helpers import paths
from helpers.curves import LossCurve
from helpers.errors import LearnerError


class Share(Sampler):
    """The part of each batch that one of several processes gets: every n-th row of it.

    All processes draw the same batches, so together they see what one process would. A batch of
    fewer rows than processes gives a row to more than one of them.
    """

    def __init__(self, batches, process, processes):
        self.batches, self.process, self.processes = batches, process, processes

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        for rows in self.batches:
            yield rows[self.process :: self.processes] or rows[-1:]


def check_count(count, what, option):
    """Return a number of processes or threads that this machine's cores can carry.

    Raises LearnerError for 0, for what is no number, and for more than there are cores.
    """
    cores = available_cores()
    if not isinstance(count, int) or not 1 <= count <= cores:
        raise LearnerError(
            f"{count} {what}: this machine has {cores} cores, so {option} can be 1 to {cores}."
        )
    return count


def available_cores():
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def split_loader(loader, process, processes):
    """Return a `DataLoader` like this one, with the share of each batch of one process."""
    from torch.utils.data import DataLoader

    return DataLoader(
        loader.dataset, collate_fn=loader.collate_fn, generator=loader.generator,
        batch_sampler=Share(loader.batch_sampler, process, processes),
    )


def train(
    model, loader, accelerator, *, epochs, learning_rate, checkpoint=None, settings=None,
    on_step=None,
):
    """Fine-tune `model` in place and return its `LossCurve`, the same in every process.

    `loader` is one that `batching.loader` made for training; each process takes its share.
    The loss of a step is that of the whole batch, and so are the gradients: each process's count
    as much as it has rows.
    With a `Checkpoints` the run goes on from its newest one and writes one every so often.
    `on_step(curve)` is called after every step.
    """
    from transformers import get_linear_schedule_with_warmup

    processes = accelerator.num_processes
    sampler = loader.batch_sampler
    mine = split_loader(loader, accelerator.process_index, processes)
    wrapped = accelerator.prepare(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, fused=True)
    steps = epochs * len(loader)
    scheduler = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    curve = LossCurve(settings=dict(settings or {}))
    if checkpoint is not None:
        checkpoint.restore(model, optimizer, scheduler, curve)
    done = len(curve.loss)
    for epoch in range(done // len(loader), epochs):
        wrapped.train()
        sampler.set_epoch(epoch)
        for number, batch in enumerate(mine, start=epoch * len(loader)):
            if number < done:
                continue
            batch = batch.to(accelerator.device)
            optimizer.zero_grad()
            output = wrapped(**batch)
            rows = len(batch["labels"])
            right = (output.logits.argmax(-1) == batch["labels"]).sum()
            sums = torch.stack([output.loss.detach() * rows, right, torch.tensor(rows).to(right)])
            loss, right, everybody = accelerator.reduce(sums, "sum").tolist()
            accelerator.backward(output.loss * rows * processes / everybody)
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            curve.record(loss / everybody, scheduler.get_last_lr()[0], right / everybody)
            scheduler.step()
            if on_step is not None:
                on_step(curve)
            if checkpoint is not None and accelerator.is_main_process:
                checkpoint.after(model, optimizer, scheduler, curve, steps)
    return curve


class Checkpoints:
    """A file from which an interrupted run goes on, with any number of processes.

    `identity` says what run it is, a dictionary of plain values; one written by another run is
    refused. A checkpoint is written every `every` steps, whole or not at all.
    """

    def __init__(self, file, identity, every=50):
        self.file, self.identity, self.every = Path(file), identity, every

    def restore(self, model, optimizer, scheduler, curve):
        """Set everything back to the checkpoint, if there is one.

        Raises LearnerError for one of another run; a broken one counts as none.
        """
        stored = self._read()
        if stored is None:
            return
        differing = [k for k, v in self.identity.items() if stored["identity"].get(k) != v]
        if differing:
            k = differing[0]
            raise LearnerError(
                f"{self.file.parent} holds an unfinished run with another {k}: "
                f"{stored['identity'].get(k)} there, {self.identity[k]} here. Set it back, or "
                "start anew with --overwrite or another --output."
            )
        model.load_state_dict(stored["model"], strict=False)
        optimizer.load_state_dict(stored["optimizer"])
        scheduler.load_state_dict(stored["scheduler"])
        for name, values in stored["curve"].items():
            setattr(curve, name, values)

    def steps(self):
        """Return how many steps the checkpoint holds, 0 without one."""
        stored = self._read()
        return 0 if stored is None else len(stored["curve"]["loss"])

    def after(self, model, optimizer, scheduler, curve, steps):
        """Write a checkpoint if it is time to."""
        done = len(curve.loss)
        if done % self.every or done == steps:
            return
        trained = {name for name, p in model.named_parameters() if p.requires_grad}
        state = {
            "identity": self.identity,
            "model": {k: v for k, v in model.state_dict().items() if k in trained},
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "curve": {"loss": curve.loss, "learning_rate": curve.learning_rate,
                      "accuracy": curve.accuracy},
        }
        with paths.replacing(self.file) as fresh:
            torch.save(state, fresh)

    def _read(self):
        try:
            return torch.load(self.file, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, pickle.UnpicklingError):
            print(f"{self.file} is broken: starting from the beginning.")
            return None


def evaluate(model, loader, accelerator):
    """Return (correct, texts) of a model over a loader, each process counting its share."""
    model.eval()
    counts = torch.zeros(2, device=accelerator.device)
    with torch.inference_mode():
        for number, batch in enumerate(loader):
            if number % accelerator.num_processes != accelerator.process_index:
                continue
            batch = batch.to(accelerator.device)
            with accelerator.autocast():
                right = model(**batch).logits.argmax(-1) == batch["labels"]
            counts += torch.tensor([right.sum(), len(right)]).to(counts)
    return tuple(int(count) for count in accelerator.reduce(counts, "sum"))


def launch(module, arguments, processes, *, threads=None, port=None, restarts=0):
    """Run `python -m module arguments` in several processes that find each other.

    They are PyTorch's elastic processes, what `torchrun` starts: with `restarts`, all start again
    after one has died, and go on from their checkpoint. `threads` are those of each process, by
    default an equal share of the cores.

    Raises LearnerError if a process fails, with its own last words or how it was stopped.
    """
    import sys

    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    check_count(processes, "processes", "--processes")
    threads = threads or max(1, available_cores() // processes)
    check_count(threads, "threads", "--threads")
    check_port(port)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=processes, max_restarts=restarts,
        rdzv_backend="c10d", rdzv_endpoint=f"localhost:{port or 0}", monitor_interval=0.1,
    )
    command = ("-u", "-m", module, *arguments)
    try:
        elastic_launch(config, sys.executable)(*command)
    except ChildFailedError as failed:
        rank, failure = failed.get_first_failure()
        raise LearnerError(_about(rank, failure, processes)) from None


def check_port(port):
    """Raise LearnerError if a port cannot be opened here; None means any that is free."""
    import socket

    if port is None:
        return
    reason = None if 1 <= port <= 65535 else "ports go from 1 to 65535"
    with socket.socket() as probe:
        try:
            probe.bind(("localhost", port if reason is None else 0))
        except OSError as error:
            reason = error.strerror
    if reason:
        raise LearnerError(
            f"Port {port} cannot be used: {reason}. Leave --port out to take any free one."
        )


def free_port():
    """Return the number of a port that nobody uses."""
    import socket

    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def _about(rank, failure, processes):
    who = f"Process {rank} of {processes}"
    if failure.exitcode < 0:
        return (f"{who} was stopped by {failure.signal_name()}; most often the memory was used "
                "up, or somebody stopped it. Run the same command again: it goes on from its "
                "checkpoint.")
    return f"{who} ended with exit status {failure.exitcode}; what it said stands above."
