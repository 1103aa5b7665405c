"""One training in several processes: who gets which rows, what is summed, what is kept.

The processes are PyTorch's (`torchrun`, `accelerate launch` or `notebook_launcher` start them) and
Accelerate averages their gradients. Here stand the batches, the loop and its checkpoints: the loop
of notebook 03 once more, for any number of processes (notebook 11).
"""

import json
import math
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from itertools import zip_longest
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Sampler

from helpers import paths, runs
from helpers.curves import LossCurve
from helpers.errors import LearnerError

RUN_ID = "helpers"  # by which a process knows that `launch` has started it
# Without this, PyTorch's processes meet after a restart in the store of those before, and may
# find the addresses of the dead in it ("Connection refused").
OWN_STORE = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"


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
    """Return a number of processes or threads if this machine has a core for each.

    Raises LearnerError for any other.
    """
    cores = available_cores()
    if not isinstance(count, int) or not 1 <= count <= cores:
        raise LearnerError(
            f"{count} {what}: this machine has {cores} cores, so {option} can be 1 to {cores}."
        )
    return count


def check_processes(count, option="--processes"):
    """Return a number of processes if each has a core and, where there are GPUs, one of these.

    Raises LearnerError for any other.
    """
    check_count(count, "processes", option)
    if 0 < (gpus := torch.cuda.device_count()) < count:
        raise LearnerError(
            f"{count} processes: each needs a GPU of its own, and this machine has {gpus}. With "
            "CUDA_VISIBLE_DEVICES= (nothing) before the command, all use the processor."
        )
    return count


