"""Is this machine ready, what will run on it, and how long will it take?

In a notebook: `preflight.report()`. In a terminal: `python -m helpers.preflight`, with exit
status 1 if something that the notebooks need is missing.
"""

import json
import os
import platform
import shutil
import sys
import time
from dataclasses import dataclass

from helpers import checkpoints, paths, requirements

MIN_PYTHON = (3, 11)
MEMORY_GB = 2.0  # the notebooks peak below this
DISK_GB = 1.0  # saved models and caches of the small size
SHOWN = ("torch", "transformers", "datasets", "accelerate", "matplotlib", "ipywidgets")


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what it is, what was found, and what to do if it is not all right."""

    subject: str
    found: str
    advice: str = ""
    needed: bool = True

    def __str__(self):
        mark = "ok " if not self.advice else ("NO " if self.needed else "-  ")
        advice = f"\n    {self.advice}" if self.advice else ""
        return f"{mark} {self.subject:<22}{self.found}{advice}"


def report(calibrate=True):
    """Print what was found, what is missing, and the minutes that each notebook will take.

    Returns True if everything that the notebooks need is there.
    """
    pinned, lowest = requirements.pinned(), requirements.lowest()
    packages = lowest | pinned  # numpy is needed and has its pin among the constraints
    findings = [
        _python(),
        *(_package(name, pinned.get(name), lowest) for name in packages),
        _device(),
        _memory(),
        _disk(),
        *(_checkpoint(name, size) for name, size in checkpoints.CATALOGUE),
    ]
    shown = [
        f for f in findings if f.advice or f.subject in SHOWN or f.subject not in packages
    ]
    for finding in shown:
        print(finding)
    ready = not any(finding.advice and finding.needed for finding in findings)
    if ready and calibrate:
        print(_predicted_times())
    print("Ready." if ready else "Not ready: see the lines marked NO.")
    return ready


def _python():
    version = platform.python_version()
    if sys.version_info < MIN_PYTHON:
        return Finding("Python", version, "Install Python 3.11 or newer.")
    return Finding("Python", f"{version} on {platform.system()}")


def _package(name, pinned, lowest):
    """Look at one package; what no notebook imports (JupyterLab, the tests' tools) is optional."""
    installed = requirements.installed(name)
    if installed is None:
        advice = "Run: python -m pip install -r requirements.txt"
        return Finding(name, "not installed", advice, needed=name in lowest)
    if requirements.too_old(installed, lowest.get(name)):
        command = f'python -m pip install "{name}>={lowest[name]}"'
        advice = f"Below {lowest[name]}, the lowest supported. Run: {command}"
        return Finding(name, installed, advice)
    if pinned and installed != pinned:
        advice = f"Tested with {pinned}; results may differ in the last digits."
        return Finding(name, installed, advice, needed=False)
    return Finding(name, installed)


def _device():
    try:
        import torch
    except ImportError:
        return Finding("device", "unknown", "torch is missing.")
    if torch.cuda.is_available():
        return Finding("device", f"GPU: {torch.cuda.get_device_name(0)}")
    if torch.backends.mps.is_available():
        return Finding("device", f"CPU, {torch.get_num_threads()} threads (an Apple GPU is there)")
    return Finding("device", f"CPU, {torch.get_num_threads()} threads")


def _memory():
    import psutil

    free = psutil.virtual_memory().available / 2**30
    advice = "" if free >= MEMORY_GB else f"A notebook needs {MEMORY_GB:.0f} GB: close something."
    return Finding("free memory", f"{free:.1f} GB", advice)


def _disk():
    free = shutil.disk_usage(paths.ROOT).free / 2**30
    advice = "" if free >= DISK_GB else f"Saving models needs {DISK_GB:.0f} GB: free some space."
    return Finding("free disk", f"{free:.1f} GB", advice)


def _checkpoint(name, size):
    subject = f"{name}, {size}"
    entry = checkpoints.CATALOGUE[name, size]
    if checkpoints.at_hand(name, size):
        return Finding(subject, f"{entry.model_id}, at hand")
    if size == "small":
        return Finding(subject, "missing", f"Run: {entry.remedy}")
    wanted = checkpoints.current_size() == "full"
    advice = f"Optional: a download of {entry.megabytes} MB, once, if you choose size='full'."
    return Finding(subject, f"{entry.model_id}, not downloaded", advice, needed=wanted)


def calibration(seconds=1.0):
    """Return how many training steps of a small encoder layer this machine does in a second."""
    import torch

    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(384, 12, 1536, batch_first=True)
    inputs = torch.randn(16, 24, 384, generator=generator)
    for _ in range(3):
        layer(inputs).sum().backward()
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        layer(inputs).sum().backward()
        steps += 1
    return steps / (time.perf_counter() - start)


def predicted_seconds():
    """Return the seconds that each notebook will take here: a dictionary from name to seconds.

    Scales the times of the recorded run by the speed of this machine, measured now; empty if
    there is no recorded run.
    """
    timings = paths.DATA / "reference" / "timings.json"
    if not timings.is_file():  # as before the notebooks have been stored for the first time
        return {}
    recorded = json.loads(timings.read_text(encoding="utf-8"))
    ratio = recorded["calibration"] / calibration()
    return {name: round(entry * ratio) for name, entry in recorded["seconds"].items()}


def _predicted_times():
    lines = ["", "Seconds that each notebook takes here, with the small checkpoints:"]
    lines += [f"    {name:<28}{seconds:>4}" for name, seconds in predicted_seconds().items()]
    return "\n".join(lines)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # looking must not download
    sys.exit(0 if report() else 1)
