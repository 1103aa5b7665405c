"""The ranges of versions: one place says each, everything else agrees; what is installed where."""

import ast
import json
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import helpers
import helpers.__main__ as commands
from helpers import environment, paths, requirements
from tools import run

OLDEST, NEWEST = requirements.PYTHONS[0], requirements.PYTHONS[-1]
PYPROJECT = requirements.pyproject()


def text_of(name):
    return (paths.ROOT / name).read_text(encoding="utf-8")


def pins(name):
    return requirements.pinned(paths.ROOT / name)


def same_name(names):
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names}


def test_one_list_of_pythons_is_said_everywhere():
    assert ".".join(map(str, helpers.OLDEST_PYTHON)) == OLDEST
    assert PYPROJECT["project"]["requires-python"] == f">={OLDEST}"
    assert PYPROJECT["tool"]["ruff"]["target-version"] == f"py{OLDEST.replace('.', '')}"
    assert f"Python {OLDEST} or newer" in text_of("README.md")
    assert f"on Python {OLDEST} to {NEWEST}" in text_of("README.md")
    jobs = yaml.safe_load(text_of(".github/workflows/test.yml"))["jobs"]
    assert jobs["pinned"]["strategy"]["matrix"]["python"] == [OLDEST, NEWEST]
    for job, python in (("lowest", OLDEST), ("newest", NEWEST)):
        assert {"python-version": python}.items() <= jobs[job]["steps"][1]["with"].items()
    assert text_of(".binder/runtime.txt").strip().removeprefix("python-") in requirements.PYTHONS
    image = json.loads(text_of(".devcontainer/devcontainer.json"))["image"]
    assert image.rpartition(":")[2] in requirements.PYTHONS


def is_old(python):
    version = environment.version_of(python)  # None where a name leads to no Python
    return version is not None and version < helpers.OLDEST_PYTHON


@pytest.mark.parametrize("module", ["helpers", "helpers.preflight", "helpers.finetune"])
def test_an_old_python_is_told_which_one_is_needed(module):
    ast.parse(text_of("helpers/__init__.py"), feature_version=(3, 6))
    pretend = f"import sys, runpy; sys.version_info = (3, 6, 15); runpy.run_module({module!r})"
    commands = [[sys.executable, "-c", pretend]]
    # The old ones that are on this machine: on the path, or where pyenv and uv keep theirs.
    found = [shutil.which(f"python3.{minor}") for minor in range(6, helpers.OLDEST_PYTHON[1])]
    for kept in (".pyenv/versions", ".local/share/uv/python"):
        found += Path.home().glob(f"{kept}/*/bin/python")
    commands += [[python, "-m", module, "lab"] for python in found if python and is_old(python)]
    for command in commands:
        done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith(f"These notebooks need Python {OLDEST} or newer, and this")
        assert done.stderr.count("\n") == 1


def test_what_is_pinned_is_what_the_notebooks_or_the_tools_need():
    tools = PYPROJECT["project"]["optional-dependencies"]["tools"]
    listed = set(requirements.needed()) | set(tools)
    assert listed - {"numpy"} == set(requirements.pinned())  # its pin is among the constraints
    for line in text_of("requirements.txt").splitlines():
        assert not line or line.startswith(("#", "-c ", "-e .")) or "==" in line, line


def test_every_pinned_version_lies_in_the_range_that_the_readme_names():
    pinned = pins("constraints.txt") | pins("requirements.txt")
    for name, floor in requirements.lowest().items():
        assert not requirements.too_old(pinned[name], floor), name
    for name in ("transformers", "datasets", "numpy"):
        assert f"{name} {requirements.lowest()[name]} to {pinned[name]}" in text_of("README.md")


