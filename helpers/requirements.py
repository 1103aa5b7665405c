"""What the notebooks need, and what of it is not installed. The standard library suffices.

requirements.txt pins the versions in daily use; pyproject.toml says which are the lowest. With
the environment variable VERSIONS set to `installed`, nothing has to be the pinned version: what
is there is used as it is, as long as it is not below the lowest.
"""

import os
import re
import tomllib
from importlib import metadata

from helpers import paths
from helpers.errors import LearnerError

FILE = paths.ROOT / "requirements.txt"
PYPROJECT = paths.ROOT / "pyproject.toml"
PROJECT = "fine-tuning-bert-notebooks"
VERSIONS_VARIABLE = "VERSIONS"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")  # tested; the first is the oldest that works


def pinned(file=None):
    """Return the packages that a file (requirements.txt without one) pins: {name: version}."""
    pins = {}
    for line in (file or FILE).read_text(encoding="utf-8").splitlines():
        name, separator, version = line.partition("==")
        if separator and not line.startswith("#"):
            pins[name.strip()] = version.strip()
    return pins


def needed():
    """Return what the notebooks need: a dictionary from name to requirement, as pip reads it.

    Only what a notebook imports is in it; JupyterLab and what only the tests need are not.
    """
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    return {re.match(r"[\w.-]+", line)[0]: line for line in project["dependencies"]}


def lowest():
    """Return the lowest version of each package that the notebooks need; None for any version."""
    floors = {name: re.search(r"[>=]=\s*([^\s,]+)", line) for name, line in needed().items()}
    return {name: floor and floor[1] for name, floor in floors.items()}


def installed(name):
    """Return the installed version of a package, less a build such as "+cpu"; None if absent."""
    try:
        return metadata.version(name).split("+")[0]
    except metadata.PackageNotFoundError:
        return None


def too_old(version, lowest):
    """Say whether a version is below the lowest; a release candidate counts as the release."""
    return lowest is not None and _release(version) < _release(lowest)


def _release(version):
    numbers = [int(n) for n in re.match(r"\d*(?:\.\d+)*", version)[0].split(".") if n]
    while numbers and numbers[-1] == 0:  # 5.0 and 5.0.0 are the same
        numbers.pop()
    return numbers


def as_installed():
    """Say whether VERSIONS asks for the versions that are installed instead of the pinned ones.

    Raises LearnerError if VERSIONS is anything but `pinned` or `installed`.
    """
    wanted = os.environ.get(VERSIONS_VARIABLE) or "pinned"
    if wanted not in ("pinned", "installed"):
        raise LearnerError(
            f"The environment variable {VERSIONS_VARIABLE} is {wanted!r}. "
            "It can be 'pinned' or 'installed'."
        )
    return wanted == "installed"


def missing():
    """Return the names that have to be installed, this project among them.

    Those are the packages that are not there in their pinned version; with VERSIONS=installed,
    those that are not there at all or are below the lowest version.
    """
    if as_installed():
        floors = dict.fromkeys(pinned()) | lowest()
        names = [
            name for name, floor in floors.items()
            if installed(name) is None or too_old(installed(name), floor)
        ]
    else:
        names = [name for name, version in pinned().items() if installed(name) != version]
    return names if installed(PROJECT) else [*names, PROJECT]
