"""A tiny pack of a tiny repository: fixtures of the tests of packing and of installing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_index

from helpers import checkpoints, paths, requirements
from tools import install, pack

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """A tiny index, a tiny repository and a pack of it, made once."""
    folder = tmp_path_factory.mktemp("original")
    (folder / "index").mkdir()
    for name, version in (("leaf", "1.0"), ("leaf", "2.0"), ("win-only", "1.0")):
        tiny_index.wheel(folder / "index", name, version)
    tiny_index.wheel(folder / "index", "tiny",
                     requires=["leaf>=1", "win-only; sys_platform == 'win32'"])
    tiny_index.pip_wheel(folder / "index")
    (folder / "repository" / "notebooks").mkdir(parents=True)
    for name in ("notebooks/00.ipynb", "notebooks/01.ipynb"):
        (folder / "repository" / name).write_text("as delivered\n")
    tiny_index.require(folder / "repository", ["tiny==1.0"],
                       ["leaf==1.0", "win-only==1.0 ; sys_platform == 'win32'"])
    with pytest.MonkeyPatch.context() as patch:
        use(folder, patch)
        pack.pack(folder / "pack")
    return folder


def use(folder, patch):
    """Let pip read the tiny index of a folder, and packing the tiny repository."""
    patch.setenv("PIP_NO_INDEX", "1")
    patch.setenv("PIP_FIND_LINKS", (folder / "index").as_uri())
    patch.setenv("PIP_CONFIG_FILE", os.devnull)
    patch.setattr(paths, "ROOT", folder / "repository")
    patch.setattr(requirements, "FILE", folder / "repository" / "requirements.txt")
    patch.setattr(checkpoints, "at_hand", lambda name, size: False)


@pytest.fixture
def repository(original, tmp_path, monkeypatch):
    """The tiny repository, in use, with the index beside it; both are this test's own."""
    for part in ("index", "repository"):
        shutil.copytree(original / part, tmp_path / part)
    use(tmp_path, monkeypatch)
    return tmp_path / "repository"


@pytest.fixture
def index(repository):
    return repository.parent / "index"


@pytest.fixture
def packed(original, tmp_path):
    """The tiny pack in a folder whose name has a space and an umlaut, this test's own."""
    return Path(shutil.copytree(original / "pack", tmp_path / "Stick für alle"))


def change_manifest(folder, **fields):
    """Change fields of a pack's manifest, or else of its only target."""
    manifest = install.read_manifest(folder)
    for field, value in fields.items():
        (manifest if field in manifest else manifest["targets"][0])[field] = value
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def wheels_of(folder):
    return sorted("-".join(path.name.split("-")[:2]) for path in (folder / "wheels").iterdir()
                  if not path.name.startswith("pip-"))


def installation(pack, folder):
    """Run the pack's own installer as a learner does."""
    return subprocess.run([sys.executable, str(pack / "install.py"), str(folder)],
                          capture_output=True, encoding="utf-8", check=False)


# The lock
