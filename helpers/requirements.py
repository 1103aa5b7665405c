"""What the notebooks need, what of it is missing, and how much room it takes.

requirements.txt pins the versions in daily use; pyproject.toml says which are the lowest. With
VERSIONS=installed any from the lowest on will do. Imports only the standard library.
"""

import os
import re
import tomllib
from importlib import metadata
from typing import NamedTuple

from helpers import paths
from helpers.errors import LearnerError

FILE = paths.ROOT / "requirements.txt"
PROJECT = "fine-tuning-bert-notebooks"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")  # tested; the first is the oldest that works
CPU_INDEX = "https://download.pytorch.org/whl/cpu"  # PyTorch's builds without CUDA


class Size(NamedTuple):
    """Gigabytes: of the wheels to download, and of the environment that they become."""

    download: float
    installed: float

    @property
    def disk(self):
        """Gigabytes that have to be free: pip keeps what it downloaded."""
        return self.download + self.installed


# Measured in November 2026: what the locked wheels weigh, and an installation on Linux, compiled
# modules included; what is larger or smaller elsewhere is taken from the wheels' contents.
SIZES = {"linux": Size(0.6, 2.4), "linux with CUDA": Size(3.2, 6.5), "macos": Size(0.5, 2.0),
         "windows": Size(0.5, 2.0)}


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


def is_for_cpu():
    """Say whether the installed torch is PyTorch's build without CUDA."""
    return metadata.version("torch").endswith("+cpu")


def supported(version):
    """Say whether a version of Python, such as (3, 12), is one of those tested."""
    return "{}.{}".format(*version) in PYTHONS
