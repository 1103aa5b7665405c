"""A classifier to train: any pretrained encoder or GPT-2, with a head for the classes at hand."""

import contextlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import checkpoints
from helpers.errors import LearnerError

DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout",
            "embd_pdrop", "attn_pdrop", "resid_pdrop")


@dataclass(frozen=True)
class Pretrained:
    """A model to start from: its config, and what is known of its origin."""

    asked: str
    path: str | Path
    config: Any
    name: str
    hub_id: str | None = None
    licence: str | None = None


def find(asked):
    """Return the `Pretrained` that is asked for; of the model only its config is loaded.

    `asked` is a name in `checkpoints.NAMES`, a folder, or a name on the Hub.

    Raises LearnerError if it cannot be loaded.
    """
    from transformers import AutoConfig

    checkpoints.quiet()
    path, about = asked, {"name": asked, "hub_id": asked}
    if asked in checkpoints.NAMES:
        found = checkpoints.find(asked)
        path, about = found.path, {
            "name": f"{found.model_id} at {found.revision}",
            "hub_id": found.model_id if "/" in found.model_id else None,
            "licence": "mit" if found.model_id == "openai-community/gpt2" else "apache-2.0",
        }
    elif Path(asked).is_dir():
        about = {"name": Path(asked).resolve().name}
    with _said_in_a_line(asked):
        return Pretrained(asked, path, AutoConfig.from_pretrained(path), **about)


def load(pretrained, classes, *, max_length, seed=0):
    """Return model and tokenizer, without dropout and with a head for `classes`, their names.

    A new head is drawn from `seed`. A head for another number of classes is replaced, which is
    printed.

    Raises LearnerError if they cannot be loaded, or read fewer than `max_length` tokens.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, set_seed

    asked, path, config = pretrained.asked, pretrained.path, pretrained.config
    with _said_in_a_line(asked):
        tokenizer = AutoTokenizer.from_pretrained(path)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    most = getattr(config, "max_position_embeddings", math.inf)
    if config.model_type == "roberta":  # whose positions start after that of padding
        most -= config.pad_token_id + 1
    if max_length > most:
        raise LearnerError(f"--max-length {max_length}: {asked} reads {most} tokens at most.")
    config.update({
        "pad_token_id": tokenizer.pad_token_id, "id2label": dict(enumerate(classes)),
        "label2id": {name: i for i, name in enumerate(classes)},
        "problem_type": "single_label_classification",
        **{name: 0.0 for name in DROPOUTS if hasattr(config, name)},
    })
    set_seed(seed)
    with _said_in_a_line(asked):
        model, report = AutoModelForSequenceClassification.from_pretrained(
            path, config=config, dtype=torch.float32, ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
        replaced = [name for name, *_ in report["mismatched_keys"]]
        if any(name.startswith(f"{model.base_model_prefix}.") for name in replaced):
            raise ValueError(f"{replaced[0]} has another shape than config.json says.")
    if replaced:
        print(f"The head of {asked} is for other classes: a new one for {', '.join(classes)} "
              "replaces it.")
    return model, tokenizer


@contextlib.contextmanager
def _said_in_a_line(asked):
    """Turn what can go wrong while a model is loaded into a LearnerError."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise LearnerError(
            f"The model {asked!r} cannot be loaded: {reason} --model is "
            f"{' or '.join(checkpoints.NAMES)}, a folder, or a name on the Hub."
        ) from error
