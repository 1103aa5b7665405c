"""Several processes: the same curve as one, a killed one that is missed, a run that goes on."""

import functools
import json
import signal
import subprocess
import sys
import time
import weakref
from types import SimpleNamespace

import nbformat
import psutil
import pytest
import torch
import torch.distributed as dist
from accelerate import Accelerator, PartialState
from transformers import AutoModelForSequenceClassification

from conftest import csv_of
from helpers import batching, curves, parallel, paths, training
from helpers import finetune as module
from helpers.errors import LearnerError
from tools import run

CORES = parallel.available_cores()
several = pytest.mark.skipif(
    CORES < 2 or sys.platform == "win32", reason="two processes need two cores, and no Windows"
)


# What is split

@pytest.mark.parametrize("processes", [1, 2, 3, 16])
def test_the_shares_of_all_processes_are_each_batch_once(processes):
    batches = batching.LengthGroupedBatches([3, 1, 2] * 13, 16)
    drawn = []
    for process in range(processes):
        batches.set_epoch(0)
        drawn.append(list(parallel.Share(batches, process, processes)))
    batches.set_epoch(0)
    for whole, *parts in zip(batches, *drawn, strict=True):
        together = sorted(row for part in parts for row in part)
        assert set(together) == set(whole)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        if len(whole) >= processes:
            assert together == sorted(whole)


def test_one_process_takes_the_steps_of_the_loop_of_notebook_03(new_model, encoded, tokenizer):
    found = []
    for train in (
        lambda model, loader: training.train(model, loader, epochs=2, learning_rate=1e-4),
        lambda model, loader: parallel.train(model, loader, Accelerator(cpu=True), epochs=2,
                                             learning_rate=1e-4),
    ):
        model = new_model()
        model.base_model.embeddings.requires_grad_(False)
        found.append(train(model, batching.loader(encoded, tokenizer, 20, train=True)))
    assert len(found[0].loss) == 10
    assert found[0].loss == pytest.approx(found[1].loss, abs=1e-5)
    assert found[0].learning_rate == pytest.approx(found[1].learning_rate)
    assert found[0].accuracy == pytest.approx(found[1].accuracy)


def small_training(new_model, encoded, tokenizer, epochs=1, **options):
    """Train a head and one layer on 32 texts, two steps an epoch; returns model and curve."""
    model = new_model()
    model.base_model.requires_grad_(False)
    model.base_model.encoder.layer[-1].requires_grad_(True)
    loader = batching.loader(encoded.select(range(32)), tokenizer, 16, train=True)
    curve = parallel.train(model, loader, Accelerator(cpu=True), epochs=epochs,
                           learning_rate=3e-3, **options)
    return model, curve


def test_with_weights_the_loss_is_the_weighted_mean_and_equal_weights_change_nothing(
    new_model, encoded, tokenizer
):
    plain, equal, weighted = (
        small_training(new_model, encoded, tokenizer, class_weights=weights)[1].loss
        for weights in (None, torch.tensor([2.0, 2.0]), torch.tensor([5.0, 1.0]))
    )
    assert equal == pytest.approx(plain, abs=1e-6)
    loader = batching.loader(encoded.select(range(32)), tokenizer, 16, train=True)
    batch = next(iter(loader))
    each = torch.nn.functional.cross_entropy(new_model().eval()(**batch).logits.detach(),
                                             batch["labels"], reduction="none")
    counts = torch.where(batch["labels"] == 0, 5.0, 1.0)
    assert weighted[0] == pytest.approx(float((each * counts).sum() / counts.sum()), abs=1e-5)
    assert abs(weighted[0] - plain[0]) > 1e-4


def validated(accuracies):
    figures = [{"loss": 1 - a, "accuracy": a, "macro_f1": a} for a in accuracies]
    return iter(figures).__next__


