"""Install the notebooks from this folder, without a network: `python3 install.py [FOLDER]`.

`python -m helpers pack` copies this file into a pack as `install.py`, beside `manifest.json`,
`wheels/`, `repository.zip` and `checkpoints/`. It stands alone: the standard library, and no
syntax that a Python too old for the notebooks could not read, so that it can say so. The pack is
only read. A second run goes on where a first one was interrupted, and changes nothing of yours.
"""

import argparse
import contextlib
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

FORMAT = 1
MANIFEST = "manifest.json"
RECORD = ".workshop.json"  # in the learner's folder: what was unpacked, to tell what was changed
LOG = ".workshop.log"
FOLDER_NAME = "fine-tuning-bert-notebooks"
LONGEST_WINDOWS_PATH = 259
SYSTEMS = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}
MACHINES = {"amd64": "x86_64", "x64": "x86_64"}


class Stop(Exception):
    """The installation cannot go on: the message says why and what to do."""


def main(arguments=None, pack=None):
    """Install from the pack that this file is in; returns the exit status."""
    parser = argparse.ArgumentParser(description="Install the notebooks without a network.")
    parser.add_argument("folder", nargs="?", help="where to (default: in your home folder)")
    options = parser.parse_args(arguments)
    folder = Path(options.folder or Path.home() / FOLDER_NAME).expanduser().absolute()
    pack = Path(pack or Path(__file__).parent).absolute()
    try:
        return install(pack, folder)
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
    """Check, unpack, install, place the checkpoints, look whether all is well."""
    manifest = read_manifest(pack)
    target = fitting_target(manifest)
    check_folder(folder, target)
    needed = [p for p in manifest["files"] if not p.startswith("wheels/")]
    needed += ["wheels/" + wheel for wheel in target["wheels"]]
    python = python_of(folder)
    if not python.is_file():
        check_space(folder, target["installed_bytes"])
    check_files(pack, manifest, needed)

    say(f"Unpacking the notebooks into {folder}")
    for path in unpack(pack / "repository.zip", folder):
        say(f"    kept as you changed it: {path}")
    make_environment(folder, python)
    say(f"Installing {len(target['wheels'])} packages; this takes a few minutes")
    install_packages(pack, folder, target, python)
    place_checkpoints(pack, manifest, python)

    say("\nWhat this machine has:\n")
    ready = subprocess.call([str(python), "-m", "helpers.preflight"], cwd=str(folder),
                            env=clean_environment())
    say(f"\nOpen the notebooks with\n\n{opening_command(folder)}\n")
    return ready


def say(line):
    """Print a line at once."""
    print(line, flush=True)


