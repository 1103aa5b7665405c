"""Is this machine ready, what will run on it, and how long will it take?

In a notebook: `preflight.report()`. In a terminal: `python -m helpers.preflight`, with exit
status 0 if everything that the notebooks need is there, else 1. With `--json` it prints the same
for a program, such as one that collects the answers of a class. It works in an empty environment:
torch and psutil are imported only where they are installed.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import timeit
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from importlib.util import find_spec

from helpers import checkpoints, paths, requirements

# What the notebooks need at most, measured on CPUs; on a GPU it is a little less.
MEMORY_GB = {"small": 2.0, "full": 6.0}
DISK_GB = {"Saving models": 1.0, "Installing": 3.0}  # of the small size; with the downloads
HUB_SECONDS = 3
SHOWN = ("torch", "transformers", "datasets", "accelerate", "matplotlib", "ipywidgets",
         "jupyterlab")
INSTALL = "python -m pip install -r requirements.txt"
PAGE = "def double(numbers):\n    return [2 * n for n in numbers if n > 0]\n" * 40


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


def report(calibrate=True):
    """Print what was found, what is missing, and the seconds that each notebook will take.

    Returns True if everything that the notebooks need is there.
    """
    answer = as_json(calibrate)
    for finding in answer["findings"]:
        print(Finding(*list(finding.values())[:4]))
    if answer["seconds"]:
        print("\nSeconds that each notebook takes here, with the small checkpoints:")
        for name, seconds in answer["seconds"].items():
            print(f"    {name:<28}{seconds:>4}")
    print("Ready." if answer["ready"] else "Not ready: see the lines marked NO.")
    return answer["ready"]


def as_json(calibrate=True):
    """Return what `report` prints as a dictionary: `ready`, `findings`, `seconds`."""
    found = look()
    ready = not any(finding.missing for finding in found)
    return {
        "ready": ready,
        "findings": [asdict(f) | {"missing": f.missing} for f in found],
        "seconds": predicted_seconds() if ready and calibrate else {},
    }


def look():
    """Return all findings, in the order in which they are best put right."""
    absent = [n for n in requirements.lowest() if requirements.installed(n) is None]
    models = [f for f in (checkpoint(*which) for which in checkpoints.CATALOGUE) if f]
    to_download = any(f.missing and f.subject.endswith("full") for f in models)
    return [python(), environment(absent), *packages(absent), git(), device(), *room(absent),
            *models, *([hub()] if to_download else [])]


def here(linux, macos, windows):
    """Return the one of three texts that is for this operating system."""
    return {"Darwin": macos, "Windows": windows}.get(platform.system(), linux)


def python():
    """Look whether this version of Python was tested; an older one cannot import this module."""
    found, newest = f"{platform.python_version()} on {platform.system()}", requirements.PYTHONS[-1]
    tested = sys.version_info[:2] <= tuple(map(int, newest.split(".")))
    get = here("apt install python", "brew install python@", "winget install Python.Python.")
    advice = (f"Newer than tested. If a package does not install, take Python {newest}, from "
              f"https://www.python.org/downloads/ or: {get}{newest}")
    return Finding("Python", found, "" if tested else advice, needed=False)


def environment(absent):
    """Look whether packages can be installed into this Python; `absent` are those to come."""
    owner = requirements.owner_of_python()
    if owner and absent:
        return Finding("virtual environment", f"none, and this Python belongs to {owner}",
                       f"Run: {requirements.environment_for('lab')}")
    in_use = sys.prefix != sys.base_prefix or os.environ.get("CONDA_PREFIX") == sys.prefix
    return Finding("virtual environment", "in use" if in_use else "none, and none needed")


def packages(absent):
    """Look at the versions of all packages; `absent`, what notebooks lack, is one finding."""
    if absent:
        names = ", ".join([*absent[:4], "…"] if len(absent) > 4 else absent)
        yield Finding("packages", f"{len(absent)} not installed: {names}",
                      f"Run: {INSTALL} (without a network: python3 install.py in the folder of a "
                      "workshop, see README.md)")
    pinned, lowest = requirements.pinned(), requirements.lowest()
    # numpy's pin is among the constraints; without the last one JupyterLab shows widgets as text.
    for name in {**lowest, **pinned, "jupyterlab_widgets": None}:
        installed, advice, needed = requirements.installed(name), "", False
        if installed is None and name not in absent:
            advice = f"Optional: {INSTALL}"
        elif installed and requirements.too_old(installed, lowest.get(name)):
            wanted, needed = f"{name}>={lowest[name]}", True
            advice = f'Below the lowest supported. Run: python -m pip install "{wanted}"'
        elif installed and installed != pinned.get(name, installed):
            advice = f"Tested with {pinned[name]}; results may differ in the last digits."
        if advice or (installed and name in SHOWN):
            yield Finding(name, installed or "not installed", advice, needed)


def git():
    """Look for git, which updates a clone and brings back a damaged file."""
    get = here("sudo apt install git (or your distribution's command)", "xcode-select --install",
               "winget install Git.Git")
    there = shutil.which("git")
    return Finding("git", "there" if there else "not found", "" if there else f"Optional: {get}",
                   needed=False)


def device():
    """Look what the notebooks will compute on, and whether a graphics card is large enough."""
    if find_spec("torch") is None:
        return Finding("device", "unknown before torch is installed")
    import torch

    if torch.cuda.is_available():
        free, least = torch.cuda.mem_get_info(0)[0] / 2**30, MEMORY_GB[checkpoints.current_size()]
        advice = (f"The notebooks need {least:.0f} GB on it. End other programs on it, or compute "
                  "on the CPU: set the environment variable CUDA_VISIBLE_DEVICES=-1")
        return Finding("device", f"GPU: {torch.cuda.get_device_name(0)}, {free:.1f} GB free",
                       "" if free >= least else advice)
    found, unseen = f"CPU, {torch.get_num_threads()} threads", shutil.which("nvidia-smi")
    return Finding("device", f"{found}; torch does not see the NVIDIA card" if unseen else found,
                   "Optional: the build of torch for it, from https://pytorch.org/get-started/"
                   "locally/, or a newer driver." if unseen else "", needed=False)


def room(absent):
    """Look at the free memory and the free disk; `absent` are packages still to be installed."""
    if find_spec("psutil"):
        import psutil

        free, least = psutil.virtual_memory().available, MEMORY_GB[checkpoints.current_size()]
        yield _room("free memory", free, "A notebook", least, "close a browser or a kernel")
    free, clean = shutil.disk_usage(paths.ROOT).free, "delete files, or: python -m pip cache purge"
    use = "Installing" if absent else "Saving models"
    yield _room("free disk", free, use, DISK_GB[use], clean)


def _room(subject, free, use, least, remedy):
    free, advice = free / 2**30, f"{use} needs {least:.0f} GB: {remedy}"
    return Finding(subject, f"{free:.1f} GB", "" if free >= least else advice)


def checkpoint(name, size):
    """Look whether a checkpoint is here; None where that needs a package that is not."""
    entry = checkpoints.CATALOGUE[name, size]
    package = getattr(entry, "package", None) or ("huggingface_hub" if size == "full" else None)
    if package and requirements.installed(package) is None:
        return None  # `packages` says what to do
    needed = size in ("small", checkpoints.current_size())
    if checkpoints.at_hand(name, size):
        found, advice = f"{entry.model_id}, at hand", ""
    elif size == "small":
        found, advice = "missing", f"Run: {entry.remedy}"
    else:
        program = f"from helpers import checkpoints as c; c.find('{name}', 'full')"
        found = f"{entry.model_id}, not downloaded"
        advice = (f'Download {entry.megabytes} MB, once: python -c "{program}"' if needed else
                  f"Optional: a download of {entry.megabytes} MB, once, for size='full'.")
    return Finding(f"{name}, {size}", found, advice, needed)


def hub():
    """Ask the Hub for an answer."""
    address = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    problem = "not asked, since HF_HUB_OFFLINE is set" if offline else ""
    try:
        if not offline:
            question = urllib.request.Request(address, method="HEAD")
            urllib.request.urlopen(question, timeout=HUB_SECONDS).close()
    except urllib.error.HTTPError:
        pass  # an answer all the same
    except (OSError, ValueError) as error:
        problem = str(getattr(error, "reason", error))
    advice = ("The download needs it. Behind a proxy, set HTTPS_PROXY; with a mirror, "
              "HF_ENDPOINT. Or unset CHECKPOINT_SIZE: the small checkpoints need none.")
    return Finding("Hugging Face Hub", f"{address}: {problem or 'answers'}",
                   advice if problem else "")


def speeds():
    """Measure this machine for a second; returns {"training": …, "python": …}, times a second.

    `training` are steps of a small encoder layer, on the device that the notebooks train on;
    `python` is compiling a page of code, which a second core speeds up as little as importing.
    """
    works = {"training": _training_step(), "python": lambda: compile(PAGE, "page", "exec")}
    return {kind: 1 / statistics.median(timeit.repeat(work, number=1, repeat=30))
            for kind, work in works.items()}


def _training_step():
    """Return a function that takes one training step of a small encoder layer."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(384, 12, 1536, batch_first=True).to(device)
    inputs = torch.randn(16, 24, 384, generator=generator).to(device)

    def step():
        loss = layer(inputs).sum()
        loss.backward()
        return loss.item()  # waits until a GPU is done

    return step


def rescaled(record, here):
    """Return the seconds of a recorded run, by notebook, as if it had been made at speeds `here`.

    Starting up (importing, above all) goes with the speed of Python, the rest with that of
    training: a GPU or sixteen cores shorten that alone.
    """
    ratio = {kind: record["speeds"][kind] / speed for kind, speed in here.items()}
    startup = record["startup"]
    return {name: min(startup, spent) * ratio["python"]
            + max(0, spent - startup) * ratio["training"]
            for name, spent in record["seconds"].items()}


def predicted_seconds():
    """Return the seconds that each notebook will take here, by name; empty without a record."""
    timings = paths.REFERENCE / "timings.json"
    if not timings.is_file():
        return {}
    record = json.loads(timings.read_text(encoding="utf-8"))
    return {name: round(spent) for name, spent in rescaled(record, speeds()).items()}


def main(arguments=None):
    """Print the report, or with `--json` the same for programs; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m helpers.preflight", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    if not parser.parse_args(arguments).json:
        return 0 if report() else 1
    answer = as_json()
    print(json.dumps(answer, indent=1))
    return 0 if answer["ready"] else 1


if __name__ == "__main__":
    sys.exit(main())
