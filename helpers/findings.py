"""What this machine has, looked at one thing at a time, each with what to do if it is missing.

Works in an empty environment: torch, psutil and the Hub's client are imported only where they
are installed.
"""

import os
import platform
import shutil
import sys
import sysconfig
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from helpers import checkpoints, paths, requirements

MIN_PYTHON = (3, 11)
# What the notebooks need at most, measured on CPUs; the learners of 10 take more.
MEMORY_GB = {"small": 2.0, "full": 6.0}
GPU_GB = MEMORY_GB  # a little less in truth: what is imported stays in the main memory
DISK_GB = 1.0  # saved models and caches of the small size
INSTALLED_GB = 3.0  # the packages and the download before
HUB = "https://huggingface.co"
HUB_SECONDS = 3
SHOWN = ("torch", "transformers", "datasets", "accelerate", "matplotlib", "ipywidgets",
         "jupyterlab")
INSTALL = "python -m pip install -r requirements.txt"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what it is, what was found, and what to do if it is not all right."""

    subject: str
    found: str
    advice: str = ""
    needed: bool = True

    @property
    def missing(self):
        """Whether the notebooks cannot go without it, and it is not there."""
        return bool(self.advice) and self.needed

    def __str__(self):
        mark = "NO " if self.missing else ("-  " if self.advice else "ok ")
        advice = f"\n    {self.advice}" if self.advice else ""
        return f"{mark} {self.subject:<22}{self.found}{advice}"


def look():
    """Return all findings, in the order in which they are best put right."""
    absent = [n for n in requirements.lowest() if requirements.installed(n) is None]
    models = [checkpoint(name, size) for name, size in checkpoints.CATALOGUE]
    to_download = any(f and f.missing and f.subject.endswith("full") for f in models)
    hub = _Hub() if to_download else None  # asks while the rest is looked at
    found = [python(), environment(absent), *packages(absent), widgets(), git(), device(),
             memory(), disk(absent), *models, hub and hub.finding()]
    return [finding for finding in found if finding]


def here(linux, macos, windows):
    """Return the one of three texts that is for this operating system."""
    return {"Darwin": macos, "Windows": windows}.get(platform.system(), linux)


def python():
    """Look at the version of Python."""
    found = f"{platform.python_version()} on {platform.system()}"
    newest = requirements.PYTHONS[-1]
    source = here(
        f"your distribution (sudo apt install python3 python3-venv, if that is {newest} or a "
        "little older) or https://www.python.org/downloads/",
        f"https://www.python.org/downloads/ or: brew install python@{newest}",
        f"https://www.python.org/downloads/ or: winget install Python.Python.{newest}",
    )
    if sys.version_info < MIN_PYTHON:
        return Finding("Python", found, f"Install Python 3.11 or newer, from {source}.")
    if sys.version_info[:2] > tuple(int(part) for part in newest.split(".")):
        advice = (f"Newer than the notebooks were tested with. If a package does not install, "
                  f"take Python {newest}, from {source}.")
        return Finding("Python", found, advice, needed=False)
    return Finding("Python", found)


def environment(absent):
    """Look whether packages can be installed into this Python; `absent` are those to come."""
    if sys.prefix != sys.base_prefix or os.environ.get("CONDA_PREFIX"):
        return Finding("virtual environment", "in use")
    managed = Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").is_file()
    if not (absent and managed):
        return Finding("virtual environment", "none, and none needed")
    lacks = "" if find_spec("ensurepip") else "sudo apt install python3-venv; then: "
    return Finding(
        "virtual environment", "none, and this Python belongs to the operating system",
        f"Run: {lacks}python3 -m venv .venv; then: .venv/bin/python -m helpers lab",
    )


def packages(absent):
    """Look at the versions of all packages; `absent`, what notebooks lack, is one finding.

    What no notebook imports (JupyterLab, the tests' tools) is optional.
    """
    if absent:
        names = f"{', '.join(absent[:4])}{', …' if len(absent) > 4 else ''}"
        advice = (f"Run: {INSTALL} (without a network: python3 install.py in the folder of a "
                  "workshop, see README.md)")
        yield Finding("packages", f"{len(absent)} not installed: {names}", advice)
    pinned, lowest = requirements.pinned(), requirements.lowest()
    for name in lowest | pinned:  # numpy is needed and has its pin among the constraints
        installed = requirements.installed(name)
        if installed is None:
            if name not in lowest:
                yield Finding(name, "not installed", f"Optional: {INSTALL}", needed=False)
        elif requirements.too_old(installed, lowest.get(name)):
            command = f'python -m pip install "{name}>={lowest[name]}"'
            yield Finding(name, installed, f"Below {lowest[name]}, the lowest supported. "
                                           f"Run: {command}")
        elif name in pinned and installed != pinned[name]:
            advice = f"Tested with {pinned[name]}; results may differ in the last digits."
            yield Finding(name, installed, advice, needed=False)
        elif name in SHOWN:
            yield Finding(name, installed)


def widgets():
    """Look whether JupyterLab can show widgets: it needs a part of its own beside ipywidgets."""
    if requirements.installed("ipywidgets") is None:
        return None
    if requirements.installed("jupyterlab_widgets") is None:
        advice = "They show as text. Run: python -m pip install jupyterlab_widgets"
        return Finding("widgets in JupyterLab", "jupyterlab_widgets is missing", advice,
                       needed=False)
    return Finding("widgets in JupyterLab", "there")


def git():
    """Look for git, which updates a clone and brings back a damaged file."""
    if shutil.which("git"):
        return Finding("git", "there")
    command = here("sudo apt install git (or your distribution's command)",
                   "xcode-select --install", "winget install Git.Git")
    return Finding("git", "not found", f"Optional: {command}", needed=False)


def device():
    """Look what the notebooks will compute on, and whether a graphics card is large enough."""
    if find_spec("torch") is None:
        return Finding("device", "unknown before torch is installed")
    import torch

    threads = f"CPU, {torch.get_num_threads()} threads"
    if torch.cuda.is_available():
        free = torch.cuda.mem_get_info(0)[0] / 2**30
        found = f"GPU: {torch.cuda.get_device_name(0)}, {free:.1f} GB free"
        least = GPU_GB[_size()]
        if free >= least:
            return Finding("device", found)
        hide = here("export CUDA_VISIBLE_DEVICES=-1", "export CUDA_VISIBLE_DEVICES=-1",
                    "set CUDA_VISIBLE_DEVICES=-1 (PowerShell: $env:CUDA_VISIBLE_DEVICES=-1)")
        return Finding("device", found, f"The notebooks need {least:.0f} GB on it. End other "
                                        f"programs on it, or compute on the CPU: {hide}")
    if torch.backends.mps.is_available():
        return Finding("device", f"{threads} (an Apple GPU is there)")
    if shutil.which("nvidia-smi"):
        return Finding("device", f"{threads}; an NVIDIA card is there that torch does not see",
                       "Optional: the build of torch for it, from https://pytorch.org/"
                       "get-started/locally/, or a newer driver.", needed=False)
    return Finding("device", threads)


def memory():
    """Look at the free memory."""
    if find_spec("psutil") is None:
        return Finding("free memory", "unknown before psutil is installed")
    import psutil

    free, least = psutil.virtual_memory().available / 2**30, MEMORY_GB[_size()]
    advice = f"A notebook needs {least:.0f} GB: close something, such as a browser or a kernel."
    return Finding("free memory", f"{free:.1f} GB", "" if free >= least else advice)


def disk(absent):
    """Look at the free disk; `absent` are packages that are still to be installed."""
    free = shutil.disk_usage(paths.ROOT).free / 2**30
    least, use = (INSTALLED_GB, "Installing") if absent else (DISK_GB, "Saving models")
    clean = here("rm -r ~/.cache/pip", "rm -r ~/Library/Caches/pip", "py -m pip cache purge")
    advice = f"{use} needs {least:.0f} GB: free some space, such as pip's downloads: {clean}"
    return Finding("free disk", f"{free:.1f} GB", "" if free >= least else advice)


def checkpoint(name, size):
    """Look whether a checkpoint is here; None where that needs a package that is not."""
    entry = checkpoints.CATALOGUE[name, size]
    package = getattr(entry, "package", "huggingface_hub" if size == "full" else None)
    if package and find_spec(package) is None:
        return None  # `packages` says what to do
    subject = f"{name}, {size}"
    if checkpoints.at_hand(name, size):
        return Finding(subject, f"{entry.model_id}, at hand")
    if size == "small":
        return Finding(subject, "missing", f"Run: {entry.remedy}")
    found = f"{entry.model_id}, not downloaded"
    if _size() == "full":
        program = f"from helpers import checkpoints as c; c.find('{name}', 'full')"
        return Finding(subject, found,
                       f'Download {entry.megabytes} MB, once: python -c "{program}"')
    advice = f"Optional: a download of {entry.megabytes} MB, once, if you choose size='full'."
    return Finding(subject, found, advice, needed=False)


def _size():
    return checkpoints.current_size()


class _Hub:
    """Asks the Hub in the background: looking up its address can take long without a network."""

    def __init__(self):
        self.address = os.environ.get("HF_ENDPOINT") or HUB
        self.problem = f"no answer in {HUB_SECONDS} s"
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()

    def _ask(self):
        if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
            self.problem = "not asked, since HF_HUB_OFFLINE is set"
            return
        try:
            request = urllib.request.Request(self.address, method="HEAD")
            urllib.request.urlopen(request, timeout=HUB_SECONDS).close()
        except urllib.error.HTTPError:
            self.problem = ""  # an answer all the same
        except (OSError, ValueError) as error:
            self.problem = str(getattr(error, "reason", error))
        else:
            self.problem = ""

    def finding(self):
        """Return what was found out, after `HUB_SECONDS` at the latest."""
        self.thread.join(HUB_SECONDS)
        if not self.problem:
            return Finding("Hugging Face Hub", f"{self.address} answers")
        return Finding(
            "Hugging Face Hub", f"{self.address}: {self.problem}",
            "The download needs it. Behind a proxy, set HTTPS_PROXY; with a mirror, HF_ENDPOINT; "
            f"or take the small checkpoints, which need no network: unset "
            f"{checkpoints.SIZE_VARIABLE}.",
        )
