"""The lock: which version of which package the notebooks need, for every platform and Python.

`python -m tools.lock` writes tools/lock.txt from requirements.txt, constraints.txt and what
pyproject.toml needs to build this project. Run it after changing any of them. It needs uv
(`python -m pip install uv`) and a network; it downloads metadata only. Versions that the lock
holds already stay, unless those files say otherwise.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass

from helpers import paths, requirements
from helpers.errors import LearnerError

FILE = "tools/lock.txt"
COMMAND = "python -m tools.lock"
GLIBC = 28  # the newest 2.x that a packed wheel may need: Debian 10, Ubuntu 20.04, RHEL 8
MACOS = 14  # the oldest that torch's own wheels run on
# What PyPI has as source alone: pure Python, so that a wheel that is built here runs anywhere.
SOURCES = ("seqeval",)
CUDA = ("nvidia-", "cuda-", "triton")  # how the names of what only torch for NVIDIA needs begin
MARKERS = ("os_name", "sys_platform", "platform_system", "platform_machine")


@dataclass(frozen=True)
class Platform:
    """A kind of machine: what pip, uv and the markers of requirements call it."""

    name: str
    tags: list  # for `pip download --platform`
    uv: str  # for `uv pip --python-platform`
    markers: tuple  # the values of MARKERS
    needs: dict  # part of the system: least version
    size: requirements.Size  # of an installation from its wheels


def _linux(machine):
    kinds = [*(f"_2_{minor}" for minor in range(GLIBC, 4, -1)), 2014, 2010, 1]
    return Platform(f"linux-{machine}", [f"manylinux{kind}_{machine}" for kind in kinds],
                    f"{machine}-manylinux_2_{GLIBC}", ("posix", "linux", "Linux", machine),
                    {"glibc": f"2.{GLIBC}"}, requirements.SIZES["linux"])


PLATFORMS = {p.name: p for p in (
    _linux("x86_64"),
    _linux("aarch64"),
    Platform("macos-arm64", [f"macosx_{MACOS}_0_arm64"], "aarch64-apple-darwin",
             ("posix", "darwin", "Darwin", "arm64"), {"macOS": f"{MACOS}.0"},
             requirements.SIZES["macos"]),
    Platform("windows-x86_64", ["win_amd64"], "x86_64-pc-windows-msvc",
             ("nt", "win32", "Windows", "AMD64"), {}, requirements.SIZES["windows"]),
)}


@dataclass(frozen=True)
class Target:
    """A platform, a version of Python such as "3.12", and whether torch has to serve a GPU."""

    platform: Platform
    python: str
    gpu: bool = False

    @property
    def gigabytes(self):
        """What its wheels weigh."""
        size = requirements.SIZES["linux with CUDA"] if self.gpu else self.platform.size
        return size.download

    def __str__(self):
        return f"{self.platform.name}, Python {self.python}"


def locked(target, text):
    """Return what the text of a lock holds for a target, as pip reads it: ["numpy==2.4.6", …].

    On Linux, torch is PyTorch's own build for CPUs ("+cpu"), and the CUDA libraries are left
    out, unless the target has a GPU.
    """
    environment = dict(zip(MARKERS, target.platform.markers, strict=True)) | {
        "python_version": target.python, "python_full_version": f"{target.python}.0"}
    for_cpu = target.platform.name.startswith("linux") and not target.gpu
    lines = []
    for requirement in _parsed(text):
        if requirement.marker and not requirement.marker.evaluate(environment):
            continue
        if for_cpu and requirement.name.startswith(CUDA):
            continue
        build = "+cpu" if for_cpu and requirement.name == "torch" else ""
        lines.append(f"{requirement.name}{requirement.specifier}{build}")
    return lines


def out_of_date(text, pins):
    """Return which of the pins {name: version} the text of a lock lacks, as "name==1.0"."""
    held = {f"{requirement.name}{requirement.specifier}" for requirement in _parsed(text)}
    return sorted({f"{normalized(name)}=={version}" for name, version in pins.items()} - held)


def normalized(name):
    """Return a package's name as indexes spell it (https://peps.python.org/pep-0503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _parsed(text):
    try:
        from packaging.requirements import Requirement
    except ImportError:  # nothing is installed yet; pip brings a copy
        from pip._vendor.packaging.requirements import Requirement

    return [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]


def make():
    """Write the lock, once every wheel in it is known to exist for every target.

    Raises LearnerError without uv, without a network, and where versions or wheels do not fit.
    """
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    file = paths.ROOT / FILE
    with paths.replacing(file) as fresh:
        if file.exists():
            shutil.copyfile(file, fresh)  # uv keeps the versions that it finds
        _run_uv(
            "compile", "-", "requirements.txt", "--universal", "--no-annotate",
            f"--python-version={requirements.PYTHONS[0]}", f"--output-file={fresh}",
            f"--no-emit-package={requirements.PROJECT}", f"--custom-compile-command={COMMAND}",
            given="\n".join(["pip", *project["build-system"]["requires"]]),
        )
        wheels = fresh.with_name("wheels.txt")
        wheels.write_text("".join(
            f"{requirement}\n" for requirement in _parsed(fresh.read_text(encoding="utf-8"))
            if requirement.name not in SOURCES), encoding="utf-8")
        for platform in PLATFORMS.values():
            for python in requirements.PYTHONS:
                print(f"Looking for the wheels for {Target(platform, python)}", flush=True)
                _run_uv("install", "--dry-run", "--no-deps", "--only-binary=:all:",
                        f"--target={fresh.parent}", f"--requirements={wheels}",
                        f"--python-platform={platform.uv}", f"--python-version={python}")


def _run_uv(*arguments, given=""):
    done = subprocess.run(
        [sys.executable, "-m", "uv", "pip", *arguments], input=given, cwd=paths.ROOT,
        env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": f"{MACOS}.0"},
        capture_output=True, encoding="utf-8", check=False,
    )
    if done.returncode:
        raise LearnerError(f"{FILE} stays as it was. uv (python -m pip install uv) says:\n"
                           f"{done.stderr.strip()}")


if __name__ == "__main__":
    try:
        make()
    except LearnerError as error:
        sys.exit(str(error))
