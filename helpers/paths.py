"""Where the project's own files are, wherever a notebook was started."""

import contextlib
import os
import tempfile
from pathlib import Path

from helpers.errors import LearnerError

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
REFERENCE = DATA / "reference"


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
def replacing(target, *, folder=False):
    """Yield a temporary path beside `target`; move it to `target` only if the block succeeds.

    A full disk or an interruption in the middle therefore leaves an older `target` as it was.
    With `folder=True` the path is an existing empty folder, and the older folder is removed
    after the new one is complete.

    Raises LearnerError where the place cannot be written or the disk is full.
    """
    import shutil

    target = Path(target)
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        fresh = temporary / target.name
        if folder:
            fresh.mkdir()
        yield fresh
        if folder and target.exists():
            os.replace(target, temporary / "older")
        try:
            os.replace(fresh, target)
        except OSError:
            if (temporary / "older").exists():
                os.replace(temporary / "older", target)
            raise
    except Exception as error:
        if _is_disk_error(error):
            kept = " What was saved there before is untouched." if target.exists() else ""
            raise LearnerError(
                f"Could not write {target.name} into {target.parent}: {reason(error)}.{kept} "
                "Free some space or choose another folder, then save again."
            ) from error
        raise
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _is_disk_error(error):
    """Tell an error of the file system from any other; safetensors wraps its own."""
    return isinstance(error, OSError) or type(error).__name__ == "SafetensorError"


def reason(error):
    """Return why something could not be written: the system's words, or an error's first line."""
    return (getattr(error, "strerror", None) or str(error).partition("\n")[0]).rstrip(".")
