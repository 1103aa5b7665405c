"""Preflight finds what is there, and says what to do about each thing that is not."""

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from helpers import checkpoints, paths, preflight, requirements
from tools import run


def test_this_machine_is_ready(capsys):
    assert preflight.report(calibrate=False)
    printed = capsys.readouterr().out
    assert "Ready." in printed
    assert "all-MiniLM-L6-v2, at hand" in printed
    assert "free memory" in printed


def nothing_installed(patch):
    patch.setattr(requirements, "lowest", lambda: {"no-such-package": None})


def small_gpu(patch):
    patch.setattr(torch.cuda, "is_available", lambda: True)
    patch.setattr(torch.cuda, "get_device_name", lambda _: "Old card")
    patch.setattr(torch.cuda, "mem_get_info", lambda _: (2**29, 2**31))


def somebody_elses_python(patch):
    patch.setattr(requirements, "owner_of_python", lambda: "conda's base environment")
    assert not preflight.environment([]).advice, "it matters only if something is to be installed"
    nothing_installed(patch)


def replaced(holder, name, value):
    return lambda patch: patch.setattr(holder, name, value)


NEEDED = {
    "memory": (replaced(preflight, "MEMORY_GB", {"small": 1e6}), "close a browser"),
    "disk": (replaced(preflight, "DISK_GB", {"Saving models": 1e6}), "pip cache purge"),
    "package": (nothing_installed, "pip install -r requirements.txt"),
    "old package": (replaced(requirements, "lowest", lambda: {"numpy": "99.1"}),
                    'supported. Run: python -m pip install "numpy>=99.1"'),
    "checkpoint": (replaced(checkpoints, "at_hand", lambda *a: False), "bert, small"),
    "small GPU": (small_gpu, "CUDA_VISIBLE_DEVICES=-1"),
    "environment": (somebody_elses_python, "-m venv .venv; then: "),
}


@pytest.mark.parametrize("thing", NEEDED)
def test_without_something_needed_it_is_not_ready_and_says_what_to_do(thing, monkeypatch, capsys):
    change, advice = NEEDED[thing]
    change(monkeypatch)
    assert not preflight.report(calibrate=False)
    printed = capsys.readouterr().out
    assert advice in printed
    assert "Not ready" in printed


no_program = replaced(shutil, "which", lambda name: None)


def no_widgets(patch):
    real = requirements.installed
    patch.setattr(requirements, "installed",
                  lambda name: None if name == "jupyterlab_widgets" else real(name))


def unseen_card(patch):
    patch.setattr(torch.cuda, "is_available", lambda: False)
    patch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")


OPTIONAL = {
    "another version": (replaced(requirements, "pinned", lambda file=None: {"pytest": "0.0.1"}),
                        "Tested with 0.0.1"),
    "a tool of the tests": (replaced(requirements, "pinned", lambda file=None: {"no-tool": "1"}),
                            "Optional: python -m pip install -r requirements.txt"),
    "newer Python": (replaced(requirements, "PYTHONS", ("3.2",)), "take Python 3.2"),
    "git": (no_program, "Optional: "),
    "widgets": (no_widgets, "jupyterlab_widgets    not installed"),
    "card without its torch": (unseen_card, "https://pytorch.org/get-started/locally/"),
}


@pytest.mark.parametrize("thing", OPTIONAL)
def test_something_optional_is_said_and_is_no_obstacle(thing, monkeypatch, capsys):
    change, advice = OPTIONAL[thing]
    before = preflight.as_json(calibrate=False)["ready"]
    change(monkeypatch)
    assert preflight.report(calibrate=False) == before
    assert advice in capsys.readouterr().out