def available_cores():
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def split_loader(loader, process, processes):
    """Return a `DataLoader` like this one, with the share of each batch of one process."""
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

    Raises LearnerError as soon as the loss or the gradient is not finite.
    """
    from transformers import get_linear_schedule_with_warmup

    processes = accelerator.num_processes
    sampler = loader.batch_sampler
    mine = split_loader(loader, accelerator.process_index, processes)
    wrapped = accelerator.prepare(model)
    trained = list(_trained(model).values())
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, fused=True)
    steps = epochs * len(loader)
    scheduler = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    curve = LossCurve(settings=dict(settings or {}))
    if checkpoint is not None:
        checkpoint.restore(model, optimizer, scheduler, curve)
    done, start = len(curve.loss), time.perf_counter()
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
            norm = torch.nn.utils.clip_grad_norm_(trained, 1.0)
            if not (math.isfinite(loss) and torch.isfinite(norm)):
                stale = checkpoint is not None and checkpoint.file.exists()
                raise LearnerError(
                    f"Step {number + 1} of {steps}: the loss or its gradient is not finite, so "
                    "nothing is saved. Choose a lower --learning-rate than "
                    f"{learning_rate:g}" + (", and --overwrite: the checkpoint would lead to the "
                                            "same end." if stale else ".")
                )
            optimizer.step()
            curve.record(loss / everybody, scheduler.get_last_lr()[0], right / everybody)
            scheduler.step()
            if on_step is not None:
                on_step(curve)
            if checkpoint is not None and accelerator.is_main_process:
                checkpoint.after(model, optimizer, scheduler, curve, steps,
                                 time.perf_counter() - start)
    return curve


def _trained(model):
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


class Checkpoints:
    """A file from which an interrupted run goes on, with any number of processes.

    A checkpoint is written every `every` steps, whole or not at all. `steps` and `seconds` say how
    far the run is in the newest one, `identity` which run it is: 0, 0 and None without one, and
    for a run that starts `anew`.

    Raises LearnerError for a file that is not a checkpoint or cannot be read.
    """

    def __init__(self, file, every=50, anew=False):
        self.file, self.every, self.anew = Path(file), every, anew
        self.identity, self.seconds, self.steps = None, 0.0, 0
        self._stored = self._read()
        if anew:
            self._stored = None
        if self._stored is not None:
            self.identity, self.seconds = self._stored["identity"], self._stored["seconds"]
            self.steps = len(self._stored["curve"]["loss"])

    def belong_to(self, identity):
        """Say which run this is, a dictionary of plain values.

        Raises LearnerError if the checkpoint is another run's.
        """
        different = runs.differing(self.identity, identity) if self.steps else {}
        if different:
            raise LearnerError(
                f"{self.file.parent} holds an unfinished run that differs: "
                f"{runs.sentence(different)}. Set it back, or start anew with --overwrite or "
                "another --output."
            )
        self.identity = identity

    def start_together(self, accelerator):
        """Delete the checkpoint if the run starts anew.

        Raises LearnerError if the processes would go on from different steps.
        """
        steps = accelerator.gather(torch.tensor([self.steps], device=accelerator.device)).tolist()
        if len(set(steps)) > 1:
            raise LearnerError(
                f"The processes found checkpoints after different steps ({steps}). The output "
                "directory has to be one that all machines share."
            )
        if self.anew and accelerator.is_main_process:
            self.file.unlink(missing_ok=True)

    def restore(self, model, optimizer, scheduler, curve):
        """Set everything back to the checkpoint, if there is one, and let go of its memory.

        Raises LearnerError if the checkpoint holds other trained parameters than the model.
        """
        stored, self._stored = self._stored, None
        if stored is None:
            return
        moments, names = stored["optimizer"]["state"], ("exp_avg", "exp_avg_sq")  # AdamW's
        there = [(name, [p.shape, *(moments[i][k].shape for k in names if i in moments)])
                 for i, (name, p) in enumerate(stored["model"].items())]
        here = [(name, [p.shape] * 3) for name, p in _trained(model).items()]
        for found, needed in zip_longest(there, here):
            if found != needed:
                raise LearnerError(
                    f"{self.file} does not fit this model, in {(needed or found)[0]}: its name, "
                    "shape or optimizer state is another. Start anew with --overwrite."
                )
        if stored["scheduler"]["last_epoch"] != self.steps:
            raise LearnerError(f"{self.file}: the learning rate and the loss curve are not at the "
                               "same step. Start anew with --overwrite.")
        model.load_state_dict(stored["model"], strict=False)  # frozen weights are not in it
        optimizer.load_state_dict(stored["optimizer"])
        scheduler.load_state_dict(stored["scheduler"])
        for name, values in stored["curve"].items():
            setattr(curve, name, list(values))

    def after(self, model, optimizer, scheduler, curve, steps, seconds=0.0):
        """Write a checkpoint if it is time to; `seconds` have passed since the run went on."""
        done = len(curve.loss)
        if done % self.every or done == steps:
            return
        state = {
            "identity": self.identity,
            "seconds": self.seconds + seconds,
            "model": {name: p.detach() for name, p in _trained(model).items()},
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "curve": {"loss": curve.loss, "learning_rate": curve.learning_rate,
                      "accuracy": curve.accuracy},
        }
        with paths.replacing(self.file) as fresh:
            torch.save(state, fresh)

    def _read(self):
        try:
            stored = torch.load(self.file, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except Exception:  # an unpickler trips over foreign bytes in many ways
            stored = None
        parts = {"identity", "seconds", "model", "optimizer", "scheduler", "curve"}
        if not isinstance(stored, dict) or set(stored) != parts:
            raise LearnerError(
                f"{self.file} cannot be read as a checkpoint: it is broken, or another program's. "
                "Choose another --output, or delete it yourself."
            )
        return stored


def evaluate(model, loader, accelerator):
    """Return (correct, texts) of a model over a loader, each process counting its share.

    Raises LearnerError if the logits are not finite.
    """
    model.eval()
    counts = torch.zeros(2, device=accelerator.device)
    with torch.inference_mode():
        for number, batch in enumerate(loader):
            if number % accelerator.num_processes != accelerator.process_index:
                continue
            batch = batch.to(accelerator.device)
            with accelerator.autocast():
                logits = model(**batch).logits
            if not logits.isfinite().all():
                raise LearnerError("The trained model answers with numbers that are not finite, "
                                   "so nothing is saved. Choose a lower --learning-rate.")
            right = logits.argmax(-1) == batch["labels"]
            counts += torch.tensor([right.sum(), len(right)]).to(counts)
    return tuple(int(count) for count in accelerator.reduce(counts, "sum"))


def launch(module, arguments, processes, *, threads=None, port=None, restarts=0):
    """Run `python -m module arguments` in several processes that find each other.

    They are PyTorch's elastic processes, what `torchrun` starts: with `restarts`, all start again
    after one has died, and go on from their checkpoint. `threads` are those of each process, by
    default an equal share of the cores.

    Raises LearnerError if a process fails, with what it left by `leave_message` or how it was
    stopped, and KeyboardInterrupt if this one is told to stop.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    if sys.platform == "win32":
        raise LearnerError("PyTorch's launcher does not run on Windows: use WSL, or one process.")
    check_processes(processes)
    if threads is None:
        threads = max(1, available_cores() // processes)
    check_count(threads * processes if isinstance(threads, int) and threads > 0 else threads,
                "threads in all processes", "--threads times --processes")
    if port is not None:
        check_port(port)
    handlers = {getattr(signal, name): signal.getsignal(getattr(signal, name))
                for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")}
    environment = dict(os.environ)
    os.environ |= {"OMP_NUM_THREADS": str(threads), OWN_STORE: "1"}  # the processes inherit it
    with tempfile.TemporaryDirectory() as logs:
        config = LaunchConfig(
            min_nodes=1, max_nodes=1, nproc_per_node=processes, max_restarts=restarts,
            run_id=RUN_ID, rdzv_backend="c10d", rdzv_endpoint=f"localhost:{port or 0}",
            monitor_interval=0.1, logs_specs=DefaultLogsSpecs(log_dir=logs),
        )
        try:
            elastic_launch(config, sys.executable)("-u", "-m", module, *arguments)
        except ChildFailedError as failed:
            rank, failure = min(failed.failures.items(), key=lambda item: _consequence(item[1]))
            raise LearnerError(_about(rank, failure, processes)) from None
        except SignalException:
            raise KeyboardInterrupt from None
        finally:
            os.environ.clear()
            os.environ |= environment
            if threading.current_thread() is threading.main_thread():
                for number, handler in handlers.items():
                    signal.signal(number, handler)


def leave_message(error):
    """Leave the words of an error for `launch`, if it has started this process; say if it has."""
    file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if os.environ.get("TORCHELASTIC_RUN_ID") != RUN_ID or not file:
        return False
    with paths.replacing(Path(file)) as fresh:
        fresh.write_text(json.dumps({"message": str(error), "timestamp": int(time.time())}),
                         encoding="utf-8")
    return True


def check_port(port):
    """Raise LearnerError if a port cannot be opened here."""
    with socket.socket() as probe:
        try:
            probe.bind(("localhost", port or -1))  # 0 would be any port
        except (OSError, OverflowError) as error:
            raise LearnerError(f"Port {port} cannot be used: {paths.reason(error)}. Leave --port "
                               "out to take any free one.") from None


def free_port():
    """Return the number of a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def _left_message(failure):
    return "timestamp" in failure.error_file_data  # what leave_message wrote


def _consequence(failure):
    """Return how likely a failure is but the consequence of another process's, to sort by.

    Whole seconds do not tell which came first. One that was killed is a cause; so is one that
    left a message. The others lose their connection, or are told to stop: SIGTERM.
    """
    if failure.exitcode < 0:
        return 3 if failure.exitcode == -signal.SIGTERM else 0
    return 1 if _left_message(failure) else 2


def _about(rank, failure, processes):
    who = f"Process {rank} of {processes}"
    if failure.exitcode < 0:
        return (f"{who} was stopped by {failure.signal_name()}; most often the memory was used "
                "up, or somebody stopped it. Run the same command again: it goes on from its "
                "checkpoint.")
    if _left_message(failure):
        return failure.message
    return f"{who} ended with exit status {failure.exitcode}; what it said stands above."