def read_manifest(pack):
    """Return the manifest of a pack that is complete."""
    try:
        manifest = json.loads((pack / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Stop(f"{MANIFEST} is missing beside install.py: copy the whole folder.") from None
    except ValueError:
        raise Stop(f"{pack / MANIFEST} is damaged: copy the folder again.") from None
    if manifest.get("format") != FORMAT:
        raise Stop(f"this install.py is of another version than {MANIFEST}: copy the whole folder "
                   "again.")
    if not manifest["complete"]:
        raise Stop("the pack is not complete. On the machine that made it, run "
                   "`python -m helpers pack` again on this folder.")
    return manifest


def this_platform():
    """Return this machine's name among platforms, such as "linux-x86_64"."""
    machine = platform.machine().lower()
    system = platform.system()
    return f"{SYSTEMS.get(system, system.lower())}-{MACHINES.get(machine, machine)}"


def fitting_target(manifest):
    """Return the target of the pack that is for this Python on this machine."""
    here, version = this_platform(), "{}.{}".format(*sys.version_info[:2])
    targets = manifest["targets"]
    pythons = [t["python"] for t in targets if t["platform"] == here]
    if not pythons:
        names = sorted({t["platform"] for t in targets})
        raise Stop("this pack is for {}; this machine is {}. Ask for a pack that has it too."
                   .format(" and ".join(names), here))
    if version not in pythons:
        raise Stop("this pack is for Python {}; this is Python {}. {}".format(
            " or ".join(pythons), platform.python_version(), other_python(pythons)))
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise Stop(f"this is a special build of Python. {other_python(pythons)}")
    if sys.maxsize < 2**32:
        raise Stop("this is a 32-bit Python. Install the 64-bit one from https://www.python.org.")
    target = next(t for t in targets if t["platform"] == here and t["python"] == version)
    for system, found in (("glibc", platform.libc_ver()), ("macOS", platform.mac_ver())):
        least = target["needs"].get(system)
        found = found[1] if system == "glibc" else found[0]
        if least and numbers(found) < numbers(least):
            raise Stop("the packages need {} {} or newer; this system has {}.".format(
                system, least, found or "another C library"))
    return target


def numbers(version):
    """Return a version such as "2.28" as numbers to compare."""
    return [int(part) for part in version.split(".") if part.isdigit()]


def other_python(versions):
    """Say how to start with a Python that fits: one that is here, or one to install."""
    for version in versions:
        if os.name != "nt" and shutil.which("python" + version):
            return f"There is one here: python{version} install.py"
    if os.name == "nt":
        return ("If it is installed, use: py -{0} install.py. If not, get Python {0} from "
                "https://www.python.org/downloads/.".format(versions[-1]))
    return f"Install Python {versions[-1]} from https://www.python.org/downloads/."


def check_folder(folder, target):
    """Refuse a folder that holds something else, or that Windows could not name files in."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RECORD).is_file():
        raise Stop(f'{folder} is not empty and not from an earlier installation. Name another: '
                   f'install.py "{folder}-2"')
    if folder.exists() and not folder.is_dir():
        raise Stop(f"{folder} is a file. Name a folder.")
    longest = len(str(folder / ".venv" / "Lib" / "site-packages")) + 1 + target["longest_path"]
    if os.name == "nt" and longest > LONGEST_WINDOWS_PATH and not long_paths_allowed():
        raise Stop(f"{folder} is too deep: Windows allows paths of {LONGEST_WINDOWS_PATH} "
                   f"characters, and {longest} would be needed. Name a shorter folder: "
                   "py install.py C:\\bert")


def long_paths_allowed():
    """Say whether Windows was told to allow long paths."""
    import winreg

    key = r"SYSTEM\CurrentControlSet\Control\FileSystem"
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:
            return bool(winreg.QueryValueEx(opened, "LongPathsEnabled")[0])
    except OSError:
        return False


def check_space(folder, needed):
    """Stop if the disk that holds `folder` has less than `needed` bytes free."""
    there = folder
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(str(there)).free
    if free < needed:
        raise Stop(f"{there} has {free / 1e9:.1f} GB free; {needed / 1e9:.1f} GB are needed. "
                   "Free some space, or name a folder on another disk.")


def sha256(path):
    """Return the SHA-256 of a file as hexadecimal digits."""
    digest = hashlib.sha256()
    with open(str(path), "rb") as file:
        for block in iter(lambda: file.read(2**20), b""):
            digest.update(block)
    return digest.hexdigest()


def check_files(pack, manifest, names):
    """Stop at the first file of the pack that is missing or not as it was packed."""
    total = sum(manifest["files"][name]["bytes"] for name in names)
    say(f"Checking {len(names)} files ({total / 1e6:.0f} MB)")
    for name in names:
        path, known = pack / name, manifest["files"][name]
        again = "Copy that file again from where the pack came from."
        if not path.is_file():
            raise Stop(f"{name} is missing in the pack. {again}")
        if path.stat().st_size != known["bytes"] or sha256(path) != known["sha256"]:
            raise Stop(f"{name} is damaged: its SHA-256 is not the one in {MANIFEST}. {again}")


def unpack(archive, folder):
    """Unpack the repository; returns the files that were left as the learner changed them."""
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / RECORD
    try:
        earlier = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        earlier = {}
        write(record, b"{}")
    kept = []
    try:
        with zipfile.ZipFile(str(archive)) as repository:
            for entry in repository.infolist():
                if not entry.filename.endswith("/"):
                    _unpack_one(repository.read(entry), entry.filename, folder, earlier, kept)
    finally:
        write(record, json.dumps(earlier, indent=1).encode("utf-8"))
    return kept


def _unpack_one(content, name, folder, earlier, kept):
    """Write one file unless the learner changed it; notes that in `earlier` or in `kept`."""
    fresh, path = hashlib.sha256(content).hexdigest(), folder / name
    there = sha256(path) if path.exists() else None
    if there not in (None, fresh, earlier.get(name)):
        kept.append(name)
        return
    if there != fresh:
        write(path, content)
    earlier[name] = fresh


def write(path, content):
    """Write bytes to `path`, all of them or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_beside(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def temporary_beside(path):
    """Yield a temporary path beside `path` that becomes `path` if the block succeeds."""
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
    """Return the environment less what would lead pip or Python elsewhere."""
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
                raise Stop(pip_problem(folder))


def pip_problem(folder):
    """Return what pip's log says went wrong."""
    log = (folder / LOG).read_text(encoding="utf-8", errors="replace")
    if "No space left" in log or "Errno 28" in log or "WinError 112" in log:
        return "the disk is full. Free some space and give the same command again."
    errors = [line[7:] for line in log.splitlines() if line.startswith("ERROR: ")]
    return "pip could not install: {} The whole log: {}".format(
        errors[-1] if errors else "it gave no reason.", folder / LOG)


def forget_half_installed(environment):
    """Remove the records of packages whose installation was cut off, so that pip repeats it.

    pip lists INSTALLER in a package's RECORD as its last step.
    """
    for information in environment.glob("**/site-packages/*.dist-info"):
        record = information / "RECORD"
        if not record.is_file() or "INSTALLER" not in record.read_text(encoding="utf-8"):
            shutil.rmtree(str(information))


def place_checkpoints(pack, manifest, python):
    """Copy the packed checkpoints into the Hub's cache, those files that are not there yet."""
    if not manifest["checkpoints"]:
        return
    asked = "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"
    cache = Path(subprocess.check_output([str(python), "-c", asked], env=dict(
        clean_environment(), PYTHONIOENCODING="utf-8")).decode("utf-8").strip())
    for checkpoint in manifest["checkpoints"]:
        model = cache / "models--{}".format(checkpoint["model_id"].replace("/", "--"))
        snapshot = model / "snapshots" / checkpoint["revision"]
        lacking = [f for f in checkpoint["files"] if not (snapshot / f["name"]).is_file()]
        if lacking:
            check_space(cache, sum(manifest["files"][f["path"]]["bytes"] for f in lacking))
            say(f"Copying {checkpoint['model_id']} into {cache}")
        for file in lacking:
            place(pack / file["path"], model, snapshot / file["name"], file["blob"])


def place(source, model, link, blob):
    """Put one file where the Hub's client looks for it: a blob and a link, or a plain file."""
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():  # to a blob that is gone
        link.unlink()
    if blob:
        content = model / "blobs" / blob
        content.parent.mkdir(parents=True, exist_ok=True)
        if not content.is_file():
            with temporary_beside(content) as temporary:
                shutil.copyfile(str(source), str(temporary))
        try:
            os.symlink(os.path.relpath(str(content), str(link.parent)), str(link))
        except OSError:  # Windows without the right to make links: as the Hub's client does
            os.replace(str(content), str(link))
    else:
        with temporary_beside(link) as temporary:
            shutil.copyfile(str(source), str(temporary))


def opening_command(folder):
    """Return what to type to open the notebooks."""
    if os.name == "nt":  # two lines, since cmd and PowerShell join commands differently
        return f'    cd "{folder}"\n    .venv\\Scripts\\python -m helpers lab'
    return f'    cd "{folder}" && .venv/bin/python -m helpers lab'


if __name__ == "__main__":
    sys.exit(main())