@pytest.mark.parametrize(
    ("system", "git", "python"),
    [("Linux", "sudo apt install git", "apt install python3.2"),
     ("Darwin", "xcode-select --install", "brew install python@3.2"),
     ("Windows", "winget install Git.Git", "winget install Python.Python.3.2")],
)
def test_the_remedy_is_the_one_for_this_operating_system(system, git, python, monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(requirements, "PYTHONS", ("3.2",))
    no_program(monkeypatch)
    assert git in preflight.git().advice
    assert python in preflight.python().advice


def test_an_empty_environment_is_told_what_to_run():
    # -S: no site-packages, as in an environment that nothing was installed into.
    done = subprocess.run(
        [sys.executable, "-S", "-m", "helpers.preflight"], cwd=paths.ROOT, check=False,
        capture_output=True, encoding="utf-8", env={**os.environ, "PYTHONPATH": ""},
    )
    assert done.returncode == 1
    assert done.stderr == ""
    assert "not installed: torch, transformers" in done.stdout
    assert "Run: python -m pip install -r requirements.txt" in done.stdout


def test_a_program_gets_the_same_as_json(monkeypatch, capsys):
    monkeypatch.setattr(preflight, "predicted_seconds", lambda: {"00_start_here": 60})
    finding = preflight.Finding("git", "there")
    monkeypatch.setattr(preflight, "look", lambda: [finding])
    assert preflight.main(["--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == {
        "ready": True, "seconds": {"00_start_here": 60},
        "findings": [{"subject": "git", "found": "there", "advice": "", "needed": True,
                      "missing": False}],
    }
    finding = preflight.Finding("disk", "0 GB", "free some")
    assert preflight.main(["--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert not answer["ready"]
    assert answer["seconds"] == {}


@pytest.fixture
def full(monkeypatch):
    """Size full, and nothing of it downloaded."""
    monkeypatch.setenv("CHECKPOINT_SIZE", "full")
    monkeypatch.setattr(checkpoints, "at_hand", lambda name, size: size == "small")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


def found(subject):
    return next(f for f in preflight.look() if f.subject == subject)


def test_the_hub_is_asked_where_something_has_to_be_downloaded(full, monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for page in ("", "/not-found"):
            monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}{page}")
            assert found("Hugging Face Hub").found.endswith("answers")
        assert "find('gpt2', 'full')" in found("gpt2, full").advice
        server.shutdown()
    assert "unset CHECKPOINT_SIZE" in found("Hugging Face Hub").advice
    monkeypatch.setattr(preflight, "HUB_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert found("Hugging Face Hub").found.endswith("timed out")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "not asked" in found("Hugging Face Hub").found
    assert found("Hugging Face Hub").missing


def test_nobody_is_asked_anything_with_the_small_checkpoints(monkeypatch):
    monkeypatch.setattr(preflight, "hub", lambda: pytest.fail("asked the Hub"))
    assert "Hugging Face Hub" not in [f.subject for f in preflight.look()]


def test_predicted_times_scale_with_the_machine(monkeypatch, tmp_path):
    (tmp_path / "timings.json").write_text(json.dumps({
        "speeds": {"training": 20, "python": 100},
        "startup": 10, "seconds": {"03_manual_training_loop": 60, "short": 4},
    }))
    monkeypatch.setattr(paths, "REFERENCE", tmp_path)
    monkeypatch.setattr(preflight, "speeds", lambda: {"training": 10.0, "python": 100.0})
    assert preflight.predicted_seconds() == {"03_manual_training_loop": 110, "short": 4}
    # A GPU trains a hundred times faster and imports as slowly.
    monkeypatch.setattr(preflight, "speeds", lambda: {"training": 2000.0, "python": 50.0})
    assert preflight.predicted_seconds() == {"03_manual_training_loop": 20, "short": 8}


def test_the_speeds_take_a_second_and_a_slow_core_shows(monkeypatch):
    monkeypatch.setattr(preflight, "_training_step", lambda: lambda: time.sleep(0.02))
    start = time.perf_counter()
    speeds = preflight.speeds()
    assert time.perf_counter() - start < 5
    assert 5 < speeds["training"] <= 50
    assert speeds["python"] > 1


def test_every_notebook_has_its_time_recorded():
    recorded = set(preflight.predicted_seconds())
    assert recorded == {path.stem for path in run.chosen()}
