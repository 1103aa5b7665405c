"""Pack everything that a class needs into one folder, for a USB stick or a share.

`python -m helpers pack FOLDER` fills it with the wheels of all requirements, the repository as
last committed, the full-size checkpoints that are in the Hub's cache here, and `install.py`
(see `workshop_install`), which installs from it without a network. Needs the standard library,
pip and git; it goes on where an earlier call was interrupted.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

from helpers import checkpoints, paths, requirements
from tools import install, wheels
from helpers.errors import LearnerError

INSTALLER = Path(install.__file__)
CONSTRAINTS = "constraints.txt"
INSTALLED = 1.35  # disk taken over bytes unpacked, with compiled modules: measured, 2.2 GB of 1.66
README = """\
Fine-tuning BERT: the notebooks, for a machine without a network

You need {pythons} ({platforms}), and {gigabytes:.1f} GB of free disk.
Python is not in this folder; if the machine lacks it, get it from https://www.python.org.

Open a terminal in this folder and type

    python3 install.py            on Linux and macOS
    py -{newest} install.py          on Windows

It installs into the folder fine-tuning-bert-notebooks in your home, which takes a few minutes,
looks whether everything works, and prints the line that opens the notebooks. For another place:

    python3 install.py "/path/to/a folder"

If it stops, it says why and what to do. Giving the same line again goes on where it stopped; what
you changed in the notebooks stays. This folder is only read: the USB stick can go to the next
machine as soon as the line is printed.