@pytest.mark.parametrize("metric", ["loss", "macro_f1"])
@pytest.mark.parametrize("killed_after", [None, 3, 4, 5])
def test_the_weights_of_the_best_epoch_come_back_also_after_an_interruption(
    metric, killed_after, new_model, encoded, tokenizer, tmp_path
):
    accuracies, kept = [0.5, 0.9, 0.7], {}
    rest = accuracies
    if killed_after:
        keeper = parallel.Checkpoints(tmp_path / "c.pt", every=1)
        keeper.begin({}, PartialState(cpu=True))

        def kill(curve):
            if len(curve.loss) > killed_after:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            small_training(new_model, encoded, tokenizer, 3, metric=metric, on_step=kill,
                           validate=validated(accuracies), checkpoint=keeper)
        rest = accuracies[killed_after // 2 :]
    keeper = parallel.Checkpoints(tmp_path / "c.pt", every=100)
    keeper.begin({}, PartialState(cpu=True))
    undisturbed = small_training(new_model, encoded, tokenizer, 3, on_step=lambda c: None)[1]

    model, curve = small_training(new_model, encoded, tokenizer, 3, metric=metric,
                                  validate=validated(rest), checkpoint=keeper)
    assert curve.loss == pytest.approx(undisturbed.loss, abs=1e-5)
    assert [epoch["accuracy"] for epoch in curve.validation] == accuracies
    assert parallel.best_epoch(curve.validation, metric) == 2
    stopped = new_model()

    def keep(curve):
        if len(curve.loss) == 4:
            kept.update({n: p.detach().clone() for n, p in stopped.named_parameters()})

    stopped.base_model.requires_grad_(False)
    stopped.base_model.encoder.layer[-1].requires_grad_(True)
    parallel.train(stopped, batching.loader(encoded.select(range(32)), tokenizer, 16, train=True),
                   Accelerator(cpu=True), epochs=3, learning_rate=3e-3, on_step=keep)
    assert torch.allclose(model.classifier.weight, kept["classifier.weight"], atol=1e-5)
    assert not torch.allclose(model.classifier.weight, stopped.classifier.weight, atol=1e-5)


def test_of_equal_epochs_the_first_is_the_best():
    epochs = [{"loss": x, "accuracy": a} for x, a in ((0.5, 0.6), (0.4, 0.8), (0.6, 0.8))]
    assert parallel.best_epoch(epochs, "accuracy") == 2
    assert parallel.best_epoch(epochs, "loss") == 2


def test_an_evaluation_has_the_logits_of_every_text_in_the_loader_s_order(
    new_model, encoded, tokenizer
):
    model, rows = new_model(), encoded.select(range(40))
    loss, logits, labels = parallel.evaluate(model, batching.loader(rows, tokenizer, 16),
                                             Accelerator(cpu=True))
    known = training.evaluate(model, batching.loader(rows, tokenizer, 16))
    assert torch.equal(logits.argmax(-1), known.predictions)
    assert torch.equal(labels, known.labels)
    assert loss == pytest.approx(known.loss, abs=1e-5)
    weights = torch.tensor([3.0, 1.0])
    weighted, *_ = parallel.evaluate(model, batching.loader(rows, tokenizer, 16),
                                     Accelerator(cpu=True), weights)
    assert abs(weighted - loss) > 1e-4


# The command line, in two processes

@pytest.fixture(scope="module")
def texts(data, tmp_path_factory):
    """A CSV of 150 reviews: 105 to train on, so that each epoch ends with a short batch."""
    return csv_of(data["train"].select(range(150)), tmp_path_factory.mktemp("texts"))


def command(texts, output, *options):
    return [sys.executable, "-m", "helpers.finetune", "--data", str(texts), "--output",
            str(output), "--recipe", "full", "--epochs", "2", "--precision", "fp32", *options]


def finetune(*arguments):
    return subprocess.run(command(*arguments), cwd=paths.ROOT, capture_output=True, text=True,
                          timeout=300, check=False)


def started(*arguments):
    return subprocess.Popen(command(*arguments), cwd=paths.ROOT, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def difference(a, b):
    pairs = zip(curves.load(a / "curve.json").loss, curves.load(b / "curve.json").loss,
                strict=True)
    return max(abs(x - y) for x, y in pairs)


@pytest.fixture(scope="module")
def in_one(texts, tmp_path_factory):
    """A function: the folder with what one process made of the texts by a recipe."""

    @functools.cache
    def made(recipe="full"):
        output = tmp_path_factory.mktemp("one") / "model"
        done = finetune(texts, output, "--threads", "1", "--recipe", recipe)
        assert done.returncode == 0, done.stderr
        return output

    return made


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


@several
@pytest.mark.parametrize(("recipe", "layers_frozen"), [("fast", 0), ("frozen", 4)])
def test_two_processes_give_one_process_s_curve(recipe, layers_frozen, texts, in_one, tmp_path):
    done = finetune(texts, tmp_path / "two", "--processes", "2", "--recipe", recipe)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test accuracy") == 1
    found = metrics(tmp_path / "two")
    assert (found["processes"], found["layers_frozen"]) == (2, layers_frozen)
    assert difference(in_one(recipe), tmp_path / "two") <= 1e-4
    assert found["test"] == metrics(in_one(recipe))["test"]


@several
def test_two_processes_weigh_and_choose_as_one_does(data, tmp_path):
    rows = data["train"].select(range(200)).to_pandas().sort_values("label")
    rare = tmp_path / "rare.csv"
    rows[["text", "label"]][:130].to_csv(rare, index=False)  # about 100 to 30
    options = ("--class-weights", "balanced", "--metric", "loss")
    folders = tmp_path / "one", tmp_path / "two"
    for folder, how in zip(folders, (["--threads", "1"], ["--processes", "2"]), strict=True):
        done = finetune(rare, folder, *options, *how)
        assert done.returncode == 0, done.stderr
    assert difference(*folders) <= 1e-4
    one, two = map(metrics, folders)
    assert one["best_epoch"] == two["best_epoch"]
    assert one["test"] == two["test"]
    losses = [[e["loss"] for e in curves.load(f / "curve.json").validation] for f in folders]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


@several
@pytest.mark.parametrize("options", [["--data", "nothing.csv"], ["--model", "bret"]])
def test_what_is_wrong_is_said_once(options, texts, tmp_path):
    done = finetune(texts, tmp_path / "m", "--processes", "2", *options)
    assert done.returncode == 2
    assert done.stderr.count(options[1]) == 1, done.stderr
    assert "Traceback" not in done.stderr


@several
def test_stopped_by_hand_it_says_how_to_go_on(texts, tmp_path):
    run = started(texts, tmp_path / "two", "--processes", "2", "--every", "3")
    wait_for_a_checkpoint(run, tmp_path / "two")
    run.send_signal(signal.SIGINT)
    said = run.communicate(timeout=120)[1]
    assert run.returncode == 130, said
    assert said.strip().splitlines()[-1].startswith("Stopped. The same command goes on")
    assert "Traceback" not in said


@several
@pytest.mark.slow
@pytest.mark.parametrize("launcher", [
    ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"],
    ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
     "--mixed_precision", "no", "--dynamo_backend", "no"],
])
def test_the_known_launchers_start_it_too(launcher, texts, in_one, tmp_path):
    options = ["--main_process_port", "0"] if "accelerate" in launcher[0] else []
    line = [sys.executable, "-m", *launcher, *options,
            *command(texts, tmp_path / "two")[1:]]
    done = subprocess.run(line, cwd=paths.ROOT, capture_output=True, text=True, timeout=300,
                          check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert metrics(tmp_path / "two")["processes"] == 2
    assert difference(in_one(), tmp_path / "two") <= 1e-4


def wait_for_a_checkpoint(run, output):
    end = time.monotonic() + 120
    while not (output / "checkpoint.pt").is_file():
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def kill_a_worker(run, output):
    """Kill one of two processes after the first checkpoint."""
    wait_for_a_checkpoint(run, output)
    workers = [p for p in psutil.Process(run.pid).children() if "helpers.finetune" in p.cmdline()]
    assert len(workers) == 2
    workers[1].send_signal(signal.SIGKILL)


@several
def test_a_killed_worker_ends_the_job_with_a_clear_line_and_it_goes_on_with_any_number(
    texts, in_one, tmp_path
):
    output = tmp_path / "two"
    run = started(texts, output, "--processes", "2", "--every", "3")
    kill_a_worker(run, output)
    said = run.communicate(timeout=120)[1].strip().splitlines()[-1]
    assert run.returncode == 2
    assert said.startswith("Process 1 of 2 was stopped by SIGKILL")
    assert "Run the same command again" in said
    again = finetune(texts, output, "--threads", "1", "--every", "3")  # in one process now
    assert again.returncode == 0, again.stderr
    assert "Going on after step" in again.stdout
    assert difference(in_one(), output) <= 1e-4


@several
@pytest.mark.slow
def test_with_restarts_it_goes_on_by_itself(texts, in_one, tmp_path):
    output = tmp_path / "two"
    run = started(texts, output, "--processes", "2", "--every", "3", "--restarts", "1")
    kill_a_worker(run, output)
    said = run.communicate(timeout=200)
    assert run.returncode == 0, said[1][-2000:]
    assert "Going on after step" in said[0]
    assert difference(in_one(), output) <= 1e-4


@pytest.mark.parametrize("other", [(1, "<NONE>"), (-15, "<NONE>")])  # disconnected, stopped
@pytest.mark.parametrize(("cause", "said"), [
    ((-9, "<NONE>"), "Process 1 of 2 was stopped by SIGKILL"),
    ((2, "No file."), "No file."),
    ((1, "<NONE>"), "Process 1 of 2 ended with exit status 1"),
])
def test_the_cause_is_told_from_its_consequences(cause, said, other):
    def failure(exitcode, message):
        data = {"message": message} | ({} if message == "<NONE>" else {"timestamp": 1})
        return SimpleNamespace(exitcode=exitcode, message=message, error_file_data=data,
                               signal_name=lambda: signal.Signals(-exitcode).name)

    if cause != other:
        failures = {0: failure(*other), 1: failure(*cause)}
        assert parallel._cause(failures, 2).startswith(said)


def test_a_worker_that_cannot_import_says_so():
    program = "from helpers import parallel; parallel.launch('helpers.not_there', [], 1, 1)"
    done = subprocess.run([sys.executable, "-c", program], cwd=paths.ROOT, capture_output=True,
                          text=True, check=False)
    assert "Process 0 of 1 ended with exit status 1" in done.stderr
    assert "No module named helpers.not_there" in done.stderr


# A notebook's functions, in processes of their own

def total():
    """Print the sum of all ranks, as rank 0 sees it."""
    dist.init_process_group("gloo")
    ranks = shown(torch.tensor(dist.get_rank()))
    dist.all_reduce(ranks)
    if dist.get_rank() == 0:
        print("sum", ranks.item(), [functools.reduce(max, [n]) for n in (1,)])
    dist.destroy_process_group()


def shown(rank):
    return rank.clone()


def fails():
    """Raise an error in one of the processes."""
    raise ValueError("the disk is full")


def uses_a_value():
    """Read a value of this module."""
    return CORES


@several
def test_functions_of_a_notebook_run_in_several_processes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parallel.together(total) == "sum 1 [1]\n"
    with pytest.raises(LearnerError, match="ValueError: the disk is full"):
        parallel.together(fails)


def test_a_script_holds_what_a_function_calls_and_imports_the_rest():
    script = parallel.script_of(total)
    assert script.count("def shown(rank):") == script.count("def total():") == 1
    assert "import torch.distributed as dist" in script
    assert "import functools as functools" in script
    assert script.endswith("total()\n")
    with pytest.raises(LearnerError, match="uses_a_value uses CORES, a value"):
        parallel.script_of(uses_a_value)


# Bad input

@pytest.mark.parametrize("option", ["--threads", "--processes"])
def test_more_than_the_machine_has_cores_is_refused_in_one_line(option, texts, tmp_path, capsys):
    status = module.main(["--data", str(texts), "--output", str(tmp_path / "m"), option,
                          str(CORES + 1)])
    assert status == 2
    said = capsys.readouterr().err.strip()
    assert f"more than this machine's {CORES} cores" in said
    assert "\n" not in said


def test_the_cores_are_shared_and_each_process_needs_a_gpu_where_there_are_any(monkeypatch):
    monkeypatch.setattr(parallel, "available_cores", lambda: 7)
    assert [parallel.threads_each(*n) for n in ((1,), (2,), (7,), (3, 2))] == [7, 3, 1, 2]
    with pytest.raises(LearnerError, match="more than this machine's 7 cores"):
        parallel.threads_each(2, 4)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert parallel.threads_each(1) == 7
    with pytest.raises(LearnerError, match="this machine has 1"):
        parallel.threads_each(2)


# Checkpoints

class Small(torch.nn.Module):
    """Three trained layers, and one that is frozen."""

    def __init__(self, first="a", width=3):
        super().__init__()
        for name, size in {first: (2, width), "b": (width, 2), "frozen": (2, 2)}.items():
            self.add_module(name, torch.nn.Linear(*size))
        self.frozen.requires_grad_(False)

    def parts(self):
        """Return what a checkpoint is made of, after a step."""
        optimizer = torch.optim.AdamW(p for p in self.parameters() if p.requires_grad)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
        for p in self.parameters():
            p.grad = torch.ones_like(p)
        optimizer.step()
        scheduler.step()
        return self, optimizer, scheduler


@pytest.fixture
def kept(tmp_path):
    """A checkpoint after one step of a small model, and the model."""
    model, curve = Small(), curves.LossCurve()
    curve.record(0.5, 1e-4, 1.0)
    keeper = parallel.Checkpoints(tmp_path / "c.pt", every=1)
    keeper.begin({"seed": 0}, PartialState(cpu=True))
    keeper.after(*model.parts(), curve, 5, seconds=2.0)
    return tmp_path / "c.pt", model


def test_a_checkpoint_of_another_run_is_refused(kept):
    found = parallel.Checkpoints(kept[0])
    assert (found.steps, found.seconds) == (1, 2.0)
    found.begin({"seed": 0}, PartialState())
    with pytest.raises(LearnerError, match="seed 0 there, 1 here"):
        found.begin({"seed": 1}, PartialState())
    parallel.Checkpoints(kept[0], anew=True).begin({"seed": 1}, PartialState())
    assert not kept[0].exists()


def test_what_was_trained_is_restored_and_its_memory_is_freed(kept):
    file, trained = kept
    keeper, model, curve = parallel.Checkpoints(file), Small(), curves.LossCurve()
    parts = model.parts()
    stored = weakref.ref(keeper._stored["model"]["a.weight"])
    keeper.restore(*parts, curve)
    assert torch.equal(model.b.weight, trained.b.weight)
    assert not torch.equal(model.frozen.weight, trained.frozen.weight)
    assert parts[1].state_dict()["state"][0]["step"] == 1
    assert curve.loss == [0.5]
    assert stored() is None


@pytest.mark.parametrize("other", [{"first": "renamed"}, {"width": 4}])
def test_a_checkpoint_of_other_parameters_is_refused_and_nothing_is_changed(other, kept):
    model = Small(**other)
    parts = model.parts()
    before = {name: p.clone() for name, p in model.named_parameters()}
    name = f"{other.get('first', 'a')}.weight"
    with pytest.raises(LearnerError, match=f"does not fit this model, in {name}"):
        parallel.Checkpoints(kept[0]).restore(*parts, curves.LossCurve())
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


@pytest.mark.parametrize("fault", ["a parameter more", "no moments", "other moments", "schedule"])
def test_a_checkpoint_whose_parts_do_not_fit_each_other_is_refused(fault, kept):
    stored = torch.load(kept[0], weights_only=True)
    if fault == "a parameter more":
        stored["model"]["c.weight"] = torch.zeros(2)
    elif fault == "no moments":
        del stored["optimizer"]["state"][1]
    elif fault == "other moments":
        stored["optimizer"]["state"][0]["exp_avg"] = torch.zeros(5)
    else:
        stored["scheduler"]["last_epoch"] = 7
    torch.save(stored, kept[0])
    with pytest.raises(LearnerError, match="does not fit this model"):
        parallel.Checkpoints(kept[0]).restore(*Small().parts(), curves.LossCurve())


@pytest.mark.parametrize("content", ["cut", "text", "weights"])
def test_a_file_that_is_no_checkpoint_is_kept(content, tmp_path):
    file = tmp_path / "c.pt"
    torch.save({"weights": torch.zeros(500)}, file)
    whole = file.read_bytes()
    file.write_bytes({"cut": whole[:500], "text": b"a diary", "weights": whole}[content])
    before = file.read_bytes()
    with pytest.raises(LearnerError, match="cannot be read as a checkpoint"):
        parallel.Checkpoints(file, anew=True)
    assert file.read_bytes() == before


def test_processes_that_would_go_on_from_different_steps_are_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("accelerate.utils.gather", lambda steps: torch.tensor([*steps, 8]))
    with pytest.raises(LearnerError, match="has to be one that all machines share"):
        parallel.Checkpoints(tmp_path / "c.pt").begin({}, PartialState())


def test_the_loop_of_notebook_11_is_the_one_that_helpers_keeps(
    new_model, encoded, tokenizer, tmp_path, monkeypatch
):
    space = notebook_11("import contextlib", "def my_share(", "def add_up(", "def train(")
    space["new_model"] = lambda: frozen_embeddings(new_model())
    space["new_loader"] = lambda size: batching.loader(encoded, tokenizer, size, train=True)
    monkeypatch.chdir(tmp_path)
    _, _, found, seconds = space["train"]()
    kept = parallel.train(
        frozen_embeddings(new_model()), batching.loader(encoded, tokenizer, 16, train=True),
        Accelerator(cpu=True), epochs=1, learning_rate=3e-4,
    )
    assert found.loss == pytest.approx(kept.loss, abs=1e-4)
    assert found.learning_rate == pytest.approx(kept.learning_rate)
    assert len(seconds) == len(kept.loss) - 1
    assert AutoModelForSequenceClassification.from_pretrained("runs/shared").num_labels == 2


def notebook_11(*starts):
    """The names that those cells of notebook 11 make which begin so."""
    path = next(p for p in run.chosen() if p.name.endswith("scaling_out.ipynb"))
    cells = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    space = {}
    for start in starts:
        exec(next(s for s in cells[1:] if s.startswith(start)), space)
    return space


def frozen_embeddings(model):
    model.base_model.embeddings.requires_grad_(False)
    return model
