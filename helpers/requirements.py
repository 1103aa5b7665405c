"""What the notebooks need, what of it is missing, and whether it may be installed here.

requirements.txt pins the versions in daily use; pyproject.toml says which are the lowest. With
VERSIONS=installed any from the lowest on will do. Imports only the standard library.
"""

import os
import re
import sys
import sysconfig
import tomllib
from importlib import metadata
from pathlib import Path

from helpers import paths
from helpers.errors import LearnerError

FILE = paths.ROOT / "requirements.txt"
PROJECT = "fine-tuning-bert-notebooks"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")  # tested; the first is the oldest that works


def pyproject():
    """Return what pyproject.toml says, as a dictionary."""
    return tomllib.loads((paths.ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pinned(file=None):
    """Return the packages that a file (requirements.txt without one) pins: {name: version}."""
    text = (file or FILE).read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+) *== *(\S+)", text, re.MULTILINE))


def needed():
    """Return what a notebook imports: {name: requirement, as pip reads it}."""
    return {re.match(r"[\w.-]+", line)[0]: line for line in pyproject()["project"]["dependencies"]}


def lowest():
    """Return the lowest version of each package that the notebooks need; None for any version."""
    floors = {name: re.search(r"[>=]=\s*([^\s,]+)", line) for name, line in needed().items()}
    return {name: floor and floor[1] for name, floor in floors.items()}


def installed(name):
    """Return the installed version of a package without a suffix such as "+cpu", or None."""
    try:
        return metadata.version(name).split("+")[0]
    except metadata.PackageNotFoundError:
        return None


def too_old(version, lowest):
    """Say whether a version is below the lowest; a release candidate counts as the release."""
    if lowest is None:
        return False
    # Filled up with zeros: 5.0 and 5.0.0 are the same.
    here, floor = ([*map(int, re.findall(r"\d+", v)), 0, 0][:3] for v in (version, lowest))
    return here < floor


def as_installed():
    """Say whether the environment variable VERSIONS is "installed" instead of "pinned".

    Raises LearnerError if it is anything else.
    """
    wanted = os.environ.get("VERSIONS") or "pinned"
    if wanted not in ("pinned", "installed"):
        raise LearnerError(f"The environment variable VERSIONS is {wanted!r}. "
                           "Set it to 'pinned' or 'installed'.")
    return wanted == "installed"


def missing():
    """Return the names that have to be installed, this project among them, if it is not there."""
    if as_installed():
        floors = dict.fromkeys(pinned()) | lowest()
        names = [n for n in floors if not installed(n) or too_old(installed(n), floors[n])]
    else:
        names = [name for name, version in pinned().items() if installed(name) != version]
    return names if installed(PROJECT) else [*names, PROJECT]


def owner_of_python():
    """Return whose this Python is if nothing should be installed into it, else None."""
    if sys.prefix != sys.base_prefix:  # a virtual environment
        return None
    if Path(sys.prefix, "condabin").is_dir():  # which conda's other environments have not
        return "conda's base environment"
    managed = Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").is_file()
    return "the operating system" if managed else None


def environment_for(command):
    """Return how to make a virtual environment, and to give a command such as "lab" in it."""
    python = Path(sys.executable).name.removesuffix(".exe")
    new = r".venv\Scripts\python" if os.name == "nt" else ".venv/bin/python"
    return f"{python} -m venv .venv; then: {new} -m helpers {command}"
