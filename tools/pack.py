"""Pack everything that a class needs into one folder, for a USB stick or a share.

`python -m helpers pack FOLDER` fills it with the wheels that tools/lock.txt names, the repository
as last committed, the full-size checkpoints that are in the Hub's cache here, and `install.py`,
which installs from it without a network. Needs the standard library, pip and git. A second call
goes on where the first was interrupted. Python itself has no wheel: whoever packs puts installers
of it into the folder `python` of the pack, which packing leaves alone.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

from helpers import checkpoints, paths, requirements
from helpers.errors import LearnerError
from helpers.requirements import CPU_INDEX
from tools import install, lock

README = Path(__file__).with_name("pack_readme.txt")
AT_ONCE = 25  # packages for one call of pip; what it downloaded is kept
INSTALLED = 1.35  # disk taken over bytes unpacked, with compiled modules: measured, 2.2 GB of 1.66


def main(arguments=None):
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers pack",
        description="Pack wheels, notebooks and checkpoints for machines without a network.",
    )
    parser.add_argument("folder", help="such as a USB stick; new, empty or an older pack")
    parser.add_argument("--platform", nargs="+", default=[], metavar="NAME",
                        help=f"{', '.join(lock.PLATFORMS)} (default: like this machine)")
    parser.add_argument("--python", nargs="+", default=[], metavar="VERSION",
                        help=f"{', '.join(requirements.PYTHONS)} (default: like this one)")
    parser.add_argument("--gpu", action="store_true", help="PyTorch for NVIDIA cards, on Linux")
    options = parser.parse_args(arguments)
    try:
        pack(options.folder, options.platform, options.python, gpu=options.gpu)
    except LearnerError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted. Give the same command again: it goes on from here.",
              file=sys.stderr)
        return 130
    return 0


def pack(folder, platforms=(), pythons=(), *, gpu=False):
    """Fill `folder` for the platforms and versions of Python named, and for no others.

    Without names, it is for a machine and a Python like this one. With `gpu`, torch comes in
    PyPI's build for NVIDIA cards.

    Raises LearnerError where the folder holds something else, for an unknown platform, without
    pip, git or network, where the disk is full, and where a wheel does not exist.
    """
    targets = targets_named(platforms, pythons, gpu)
    folder = Path(folder).expanduser().absolute()
    if find_spec("pip") is None:
        raise LearnerError("Packing needs pip. Run: python -m ensurepip (on Debian and Ubuntu: "
                           "sudo apt install python3-pip python3-venv).")
    commit, locked = _read_commit()
    try:
        install.check_folder(folder, install.MANIFEST, beside=install.INSTALLERS)
        models, sources = _cached_checkpoints()
        manifest = {"format": install.FORMAT, "complete": False, "commit": commit,
                    "checkpoints": models, **_take_over(folder, targets, locked, sources)}
        _record(folder, manifest)
        _check_space(folder, targets, sources)
        for target, entry in zip(targets, manifest["targets"], strict=True):
            _download_wheels(folder, manifest, target, entry, lock.locked(target, locked))
        for name in sources.keys() - manifest["files"].keys():
            install.write(folder / name, sources[name])
            _record(folder, manifest, name)
        _finish(folder, manifest)
    except install.Stop as stop:
        raise LearnerError(f"{stop}") from None
    except OSError as error:
        raise LearnerError(
            f"Could not write into {error.filename or folder}: {paths.reason(error)}. Free some "
            "space or choose another folder, then pack again: it goes on."
        ) from error
    total = sum((folder / name).stat().st_size for name in manifest["files"])
    print(f"Packed {len(manifest['files'])} files, {total / 1e6:.0f} MB. On the other machine: "
          "python3 install.py (README.txt says more)")
    if not (folder / install.INSTALLERS).is_dir():
        print(f"For machines without Python, put its installers into {folder / install.INSTALLERS}"
              ", from https://www.python.org/downloads/")


def targets_named(platforms=(), pythons=(), gpu=False):
    """Return the targets meant by names of platforms and versions of Python.

    Raises LearnerError for one that is not known.
    """
    platforms = list(dict.fromkeys(platforms)) or [install.this_platform()]
    pythons = list(dict.fromkeys(pythons)) or [f"{sys.version_info[0]}.{sys.version_info[1]}"]
    for kind, names, known in (("platform", platforms, lock.PLATFORMS),
                               ("version of Python", pythons, requirements.PYTHONS)):
        for name in names:
            if name not in known:
                raise LearnerError(
                    f"Nothing can be packed for the {kind} {name!r}. Known: {', '.join(known)}."
                )
    if gpu and platforms != ["linux-x86_64"]:
        raise LearnerError("--gpu is for linux-x86_64 alone. Pack the other platforms without it.")
    return [lock.Target(lock.PLATFORMS[name], python, gpu)
            for name in platforms for python in pythons]


def _read_commit():
    """Return the last commit and the lock in it; says which changes are not in that commit."""
    commit = _run_git("rev-parse", "HEAD").strip()
    changed = [line[3:] for line in _run_git("status", "--porcelain").splitlines()]
    if changed:
        print(f"Packing the last commit, {commit[:10]}. To have what you changed since in the "
              f"pack, commit it: {', '.join(changed[:3])}{', …' if len(changed) > 3 else ''}")
    locked = _run_git("show", f"HEAD:{lock.FILE}")
    stale = lock.out_of_date(locked, requirements.pinned())
    if stale:
        raise LearnerError(f"{lock.FILE} is out of date: it lacks {', '.join(stale)}. "
                           f"Run {lock.COMMAND} and commit the file.")
    return commit, locked


def _run_git(*arguments):
    """Return what git prints about this repository; raises LearnerError if it cannot."""
    try:
        return subprocess.run(
            ["git", "-C", str(paths.ROOT), "-c", "core.autocrlf=false", *arguments],
            capture_output=True, encoding="utf-8", check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
        raise LearnerError(
            f"Packing takes the files that git knows, and git failed ({said}). Install it from "
            "https://git-scm.com, and pack from a clone of the repository."
        ) from error


def _cached_checkpoints():
    """Return the full-size checkpoints cached here, for the manifest, and where each file is."""
    models, sources = [], {}
    for name, size in checkpoints.without_aliases():
        if size != "full":
            continue
        entry = checkpoints.CATALOGUE[name, "full"]
        if not (find_spec("huggingface_hub") and checkpoints.at_hand(name, "full")):
            program = f"from helpers import checkpoints as c; c.find('{name}', 'full')"
            print(f"{entry.model_id} is not in the Hub's cache here, so it is not packed. To have "
                  f'it: python -c "{program}", then pack again')
            continue
        home = f"checkpoints/{entry.model_id.replace('/', '--')}/{entry.revision}"
        path = checkpoints.find(name, "full").path
        files = {f"{home}/{file}": path / file for file in sorted(entry.files)}
        models.append({"model_id": entry.model_id, "revision": entry.revision,
                       "files": list(files)})
        sources |= files
    return models, sources


def _take_over(folder, targets, locked, sources):
    """Return what of an earlier pack is intact and still wanted; deletes the rest of it."""
    try:
        earlier = install.read_manifest(folder)
    except install.Stop:  # there is none, or it is damaged
        earlier = {"files": {}, "targets": []}
    intact = {name: digest for name, digest in earlier["files"].items()
              if (folder / name).is_file() and install.sha256(folder / name) == digest}
    entries, wanted = [], set(sources)
    for target in targets:
        entry = {"platform": target.platform.name, "python": target.python}
        lines = lock.locked(target, locked)
        wheels = [name for t in earlier["targets"] if entry.items() <= t.items()
                  for name in t["wheels"]
                  if f"wheels/{name}" in intact and _line_of(name) in lines]
        wanted.update(f"wheels/{name}" for name in wheels)
        entries.append({**entry, "needs": target.platform.needs, "wheels": wheels})
    files = {name: intact[name] for name in sorted(wanted & intact.keys())}
    for path in [*folder.glob("wheels/**/*"), *folder.glob("checkpoints/**/*")]:
        if path.is_file() and path.relative_to(folder).as_posix() not in files:
            path.unlink()
    return {"files": files, "targets": entries}


def _record(folder, manifest, *names):
    """Note files of the pack in its manifest, and write that."""
    manifest["files"] |= {name: install.sha256(folder / name) for name in names}
    install.write(folder / install.MANIFEST, json.dumps(manifest, indent=1).encode())


def _check_space(folder, targets, sources):
    """Stop if the pack would not fit, as far as can be told before."""
    needed = round(sum(target.gigabytes for target in targets) * 1e9)
    needed += sum(file.stat().st_size for file in sources.values())
    print(f"The pack will take up to {needed / 1e9:.1f} GB.", flush=True)
    ours = (path for path in folder.rglob("*") if folder / install.INSTALLERS not in path.parents)
    there = sum(path.stat().st_size for path in ours if path.is_file())
    install.check_space(folder, needed - there)


def _download_wheels(folder, manifest, target, entry, lines):
    """Bring the wheels that `lines` of the lock name into the pack, and into a target's entry."""
    home = folder / "wheels"
    home.mkdir(exist_ok=True)
    wheels = {_line_of(name): name for name in entry["wheels"]}
    lacking = [line for line in lines if line not in wheels]
    alone = [line for line in lacking if line.endswith("+cpu") or _is_source(line)]
    together = [line for line in lacking if line not in alone]
    batches = [together[i:i + AT_ONCE] for i in range(0, len(together), AT_ONCE)]
    for batch in [*batches, *([line] for line in alone)]:
        print(f"{target}: {len(wheels)} of {len(lines)} packages are there", flush=True)
        with tempfile.TemporaryDirectory(prefix=".incoming-", dir=home) as incoming:
            _run_pip(target, batch, incoming)
            fresh = [wheel.name for wheel in Path(incoming).glob("*.whl")]
            for name in fresh:
                os.replace(Path(incoming, name), home / name)
        wheels |= {_line_of(name): name for name in fresh}
        entry["wheels"] = list(wheels.values())
        _record(folder, manifest, *(f"wheels/{name}" for name in fresh))
    entry["wheels"] = [wheels[line] for line in lines]
    parts = []
    for name in entry["wheels"]:
        with zipfile.ZipFile(home / name) as archive:
            parts += archive.infolist()
    entry["installed_bytes"] = round(sum(part.file_size for part in parts) * INSTALLED)
    entry["longest_path"] = max(len(part.filename) for part in parts)


