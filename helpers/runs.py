"""Resuming: what makes two trainings the same run, and whether a checkpoint is complete."""

import hashlib
import json
import re
import zipfile
from pathlib import Path

from safetensors import safe_open

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


def fingerprint(rows):
    """Return the SHA-256 of a data set: every row, every column, in order, as hexadecimal digits.

    `rows` is a `Dataset` or anything that has a length and can be indexed, its rows dictionaries,
    tuples or tensors. Where the rows came from plays no part.
    """
    if hasattr(rows, "with_format"):  # a Dataset: plain values, whatever format it is shown in,
        each = iter(rows.with_format(None))  # read many at once
    else:
        each = (rows[i] for i in range(len(rows)))
    digest = hashlib.sha256()
    for row in each:
        digest.update(json.dumps(row, default=plain, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def plain(value):
    """Return a value in a form that JSON knows: the `default` of `json.dumps`."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def differing(there, here):
    """Return what tells two runs apart: {name: (value there, value here)}, empty for the same run.

    Both are dictionaries of plain values, compared as they come back out of JSON. A name that one
    of them lacks counts as None there.
    """
    there, here = (json.loads(json.dumps(run, default=plain)) for run in (there, here))
    return {name: (there.get(name), here.get(name)) for name in {**there, **here}
            if there.get(name) != here.get(name)}


def sentence(differences):
    """Say how two runs differ, such as "batch_size 8 there, 4 here, other texts"."""
    said = []
    for name, values in list(differences.items())[:3]:
        there, here = (f"{text[:37]}..." if len(text) > 40 else text for text in map(str, values))
        is_data = any(re.fullmatch("[0-9a-f]{64}", str(value)) for value in values)
        said.append(f"other {name}" if is_data else f"{name} {there} there, {here} here")
    return ", ".join(said)


def checkpoints(folder):
    """Return the checkpoint folders in an output directory, by step, complete or not."""
    found = [path for path in Path(folder).glob("checkpoint-*")
             if path.is_dir() and re.fullmatch(r"checkpoint-\d+", path.name)]
    return sorted(found, key=lambda path: int(path.name.removeprefix("checkpoint-")))


def incomplete(checkpoint):
    """Say why a run cannot go on from a checkpoint folder, or return None if it can.

    The Trainer writes its files one after the other, so an interruption leaves some missing or
    cut off; it would itself go on without an optimizer. Every file is opened here by the rules of
    its format, and so is every part that an index of the weights lists.
    """
    checkpoint = Path(checkpoint)
    in_parts = (checkpoint / INDEX).exists() and not (checkpoint / WEIGHTS).exists()
    random_states = sorted(p.name for p in checkpoint.glob("rng_state*.pth"))  # one a process
    names = ["config.json", INDEX if in_parts else WEIGHTS, "optimizer.pt", "scheduler.pt",
             *(random_states or ["rng_state.pth"]), "trainer_state.json"]
    for name in names:  # the parts that an index lists are added while it is read
        if not (checkpoint / name).is_file():
            return f"{name} is missing"
        try:
            names += _open(checkpoint / name)
        except Exception:  # each format has errors of its own
            return f"{name} is cut off or damaged"
    return None


def _open(path):
    """Raise an error for a file that is not whole; return the files that it lists, of an index."""
    if path.suffix == ".json":
        content = json.loads(path.read_text(encoding="utf-8"))
        return sorted(set(content["weight_map"].values())) if path.name == INDEX else []
    if path.suffix == ".safetensors":
        with safe_open(path, "pt"):  # compares the file's length with what its header says
            return []
    with zipfile.ZipFile(path) as archive:  # torch.save's, with a checksum for every part
        if archive.testzip():
            raise zipfile.BadZipFile
    return []
