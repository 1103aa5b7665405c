"""Where the project's own files are, and how a file or a folder is saved whole or not at all."""

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path

from helpers.errors import LearnerError

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
REFERENCE = DATA / "reference"
MANIFEST = ".saved.json"  # lists what a save wrote into its folder: names and SHA-256
# What file managers and Jupyter leave in any folder that they show. It says nothing.
CLUTTER = {".DS_Store", ".ipynb_checkpoints", "Thumbs.db", "desktop.ini"}


def data_file(*parts):
    """Return the path of a file under `data/`.

    Raises LearnerError if it is not there, as happens when the package was installed without
    the repository around it.
    """
    path = DATA.joinpath(*parts)
    if not path.is_file():
        raise LearnerError(
            f"data/{'/'.join(parts)} is missing. The notebooks need the whole repository: "
            "clone it, then run `python -m pip install -r requirements.txt` in its folder."
        )
    return path


def python_path():
    """Return the PYTHONPATH of a process that is to find the project before all else."""
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


def recorded(name):
    """Return what the JSON file `name` in `data/reference` holds.

    Raises LearnerError if it is not there.
    """
    return json.loads(data_file("reference", name).read_text(encoding="utf-8"))


@contextlib.contextmanager
def replacing(target):
    """Yield a temporary path beside the file `target`; it becomes `target` if the block succeeds.

    A full disk or an interruption leaves an older `target` as it was.

    Raises LearnerError where the place cannot be written or the disk is full.
    """
    target = Path(target).resolve()  # of a symbolic link, the file that it points to is replaced
    with _temporary_beside(target) as temporary:
        yield temporary / target.name
        os.replace(temporary / target.name, target)


@contextlib.contextmanager
def replacing_folder(target, own=()):
    """Yield an empty folder that becomes `target` if the block succeeds, whole or not at all.

    A full disk or an interruption leaves an older `target` as it was. The older folder is
    replaced only if everything in it was written by an earlier save (`CLUTTER` moves along), or
    is named in `own`: names of what the caller wrote there itself and no longer needs.

    Raises LearnerError if `target` holds anything else, which is named, and where the place
    cannot be written or the disk is full.
    """
    target = Path(target).resolve()
    older = _aside(target)
    with _temporary_beside(target) as temporary:
        bring_back(target)
        fresh, trash = temporary / "new", temporary / "older"
        fresh.mkdir()
        yield fresh
        written = {path.name: _digest(path) for path in fresh.iterdir()}
        (fresh / MANIFEST).write_text(json.dumps(written, indent=1), encoding="utf-8")
        check_replaceable(target, own)
        if older.exists():  # a process was killed before it could delete it
            os.replace(older, temporary / "left over")
        try:
            if target.exists():
                os.replace(target, older)
            os.replace(fresh, target)
        finally:
            bring_back(target)
        with contextlib.suppress(OSError):  # the save is done, whatever becomes of the rest
            os.replace(older, trash)
        for name in CLUTTER:
            with contextlib.suppress(OSError):
                os.replace(trash / name, target / name)


def bring_back(target):
    """Put an older folder back that a process, killed while it replaced it, had moved aside."""
    target = Path(target).resolve()
    if _aside(target).exists() and not target.exists():
        os.replace(_aside(target), target)


def _aside(target):
    return target.parent / f".{target.name}.set-aside"


def check_replaceable(folder, own=()):
    """Raise LearnerError if a folder may not be replaced as a whole (see `replacing_folder`)."""
    place = Path(folder).resolve()
    if place == Path.cwd() or os.path.ismount(place):
        raise LearnerError(
            f"{folder} is the current folder or a whole disk. Choose a new folder inside it."
        )
    if not place.exists():
        return
    if not place.is_dir():
        raise LearnerError(f"{folder} is a file. Choose a new folder, or delete the file first.")
    try:
        written = dict(json.loads((place / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        written = {}
    ours = {MANIFEST, *CLUTTER, *own}
    foreign = [
        path.name for path in sorted(place.iterdir())
        if path.name not in ours
        and (path.name not in written or written[path.name] != _digest(path))
    ]
    if foreign:
        listing = ", ".join(foreign[:3]) + (", …" if len(foreign) > 3 else "")
        raise LearnerError(
            f"{folder} holds what no save put there, or what changed since ({listing}), so it is "
            "kept. Choose a new folder, or delete it yourself first."
        )


def _digest(path):
    """Return the SHA-256 of a file, or of all that a folder holds, `CLUTTER` apart."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    parts = [(p.name, _digest(p)) for p in sorted(path.iterdir()) if p.name not in CLUTTER]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@contextlib.contextmanager
def _temporary_beside(target):
    """Yield a temporary folder on the same disk; say in a sentence if the disk is the trouble."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent,
                                         ignore_cleanup_errors=True) as temporary:
            yield Path(temporary)
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__name__ != "SafetensorError":
            raise
        kept = " What was saved there before is untouched." if target.exists() else ""
        raise LearnerError(
            f"Could not write {target.name} into {target.parent}: {reason(error)}.{kept} "
            "Free some space or choose another folder, then save again."
        ) from error


def reason(error):
    """Return why something could not be written: the system's words, or an error's first line."""
    return (getattr(error, "strerror", None) or str(error).partition("\n")[0]).rstrip(".")
