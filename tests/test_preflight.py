"""Preflight finds what is there, and says what to do about each thing that is not."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time

import folder_server
import pytest
import torch

from helpers import checkpoints, environment, paths, preflight, requirements
from tools import run

RECORD = {"speeds": {"training": 20, "python": 100}, "startup": 10,
          "seconds": {"03_manual_training_loop": 60, "short": 4}}


@pytest.fixture
def no_calibration(monkeypatch):
    monkeypatch.setattr(preflight, "predicted_seconds", dict)


def test_this_machine_is_ready(no_calibration, capsys):
    assert preflight.report()
    printed = capsys.readouterr().out
    assert "Ready." in printed
    assert "all-MiniLM-L6-v2, at hand" in printed
    assert "free memory" in printed


def replaced(holder, name, value):
    return lambda patch: patch.setattr(holder, name, value)


nothing_installed = replaced(requirements, "lowest", lambda: {"no-such-package": None})


def small_gpu(patch):
    patch.setattr(torch.cuda, "is_available", lambda: True)
    patch.setattr(torch.cuda, "get_device_name", lambda _: "Old card")
    patch.setattr(torch.cuda, "mem_get_info", lambda _: (2**29, 2**31))


def base_of_conda(patch):
    patch.setattr(environment, "is_active", lambda: False)
    patch.setattr(environment, "is_base", lambda: True)
    assert preflight.as_json()["ready"], "it matters only if something is to be installed"
    nothing_installed(patch)
    patch.setattr(environment, "version_of", lambda python: None)


def outside_of_its_environment(patch):
    base_of_conda(patch)
    patch.setattr(environment, "version_of", lambda python: (3, 11))


NEEDED = {
    "memory": (replaced(preflight, "MEMORY_GB", {"small": 1e6}), "close a browser"),
    "disk": (replaced(preflight, "SAVING_GB", 1e6), "Saving models needs 1000000 GB: delete"),
    "package": (nothing_installed, "-m helpers lab (without a network: install.py"),
    "old package": (replaced(requirements, "lowest", lambda: {"numpy": "99.1"}),
                    'supported. Run: python -m pip install "numpy>=99.1"'),
    "checkpoint": (replaced(checkpoints, "at_hand", lambda *a: False), "pip install --force"),
    "small GPU": (small_gpu, "CUDA_VISIBLE_DEVICES=-1"),
    "environment": (base_of_conda, "`conda activate bert`, then type `python -m helpers lab`"),
    "another Python": (outside_of_its_environment, "-m helpers preflight"),
}


def unseen_card(patch):
    patch.setattr(torch.cuda, "is_available", lambda: False)
    patch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")


OPTIONAL = {
    "another version": (replaced(requirements, "pinned", lambda: {"numpy": "0.0.1"}),
                        "Tested with 0.0.1"),
    "a tool of the tests": (replaced(requirements, "pinned", lambda: {"no-tool": "1"}),
                            "Optional: python -m pip install -r requirements.txt"),
    "newer Python": (replaced(requirements, "PYTHONS", ("3.2",)), "take Python 3.2"),
    "git": (replaced(shutil, "which", lambda name: None), "sudo apt install git"),
    "widgets": (replaced(requirements, "installed", lambda name, real=requirements.installed:
                         None if name == "jupyterlab_widgets" else real(name)),
                "jupyterlab_widgets    not installed"),
    "card without its torch": (unseen_card, "https://pytorch.org/get-started/locally/"),
}


@pytest.mark.parametrize("thing", [*NEEDED, *OPTIONAL])
def test_what_is_not_all_right_is_said_with_what_to_do_and_decides_if_needed(
    thing, no_calibration, monkeypatch, capsys
):
    change, advice = (NEEDED | OPTIONAL)[thing]
    change(monkeypatch)
    assert preflight.report() == (thing in OPTIONAL)
    printed = capsys.readouterr().out
    assert advice in printed
    assert ("Not ready" in printed) == (thing in NEEDED)


def test_an_empty_environment_is_told_what_to_run():
    # -S: no site-packages, as in an environment that nothing was installed into.
    done = subprocess.run(
        [sys.executable, "-S", "-m", "helpers.preflight"], cwd=paths.ROOT, check=False,
        capture_output=True, encoding="utf-8", env={**os.environ, "PYTHONPATH": ""},
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "not installed: torch, transformers" in done.stdout
    assert f"Run: {environment.as_typed()} -m helpers lab" in done.stdout


def test_what_an_installation_needs_of_the_disk_is_what_it_says_itself(
    no_calibration, monkeypatch, capsys
):
    nothing_installed(monkeypatch)
    usage = shutil.disk_usage(paths.ROOT)._replace(free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(sys, "platform", "linux")
    for driver, kind in ((False, "linux"), (True, "linux with CUDA")):
        monkeypatch.setattr(environment, "has_driver", lambda driver=driver: driver)
        preflight.report()
        needed = requirements.SIZES[kind].disk
        assert f"Installing needs {needed:.0f} GB: delete" in capsys.readouterr().out


@pytest.mark.parametrize(("advice", "seconds"), [("", {"00_start_here": 60}), ("free some", {})])
def test_a_program_gets_the_same_as_json(advice, seconds, monkeypatch, capsys):
    monkeypatch.setattr(preflight, "predicted_seconds", lambda: {"00_start_here": 60})
    monkeypatch.setattr(preflight, "look", lambda: [preflight.finding("disk", "0 GB", advice)])
    assert preflight.main(["--json"]) == bool(advice)
    assert json.loads(capsys.readouterr().out) == {
        "ready": not advice, "seconds": seconds,
        "findings": [{"subject": "disk", "found": "0 GB", "advice": advice, "needed": True,
                      "missing": bool(advice)}],
    }


def found(subject):
    return next(f for f in preflight.look() if f["subject"] == subject)


def test_the_hub_is_asked_where_something_has_to_be_downloaded(monkeypatch, tmp_path):
    monkeypatch.setenv("CHECKPOINT_SIZE", "full")
    monkeypatch.setattr(checkpoints, "at_hand", lambda name, size: size == "small")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert "find('gpt2', 'full')" in found("gpt2, full")["advice"]
    file = tmp_path / "google-bert" / "bert-base-uncased" / "resolve" / "main" / "config.json"
    file.parent.mkdir(parents=True)
    file.touch()
    with folder_server.serving(tmp_path) as root:
        monkeypatch.setenv("HF_ENDPOINT", root)
        assert found("Hugging Face Hub")["found"].endswith("answers")
        file.unlink()
        assert found("Hugging Face Hub")["found"].endswith("File not found")
    assert "unset CHECKPOINT_SIZE" in found("Hugging Face Hub")["advice"]
    monkeypatch.setattr(preflight, "HUB_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert found("Hugging Face Hub")["found"].endswith("timed out")
    with monkeypatch.context() as patch:  # a resolver of names that hangs
        patch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(60))
        patch.setenv("HF_ENDPOINT", "https://hub.invalid")
        before = time.monotonic()
        assert preflight.hub()["found"] == "https://hub.invalid: timed out"
        assert time.monotonic() - before < 3
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "not asked" in found("Hugging Face Hub")["found"]
    assert found("Hugging Face Hub")["missing"]


def test_nobody_is_asked_anything_with_the_small_checkpoints(monkeypatch):
    monkeypatch.setattr(preflight, "hub", lambda: pytest.fail("asked the Hub"))
    assert "Hugging Face Hub" not in [f["subject"] for f in preflight.look()]


@pytest.mark.parametrize(("speeds", "seconds"), [
    ({"training": 10.0, "python": 100.0}, [110, 4]),
    ({"training": 2000.0, "python": 50.0}, [20, 8]),  # a GPU trains faster and imports as slowly
])
def test_predicted_times_scale_with_the_machine(speeds, seconds, monkeypatch, tmp_path):
    (tmp_path / "timings.json").write_text(json.dumps(RECORD))
    monkeypatch.setattr(paths, "REFERENCE", tmp_path)
    monkeypatch.setattr(preflight, "speeds", lambda: speeds)
    assert list(preflight.predicted_seconds().values()) == seconds


def test_the_speeds_are_measured_and_slow_work_shows(monkeypatch):
    fast = preflight.speeds()
    monkeypatch.setattr(preflight, "PAGE", preflight.PAGE * 20)
    slow = preflight.speeds()
    assert fast["training"] > 0
    assert fast["python"] > 4 * slow["python"]


def test_every_notebook_has_its_time_recorded():
    assert set(preflight.predicted_seconds()) == {path.stem for path in run.chosen()}
