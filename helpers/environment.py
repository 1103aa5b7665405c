"""Where the commands install and start: the active environment, or the folder `.venv`.

An active environment is used as it is, and so is a Python that lacks nothing, as on a hub. For any
other, the commands make `.venv` in the project's folder. Imports only the standard library.
"""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from helpers import network, paths, requirements
from helpers.errors import LearnerError

NEWEST = requirements.PYTHONS[-1]
INDEX_SECONDS = 3
BUILT_FOR = ("linux-x86_64", "linux-aarch64", "macosx-arm64", "win-amd64")  # torch's wheels
# Where the driver of NVIDIA's cards shows; the last is where WSL keeps its program.
DRIVER = ("/proc/driver/nvidia", "/usr/lib/wsl/lib/nvidia-smi")


def folder():
    """Return the path of the project's own environment, which need not be there."""
    return paths.ROOT / ".venv"


def python_of(environment):
    """Return the path of Python in a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def is_active():
    """Say whether this Python is that of a virtual environment, or of one of conda's, not base."""
    of_conda = Path(sys.prefix, "conda-meta").is_dir() and not is_base()
    return sys.prefix != sys.base_prefix or of_conda


def is_base():
    """Say whether this Python is that of conda's base environment."""
    return sys.prefix == sys.base_prefix and Path(sys.prefix, "condabin").is_dir()


def as_typed():
    """Return what one types for this Python."""
    name = Path(sys.executable).name.removesuffix(".exe")
    return "py" if os.name == "nt" and not is_active() else name


def other(*, make):
    """Return the Python of `.venv` if it is the one to use, or None for this one.

    With `make`, `.venv` is made if it is not there, or made anew if its Python is gone.

    Raises LearnerError for conda's base environment without a `.venv`, for a `.venv` that is
    something else or of a Python that does not fit, and where none can be made.
    """
    if requirements.as_installed() or is_active() or not requirements.missing():
        return None
    python = python_of(folder())
    version = version_of(python)
    if version and fits(version):
        return python
    if not make:
        return None
    if version:
        raise LearnerError(
            f"{folder()} is an environment of Python {'.'.join(map(str, version))}, and the "
            f"notebooks need one of {requirements.PYTHONS[0]} to {NEWEST}: delete that folder, "
            "then give the command again."
        )
    if is_base():
        raise LearnerError(why_not_base())
    create()
    return python


def fits(version):
    """Say whether an environment of this version will do: tested, or that of this Python."""
    return requirements.supported(version) or version == sys.version_info[:2]


def version_of(python):
    """Return the version (major, minor) of the Python at a path, or None if it does not start."""
    program = "import sys; print('%d %d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-E", "-s", "-c", program], capture_output=True,
                              encoding="utf-8", timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return tuple(map(int, done.stdout.split()))


def create():
    """Make `.venv` of this Python, without pip, which `check_pip` brings.

    Raises LearnerError if this Python lacks what it takes, if `.venv` is something else, and if
    it cannot be written.
    """
    target = folder()
    lacking = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if lacking:
        raise LearnerError(f"This Python lacks its module {lacking[0]}, so no environment can be "
                           f"made. {how_to_get_venv()}")
    there = target.exists()
    is_environment = (target / "pyvenv.cfg").is_file()
    if there and not is_environment and (target.is_file() or any(target.iterdir())):
        raise LearnerError(f"{target} is there and is no environment of Python: move it away, "
                           "then give the command again.")
    again = " anew, since its Python does not start" if there else ""
    print(f"Making an environment for the notebooks{again}: {target}", flush=True)
    done = subprocess.run([sys.executable, "-P", "-m", "venv", "--clear", "--without-pip", target],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                          errors="replace", check=False)
    if done.returncode:
        said = (done.stdout.strip().splitlines() or ["it gave no reason"])[-1]
        raise LearnerError(f"{target} could not be made: {said}. Put that right, or move the "
                           "project into a folder of your own, then give the command again.")


def check_pip():
    """See that this environment has a pip that works; brings the one that Python ships.

    Raises LearnerError if there is none.
    """
    version = [sys.executable, "-P", "-m", "pip", "--version"]
    if not subprocess.run(version, capture_output=True, check=False).returncode:
        return
    subprocess.run([sys.executable, "-P", "-m", "ensurepip"], capture_output=True, check=False)
    if subprocess.run(version, capture_output=True, check=False).returncode:
        raise LearnerError(f"The environment {sys.prefix} has no pip that works: delete that "
                           f"folder, then give the command again. {how_to_get_venv()}".strip())


