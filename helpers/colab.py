"""On Colab a notebook arrives alone; `prepare` installs what else it needs.

The first cell of each notebook fetches the project and calls it. Colab's own torch, numpy and
transformers fit its GPU and each other, so pip is bound to every version that is there.
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

# A package and a version that pip takes as a constraint; one such as "2.4-debian" would stop it.
HELD = re.compile(r"[\w.-]+==\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[a-z0-9.]+)?")


def prepare():
    """Go to the folder of the notebooks; install what they need, where it is not there.

    Prints a line for each package that it installs and for each that is too old.

    Raises LearnerError if a package cannot be installed; nothing that was there has changed then.
    """
    os.chdir(paths.ROOT / "notebooks")
    for name, floor in requirements.lowest().items():
        version = requirements.installed(name)
        if version is None:
            _install(name)
        elif requirements.too_old(version, floor):
            print(f"{name} {version} is installed here; the notebooks need {floor} or newer, and "
                  f'some cells may stop. To replace it: run `%pip install "{name}>={floor}"`, '
                  "then restart the runtime.")


def _install(name):
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder, "installed.txt")
        installed = _pip("list", "--format=freeze").stdout.splitlines()
        held.write_text("\n".join(filter(HELD.fullmatch, installed)), encoding="utf-8")
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
    conflict = re.search(r"The conflict is caused by:\n(.+?)\n\n", printed, re.DOTALL)
    if conflict:
        said = re.sub(r"\n\s*", "; ", conflict[1].strip())
        said = said.replace("The user requested (constraint)", "Installed here is")
        return f"It does not go with what this machine has: {said}."
    errors = re.findall(r"^ERROR: (.+)", printed, re.MULTILINE) or printed.strip().splitlines()
    last = errors[-1] if errors else "nothing"
    return f"pip says: {last}. If there is no network, run this cell again with one."