In the pack: commit {commit} of the project, {checkpoints}.
"""


def pack(folder, platforms=(), pythons=(), *, gpu=False):
    """Fill `folder` for the platforms and versions of Python named; returns 0.

    Without names, for a machine and a Python like this one. Afterwards the folder holds exactly
    what this call asked for. With `gpu`, torch comes in PyPI's build for NVIDIA cards.

    Raises LearnerError where the folder holds something else, for an unknown platform, without
    pip, git or network, where the disk is full, and where a wheel does not exist.
    """
    start = time.monotonic()
    targets = chosen_targets(platforms, pythons, gpu)
    folder = Path(folder).expanduser().absolute()
    commit = _commit()
    try:
        known = _prepared(folder)
        cached, absent = _checkpoints()
        _check_space(folder, targets, cached)
        manifest = _fill(folder, known, targets, cached, commit)
    except OSError as error:
        raise LearnerError(
            f"Could not write into {error.filename or folder}: {paths.reason(error)}. Free some "
            "space or choose another folder, then pack again: it goes on."
        ) from error
    for name, remedy in absent:
        print(f"{name} is not in the Hub's cache here, so it is not packed. To have it: {remedy}")
    total = sum(file["bytes"] for file in manifest["files"].values())
    print(f"Packed {len(manifest['files'])} files, {total / 1e6:.0f} MB, in "
          f"{time.monotonic() - start:.0f} s. On the other machine: python3 install.py "
          f"(README.txt says more)")
    return 0


def chosen_targets(platforms=(), pythons=(), gpu=False):
    """Return the targets meant by names of platforms and versions of Python.

    Raises LearnerError for one that is not known.
    """
    platforms = list(dict.fromkeys(platforms)) or [install.this_platform()]
    pythons = list(dict.fromkeys(pythons)) or [f"{sys.version_info[0]}.{sys.version_info[1]}"]
    for kind, names, known in (("platform", platforms, tuple(wheels.PLATFORMS)),
                               ("version of Python", pythons, wheels.PYTHONS)):
        for name in names:
            if name not in known:
                raise LearnerError(
                    f"Nothing can be packed for the {kind} {name!r}. Known: {', '.join(known)}."
                )
    if gpu and any(name != "linux-x86_64" for name in platforms):
        raise LearnerError("--gpu is for linux-x86_64 alone: PyPI has no such torch for others.")
    return [wheels.Target(wheels.PLATFORMS[name], python, gpu)
            for name in platforms for python in pythons]


def _git(*arguments):
    """Return what git prints about this repository; raises LearnerError if it cannot."""
    try:
        done = subprocess.run(
            ["git", "-C", str(paths.ROOT), "-c", "core.autocrlf=false", *arguments],
            capture_output=True, text=True, encoding="utf-8", check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
        raise LearnerError(
            f"Packing takes the files that git knows, and git failed ({said}). Install it from "
            "https://git-scm.com, and pack from a clone of the repository."
        ) from error
    return done.stdout


def _commit():
    """Return the current commit; says if there are changes that it does not hold."""
    commit = _git("rev-parse", "HEAD").strip()
    changed = _git("status", "--porcelain").splitlines()
    if changed:
        print(f"Packing the last commit, {commit[:10]}, without your {len(changed)} changes since:"
              f" {', '.join(line[3:] for line in changed[:3])}"
              f"{', …' if len(changed) > 3 else ''}. Commit them to have them in the pack.")
    return commit


def _prepared(folder):
    """Make the folder, or take it over from an earlier call; returns the files known in it.

    Files that the earlier manifest does not know, or whose checksum differs, are removed.
    """
    if find_spec("pip") is None:
        raise LearnerError("Packing needs pip. Run: python -m ensurepip (on Debian and Ubuntu: "
                           "sudo apt install python3-pip python3-venv).")
    manifest = folder / install.MANIFEST
    if folder.exists() and not folder.is_dir():
        raise LearnerError(f"{folder} is a file. Name a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not manifest.is_file():
        raise LearnerError(
            f"{folder} is not empty and holds no earlier pack. Name an empty or a new folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    try:
        known = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        known = {}
    intact = {}
    for part in ("wheels", "checkpoints"):
        (folder / part).mkdir(exist_ok=True)
        for path in [p for p in (folder / part).rglob("*") if p.is_file()]:
            name = path.relative_to(folder).as_posix()
            if known.get(name) == _entry(path):
                intact[name] = known[name]
            else:
                path.unlink()
    return intact


def _entry(path):
    return {"bytes": path.stat().st_size, "sha256": install.sha256(path)}


def _checkpoints():
    """Return the full-size checkpoints that are cached here, and (name, remedy) of the others."""
    cached, absent = [], []
    for name in checkpoints.NAMES:
        try:
            there = checkpoints.at_hand(name, "full")
        except ImportError:  # the Hub's client is not installed, so nobody has downloaded either
            there = False
        model_id = checkpoints.CATALOGUE[name, "full"].model_id
        if there:
            cached.append(checkpoints.find(name, "full"))
        else:
            program = f"from helpers import checkpoints as c; c.find('{name}', 'full')"
            absent.append((model_id, f'python -c "{program}", then pack again.'))
    return cached, absent


def _check_space(folder, targets, cached):
    """Raise LearnerError if the pack would not fit, as far as can be told before."""
    needed = sum(t.platform.megabytes + t.gpu * wheels.GPU_MEGABYTES for t in targets) * 10**6
    needed += sum(f.stat().st_size for c in cached for f in c.path.iterdir())
    there = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    free = shutil.disk_usage(folder).free
    print(f"The pack will take up to {needed / 1e9:.1f} GB.", flush=True)
    if needed - there > free:
        raise LearnerError(
            f"{folder} has {free / 1e9:.1f} GB free, which is not enough. Free some space, or "
            "pack fewer platforms or versions of Python."
        )


def _fill(folder, files, targets, cached, commit):
    """Write all that belongs into the pack, the manifest last; returns the manifest."""
    manifest = {"format": install.FORMAT, "complete": False, "commit": commit,
                "targets": [], "checkpoints": [], "files": files}
    _write_manifest(folder, manifest)
    wanted = [f"{name}=={version}" for name, version in requirements.pinned().items()]
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted += ["pip", *project["build-system"]["requires"]]
    pins = requirements.pinned(paths.ROOT / CONSTRAINTS)
    for target in targets:

        def downloaded(*line, flush, target=target):
            _add_files(manifest, folder, (folder / "wheels").glob("*.whl"))
            _write_manifest(folder, manifest)
            print(*line, flush=flush)

        chosen = wheels.collect(target, wanted, pins, folder / "wheels", say=downloaded)
        manifest["targets"].append(_described(target, sorted(chosen.values())))
        _add_files(manifest, folder, chosen.values())
    _remove_others(folder, manifest)
    for checkpoint in cached:
        manifest["checkpoints"].append(_copied(checkpoint, folder, manifest))
    archive = folder / "repository.zip"
    with paths.replacing(archive) as fresh:
        _git("archive", "--format=zip", f"--output={fresh}", "HEAD")
    shutil.copyfile(INSTALLER, folder / "install.py")
    readme = folder / "README.txt"
    readme.write_text(_readme(manifest), encoding="utf-8")
    for path in (archive, folder / "install.py", readme):
        manifest["files"][path.name] = _entry(path)
    manifest["complete"] = True
    _write_manifest(folder, manifest)
    return manifest


def _write_manifest(folder, manifest):
    with paths.replacing(folder / install.MANIFEST) as fresh:
        fresh.write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _add_files(manifest, folder, files):
    for path in files:
        name = path.relative_to(folder).as_posix()
        if name not in manifest["files"]:
            manifest["files"][name] = _entry(path)


def _described(target, chosen):
    """Return what the manifest says of a target."""
    entries = []
    for wheel in chosen:
        with zipfile.ZipFile(wheel) as archive:
            entries += archive.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    return {
        "platform": target.platform.name, "python": target.python, "gpu": target.gpu,
        "needs": dict(target.platform.needs), "wheels": [wheel.name for wheel in chosen],
        "installed_bytes": round(unpacked * INSTALLED),
        "longest_path": max(len(entry.filename) for entry in entries),
    }


def _remove_others(folder, manifest):
    """Remove the wheels that no target of this pack needs."""
    needed = {f"wheels/{wheel}" for target in manifest["targets"] for wheel in target["wheels"]}
    for wheel in (folder / "wheels").glob("*.whl"):
        name = f"wheels/{wheel.name}"
        if name not in needed:
            wheel.unlink()
            manifest["files"].pop(name, None)


def _copied(checkpoint, folder, manifest):
    """Copy a cached checkpoint into the pack; returns what the manifest says of it.

    `blob` is the name under which the Hub's cache keeps a file's content, if it links to it.
    """
    files = []
    for cached in (checkpoint.path / f for f in sorted(_files(checkpoint))):
        home = f"checkpoints/{checkpoint.model_id.replace('/', '--')}/{checkpoint.revision}"
        name = f"{home}/{cached.name}"
        if name not in manifest["files"]:
            (folder / home).mkdir(parents=True, exist_ok=True)
            with paths.replacing(folder / name) as fresh:
                shutil.copyfile(cached, fresh)
            manifest["files"][name] = _entry(folder / name)
        blob = Path(os.readlink(cached)).name if cached.is_symlink() else None
        files.append({"name": cached.name, "path": name, "blob": blob})
    return {"model_id": checkpoint.model_id, "revision": checkpoint.revision, "files": files}


def _files(checkpoint):
    return checkpoints.CATALOGUE[checkpoint.name, checkpoint.size].files


def _readme(manifest):
    targets = manifest["targets"]
    pythons = list(dict.fromkeys(t["python"] for t in targets))
    names = [c["model_id"] for c in manifest["checkpoints"]]
    return README.format(
        pythons=f"Python {' or '.join(pythons)}", newest=pythons[-1],
        platforms=", ".join(dict.fromkeys(t["platform"] for t in targets)),
        gigabytes=max(t["installed_bytes"] for t in targets) / 1e9,
        commit=manifest["commit"][:10],
        checkpoints=f"with {' and '.join(names)}" if names else "the small checkpoints alone",
    )
