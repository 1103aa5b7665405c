"""The range of versions: one place says it, everything else agrees with it."""

import re
import sys
import tomllib

import pytest

import helpers.__main__ as commands
from helpers import paths, requirements
from helpers.errors import LearnerError


def text_of(name):
    return (paths.ROOT / name).read_text(encoding="utf-8")


def pins(name):
    return dict(re.findall(r"^([\w.-]+)==(\S+)$", text_of(name), re.MULTILINE))


def same_name(names):
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names}


def test_what_is_pinned_is_what_the_notebooks_or_the_tools_need():
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    tools = project["optional-dependencies"]["tools"]
    listed = set(requirements.needed()) | set(tools)
    assert listed - {"numpy"} == set(requirements.pinned())  # its pin is among the constraints


def test_every_pinned_version_lies_in_the_range():
    pinned = pins("constraints.txt") | pins("requirements.txt")
    for name, floor in requirements.lowest().items():
        assert not requirements.too_old(pinned[name], floor), name


def test_the_lowest_versions_are_the_ones_that_the_constraints_install():
    held = pins("constraints-lowest.txt")
    for name, floor in requirements.lowest().items():
        if floor is not None:
            assert held[name] == floor
    assert requirements.lowest()["transformers"] and requirements.lowest()["datasets"]
    assert requirements.lowest()["numpy"]
    # Everything else is held as well: what is new next year does not change this set.
    everything = pins("constraints.txt") | pins("requirements.txt")
    assert same_name(everything) <= same_name(held)


def test_the_readme_names_the_range():
    readme = text_of("README.md")
    pinned = pins("constraints.txt") | pins("requirements.txt")
    for name in ("transformers", "datasets", "numpy"):
        assert f"{name} {requirements.lowest()[name]} to {pinned[name]}" in readme


def test_the_notebooks_import_nothing_that_is_not_needed():
    """All that a notebook or `helpers` imports, but for running notebooks without a browser."""
    from importlib.metadata import packages_distributions

    needed = same_name(requirements.needed())
    provided = packages_distributions()
    files = [*(paths.ROOT / "notebooks").glob("[0-9]*.ipynb"),
             *(p for p in (paths.ROOT / "helpers").glob("*.py") if p.stem != "headless")]
    # Brought along by scikit-learn, by transformers, and by any kernel.
    brought = {"scipy", "tqdm", "safetensors", "tokenizers", "huggingface-hub", "ipython"}
    imports = re.compile(r"^[\s\"]*(?:import|from) ([a-zA-Z_]\w*)", re.MULTILINE)
    for path in files:
        for module in imports.findall(path.read_text(encoding="utf-8")):
            if module in sys.stdlib_module_names or module not in provided:
                continue
            assert same_name(provided[module]) & (needed | brought | {requirements.PROJECT}), (
                f"{path.name} imports {module}"
            )


@pytest.mark.parametrize(("version", "lowest", "old"), [
    ("5.0.0", "5.0.0", False), ("5.0", "5.0.0", False), ("5.0.0", "5.0", False),
    ("4.57.6", "5.0.0", True), ("5.10.1", "5.9", False), ("5.9", "5.10.1", True),
    ("5.0.0rc1", "5.0.0", False), ("4.57.6.dev0", "5.0.0", True), ("2.0.2", None, False),
    ("10.0", "9.9.9", False),
])
def test_versions_are_compared_number_by_number(version, lowest, old):
    assert requirements.too_old(version, lowest) is old


def test_with_the_installed_versions_nothing_has_to_be_the_pinned_one(monkeypatch):
    monkeypatch.setattr(requirements, "pinned", lambda: {"pytest": "0.0.1"})
    assert requirements.missing() == ["pytest"] or requirements.as_installed()
    monkeypatch.setenv("VERSIONS", "installed")
    assert requirements.missing() == []
    monkeypatch.setattr(requirements, "lowest", lambda: {"numpy": "99.1", "no-such-package": None})
    assert requirements.missing() == ["numpy", "no-such-package"]


def test_with_the_installed_versions_nothing_is_installed(monkeypatch, capsys):
    monkeypatch.setenv("VERSIONS", "installed")
    monkeypatch.setattr(requirements, "missing", lambda: ["numpy"])
    monkeypatch.setattr(commands, "call", lambda *a: pytest.fail(f"called {a}"))
    assert commands.main(["test"]) == 1
    assert "Not there, or too old: numpy." in capsys.readouterr().err


def test_an_unknown_word_for_the_versions_is_refused(monkeypatch, capsys):
    monkeypatch.setenv("VERSIONS", "newest")
    with pytest.raises(LearnerError, match="'pinned' or 'installed'"):
        requirements.as_installed()
    assert commands.main(["lab"]) == 2
    assert "VERSIONS is 'newest'" in capsys.readouterr().err


def test_pip_understands_the_lowest_set():
    from packaging.requirements import Requirement

    lines = [line for line in text_of("constraints-lowest.txt").splitlines() if line[0] != "#"]
    assert len(lines) > 150
    for line in lines:
        assert len(Requirement(line).specifier) == 1
    for name, line in requirements.needed().items():
        assert Requirement(line).name == name
