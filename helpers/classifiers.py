"""A classifier to train: any pretrained encoder or GPT-2, with a head for the task at hand."""

import contextlib
from pathlib import Path

from helpers import checkpoints, regression, tables, tasks, training
from helpers.errors import LearnerError

DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout",
            "embd_pdrop", "attn_pdrop", "resid_pdrop")
KINDS = f"{' or '.join(checkpoints.NAMES)}, a folder, or a name on the Hub"


def find(asked):
    """Return the config of the model that is asked for, and its origin: name, Hub id, licence.

    `asked` is a name in `checkpoints.NAMES`, a folder, or a name on the Hub.

    Raises LearnerError if it cannot be loaded.
    """
    from transformers import AutoConfig

    checkpoints.quiet()
    path, name, hub_id, licence = asked, asked, asked, None
    if asked in checkpoints.NAMES:
        found = checkpoints.find(asked)
        path, name = found.path, f"{found.model_id} at {found.revision}"
        hub_id = found.model_id if "/" in found.model_id else None
        licence = "mit" if found.model_id == "openai-community/gpt2" else "apache-2.0"
    elif Path(asked).is_dir():
        name, hub_id = Path(asked).resolve().name, None
    with loading(asked):
        return AutoConfig.from_pretrained(path), (name, hub_id, licence)


def check_length(asked, config, max_length):
    """Raise LearnerError if a model with this config reads fewer than `max_length` tokens."""
    if max_length > (most := training.positions(config)):
        raise LearnerError(f"--max-length {max_length}: {asked} reads {most} tokens at most.")


def load(asked, config, task, *, max_length, seed=0):
    """Return model and tokenizer, without dropout and with a head for a task.

    `config` is what `find` returned, `task` one of `helpers.tasks`. A new head is drawn from
    `seed`. A head for another task, or another number of classes, is replaced, which is printed.
    What is saved of the two knows the classes' names and the length.

    Raises LearnerError if they cannot be loaded, or read fewer than `max_length` tokens.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, set_seed

    check_length(asked, config, max_length)
    with loading(asked):
        tokenizer = AutoTokenizer.from_pretrained(config.name_or_path)
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
        tokenizer.padding_side, tokenizer.model_max_length = "right", max_length
        earlier = tasks.of_config(config).kind
        config.update({
            "pad_token_id": tokenizer.pad_token_id, **task.config(),
            **{name: 0.0 for name in DROPOUTS if hasattr(config, name)},
        })
        set_seed(seed)
        model, report = AutoModelForSequenceClassification.from_pretrained(
            config.name_or_path, config=config, dtype=torch.float32,
            ignore_mismatched_sizes=True, output_loading_info=True,
        )
        replaced = [name for name, *_ in report["mismatched_keys"]]
        if any(name.startswith(f"{model.base_model_prefix}.") for name in replaced):
            raise ValueError(f"{replaced[0]} has another shape than config.json says.")
    if replaced:
        print(f"The head of {asked} is for other classes: a new one for "
              f"{tables.listed(task.names)} replaces it.")
    elif task.kind == "number" == earlier and not report["missing_keys"]:
        regression.off_scale(model, task)  # it goes on learning
    return model, tokenizer


@contextlib.contextmanager
def loading(asked, expected=KINDS):
    """Turn what can go wrong while a model is loaded into a LearnerError.

    `asked` is what was given as --model, `expected` says what can be.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, TypeError, AttributeError,
            SafetensorError) as error:
        reason = tables.short(str(error).strip() or type(error).__name__, 200).rstrip(".")
        raise LearnerError(f"The model {tables.short(asked, 80)!r} cannot be loaded: {reason}. "
                           f"--model is {expected}.") from error
