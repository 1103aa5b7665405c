"""A checkpoint that data/ holds in part: joined with the bundled weights, once, in a cache.

What was trained is shipped, in 16 bits; what it was trained on top of, the word table above all,
comes from the bundled checkpoint. `ready` puts both into one folder for `from_pretrained`, among
the assets of the Hub's client: https://huggingface.co/docs/huggingface_hub/guides/manage-cache.
"""

import atexit
import contextlib
import functools
import json
import shutil
import tempfile
from pathlib import Path

from helpers import hub, paths
from helpers.errors import LearnerError

LIBRARY = "fine-tuning-bert"  # names our part of the cache
COPIED = ("tokenizer.json", "tokenizer_config.json", "vocab.txt")
WAIT = 120  # seconds for another process that is joining the same


def ready(name, version, trained, base):
    """Return a folder for `from_pretrained` with the tensors of a trained file over those of base.

    `trained` is a file of tensors by their names in a `BertForMaskedLM`, `base` the folder of the
    `BertModel` that it was trained on; both have been compared with their SHA-256, and `version`
    stands for the two. The folder is joined if it is not in the cache, or not as it was joined.
    Where no cache can be written, it is a temporary one, which goes when this process ends.

    Raises LearnerError if no folder can be written.
    """
    from huggingface_hub import cached_assets_path
    from huggingface_hub.utils import WeakFileLock

    with contextlib.suppress(OSError, ValueError, LearnerError):
        folder = cached_assets_path(LIBRARY, name) / version
        if _is_whole(folder):
            return folder
        with WeakFileLock(folder.with_suffix(".lock"), timeout=WAIT):
            if not _is_whole(folder):  # another process may have joined it meanwhile
                _join(folder, trained, base)
        return folder
    return _temporary(name, trained, base)


def _is_whole(folder):
    """Say whether a folder holds what `_join` wrote, by the SHA-256 that was noted then."""
    try:
        noted = json.loads((folder / paths.MANIFEST).read_text(encoding="utf-8"))
        return all(hub.has_sha256(folder / file, noted[file])
                   for file in ("config.json", "model.safetensors", *COPIED))
    except (OSError, ValueError, KeyError):
        return False


def _join(folder, trained, base):
    from safetensors.numpy import load_file, save_file

    tensors = {f"bert.{name}": tensor for name, tensor in
               load_file(base / "model.safetensors").items() if "position_ids" not in name}
    tensors |= {name: tensor.astype("float32") for name, tensor in load_file(trained).items()}
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    config |= {"architectures": ["BertForMaskedLM"], "dtype": "float32"}
    damaged = [path.name for path in folder.glob("*")]
    with paths.replacing_folder(folder, own=damaged) as fresh:
        save_file(tensors, fresh / "model.safetensors", metadata={"format": "pt"})
        (fresh / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        for file in COPIED:
            shutil.copyfile(base / file, fresh / file)


@functools.cache
def _temporary(name, trained, base):
    try:
        home = Path(tempfile.mkdtemp(prefix=f"{LIBRARY}-"))
        atexit.register(shutil.rmtree, home, ignore_errors=True)
        _join(home / name, trained, base)
    except (OSError, LearnerError) as error:
        raise LearnerError(
            f"{name} takes 90 MB in a cache, and neither the one of the Hub's client nor the "
            f"folder for temporary files can hold it: {paths.reason(error)}. Free some space, or "
            "set HF_HOME to a folder that can be written."
        ) from error
    return home / name
