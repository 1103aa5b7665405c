"""Install the notebooks from this folder, without a network: `python3 install.py [FOLDER]`.

`python -m helpers pack` copies this file into a pack, beside `manifest.json`, `wheels/`,
`repository.zip` and `checkpoints/`. It stands alone: the standard library, no syntax that Python
3.6 could not read, and nothing newer up to `fitting_target`, which says what Python it takes. The
pack is only read. A second run goes on where a first one was interrupted, and changes nothing of
yours.
"""

import argparse
import contextlib
import functools
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path, PureWindowsPath

FORMAT = 3
MANIFEST = "manifest.json"
RECORD = ".workshop.json"  # in the learner's folder: what was unpacked, to tell what was changed
LOG = ".workshop.log"
INSTALLERS = "python"  # in the pack: Python's own installers, if somebody put them there
FOLDER_NAME = "fine-tuning-bert-notebooks"
LONGEST_WINDOWS_PATH = 259
SYSTEMS = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}
MACHINES = {"amd64": "x86_64", "x64": "x86_64"}

say = functools.partial(print, flush=True)


class Stop(Exception):
    """The installation cannot go on: the message says why and what to do."""


def main(arguments=None, pack=None):
    """Install from the pack that this file is in; returns the exit status."""
    parser = argparse.ArgumentParser(description="Install the notebooks without a network.")
    parser.add_argument("folder", nargs="?", help="where to (default: in your home folder)")
    options = parser.parse_args(arguments)
    folder = Path(options.folder or Path.home() / FOLDER_NAME).expanduser().absolute()
    try:
        return install(Path(pack or Path(__file__).parent).absolute(), folder)
    except Stop as stop:
        print(f"Stopped: {stop}", file=sys.stderr)
    except OSError as error:
        print(f"Stopped: {error.filename or folder}: {error.strerror or error}. Put that right "
              "and give the same command again.", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nInterrupted. Give the same command again: it goes on from here.",
              file=sys.stderr)
        return 130
    return 1


def install(pack, folder):
    """Check, unpack, install, copy the checkpoints, look whether all is well."""
    manifest = read_manifest(pack)
    if not manifest.get("complete"):
        raise Stop("the pack is not complete. On the machine that made it, run "
                   "`python -m helpers pack` again on this folder.")
    target = fitting_target(manifest, pack)
    check_folder(folder, RECORD)
    check_length(folder, target)
    python = python_of(folder)
    if not python.is_file():
        check_space(folder, target["installed_bytes"])
    check_files(pack, manifest, target)

    say(f"Unpacking the notebooks into {folder}")
    for name in unpack(pack / "repository.zip", folder):
        say(f"    kept as you changed it: {name}")
    make_environment(folder, python)
    say(f"Installing {len(target['wheels'])} packages; this takes a few minutes")
    install_packages(pack, folder, target, python)
    copy_checkpoints(pack, manifest, python)

    say("\nWhat this machine has:\n")
    ready = subprocess.call([python, "-m", "helpers.preflight"], cwd=folder,
                            env=clean_environment())
    if os.name == "nt":  # two lines, since cmd and PowerShell join commands differently
        command = f'cd "{folder}"\n    .venv\\Scripts\\python -m helpers lab'
    else:
        command = f'cd "{folder}" && .venv/bin/python -m helpers lab'
    say(f"\nOpen the notebooks with\n\n    {command}\n")
    return ready


