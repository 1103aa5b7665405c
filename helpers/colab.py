"""On Colab a notebook arrives alone; `prepare` installs what else it needs.

The first cell of each notebook fetches the project and calls it. A Colab machine comes with its
own torch, numpy and transformers, fitted to its GPU and to each other. So only what is missing is
installed, and pip is bound to every version that is there. Until then the standard library
suffices.
"""

import importlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from helpers import paths, requirements
from helpers.errors import LearnerError


def prepare():
    """Go to the folder of the notebooks and install what they need and is not there.

    Prints a line for each package that it installs and for each that is older than the oldest
    tested; without any it prints nothing.

    Raises LearnerError if a package cannot be installed, for example without a network, or
    because it does not go with what is installed; nothing that was there has changed then.
    """
    os.chdir(paths.ROOT / "notebooks")
    for name, floor in requirements.lowest().items():
        version = requirements.installed(name)
        if version is None:
            _install(name)
        elif requirements.too_old(version, floor):
            print(
                f"{name} {version} is installed here; the notebooks need {floor} or newer, and "
                f'some cells may stop. To replace it: run `%pip install "{name}>={floor}"`, '
                "then restart the runtime."
            )


def _install(name):
    """Install one package beside everything else, which stays as it is."""
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder, "installed.txt")
        held.write_text(_pip("list", "--format=freeze").stdout, encoding="utf-8")
        done = _pip("install", "--constraint", str(held), requirements.needed()[name])
    if done.returncode:
        raise LearnerError(f"{name} could not be installed; nothing else was changed. "
                           f"{_why(done.stdout + done.stderr)}")
    importlib.invalidate_caches()
    print(f"Installed {name} {requirements.installed(name)}")


def _pip(command, *arguments):
    quiet = ["--no-input", "--no-color", "--disable-pip-version-check"]
    return subprocess.run([sys.executable, "-m", "pip", command, *quiet, *arguments],
                          capture_output=True, text=True, check=False)


def _why(printed):
    """Return in a sentence or two why pip stopped, from what it printed."""
    conflict = printed.partition("The conflict is caused by:\n")[2].partition("\n\n")[0]
    if conflict:
        conflict = conflict.replace("The user requested (constraint)", "Installed here is")
        lines = "; ".join(line.strip() for line in conflict.splitlines())
        return f"It does not go with what this machine has: {lines}."
    lines = re.findall(r"^ERROR: (.+)", printed, re.MULTILINE) or printed.split("\n")
    said = [line.strip() for line in lines if line.strip()] or ["nothing"]
    return f"pip says: {said[-1]}. If there is no network, run this cell again with one."