def _line_of(wheel):
    """Return the lock's line that a wheel's file name answers, such as "numpy==2.4.6"."""
    name, version = wheel.split("-")[:2]
    return f"{lock.normalized(name)}=={version}"


def _is_source(line):
    """Say whether the package of a line of the lock is built here, from its source."""
    return line.partition("==")[0] in lock.SOURCES


def _run_pip(target, lines, incoming):
    """Let pip bring one wheel for each line: download it, or build one that runs anywhere.

    Raises LearnerError if it does not.
    """
    for_cpu = lines[0].endswith("+cpu")
    if _is_source(lines[0]):
        how = ["wheel", "--wheel-dir", incoming]
    else:
        how = ["download", "--only-binary=:all:", "--dest", incoming,
               f"--python-version={target.python}", "--implementation=cp",
               *(f"--platform={tag}" for tag in target.platform.tags),
               *(["--retries=2", f"--extra-index-url={CPU_INDEX}"] if for_cpu else [])]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *how, "--no-deps", "--disable-pip-version-check",
         "--progress-bar=off", "--no-color", *lines],
        env={**os.environ, "TMPDIR": incoming},  # where there has to be room anyway
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
        check=False,
    )
    if done.returncode:
        raise LearnerError(_explain(done.stdout, target, for_cpu))
    built = [path.name for path in Path(incoming).glob("*.whl")] if _is_source(lines[0]) else []
    if any(not name.endswith("-none-any.whl") for name in built):
        raise LearnerError(f"{built[0]} was built for this machine alone, and is not for others. "
                           f"Take {lines[0]} out of SOURCES in tools/lock.py.")


