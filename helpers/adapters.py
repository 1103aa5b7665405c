"""An adapter put onto its base model, or a line that says why it does not belong there."""

import json
import re
from pathlib import Path

from helpers.errors import LearnerError

CONFIG = "adapter_config.json"


def load(model, folder):
    """Return `PeftModel.from_pretrained(model, folder)`, ready to predict.

    peft compares the shapes of base and adapter, if at all; this compares the names, too.
    Raises LearnerError for a folder without an adapter, and for an adapter of another base.
    """
    from peft import PeftModel

    try:
        config = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise LearnerError(
            f"{folder} holds no adapter: there is no {CONFIG} in it that can be read. Give the "
            "folder that model.save_pretrained(folder) wrote."
        ) from None
    base, here = (name(path or "") for path in (config.get("base_model_name_or_path"),
                                                model.name_or_path))
    if base != here:
        raise LearnerError(
            f"{folder} is an adapter of {base or 'a base without a name'}, and this model is "
            f"{here or 'one without a name'}. It corrects the weights that it was trained with: "
            "load its own base, then the adapter."
        )
    return PeftModel.from_pretrained(model, folder)


def name(path):
    """Return what a model is called that was loaded from a path, the same on every machine.

    In the cache of the Hub's client its id; elsewhere the last two folders, of which the upper
    one tells apart what many call "model".
    """
    parts = [part for part in re.split(r"[\\/]", str(path)) if part not in ("", "default")]
    cached = next((part for part in parts if part.startswith("models--")), None)
    return cached[8:].replace("--", "/") if cached else "/".join(parts[-2:])
