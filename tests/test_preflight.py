"""Preflight finds what is there, and says what to do about each thing that is not."""

import io
import json
import os
import platform
import subprocess
import sys
import sysconfig
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import torch

from helpers import checkpoints, findings, paths, preflight, requirements
from tools import run, wheels


def test_this_machine_is_ready(capsys):
    assert preflight.report(calibrate=False)
    printed = capsys.readouterr().out
    assert "Ready." in printed
    assert "all-MiniLM-L6-v2, at hand" in printed
    assert "free memory" in printed


def nothing_installed(patch):
    patch.setattr(requirements, "lowest", lambda: {"no-such-package": None})


def below_the_lowest(patch):
    patch.setattr(requirements, "lowest", lambda: {"numpy": "99.1"})


def no_room(patch):
    patch.setattr(findings, "DISK_GB", 10**6)


def small_gpu(patch):
    patch.setattr(torch.cuda, "is_available", lambda: True)
    patch.setattr(torch.cuda, "get_device_name", lambda _: "Old card")
    patch.setattr(torch.cuda, "mem_get_info", lambda _: (2**29, 2**31))


def systems_own_python(patch, folder):
    (folder / "EXTERNALLY-MANAGED").write_text("")
    patch.setattr(sysconfig, "get_path", lambda name: str(folder))
    patch.setattr(sys, "prefix", sys.base_prefix)
    patch.delenv("CONDA_PREFIX", raising=False)
    nothing_installed(patch)


NEEDED = {
    "old Python": (lambda m: m.setattr(findings, "MIN_PYTHON", (9, 9)), "Install Python 3.11"),
    "memory": (lambda m: m.setattr(findings, "MEMORY_GB", {"small": 1e6}), "close something"),
    "disk": (no_room, "free some space"),
    "package": (nothing_installed, "pip install -r requirements.txt"),
    "old package": (below_the_lowest, 'supported. Run: python -m pip install "numpy>=99.1"'),
    "checkpoint": (lambda m: m.setattr(checkpoints, "at_hand", lambda *a: False), "bert, small"),
    "small GPU": (small_gpu, "CUDA_VISIBLE_DEVICES=-1"),
}


@pytest.mark.parametrize("thing", NEEDED)
def test_without_something_needed_it_is_not_ready_and_says_what_to_do(thing, monkeypatch, capsys):
    change, advice = NEEDED[thing]
    change(monkeypatch)
    assert not preflight.report(calibrate=False)
    printed = capsys.readouterr().out
    assert advice in printed
    assert "Not ready" in printed


def no_git(patch):
    patch.setattr(findings.shutil, "which", lambda name: None)


def no_widgets(patch):
    real = requirements.installed
    patch.setattr(requirements, "installed",
                  lambda name: None if name == "jupyterlab_widgets" else real(name))


def unseen_card(patch):
    patch.setattr(torch.cuda, "is_available", lambda: False)
    patch.setattr(torch.backends.mps, "is_available", lambda: False)
    patch.setattr(findings.shutil, "which", lambda name: f"/usr/bin/{name}")


OPTIONAL = {
    "another version": (
        lambda m: m.setattr(requirements, "pinned", lambda file=None: {"pytest": "0.0.1"}),
        "Tested with 0.0.1",
    ),
    "a tool of the tests": (
        lambda m: m.setattr(requirements, "pinned", lambda file=None: {"no-such-tool": "1"}),
        "Optional: python -m pip install -r requirements.txt",
    ),
    "newer Python": (lambda m: m.setattr(wheels, "PYTHONS", ("3.2",)), "take Python 3.2"),
    "git": (no_git, "Optional: "),
    "widgets": (no_widgets, "pip install jupyterlab_widgets"),
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
    [("Linux", "sudo apt install git", "sudo apt install python3"),
     ("Darwin", "xcode-select --install", "brew install python@"),
     ("Windows", "winget install Git.Git", "winget install Python.")],
)
def test_the_remedy_is_the_one_for_this_operating_system(system, git, python, monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(findings, "MIN_PYTHON", (9, 9))
    no_git(monkeypatch)
    assert git in findings.git().advice
    assert python in findings.python().advice


@pytest.mark.parametrize("lacks", ["", "sudo apt install python3-venv; then: "])
def test_a_python_of_the_operating_system_is_told_to_make_an_environment(
    lacks, monkeypatch, tmp_path
):
    systems_own_python(monkeypatch, tmp_path)
    if lacks:
        monkeypatch.setattr(findings, "find_spec", lambda name: None)
    advice = findings.environment(["no-such-package"]).advice
    assert advice.startswith(f"Run: {lacks}python3 -m venv .venv")
    assert not findings.environment([]).advice


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
    finding = findings.Finding("git", "there")
    monkeypatch.setattr(findings, "look", lambda: [finding])
    assert preflight.main(["--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == {
        "ready": True, "seconds": {"00_start_here": 60},
        "findings": [{"subject": "git", "found": "there", "advice": "", "needed": True,
                      "missing": False}],
    }
    monkeypatch.setattr(findings, "look", lambda: [findings.Finding("disk", "0 GB", "free some")])
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
    return next(f for f in findings.look() if f.subject == subject)


def test_the_hub_is_asked_for_where_something_has_to_be_downloaded(full, monkeypatch):
    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    assert found("Hugging Face Hub").found.endswith("answers")
    server.shutdown()
    server.server_close()
    assert found("Hugging Face Hub").missing
    assert "unset CHECKPOINT_SIZE" in found("Hugging Face Hub").advice
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "not asked" in found("Hugging Face Hub").found
    assert "find('gpt2', 'full')" in found("gpt2, full").advice


def test_a_hub_that_never_answers_is_not_waited_for(full, monkeypatch):
    waiting = threading.Event()
    monkeypatch.setattr(findings, "HUB_SECONDS", 0.1)
    monkeypatch.setattr(findings.urllib.request, "urlopen",
                        lambda *a, **k: waiting.wait(30) and io.BytesIO())
    assert "no answer in 0.1 s" in found("Hugging Face Hub").found
    waiting.set()


def test_nobody_is_asked_anything_with_the_small_checkpoints(monkeypatch):
    monkeypatch.setattr(findings, "_Hub", lambda: pytest.fail("asked the Hub"))
    assert "Hugging Face Hub" not in [f.subject for f in findings.look()]


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
