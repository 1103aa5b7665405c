"""Install the notebooks from this folder, without a network: `python3 install.py [FOLDER]`.

`python -m helpers pack` copies this file into a pack, beside `manifest.json`, `wheels/`,
`repository.zip` and `checkpoints/`. It stands alone: the standard library, and no syntax that a
Python too old for the notebooks could not read, so that it can say so. The pack is only read. A
second run goes on where a first one was interrupted, and changes nothing of yours.
"""

import argparse
import contextlib
import functools
import hashlib
import json
import os
import platform
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path, PureWindowsPath

FORMAT = 2
MANIFEST = "manifest.json"
RECORD = ".workshop.json"  # in the learner's folder: what was unpacked, to tell what was changed
LOG = ".workshop.log"
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
    target = fitting_target(manifest)
    check_folder(folder, target)
    python = python_of(folder)
    if not python.is_file():
        check_space(folder, target["installed_bytes"])
    check_files(pack, manifest, target)

    say(f"Unpacking the notebooks into {folder}")
    for path in unpack(pack / "repository.zip", folder):
        say(f"    kept as you changed it: {path}")
    make_environment(folder, python)
    say(f"Installing {len(target['wheels'])} packages; this takes a few minutes")
    install_packages(pack, folder, target, python)
    copy_checkpoints(pack, manifest, python)

    say("\nWhat this machine has:\n")
    ready = subprocess.call([str(python), "-m", "helpers.preflight"], cwd=str(folder),
                            env=clean_environment())
    say(f"\nOpen the notebooks with\n\n{opening_command(folder)}\n")
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
    machine = platform.machine().lower()
    system = platform.system()
    return f"{SYSTEMS.get(system, system.lower())}-{MACHINES.get(machine, machine)}"


def fitting_target(manifest):
    """Return the target of the pack that is for this Python on this machine."""
    here, version = this_platform(), "{}.{}".format(*sys.version_info[:2])
    targets = {t["python"]: t for t in manifest["targets"] if t["platform"] == here}
    if not targets:
        names = sorted({t["platform"] for t in manifest["targets"]})
        raise Stop(f"this pack is for {' and '.join(names)}; this machine is {here}. Ask for a "
                   "pack that has it too.")
    if version not in targets:
        raise Stop(f"this pack is for Python {' or '.join(targets)}; this is Python "
                   f"{platform.python_version()}. {other_python(list(targets))}")
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise Stop(f"this is a special build of Python. {other_python(list(targets))}")
    if sys.maxsize < 2**32:
        raise Stop("this is a 32-bit Python. Install the 64-bit one from https://www.python.org.")
    for system, found in (("glibc", platform.libc_ver()[1]), ("macOS", platform.mac_ver()[0])):
        least = targets[version]["needs"].get(system)
        if least and numbers(found) < numbers(least):
            raise Stop(f"the packages need {system} {least} or newer; this system has "
                       f"{found or 'another C library'}.")
    return targets[version]


def numbers(version):
    """Return a version such as "2.28" as numbers to compare."""
    return [int(part) for part in version.split(".") if part.isdigit()]


def other_python(versions):
    """Say how to start with a Python that fits: one that is here, or one to install."""
    newest = versions[-1]
    if os.name == "nt":
        return (f"If it is installed, use: py -{newest} install.py. If not, get Python {newest} "
                "from https://www.python.org/downloads/.")
    for version in versions:
        if shutil.which("python" + version):
            return f"There is one here: python{version} install.py"
    return f"Install Python {newest} from https://www.python.org/downloads/."


