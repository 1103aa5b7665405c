"""Is this machine ready, what will run on it, and how long will it take?

In a notebook: `preflight.report()`. In a terminal, before the installation, too: `python -m
helpers preflight`, with exit status 0 if everything that the notebooks need is there, else 1.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import timeit

from helpers import checkpoints, environment, network, paths, requirements

# What the notebooks need at most, measured on CPUs; on a GPU it is a little less.
MEMORY_GB = {"small": 2.0, "full": 6.0}
SAVING_GB = 1.0  # of disk, for the small size
HUB_SECONDS = 3
INSTALL = "python -m pip install -r requirements.txt"
PAGE = "def double(numbers):\n    return [2 * n for n in numbers if n > 0]\n" * 40


def report():
    """Print what was found, what is missing, and the seconds that each notebook will take.

    Returns True if everything that the notebooks need is there.
    """
    answer = as_json()
    for found in answer["findings"]:
        mark = "NO" if found["missing"] else "-" if found["advice"] else "ok"
        print(f"{mark:<4}{found['subject']:<22}{found['found']}")
        if found["advice"]:
            print(f"    {found['advice']}")
    if answer["seconds"]:
        print("\nSeconds that each notebook takes here, with the small checkpoints:")
        for name, seconds in answer["seconds"].items():
            print(f"    {name:<28}{seconds:>4}")
    print("Ready." if answer["ready"] else "Not ready: see the lines marked NO.")
    return answer["ready"]


def as_json():
    """Return what `report` prints as a dictionary: `ready`, `findings`, `seconds`."""
    findings = look()
    ready = not any(found["missing"] for found in findings)
    seconds = predicted_seconds() if ready else {}
    return {"ready": ready, "findings": findings, "seconds": seconds}


def look():
    """Return all findings, in the order in which they are best put right."""
    absent = [n for n in requirements.lowest() if requirements.installed(n) is None]
    use, least = "Saving models", SAVING_GB
    if absent:
        use, least = "Installing", environment.size(cuda=environment.has_driver()).disk
    disk = room("free disk", shutil.disk_usage(paths.ROOT).free, use, least,
                f"delete files, or: {environment.as_typed()} -m pip cache purge")
    found = [*system(absent), *packages(absent), disk]
    if not absent:  # what follows needs torch, psutil, and the packages of the checkpoints
        found += [*device(), *(checkpoint(*which) for which in checkpoints.without_aliases())]
        if any(f["missing"] and f["subject"].endswith("full") for f in found):
            found.append(hub())
    return found


def finding(subject, found, advice="", needed=True):
    """Return one thing looked at; with advice it is not all right, and missing where needed."""
    return {"subject": subject, "found": found, "advice": advice, "needed": needed,
            "missing": bool(advice) and needed}


def system(absent):
    """Look at Python, its environment and git; `absent` are packages still to be installed."""
    newest = requirements.PYTHONS[-1]
    newer = sys.version_info[:2] > tuple(map(int, newest.split(".")))
    yield finding("Python", f"{platform.python_version()} on {platform.system()}",
                  "Newer than tested. If a package does not install, take Python "
                  f"{newest}: https://www.python.org/downloads/" if newer else "", needed=False)
    yield surroundings(absent)
    git = shutil.which("git")
    yield finding("git", "there" if git else "not found", "" if git else "Optional: sudo apt "
                  "install git, xcode-select --install, or winget install Git.Git", needed=False)


def surroundings(absent):
    """Look whether this Python is one that packages may be installed into."""
    subject, python = "virtual environment", environment.python_of(environment.folder())
    if environment.is_active():
        return finding(subject, "in use")
    if not absent:
        return finding(subject, "none, and none needed")
    if environment.version_of(python):
        return finding(subject, ".venv is there, and this is another Python",
                       f"Run: {environment.as_typed()} -m helpers preflight")
    if environment.is_base():
        return finding(subject, "none but conda's base", environment.why_not_base())
    return finding(subject, f"none; {environment.as_typed()} -m helpers lab makes one")


def packages(absent):
    """Look at the versions of all packages; `absent`, what notebooks lack, is one finding."""
    if absent:
        names = ", ".join([*absent[:4], "…"] if len(absent) > 4 else absent)
        yield finding("packages", f"{len(absent)} not installed: {names}",
                      f"Run: {environment.as_typed()} -m helpers lab (without a network: "
                      "install.py of a workshop, see README.md)")
    pinned, lowest = requirements.pinned(), requirements.lowest()
    # numpy's pin is among the constraints; without the last one JupyterLab shows widgets as text.
    for name in {**lowest, **pinned, "jupyterlab_widgets": None}:
        version = requirements.installed(name)
        if version is None and not absent:  # else the command above installs it
            yield finding(name, "not installed", f"Optional: {INSTALL}", needed=False)
        elif version and requirements.too_old(version, lowest.get(name)):
            yield finding(name, version, "Below the lowest supported. "
                          f'Run: python -m pip install "{name}>={lowest[name]}"')
        elif version and version != pinned.get(name, version):
            yield finding(name, version, f"Tested with {pinned[name]}; results may differ in the "
                          "last digits.", needed=False)
        elif version and name in lowest:
            yield finding(name, version)


def device():
    """Look what the notebooks will compute on, and at its free memory."""
    import psutil
    import torch

    least = MEMORY_GB[checkpoints.current_size()]
    yield room("free memory", psutil.virtual_memory().available, "A notebook", least,
               "close a browser or a kernel")
    if torch.cuda.is_available():
        yield finding("device", f"GPU: {torch.cuda.get_device_name(0)}")
        yield room("free on the GPU", torch.cuda.mem_get_info(0)[0], "A notebook", least, "end "
                   "other programs on it, or take the CPU: set CUDA_VISIBLE_DEVICES=-1")
    else:
        unseen = shutil.which("nvidia-smi")
        yield finding("device", f"CPU, {torch.get_num_threads()} threads", "Optional: torch does "
                      "not see the NVIDIA card. Take another build of it, from https://pytorch.org/"
                      "get-started/locally/, or a newer driver." if unseen else "", needed=False)


def room(subject, free, use, least, remedy):
    """Return whether so many free bytes are enough for a use that needs `least` GB."""
    enough = free >= least * 2**30
    advice = "" if enough else f"{use} needs {least:.0f} GB: {remedy}"
    return finding(subject, f"{free / 2**30:.1f} GB", advice)


def checkpoint(name, size):
    """Look whether a checkpoint is here."""
    entry, subject = checkpoints.CATALOGUE[name, size], f"{name}, {size}"
    if checkpoints.at_hand(name, size):
        return finding(subject, f"{entry.model_id}, at hand")
    if size == "small":
        return finding(subject, "missing", f"Run: {entry.remedy}")
    needed = checkpoints.current_size() == "full"
    program = f"from helpers import checkpoints as c; c.find('{name}', 'full')"
    return finding(subject, f"{entry.model_id}, a download of {entry.megabytes} MB, once",
                   f'{"Run" if needed else "Optional"}: python -c "{program}"', needed)


def hub():
    """Ask the Hub for a file that has to be downloaded."""
    address = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    file = f"{address}/{checkpoints.CATALOGUE['bert', 'full'].model_id}/resolve/main/config.json"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        problem = "not asked, since HF_HUB_OFFLINE is set"
    else:
        problem = network.problem(file, HUB_SECONDS)
    if problem:
        return finding("Hugging Face Hub", f"{address}: {problem}",
                       "The download needs it. Behind a proxy, set HTTPS_PROXY; with a mirror, "
                       "HF_ENDPOINT. Or unset CHECKPOINT_SIZE: the small checkpoints need none.")
    return finding("Hugging Face Hub", f"{address}: answers")


def speeds():
    """Measure this machine for a second; returns {"training": …, "python": …}, times a second.

    `training` are steps of a small encoder layer, on the device that the notebooks train on;
    `python` is compiling a page of code, which a second core speeds up as little as importing.
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    layer = torch.nn.TransformerEncoderLayer(384, 12, 1536, batch_first=True, device=device)
    inputs = torch.randn(16, 24, 384, device=device)

    def train():
        loss = layer(inputs).sum()
        loss.backward()
        return loss.item()  # waits until a GPU is done

    works = {"training": train, "python": lambda: compile(PAGE, "page", "exec")}
    return {kind: 1 / statistics.median(timeit.repeat(work, number=1, repeat=30))
            for kind, work in works.items()}


def rescaled(record, here):
    """Return the seconds of a recorded run, by notebook, as if it had been made at speeds `here`.

    Starting up (importing, above all) goes with the speed of Python, the rest with training's.
    """
    python, training = (record["speeds"][kind] / here[kind] for kind in ("python", "training"))
    return {name: (start := min(record["startup"], spent)) * python + (spent - start) * training
            for name, spent in record["seconds"].items()}


def predicted_seconds():
    """Return the seconds that each notebook will take here, by name."""
    record = json.loads((paths.REFERENCE / "timings.json").read_text(encoding="utf-8"))
    return {name: round(spent) for name, spent in rescaled(record, speeds()).items()}


def main(arguments=None):
    """Print the report, or with `--json` the same for programs; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m helpers.preflight", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    if not parser.parse_args(arguments).json:
        return 0 if report() else 1
    answer = as_json()
    print(json.dumps(answer, indent=1))
    return 0 if answer["ready"] else 1


if __name__ == "__main__":
    sys.exit(main())