def _explain(printed, target, for_cpu=False):
    """Return why pip stopped, and what to do about it."""
    missing = re.search(r"No matching distribution found for (\S+)", printed)
    if missing and for_cpu:
        return (f"{missing[1]} for {target} was not found: PyTorch's index of builds for CPUs, "
                f"{CPU_INDEX}, has none or cannot be reached. Try again where it can. On "
                "linux-x86_64, --gpu packs PyPI's build, which makes it "
                f"{requirements.SIZES['linux with CUDA'].download} GB.")
    if "connection broken by" in printed:  # pip's warning each time it tries again
        return ("There is no connection to the package index. Try again with a network: what has "
                "been downloaded is kept.")
    if missing:
        return (f"The package index has no wheel of {missing[1]} for {target}. Leave that "
                f"platform or version of Python out, or change the pin and run {lock.COMMAND}.")
    return f"{target}: {install.pip_problem(printed)}"


def _finish(folder, manifest):
    """Write the rest: repository, installer, README.txt."""
    _run_git("archive", "--format=zip", f"--output={folder / 'repository.zip'}",
             manifest["commit"])
    shutil.copyfile(install.__file__, folder / "install.py")
    targets = manifest["targets"]
    pythons = list(dict.fromkeys(target["python"] for target in targets))
    text = README.read_text(encoding="utf-8").format(
        pythons=" or ".join(pythons), commit=manifest["commit"][:10],
        platforms=", ".join(dict.fromkeys(target["platform"] for target in targets)),
        gigabytes=max(target["installed_bytes"] for target in targets) / 1e9,
        checkpoints=" and ".join(model["model_id"] for model in manifest["checkpoints"])
                    or "the small checkpoints alone",
    )
    (folder / "README.txt").write_text(text, encoding="utf-8")
    manifest["complete"] = True
    _record(folder, manifest, "repository.zip", "install.py", "README.txt")


if __name__ == "__main__":
    sys.exit(main())
