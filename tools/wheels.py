"""Which wheels a list of requirements needs on another machine, and downloading them with pip.

pip resolves for the machine that it runs on: it asks a requirement's markers ("only on Windows")
of the wrong system. So pip only downloads here, one generation of requirements after the other,
and what a wheel requires is read from its metadata with the target's markers. Needs pip and the
standard library; `packaging` is taken from pip where it is not installed.
"""

import email.parser
import functools
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from helpers import requirements
from helpers.errors import LearnerError

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
GLIBC = 28  # the newest 2.x that a packed wheel may need: Debian 10, Ubuntu 20.04, RHEL 8
MACOS = 14  # as torch's own wheels
PYTHONS = requirements.PYTHONS
NETWORK = re.compile(
    "connection broken by|Failed to establish|name resolution|timed out|ssl certificate",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Platform:
    """A kind of machine: its names in wheels' file names and in requirements' markers."""

    name: str
    tags: tuple
    markers: tuple  # pairs of a marker's variable and its value there
    needs: tuple  # pairs of a system part and its least version
    megabytes: int  # of wheels for one version of Python, measured in November 2026

    @property
    def machine(self):
        """The processor, such as "x86_64"."""
        return self.name.partition("-")[2]


def _linux(machine, megabytes):
    legacy = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    tags = []
    for minor in range(GLIBC, 4, -1):
        tags.append(f"manylinux_2_{minor}_{machine}")
        tags += [f"{legacy[minor]}_{machine}"] if minor in legacy else []
    markers = {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux",
               "platform_machine": machine}
    needs = (("glibc", f"2.{GLIBC}"),)
    return Platform(f"linux-{machine}", tuple(tags), tuple(markers.items()), needs, megabytes)


def _macos(megabytes):
    tags = [f"macosx_{version}_0_{kind}" for version in range(MACOS, 10, -1)
            for kind in ("arm64", "universal2")]
    tags += [f"macosx_10_{minor}_universal2" for minor in range(16, 3, -1)]
    markers = {"os_name": "posix", "sys_platform": "darwin", "platform_system": "Darwin",
               "platform_machine": "arm64"}
    needs = (("macOS", f"{MACOS}.0"),)
    return Platform("macos-arm64", tuple(tags), tuple(markers.items()), needs, megabytes)


def _windows(megabytes):
    markers = {"os_name": "nt", "sys_platform": "win32", "platform_system": "Windows",
               "platform_machine": "AMD64"}
    return Platform("windows-x86_64", ("win_amd64",), tuple(markers.items()), (), megabytes)


PLATFORMS = {
    p.name: p for p in (_linux("x86_64", 560), _linux("aarch64", 560), _macos(480), _windows(500))
}
GPU_MEGABYTES = 2600  # more, for PyTorch's CUDA build and the libraries that it brings


@dataclass(frozen=True)
class Target:
    """A platform, a version of Python such as "3.12", and whether torch has to serve a GPU."""

    platform: Platform
    python: str
    gpu: bool = False

    def __str__(self):
        return f"{self.platform.name}, Python {self.python}"

    @property
    def version(self):
        """The version of Python as a pair of numbers."""
        return tuple(int(part) for part in self.python.split("."))

    def environment(self):
        """Return the values of all markers there."""
        return {
            **dict(self.platform.markers), "platform_release": "", "platform_version": "",
            "platform_python_implementation": "CPython", "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0", "python_version": self.python,
            "python_full_version": f"{self.python}.0",  # the least: what it needs, all need
        }


def collect(target, requirements, pins, pool, say=print):
    """Bring every wheel that `requirements` need on `target` into the folder `pool`.

    `pins` holds exact versions, by name. Wheels that are in `pool` already are not downloaded
    again. Returns a dictionary from package name to the path of its wheel.

    Raises LearnerError where the network fails, the disk is full, or a wheel does not exist.
    """
    pins = {_library("utils").canonicalize_name(name): pin for name, pin in pins.items()}
    asked = set()
    while True:
        chosen, lacking = _walk(requirements, pins, target, pool)
        if not lacking:
            return chosen
        again = asked.intersection(lacking)
        if again:
            raise LearnerError(
                f"The package index has no wheel that fits {target}: {', '.join(sorted(again))}."
                + (" It has no build for GPUs; leave --gpu out." if target.gpu else "")
            )
        asked.update(lacking)
        say(f"{target}: downloading {len(lacking)} packages", flush=True)
        _download_all(lacking, target, pool)


def metadata(wheel):
    """Return the metadata of a wheel: a message with fields such as Requires-Dist."""
    return _metadata(wheel, wheel.stat().st_mtime_ns)


@functools.cache
def _metadata(wheel, modified):  # `modified` makes a changed file a new question
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        return email.parser.Parser().parsestr(archive.read(name).decode("utf-8"))


def _library(part):
    """Return a module of `packaging`: the installed one, or pip's own copy."""
    home = "packaging" if importlib.util.find_spec("packaging") else "pip._vendor.packaging"
    return importlib.import_module(f"{home}.{part}")


def _walk(requirements, pins, target, pool):
    """Follow requirements as far as the wheels at hand allow.

    Returns the wheels chosen by name, and the requirements, as pip reads them, that lack one.
    """
    parse, name_of = _library("requirements").Requirement, _library("utils").canonicalize_name
    specifier = _library("specifiers").SpecifierSet
    wheels = _sorted_wheels(target, pool)
    wanted, followed = {}, set()
    queue = [parse(line) for line in requirements]
    while queue:
        requirement = queue.pop()
        name = name_of(requirement.name)
        if name not in wanted:
            wanted[name] = specifier(f"=={pins[name]}" if name in pins else "")
        wanted[name] &= requirement.specifier
        wheel = _best(wheels, name, wanted[name])
        for extra in ("", *requirement.extras) if wheel else ():
            if (wheel, extra) in followed:
                continue
            followed.add((wheel, extra))
            queue += _required(wheel, target, extra)
    chosen = {name: _best(wheels, name, wanted[name]) for name in wanted}
    lacking = [_line(name, wanted[name]) for name in sorted(chosen) if not chosen[name]]
    return chosen, lacking


def _line(name, specifier):
    """Return a requirement as pip reads it: the exact version if there is one, else all of it."""
    exact = [str(part) for part in specifier if part.operator == "==" and "*" not in part.version]
    return f"{name}{exact[0] if exact else specifier}"


def _required(wheel, target, extra=""):
    """Return what a wheel requires on `target`, with one of its extras or none."""
    environment = {**target.environment(), "extra": extra}
    parse = _library("requirements").Requirement
    required = map(parse, metadata(wheel).get_all("Requires-Dist", ()))
    return [r for r in required if not r.marker or r.marker.evaluate(environment)]


def _sorted_wheels(target, pool):
    """Return the wheels of `pool` that run on `target`, by name, pip's first choice first."""
    tags, utils = _library("tags"), _library("utils")
    interpreter = f"cp{target.python.replace('.', '')}"
    platforms = target.platform.tags
    supported = [*tags.cpython_tags(target.version, [interpreter], platforms),
                 *tags.compatible_tags(target.version, interpreter, platforms)]
    rank = {tag: i for i, tag in enumerate(supported)}
    found = {}
    for path in sorted(pool.glob("*.whl")):
        name, version, _, its_tags = utils.parse_wheel_filename(path.name)
        ranks = [rank[tag] for tag in its_tags if tag in rank]
        if ranks and (name != "torch" or _serves(path, target)):
            found.setdefault(name, []).append((version, -min(ranks), path))
    return {name: sorted(several, reverse=True) for name, several in found.items()}


def _serves(torch, target):
    """Say whether a wheel of torch is the build wanted: PyPI's for Linux brings CUDA along."""
    required = _required(torch, target)
    return target.gpu == any(r.name.startswith(("nvidia-", "cuda-")) for r in required)


def _best(wheels, name, specifier):
    fitting = (path for version, _, path in wheels.get(name, ()) if version in specifier)
    return next(fitting, None)


def _download_all(lines, target, pool):
    """Download one wheel for each requirement; names all those that have none."""
    linux_on_cpu = target.platform.name.startswith("linux") and not target.gpu
    torch = [line for line in lines if linux_on_cpu and line.startswith("torch==")]
    lines = [line for line in lines if line not in torch]
    missing = []
    while lines:
        absent = _download(lines, target, pool)
        if absent is None:
            break
        missing.append(absent)
        lines = [line for line in lines if line != absent]
    if missing:
        raise LearnerError(
            f"There is no wheel for {target} of {', '.join(missing)}. Leave that platform or "
            "version of Python out, or change the pin in requirements.txt or constraints.txt."
        )
    # A local version such as +cpu is never on PyPI, so this cannot bring the CUDA build.
    cpu = [f"{line}+cpu" for line in torch]
    if cpu and _download(cpu, target, pool, ("--retries", "2", "--extra-index-url", CPU_INDEX)):
        gpu = "" if target.platform.machine != "x86_64" else (
            " Or pack with --gpu PyPI's build for NVIDIA cards, about "
            f"{GPU_MEGABYTES / 1000:.1f} GB more."
        )
        raise LearnerError(
            f"{cpu[0]} for {target} was not found: PyTorch's index of builds for CPUs, "
            f"{CPU_INDEX}, has none or cannot be reached. Try again where it can.{gpu}"
        )


def _download(lines, target, pool, extra=()):
    """Let pip download wheels; returns the requirement that has none, or None."""
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=pool) as incoming:
        command = [
            sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:",
            "--disable-pip-version-check", "--progress-bar", "off", "--no-color",
            "--dest", f"{incoming}/wheels", "--python-version", target.python,
            "--implementation", "cp",
            *(f"--platform={tag}" for tag in target.platform.tags), *extra, *lines,
        ]
        # Temporary files go where there has to be room anyway.
        done = subprocess.run(
            command, env={**os.environ, "TMPDIR": incoming}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", check=False,
        )
        for wheel in Path(incoming, "wheels").glob("*.whl"):
            os.replace(wheel, pool / wheel.name)
    return _absent(done.stdout, lines) if done.returncode else None


def _absent(printed, lines):
    """Return the requirement that pip found no wheel for; raises LearnerError for the rest."""
    if "No space left" in printed or "Errno 28" in printed:
        raise LearnerError("The disk is full. Free some space and pack again: it goes on.")
    named = re.search(r"No matching distribution found for (\S+)", printed)
    if NETWORK.search(printed) and "(from versions: none)" in printed:
        raise LearnerError("no connection to the package index. Try again with a network: "
                           "what has been downloaded is kept.")
    if named and named.group(1) in lines:
        return named.group(1)
    errors = re.findall(r"^ERROR: (.+)", printed, re.MULTILINE) or printed.splitlines()
    raise LearnerError(f"pip download failed: {errors[-1] if errors else 'without a word'}")