def check_folder(folder, target):
    """Refuse a folder that holds something else, or that Windows could not name files in."""
    if folder.exists() and not folder.is_dir():
        raise Stop(f"{folder} is a file. Name a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RECORD).is_file():
        raise Stop(f'{folder} is not empty and not from an earlier installation. Name another: '
                   f'install.py "{folder}-2"')
    longest = len(str(folder / ".venv" / "Lib" / "site-packages")) + 1 + target["longest_path"]
    if os.name == "nt" and longest > LONGEST_WINDOWS_PATH:
        raise Stop(f"{folder} is too deep: Windows allows paths of {LONGEST_WINDOWS_PATH} "
                   f"characters, and {longest} would be needed. Name a shorter folder: "
                   "py install.py C:\\bert")


def check_space(folder, needed):
    """Stop if the disk that holds `folder` has less than `needed` bytes free."""
    there = nearest_existing(folder)
    free = shutil.disk_usage(str(there)).free
    if free < needed:
        raise Stop(f"{there} has {free / 1e9:.1f} GB free; {needed / 1e9:.1f} GB are needed. "
                   "Free some space, or name a folder on another disk.")


def nearest_existing(path):
    """Return a path, or the nearest folder above it that exists; stops if the drive does not."""
    for there in [path, *path.parents]:
        if there.exists():
            return there
    raise Stop(f"there is no drive {path.drive or path.anchor}. Name a folder on one that there "
               "is.")


def sha256(path):
    """Return the SHA-256 of a file as hexadecimal digits."""
    digest = hashlib.sha256()
    with open(str(path), "rb") as file:
        for block in iter(lambda: file.read(2**20), b""):
            digest.update(block)
    return digest.hexdigest()


def check_files(pack, manifest, target):
    """Stop at the first file of those needed that is missing or not as it was packed."""
    files = manifest["files"]
    names = [name for name in files if not name.startswith("wheels/")]
    names += ["wheels/" + wheel for wheel in target["wheels"]]
    say(f"Checking {len(names)} files")
    again = "Copy that file again from where the pack came from."
    for name in names:
        if not (pack / name).is_file():
            raise Stop(f"{name} is missing in the pack. {again}")
        if sha256(pack / name) != files.get(name, {}).get("sha256"):
            raise Stop(f"{name} is damaged: its SHA-256 is not the one in {MANIFEST}. {again}")


def unpack(archive, folder):
    """Unpack the repository; returns the files that were left as the learner changed them."""
    kept = []
    with zipfile.ZipFile(str(archive)) as repository:
        entries = [e for e in repository.infolist() if not e.filename.endswith("/")]
        refuse_outside([e.filename for e in entries], archive.name)
        for entry in entries:
            if stat.S_ISLNK(entry.external_attr >> 16):
                raise Stop(f"{archive.name} holds a link, {entry.filename!r}, which could lead "
                           "anywhere. Nothing of it was used; get it again from whom you trust.")
        folder.mkdir(parents=True, exist_ok=True)
        record = folder / RECORD
        try:
            earlier = dict(json.loads(record.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            earlier = {}
            write(record, b"{}")
        try:
            for entry in entries:
                content, path = repository.read(entry), folder / entry.filename
                fresh = hashlib.sha256(content).hexdigest()
                there = sha256(path) if path.exists() else None
                if there not in (None, fresh, earlier.get(entry.filename)):
                    kept.append(entry.filename)
                    continue
                if there != fresh:
                    write(path, content)
                earlier[entry.filename] = fresh
        finally:
            write(record, json.dumps(earlier, indent=1).encode("utf-8"))
    return kept


def write(path, content):
    """Write bytes to `path`, all of them or none."""
    with temporary_beside(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def temporary_beside(path):
    """Yield a temporary path beside `path` that becomes `path` if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".part-", dir=str(path.parent))
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, 0o644)  # mkstemp lets the owner alone read it
        os.replace(name, str(path))
    except BaseException:
        os.unlink(name)
        raise


def python_of(folder):
    """Return the path of Python in the virtual environment."""
    return folder / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def clean_environment():
    """Return the environment without what would lead pip or Python elsewhere."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON"))}
    return dict(kept, PIP_CONFIG_FILE=os.devnull, PIP_DISABLE_PIP_VERSION_CHECK="1")


def make_environment(folder, python):
    """Make the virtual environment unless a working one of this Python is there."""
    asked = "import sys; print(*sys.version_info[:2], sep='.')"
    try:
        found = subprocess.check_output([str(python), "-I", "-c", asked],
                                        stderr=subprocess.DEVNULL).decode().strip()
    except (OSError, subprocess.CalledProcessError):
        found = None
    if found == "{}.{}".format(*sys.version_info[:2]):
        return
    try:
        import venv
    except ImportError:
        raise Stop("this Python lacks its module venv. On Debian and Ubuntu run: "
                   "sudo apt install python3-venv") from None
    say("Making a virtual environment")
    # pip comes from the pack: Debian's Python would lack it.
    venv.create(str(folder / ".venv"), clear=True, with_pip=False, symlinks=os.name != "nt")


def install_packages(pack, folder, target, python):
    """Install pip, then what requirements.txt names, from the wheels of the pack alone."""
    forget_half_installed(folder / ".venv")
    wheels = pack / "wheels"
    pip = next(wheel for wheel in target["wheels"] if wheel.startswith("pip-"))
    offline = ["install", "--no-index", "--find-links", str(wheels), "--progress-bar", "off"]
    with open(str(folder / LOG), "wb") as log:
        for command in ([str(wheels / pip / "pip"), *offline, "pip"],
                        ["-m", "pip", *offline, "-r", "requirements.txt"]):
            status = subprocess.call([str(python), *command], cwd=str(folder), stdout=log,
                                     stderr=subprocess.STDOUT, env=clean_environment())
            if status:
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
            shutil.rmtree(str(information))


def copy_checkpoints(pack, manifest, python):
    """Copy the packed checkpoints into the Hub's cache, those files that are not there yet.

    They are plain files in a snapshot, as the Hub's client itself keeps them where the system
    has no links (https://huggingface.co/docs/huggingface_hub/guides/manage-cache).
    """
    if not manifest["checkpoints"]:
        return
    asked = "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"
    cache = Path(subprocess.check_output([str(python), "-c", asked], env=dict(
        clean_environment(), PYTHONIOENCODING="utf-8")).decode("utf-8").strip())
    for checkpoint in manifest["checkpoints"]:
        model = cache / "models--{}".format(checkpoint["model_id"].replace("/", "--"))
        snapshot = model / "snapshots" / checkpoint["revision"]
        lacking = [name for name in checkpoint["files"]
                   if not (snapshot / Path(name).name).is_file()]
        if lacking:
            check_space(cache, sum(manifest["files"][name]["bytes"] for name in lacking))
            say(f"Copying {checkpoint['model_id']} into {cache}")
        for name in lacking:
            with temporary_beside(snapshot / Path(name).name) as temporary:
                shutil.copyfile(str(pack / name), str(temporary))


def opening_command(folder):
    """Return what to type to open the notebooks."""
    if os.name == "nt":  # two lines, since cmd and PowerShell join commands differently
        return f'    cd "{folder}"\n    .venv\\Scripts\\python -m helpers lab'
    return f'    cd "{folder}" && .venv/bin/python -m helpers lab'


if __name__ == "__main__":
    sys.exit(main())
