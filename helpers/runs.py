"""Resuming: what makes two trainings the same run, and whether a checkpoint is complete."""

import hashlib
import json
import re
import zipfile
from pathlib import Path

from safetensors import SafetensorError, safe_open

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


def fingerprint(rows):
    """Return the SHA-256 of a data set: every row, every column, in order, as hexadecimal digits.

    `rows` is a `Dataset` or anything that has a length and can be indexed, its rows dictionaries,
    tuples or tensors. Where the rows came from plays no part.
    """
    if hasattr(rows, "with_format"):  # a Dataset: plain values, whatever format it is shown in
        rows = rows.with_format(None)
    digest = hashlib.sha256()
    for i in range(len(rows)):
        digest.update(json.dumps(rows[i], default=plain, sort_keys=True).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def differing(there, here):
    """Return what tells two runs apart: {name: (value there, value here)}, empty for the same run.

    `there` is what is recorded of the earlier run, `here` the new one's, both dictionaries of
    plain values, compared as they come back out of JSON. A name that one of them lacks counts as
    None there.
    """
    there, here = (json.loads(json.dumps(run, default=plain)) for run in (there, here))
    return {name: (there.get(name), here.get(name)) for name in {**there, **here}
            if there.get(name) != here.get(name)}


def sentence(differences):
    """Say how two runs differ, such as "batch_size 8 there, 4 here, other texts"."""
    return ", ".join(
        f"other {name}" if any(_FINGERPRINT.fullmatch(str(value)) for value in values)
        else f"{name} {_short(values[0])} there, {_short(values[1])} here"
        for name, values in list(differences.items())[:3]
    )


def checkpoints(folder):
    """Return the checkpoint folders in an output directory, by step, complete or not."""
    found = [
        (int(match[1]), path) for path in Path(folder).glob("checkpoint-*")
        if path.is_dir() and (match := re.fullmatch(r"checkpoint-(\d+)", path.name))
    ]
    return [path for _, path in sorted(found)]


def incomplete(checkpoint):
    """Say why a run cannot go on from a checkpoint folder, or return None if it can.

    The Trainer writes its files one after the other, so an interruption leaves some missing or
    cut off; it would itself go on without an optimizer. Every file is opened here by the rules of
    its format, and so is every part that an index of the weights lists.
    """
    checkpoint = Path(checkpoint)
    random_states = [p.name for p in checkpoint.glob("rng_state*.pth")]  # one for each process
    needed = [
        "config.json", *_weights(checkpoint), "optimizer.pt", "scheduler.pt",
        *(sorted(random_states) or ["rng_state.pth"]), "trainer_state.json",
    ]
    for name in needed:
        if not (checkpoint / name).is_file():
            return f"{name} is missing"
        if not _is_whole(checkpoint / name):
            return f"{name} is cut off or damaged"
    return None


def newest_complete(found):
    """Return the last complete one of checkpoint folders, or None; name those passed over."""
    for checkpoint in reversed(found):
        problem = incomplete(checkpoint)
        if problem is None:
            return checkpoint
        print(f"{checkpoint.name} is incomplete, {problem}: passed over.")
    return None


def read_json(path):
    """Return what a JSON file holds, or None if it is not there or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def plain(value):
    """Return a value in a form that JSON knows: the `default` of `json.dumps`."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _weights(checkpoint):
    """Return the names of the files that hold the weights: one, or an index and its parts."""
    index = checkpoint / "model.safetensors.index.json"
    if (checkpoint / "model.safetensors").exists() or not index.exists():
        return ["model.safetensors"]
    return [index.name, *_shards(index)]


def _shards(index):
    """Return the names of the files that an index lists: none if it is damaged."""
    try:
        return sorted({str(name) for name in read_json(index)["weight_map"].values()})
    except (AttributeError, KeyError, TypeError):
        return []


def _is_whole(path):
    try:
        if path.name.endswith(".index.json"):
            return bool(_shards(path))
        if path.suffix == ".json":
            return read_json(path) is not None
        if path.suffix == ".safetensors":
            with safe_open(path, "pt"):  # compares the file's length with what its header says
                return True
        with zipfile.ZipFile(path) as archive:  # torch.save's, with a checksum for every part
            return archive.testzip() is None
    except (SafetensorError, zipfile.BadZipFile, OSError, EOFError):
        return False


def _short(value):
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
