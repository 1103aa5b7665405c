"""One training in several processes: who gets which rows, what is summed, what is kept.

The processes are PyTorch's (`torchrun` or `accelerate launch` start them) and Accelerate averages
their gradients. Here stand the batches, the loop and its checkpoints: the loop
of notebook 03 once more, for any number of processes (notebook 11).
"""

import dis
import inspect
import itertools
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Sampler

from helpers import paths, runs, tasks, training
from helpers.curves import LossCurve
from helpers.errors import LearnerError

RUN_ID = "helpers"  # by which a process knows that `launch` has started it


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


def threads_each(processes, threads=None):
    """Return the threads of each of several processes: `threads`, or an equal share of the cores.

    Raises LearnerError if this machine has not a core for each of them, or GPUs, but not one for
    each process.
    """
    cores, gpus = available_cores(), torch.cuda.device_count()
    threads = threads or max(1, cores // processes)
    if processes * threads > cores:
        raise LearnerError(
            f"Processes times threads, {processes} · {threads}, are more than this machine's "
            f"{cores} cores. Choose a smaller --processes or --threads."
        )
    if 0 < gpus < processes:
        raise LearnerError(
            f"{processes} processes: each needs a GPU of its own, and this machine has {gpus}. "
            "With CUDA_VISIBLE_DEVICES= (nothing) before the command, all use the processor."
        )
    return threads


def available_cores():
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def split_loader(loader, process, processes):
    """Return a `DataLoader` like this one, with the share of each batch of one process."""
    return DataLoader(
        loader.dataset, collate_fn=loader.collate_fn, generator=loader.generator,
        batch_sampler=Share(loader.batch_sampler, process, processes),
    )


def train(model, loader, accelerator, *, epochs, learning_rate, head_rate=1.0, class_weights=None,
          metric=None, validate=None, checkpoint=None, on_step=None):
    """Fine-tune `model` in place and return its `LossCurve`, the same in every process.

    Each process takes its share of `loader`, one that `batching.loader` made for training. Loss
    and gradients of a step are those of the whole batch, and with `class_weights`, the weights of
    the task, shape (classes,), those of its weighted mean. With `validate`, which returns figures
    of the validation texts as a dictionary, the model ends with the weights of the `best_epoch`
    by one of them, `metric`. With a `Checkpoints` the run goes on from the newest one and writes
    one every so often. `on_step(curve)` is called after every step.

    Raises LearnerError as soon as the loss or the gradient is not finite.
    """
    mine = split_loader(loader, accelerator.process_index, accelerator.num_processes)
    wrapped, trained = accelerator.prepare(model), list(_trained(model).values())
    steps, curve, best = epochs * len(loader), LossCurve(), None
    optimizer, scheduler = training.new_optimizer(model, steps, learning_rate, head_rate)
    if checkpoint is not None:
        checkpoint.restore(model, optimizer, scheduler, curve)
        curve.settings, best = dict(checkpoint.identity), checkpoint.best
    done, start = len(curve.loss), time.perf_counter()
    for epoch in range(done // len(loader), epochs):
        wrapped.train()
        loader.batch_sampler.set_epoch(epoch)
        for step, batch in enumerate(mine, start=epoch * len(loader) + 1):
            if step <= done:
                continue
            optimizer.zero_grad()
            loss, accuracy = _backward(wrapped, batch, accelerator, class_weights)
            norm = torch.nn.utils.clip_grad_norm_(trained, 1.0)
            if not (math.isfinite(loss) and norm.isfinite()):
                raise _diverged(step, steps, learning_rate, checkpoint)
            optimizer.step()
            curve.record(loss, scheduler.get_last_lr()[0], accuracy)
            scheduler.step()
            if validate is not None and step % len(loader) == 0:
                best = _validated(validate(), metric, curve, model, best)
            if on_step is not None:
                on_step(curve)
            if checkpoint is not None and accelerator.is_main_process:
                checkpoint.best = best
                checkpoint.after(model, optimizer, scheduler, curve, steps,
                                 time.perf_counter() - start)
    model.load_state_dict(best or {}, strict=False)
    return curve


def _backward(model, batch, accelerator, class_weights):
    """Compute the gradients of a whole batch from this process's part of it.

    Returns loss and accuracy of the whole batch; None for the latter where labels are numbers.
    """
    batch = batch.to(accelerator.device)
    output, labels = model(**batch), batch["labels"]
    rows = torch.tensor(len(labels), device=labels.device)
    mean, weight = output.loss, rows
    if class_weights is not None:
        summed, weight = tasks.loss(output.logits, labels, class_weights)
        mean = summed / weight
    right = tasks.right(output.logits, labels)
    sums = torch.stack([mean.detach() * weight, weight, rows if right is None else right, rows])
    loss, weights, all_right, rows = accelerator.reduce(sums, "sum").tolist()
    accelerator.backward(mean * weight * accelerator.num_processes / weights)
    return loss / weights, None if right is None else all_right / rows


def _diverged(step, steps, learning_rate, checkpoint):
    """Return the error for a loss or gradient that is not finite."""
    return LearnerError(
        f"Step {step} of {steps}: the loss or its gradient is not finite, so nothing is saved. "
        f"Choose a lower --learning-rate than {learning_rate:g}"
        + (checkpoint.remedy() if checkpoint is not None else ".")
    )


def _validated(figures, metric, curve, model, best):
    """Record an epoch's figures; return the weights of the best epoch so far."""
    curve.record_validation(figures["loss"], figures.get("accuracy"))
    curve.validation[-1] |= figures
    if best_epoch(curve.validation, metric) < len(curve.validation):
        return best
    return {name: p.detach().cpu().clone() for name, p in _trained(model).items()}


def best_epoch(validation, metric):
    """Return which epoch is best, counted from 1: of the lowest loss, or the highest other figure.

    `validation` is a curve's. Of several that are equal it is the first. Of errors the lowest is
    the best, and None, the correlation of answers that are all the same, is the worst of all.
    """
    sign = -1 if metric in ("loss", "mean_absolute_error") else 1
    values = [-math.inf if epoch[metric] is None else sign * epoch[metric] for epoch in validation]
    return values.index(max(values)) + 1


def _trained(model):
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _numbered(model, optimizer):
    """Return the trained parameters by name, in the order in which the optimizer counts them."""
    names = {id(p): name for name, p in _trained(model).items()}
    return {names[id(p)]: p for group in optimizer.param_groups for p in group["params"]}


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
        self.best = None  # the weights of the best epoch so far, where one is chosen
        stored = self._read()
        self._stored = None if anew else stored
        if self._stored:
            self.identity, self.seconds = stored["identity"], stored["seconds"]
            self.steps = len(stored["curve"]["loss"])

    def begin(self, identity, state):
        """Say which run this is, a dictionary of plain values; starting anew deletes the file.

        `state` is Accelerate's `PartialState`. Raises LearnerError if the checkpoint is another
        run's, or the processes would go on from different steps.
        """
        from accelerate.utils import gather

        different = runs.differing(self.identity, identity) if self.steps else {}
        if different:
            raise LearnerError(
                f"{self.file.parent} holds an unfinished run that differs: "
                f"{runs.sentence(different)}. Set it back, or start anew with --overwrite or "
                "another --output."
            )
        self.identity = identity
        steps = gather(torch.tensor([self.steps], device=state.device)).tolist()
        if len(set(steps)) > 1:
            raise LearnerError(
                f"The processes found checkpoints after different steps ({steps}). The output "
                "directory has to be one that all machines share."
            )
        if self.anew and state.is_main_process:
            self.file.unlink(missing_ok=True)

    def remedy(self):
        """Return what goes on from "a lower --learning-rate than 1" after a diverged run."""
        return (", and --overwrite: the checkpoint would lead to the same end."
                if self.file.exists() else ".")

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
        here = [(name, [p.shape] * 3) for name, p in _numbered(model, optimizer).items()]
        there.append(("the schedule", stored["scheduler"]["last_epoch"]))
        here.append(("the schedule", self.steps))
        for found, needed in itertools.zip_longest(there, here):
            if found != needed:
                raise LearnerError(
                    f"{self.file} does not fit this model, in {(needed or found)[0]}: its name, "
                    "shape or optimizer state is another. Start anew with --overwrite."
                )
        model.load_state_dict(stored["model"], strict=False)  # frozen weights are not in it
        optimizer.load_state_dict(stored["optimizer"])
        scheduler.load_state_dict(stored["scheduler"])
        for name, values in stored["curve"].items():
            setattr(curve, name, list(values))
        self.best = stored.get("best")

    def after(self, model, optimizer, scheduler, curve, steps, seconds=0.0):
        """Write a checkpoint if it is time to; `seconds` have passed since the run went on."""
        done = len(curve.loss)
        if done % self.every or done == steps:
            return
        state = {
            "identity": self.identity, "seconds": self.seconds + seconds,
            "model": {name: p.detach() for name, p in _numbered(model, optimizer).items()},
            "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(),
            "curve": {name: values for name, values in vars(curve).items() if name != "settings"},
        } | ({} if self.best is None else {"best": self.best})
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
        if not isinstance(stored, dict) or set(stored) - {"best"} != parts:
            raise LearnerError(
                f"{self.file} cannot be read as a checkpoint: it is broken, or another program's. "
                "Choose another --output, or delete it yourself."
            )
        return stored


def evaluate(model, loader, accelerator, weights=None):
    """Return mean loss, logits and labels over a loader, each process evaluating its share.

    Logits (texts, outputs) and labels, on the CPU, are those of all texts in the loader's order.
    With `weights` of the task the loss is the weighted mean.

    Raises LearnerError if the logits are not finite.
    """
    from accelerate.utils import gather_object

    model.eval()
    found, lost = [], torch.zeros(2, dtype=torch.float64, device=accelerator.device)
    process, processes = accelerator.process_index, accelerator.num_processes
    with torch.inference_mode():
        for place, batch in itertools.islice(enumerate(loader), process, None, processes):
            batch = batch.to(accelerator.device)
            with accelerator.autocast():
                logits = model(**batch).logits.float()
            if not logits.isfinite().all():
                raise LearnerError("The trained model answers with numbers that are not finite, "
                                   "so nothing is saved. Choose a lower --learning-rate.")
            lost += torch.stack(tasks.loss(logits, batch["labels"], weights))
            found.append((place, logits.cpu(), batch["labels"].cpu()))
    found = sorted(gather_object(found), key=lambda each: each[0])
    _, logits, labels = zip(*found, strict=True)
    loss, weight = accelerator.reduce(lost, "sum").tolist()
    return loss / weight, torch.cat(logits), torch.cat(labels)


def launch(module, arguments, processes, threads, restarts=0):
    """Run `python -m module arguments` in several processes that find each other, by `torchrun`.

    With `restarts`, all start again after one has died, and go on from their checkpoint. This is
    for a program that does nothing else: its environment and signal handlers are changed.

    Raises LearnerError if a process fails, with what it left by `leave_message` or how it was
    stopped, and KeyboardInterrupt if this one is told to stop.
    """
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    if sys.platform == "win32":
        raise LearnerError("PyTorch's launcher does not run on Windows: use WSL, or one process.")
    # Without the latter, processes meet after a restart in the store of those before, and may find
    # the addresses of the dead in it ("Connection refused").
    os.environ |= {"OMP_NUM_THREADS": str(threads), "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    with tempfile.TemporaryDirectory() as logs:
        options = [
            f"--nproc-per-node={processes}", f"--max-restarts={restarts}", f"--rdzv-id={RUN_ID}",
            "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", "--monitor-interval=0.1",
            f"--log-dir={logs}", "--module", module,
        ]
        try:
            run.run(run.parse_args([*options, *arguments]))
        except ChildFailedError as failed:
            raise LearnerError(_cause(failed.failures, processes)) from None
        except SignalException:
            raise KeyboardInterrupt from None


def _cause(failures, processes):
    """Say what made several processes fail: not losing a connection to one, nor being stopped."""
    consequences = {1: 1, -signal.SIGTERM: 2}  # by exit status: a traceback, told to stop
    rank, failure = min(failures.items(), key=lambda item: consequences.get(item[1].exitcode, 0))
    who = f"Process {rank} of {processes}"
    if failure.exitcode < 0:
        return (f"{who} was stopped by {failure.signal_name()}; most often the memory was used "
                "up, or somebody stopped it. Run the same command again: it goes on from its "
                "checkpoint.")
    if "timestamp" in failure.error_file_data:  # what leave_message wrote
        return failure.message
    return f"{who} ended with exit status {failure.exitcode}; what it said stands above."


def together(main, processes=2):
    """Run a function of a notebook in several processes, by `torchrun`; return what they print.

    A new process knows nothing of the notebook. So the function, and all functions of the
    notebook that it calls, are written into `runs/NAME.py`, below the imports that they use. Each
    process has one thread.

    Raises LearnerError with a process's own words if it fails, and for a function that uses a
    value of the notebook.
    """
    script = Path("runs", f"{main.__name__}.py")
    script.parent.mkdir(exist_ok=True)
    script.write_text(script_of(main), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node",
         str(processes), script], capture_output=True, text=True, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths.python_path()},
    )
    if done.returncode != 0:
        said = re.search(r"^(?:\[rank\d+\]: )?(\w*(?:Error|Exception): .*)", done.stderr, re.M)
        raise LearnerError(f"A process of {script} failed: "
                           f"{said[1] if said else done.stderr.strip()[-300:]}")
    return done.stdout


def script_of(main):
    """Return a program that calls a function: imports, and the source of all that it calls.

    Raises LearnerError if a function uses a value of its module, which a script cannot know.
    """
    imports, sources, waiting = {"from helpers import checkpoints"}, {}, [main]
    while waiting:
        function = waiting.pop()
        sources[function.__name__] = inspect.getsource(function)
        for name in _globals(function.__code__) & function.__globals__.keys():
            value = function.__globals__[name]
            if inspect.ismodule(value):
                imports.add(f"import {value.__name__} as {name}")
            elif inspect.isfunction(value) and value.__module__ == function.__module__:
                waiting += [value] if name not in sources else []
            elif hasattr(value, "__qualname__"):
                imports.add(f"from {value.__module__} import {value.__name__} as {name}")
            else:
                raise LearnerError(
                    f"{function.__name__} uses {name}, a value that other processes do not know. "
                    "Make it within the function, or read it from a file there.")
    return "\n\n".join(["\n".join(sorted(imports)), "checkpoints.quiet()", *sources.values(),
                        f"{main.__name__}()\n"])


def _globals(code):
    """Return the global names that a function's code reads, those of functions in it included."""
    inner = (_globals(part) for part in code.co_consts if inspect.iscode(part))
    own = {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
    return own.union(*inner)


def was_launched():
    """Say whether `launch` has started this process."""
    return os.environ.get("TORCHELASTIC_RUN_ID") == RUN_ID


def leave_message(error):
    """Leave the words of an error for `launch`, if it has started this process; say if it has."""
    if not was_launched():
        return False
    with paths.replacing(os.environ["TORCHELASTIC_ERROR_FILE"]) as fresh:
        fresh.write_text(json.dumps({"message": str(error), "timestamp": int(time.time())}),
                         encoding="utf-8")
    return True