def test_the_lowest_versions_are_the_ones_that_the_constraints_install():
    held = pins("constraints-lowest.txt")
    for name, floor in requirements.lowest().items():
        assert floor is None or held[name] == floor
        assert Requirement(requirements.needed()[name]).name == name
    # Everything else is held as well: what is new next year does not change this set.
    everything = pins("constraints.txt") | pins("requirements.txt")
    assert same_name(everything) <= same_name(held)


def test_notebooks_and_helpers_import_nothing_but_what_is_needed_and_what_that_brings_along():
    allowed = {requirements.PROJECT, *same_name(requirements.needed())}
    for name in requirements.needed():
        brought = [line for line in metadata.requires(name) or () if "extra ==" not in line]
        allowed |= same_name(Requirement(line).name for line in brought)
    provided = metadata.packages_distributions()
    imports = re.compile(r"^[\s\"]*(?:import|from) ([a-zA-Z_]\w*)", re.MULTILINE)
    for path in [*run.chosen(), *(paths.ROOT / "helpers").rglob("*.py")]:
        for module in imports.findall(path.read_text(encoding="utf-8")):
            if module in provided and module not in sys.stdlib_module_names:
                assert same_name(provided[module]) & allowed, f"{path.name} imports {module}"


@pytest.mark.parametrize(("version", "lowest", "old"), [
    ("5.0.0", "5.0.0", False), ("5.0", "5.0.0", False), ("5.0.0", "5.0", False),
    ("4.57.6", "5.0.0", True), ("5.10.1", "5.9", False), ("5.9", "5.10.1", True),
    ("5.0.0rc1", "5.0.0", False), ("4.57.6.dev0", "5.0.0", True), ("2.0.2", None, False),
    ("10.0", "9.9.9", False),
])
def test_versions_are_compared_number_by_number(version, lowest, old):
    assert requirements.too_old(version, lowest) is old


def test_what_is_missing_is_found(monkeypatch, tmp_path):
    (tmp_path / "requirements.txt").write_text(
        "# a comment\n-c constraints.txt\n\npytest==0.0.1\nno-such-package == 1.0\n-e .\n"
    )
    monkeypatch.setattr(requirements, "FILE", tmp_path / "requirements.txt")
    monkeypatch.setattr(requirements, "PROJECT", "no-such-project")
    monkeypatch.delenv("VERSIONS", raising=False)
    assert requirements.missing() == ["pytest", "no-such-package", "no-such-project"]


def test_with_the_installed_versions_nothing_has_to_be_the_pinned_one(monkeypatch):
    monkeypatch.setattr(requirements, "pinned", lambda: {"pytest": "0.0.1"})
    monkeypatch.setenv("VERSIONS", "installed")
    assert requirements.missing() == []
    monkeypatch.setattr(requirements, "lowest", lambda: {"numpy": "99.1", "no-such-package": None})
    assert requirements.missing() == ["numpy", "no-such-package"]


@pytest.fixture
def started(monkeypatch):
    """torch is not there; the list of what is started to install it."""
    calls = []
    monkeypatch.setattr(requirements, "missing", lambda: ["torch"])
    monkeypatch.setattr(commands, "start", lambda *a, **_: calls.append(a) or 1)
    monkeypatch.setattr(environment, "other", lambda make: None)
    monkeypatch.setattr(environment, "torch_index", lambda build: None)
    monkeypatch.delenv("VERSIONS", raising=False)
    return calls


def test_what_is_missing_is_installed_and_a_failure_ends_the_command(started):
    assert commands.main(["test"]) == 1
    assert started == [("pip", "install", "-r", "requirements.txt")]


@pytest.mark.parametrize(("versions", "status", "said"), [
    ("installed", 1, "Missing or too old: torch."), ("newest", 2, "VERSIONS is 'newest'"),
])
def test_unless_the_pinned_versions_are_wanted_nothing_is_installed(
    versions, status, said, started, monkeypatch, capsys
):
    monkeypatch.setenv("VERSIONS", versions)
    assert commands.main(["test"]) == status
    assert said in capsys.readouterr().err
    assert started == []