def how_to_get_venv():
    """Return what to type where a system's Python comes without venv and ensurepip, or ""."""
    if importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv"):
        return ""
    package = "python{}.{}-venv".format(*sys.version_info)
    return (f"On Debian, Ubuntu, WSL and Chromebooks, run `sudo apt install {package}`, then give "
            "the command again.")


def why_not_base():
    """Return what to say in conda's base environment."""
    return ("This is conda's base environment, into which nothing is installed: make one for the "
            f"notebooks with `conda create -n bert python={NEWEST}`, activate it with `conda "
            "activate bert`, then type `python -m helpers lab`.")


def check_machine():
    """Raise LearnerError if there is no torch for this machine."""
    build = sysconfig.get_platform()
    if build.startswith("macosx"):  # the build of python.org runs on both processors
        build = f"macosx-{platform.machine()}"
    if build not in BUILT_FOR or sys.maxsize < 2**32:
        bits = "" if sys.maxsize > 2**32 else ", 32 bits"
        raise LearnerError(f"PyTorch is not made for this machine and Python ({build}{bits}): "
                           "SETUP.md says what to do instead, under \"What cannot work\".")


def has_driver():
    """Say whether there is a driver for an NVIDIA card."""
    return bool(shutil.which("nvidia-smi")) or any(map(os.path.exists, DRIVER))


def torch_index(build=None):
    """Return the index that pip shall ask for torch's build for CPUs, too, or None.

    `build` is "cpu", "gpu" or None. Only on Linux does pip's own choice bring CUDA. Without a
    wish, that index is asked where there is no NVIDIA driver, where the user has not told pip
    where to look for packages, and if it answers within seconds.

    Raises LearnerError where a wish cannot be fulfilled.
    """
    if sys.platform != "linux":
        if build == "gpu":
            raise LearnerError("--gpu is for Linux, since elsewhere pip has one build of torch: "
                               "leave it out. SETUP.md says more about graphics cards.")
        return None
    if build == "gpu" or (build is None and (has_driver() or pip_is_directed())):
        return None
    problem = network.problem(f"{requirements.CPU_INDEX}/torch/", INDEX_SECONDS)
    if problem and build:
        raise LearnerError(f"{requirements.CPU_INDEX} does not answer: {problem}. Try again, or "
                           "leave --cpu out: pip then takes the build for NVIDIA cards, "
                           f"{requirements.SIZES['linux with CUDA'].download} GB.")
    return None if problem else requirements.CPU_INDEX


def pip_is_directed():
    """Say whether the user's pip has been told where to look for packages, or has a proxy."""
    done = subprocess.run([sys.executable, "-P", "-m", "pip", "config", "list"],
                          capture_output=True, encoding="utf-8", errors="replace", check=False)
    return bool(re.search(r"\b(index-url|no-index|find-links|proxy)=", done.stdout))


def size(*, cuda):
    """Return the `Size` of an installation on this system; on Linux with CUDA or without."""
    if sys.platform != "linux":
        return requirements.SIZES["windows" if os.name == "nt" else "macos"]
    return requirements.SIZES["linux with CUDA" if cuda else "linux"]


def sizes(index=None):
    """Return the `Size` of an installation if pip asks this index, too.

    They are two where it may be either, since the user's pip looks where it has been told.
    """
    small, large = size(cuda=False), size(cuda=True)
    if index or small == large:
        return [small]
    return [small, large] if pip_is_directed() else [large]


def check_room(sizes):
    """Raise LearnerError if the smallest of these installations would not fit on the disk."""
    free = shutil.disk_usage(sys.prefix).free / 1e9
    if free < sizes[0].disk:
        raise LearnerError(f"The installation needs {sizes[0].disk:.1f} GB of disk, and there are "
                           f"{free:.1f} GB free at {sys.prefix}: free some (`{as_typed()} -m pip "
                           "cache purge` helps), then give the command again.")


def doubt():
    """Return a sentence about this Python if it is newer than those tested, else ""."""
    if requirements.supported(sys.version_info):
        return ""
    return f" This is Python {platform.python_version()}, newer than tested: take {NEWEST}."
