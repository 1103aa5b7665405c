"""Where the project's own files are, and how a file or a folder is saved whole or not at all."""

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from helpers.errors import LearnerError

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
REFERENCE = DATA / "reference"
MANIFEST = ".saved.json"  # lists what a save wrote into its folder: names and sizes
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


@contextlib.contextmanager
def replacing(target):
    """Yield a temporary path beside the file `target`; it becomes `target` if the block succeeds.

    A full disk or an interruption leaves an older `target` as it was.

    Raises LearnerError where the place cannot be written or the disk is full.
    """
    target = Path(target)
    with _temporary_beside(target) as temporary:
        fresh = temporary / target.name
        yield fresh
        os.replace(fresh, target)


@contextlib.contextmanager
def replacing_folder(target):
    """Yield an empty folder that becomes `target` if the block succeeds, whole or not at all.

    A full disk or an interruption leaves an older `target` as it was. The older folder is
    replaced only if everything in it was written by an earlier save (`CLUTTER` moves along).

    Raises LearnerError if `target` holds anything else, which is named, and where the place
    cannot be written or the disk is full.
    """
    target = Path(target)
    _bring_back(target)
    check_replaceable(target)
    with _temporary_beside(target) as temporary:
        fresh, older = temporary / target.name, temporary / "older"
        fresh.mkdir()
        yield fresh
        sizes = {path.name: path.stat().st_size for path in fresh.iterdir()}
        (fresh / MANIFEST).write_text(json.dumps(sizes, indent=1), encoding="utf-8")
        check_replaceable(target)  # once more: a training may have taken hours since
        try:
            if target.exists():
                os.replace(target, older)
            os.replace(fresh, target)
        except BaseException:  # an interruption, too
            if older.exists() and not target.exists():
                os.replace(older, target)
            raise
        for name in CLUTTER:
            if (older / name).exists():
                os.replace(older / name, target / name)


def check_replaceable(folder):
    """Raise LearnerError if a folder holds anything that `replacing_folder` did not write."""
    folder = Path(folder)
    if not folder.exists():
        return
    foreign = not_saved_here(folder) if folder.is_dir() else [folder.name]
    if foreign:
        listing = ", ".join(foreign[:3]) + (", …" if len(foreign) > 3 else "")
        raise LearnerError(
            f"{folder} holds what this save did not write ({listing}), so it is kept. Choose a "
            "new folder, or delete it yourself first."
        )


def not_saved_here(folder):
    """Return the names in a folder that the last save did not write, or that changed since."""
    folder = Path(folder)
    try:
        sizes = dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        sizes = {}
    return [
        path.name for path in sorted(folder.iterdir())
        if path.name not in {MANIFEST, *CLUTTER}
        and (not path.is_file() or path.stat().st_size != sizes.get(path.name))
    ]


def _bring_back(target):
    """Put an older folder back that a process, killed while it replaced it, had moved aside."""
    if not target.exists():
        for older in target.parent.glob(f".{target.name}-*/older"):
            os.replace(older, target)
            return


@contextlib.contextmanager
def _temporary_beside(target):
    """Yield a temporary folder on the same disk; say in a sentence if the disk is the trouble."""
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        yield temporary
    except Exception as error:
        if not _is_disk_error(error):
            raise
        kept = " What was saved there before is untouched." if target.exists() else ""
        raise LearnerError(
            f"Could not write {target.name} into {target.parent}: {reason(error)}.{kept} "
            "Free some space or choose another folder, then save again."
        ) from error
    finally:
        if temporary is not None and (target.exists() or not (temporary / "older").exists()):
            shutil.rmtree(temporary, ignore_errors=True)


def _is_disk_error(error):
    """Tell an error of the file system from any other; safetensors wraps its own."""
    return isinstance(error, OSError) or type(error).__name__ == "SafetensorError"


def reason(error):
    """Return why something could not be written: the system's words, or an error's first line."""
    return (getattr(error, "strerror", None) or str(error).partition("\n")[0]).rstrip(".")