def read_manifest(pack):
    """Return the manifest of a pack, in which no name leads out of the pack."""
    try:
        manifest = json.loads((pack / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise Stop(f"this install.py is of another version than {MANIFEST}: copy the whole "
                       "folder again.")
        names = list(manifest["files"])
        for target in manifest["targets"]:
            names += target["wheels"]
        for checkpoint in manifest["checkpoints"]:
            names += [checkpoint["model_id"], checkpoint["revision"]] + checkpoint["files"]
        refuse_outside(names, MANIFEST)
    except FileNotFoundError:
        raise Stop(f"{MANIFEST} is missing beside install.py: copy the whole folder.") from None
    except (ValueError, KeyError, TypeError):
        raise Stop(f"{pack / MANIFEST} is damaged: copy the folder again.") from None
    return manifest


def refuse_outside(names, source):
    """Stop if one of the names, as Windows or any other system reads it, leaves its folder."""
    for name in names:
        path = PureWindowsPath(name)  # it takes / and \ for separators
        if path.anchor or ":" in name or ".." in path.parts or not path.parts:
            raise Stop(f"{source} names a file outside of its folder: {name!r}. The pack is "
                       "damaged or forged. Nothing of it was used; get it again from whom you "
                       "trust.")


def this_platform():
    """Return this machine's name among platforms, such as "linux-x86_64"."""
    system, machine = platform.system(), platform.machine().lower()
    return f"{SYSTEMS.get(system, system.lower())}-{MACHINES.get(machine, machine)}"


def fitting_target(manifest, pack):
    """Return the target of the pack that is for this Python on this machine."""
    here, version = this_platform(), "{}.{}".format(*sys.version_info[:2])
    targets = {t["python"]: t for t in manifest["targets"] if t["platform"] == here}
    if not targets:
        names = sorted({t["platform"] for t in manifest["targets"]})
        raise Stop(f"this pack is for {' and '.join(names)}; this machine is {here}. Ask for a "
                   "pack that has it too.")
    if version not in targets:
        raise Stop(f"this pack is for Python {' or '.join(targets)}; this is Python "
                   f"{platform.python_version()}. {other_python(list(targets), pack)}")
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise Stop(f"this is a special build of Python. {other_python(list(targets), pack)}")
    if sys.maxsize < 2**32:
        raise Stop("this is a 32-bit Python. Install the 64-bit one from https://www.python.org.")
    systems = {"glibc": platform.libc_ver()[1], "macOS": platform.mac_ver()[0]}
    for system, least in targets[version]["needs"].items():
        found, needed = (re.findall(r"\d+", text) for text in (systems[system], least))
        if list(map(int, found)) < list(map(int, needed)):
            raise Stop(f"the packages need {system} {least} or newer; this system has "
                       f"{systems[system] or 'another C library'}.")
    return targets[version]


def other_python(versions, pack):
    """Say how to start with a Python that fits: one that is here, or one to install."""
    ours = pack / INSTALLERS
    source = ours if ours.is_dir() else "https://www.python.org/downloads/"
    get = f"Python {versions[-1]} from {source}."
    if os.name == "nt":
        return f"If it is installed, use: py -{versions[-1]} install.py. If not, get {get}"
    here = [f"python{version}" for version in versions if shutil.which("python" + version)]
    return f"There is one here: {here[0]} install.py" if here else f"Install {get}"


def check_folder(folder, own, beside=None):
    """Stop if a folder holds something else; `own` is the file that tells an earlier call's, and
    `beside` what may be there before the first.
    """
    if folder.exists() and not folder.is_dir():
        raise Stop(f"{folder} is a file. Name a folder.")
    others = [p for p in folder.iterdir() if p.name != beside] if folder.is_dir() else []
    if others and not (folder / own).is_file():
        raise Stop(f"{folder} is not empty and not from an earlier call. Name an empty or a new "
                   "folder.")


def check_length(folder, target):
    """Stop if Windows could not name all files in a folder."""
    longest = len(str(folder / ".venv" / "Lib" / "site-packages")) + 1 + target["longest_path"]
    if os.name == "nt" and longest > LONGEST_WINDOWS_PATH:
        raise Stop(f"{folder} is too deep: Windows allows paths of {LONGEST_WINDOWS_PATH} "
                   f"characters, and {longest} would be needed. Name a shorter folder: "
                   "py install.py C:\\bert")


def check_space(folder, needed):
    """Stop if the disk that holds `folder` has less than `needed` bytes free, or is not there."""
    there = next((path for path in [folder, *folder.parents] if path.exists()), None)
    if there is None:
        raise Stop(f"there is no drive {folder.drive or folder.anchor}. Name a folder on one that "
                   "there is.")
    free = shutil.disk_usage(there).free
    if free < needed:
        raise Stop(f"{there} has {free / 1e9:.1f} GB free; {needed / 1e9:.1f} GB are needed. "
                   "Free some space, or name a folder on another disk.")


def check_files(pack, manifest, target):
    """Stop at the first file of those needed that is missing or not as it was packed."""
    files = manifest["files"]
    names = [name for name in files if not name.startswith("wheels/")]
    names += ["wheels/" + wheel for wheel in target["wheels"]]
    say(f"Checking {len(names)} files")
    for name in names:
        if not (pack / name).is_file() or sha256(pack / name) != files.get(name):
            raise Stop(f"{name} is missing in the pack or damaged: its SHA-256 is not the one in "
                       f"{MANIFEST}. Copy that file again from where the pack came from.")


def sha256(path):
    """Return the SHA-256 of a file as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(archive, folder):
    """Unpack the repository; returns the files that were left as the learner changed them."""
    kept = []
    with zipfile.ZipFile(archive) as repository:
        names = [name for name in repository.namelist() if not name.endswith("/")]
        refuse_outside(names, archive.name)
        try:
            earlier = dict(json.loads((folder / RECORD).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            earlier = {}
            write(folder / RECORD, b"{}")  # from now on the folder is ours
        try:
            for name in names:
                content = repository.read(name)
                fresh = hashlib.sha256(content).hexdigest()
                there = sha256(folder / name) if (folder / name).exists() else None
                if there not in (None, fresh, earlier.get(name)):
                    kept.append(name)
                    continue
                if there != fresh:
                    write(folder / name, content)
                earlier[name] = fresh
        finally:
            write(folder / RECORD, json.dumps(earlier, indent=1).encode())
    return kept


def write(path, source):
    """Write bytes, or copy a file, to `path`: all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=path.parent) as part:
        fresh = Path(part) / path.name
        if isinstance(source, bytes):
            fresh.write_bytes(source)
        else:
            shutil.copyfile(source, fresh)
        os.replace(fresh, path)


def python_of(folder):
    """Return the path of Python in the virtual environment."""
    return folder / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def clean_environment():
    """Return the environment without what would lead pip or Python elsewhere."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON"))}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def make_environment(folder, python):
    """Make the virtual environment unless a working one of this Python is there."""
    other = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    with contextlib.suppress(OSError):  # there is none yet
        if not subprocess.call([python, "-I", "-c", other], stderr=subprocess.DEVNULL):
            return
    try:
        import venv
    except ImportError:
        raise Stop("this Python lacks its module venv. On Debian and Ubuntu run: "
                   "sudo apt install python3-venv") from None
    say("Making a virtual environment")
    # pip comes from the pack: Debian's Python would lack it.
    venv.create(folder / ".venv", clear=True, with_pip=False, symlinks=os.name != "nt")


def install_packages(pack, folder, target, python):
    """Install pip, then what requirements.txt names, from the wheels of the pack alone."""
    forget_half_installed(folder / ".venv")
    wheels = pack / "wheels"
    pip = next(wheel for wheel in target["wheels"] if wheel.startswith("pip-"))
    offline = ["install", "--no-index", "--find-links", wheels, "--progress-bar", "off"]
    with open(folder / LOG, "wb") as log:
        for command in ([wheels / pip / "pip", *offline, "pip"],
                        ["-m", "pip", *offline, "-r", "requirements.txt"]):
            if subprocess.call([python, *command], cwd=folder, env=clean_environment(),
                               stdout=log, stderr=subprocess.STDOUT):
                said = (folder / LOG).read_text(encoding="utf-8", errors="replace")
                raise Stop(f"{pip_problem(said)} The whole log: {folder / LOG}")


def pip_problem(said):
    """Return what went wrong, from all that pip said."""
    if "No space left" in said or "WinError 112" in said:  # the system's words
        return "the disk is full. Free some space and give the same command again."
    errors = [line[7:] for line in said.splitlines() if line.startswith("ERROR: ")]
    return f"pip failed: {errors[-1] if errors else 'it gave no reason.'}"


def forget_half_installed(environment):
    """Remove the records of packages whose installation was cut off, so that pip repeats it.

    pip lists INSTALLER in a package's RECORD as its last step.
    """
    for information in environment.glob("**/site-packages/*.dist-info"):
        record = information / "RECORD"
        if not record.is_file() or "INSTALLER" not in record.read_text(encoding="utf-8"):
            shutil.rmtree(information)


def copy_checkpoints(pack, manifest, python):
    """Copy the packed checkpoints into the Hub's cache, those files that are not there yet.

    They are plain files in a snapshot, as the Hub's client itself keeps them where the system
    has no links (https://huggingface.co/docs/huggingface_hub/guides/manage-cache).
    """
    if not manifest["checkpoints"]:
        return
    asked = "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"
    cache = Path(subprocess.check_output([python, "-Xutf8", "-c", asked], encoding="utf-8",
                                         env=clean_environment()).strip())
    for checkpoint in manifest["checkpoints"]:
        model = "models--" + checkpoint["model_id"].replace("/", "--")
        snapshot = cache / model / "snapshots" / checkpoint["revision"]
        lacking = [name for name in checkpoint["files"]
                   if not (snapshot / Path(name).name).is_file()]
        if lacking:
            check_space(cache, sum((pack / name).stat().st_size for name in lacking))
            say(f"Copying {checkpoint['model_id']} into {cache}")
        for name in lacking:
            write(snapshot / Path(name).name, pack / name)


if __name__ == "__main__":
    sys.exit(main())
