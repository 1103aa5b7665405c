"""What requirements.txt pins, and what of it is not installed. The standard library suffices."""

from importlib import metadata

from helpers import paths

FILE = paths.ROOT / "requirements.txt"
PROJECT = "fine-tuning-bert-notebooks"


def pinned():
    """Return the packages that requirements.txt pins: a dictionary from name to version."""
    pins = {}
    for line in FILE.read_text(encoding="utf-8").splitlines():
        name, separator, version = line.partition("==")
        if separator and not line.startswith("#"):
            pins[name.strip()] = version.strip()
    return pins


def installed(name):
    """Return the installed version of a package, less a build such as "+cpu"; None if absent."""
    try:
        return metadata.version(name).split("+")[0]
    except metadata.PackageNotFoundError:
        return None


def missing():
    """Return the names that are not installed in their pinned version, this project among them."""
    names = [name for name, version in pinned().items() if installed(name) != version]
    return names if installed(PROJECT) else [*names, PROJECT]
