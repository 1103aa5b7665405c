"""A finished model, uploaded to the Hub: only when asked, and only what belongs to it."""

import contextlib
from pathlib import Path

from helpers import paths, tables
from helpers.errors import LearnerError

# Weights, configuration, tokenizer, card, metrics and curve. No checkpoint (.pt), nothing hidden,
# and nothing that somebody has put beside them.
BELONGING = [
    "config.json", "generation_config.json", "model*.safetensors", "model.safetensors.index.json",
    "tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt",
    "*.model", "README.md", "metrics.json", "curve.json",
]
LOGIN = "Log in with a token that may write: hf auth login"


def push(folder, repository, *, private=True):
    """Upload the model that `helpers.finetune` left in a folder; return its address on the Hub.

    `repository` is its name there, "owner/name", or the name alone for your own account. It is
    made if it is not there, with `private` so that you alone see it.

    Raises LearnerError for a folder without a finished model, without a token, if the Hub
    refuses, and if it is out of reach.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    folder, name = Path(folder).expanduser(), tables.short(repository, 100)
    _check(folder)
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise LearnerError(
            f"{name!r} cannot be a model's name on the Hub. It is owner/name, or a name alone, of "
            "letters, digits, '-', '_' and '.', at most 96 characters.") from error
    if get_token() is None:
        raise LearnerError(f"Nothing was uploaded: this machine has no token for the Hub. {LOGIN}")
    api = HfApi()
    try:
        address = api.create_repo(repository, private=private, exist_ok=True)
        if private and not api.repo_info(address.repo_id).private:
            raise LearnerError(f"Nothing was uploaded: {name} is there already, and everybody can "
                               "see it. Choose another name, or make it private on its page.")
        api.upload_folder(folder_path=folder, repo_id=address.repo_id,
                          commit_message="A fine-tuned model", allow_patterns=BELONGING,
                          ignore_patterns=["*/*"])  # a pattern's * goes into folders, too
    except LearnerError:
        raise
    except Exception as error:  # of several libraries, one as the cause of another
        raise LearnerError(_failure(error, api, repository, folder)) from error
    return str(address)


def _failure(error, api, repository, folder):
    """Return why an upload failed, and what to do."""
    from huggingface_hub.errors import HfHubHTTPError

    name = tables.short(repository, 100)
    while error.__cause__ is not None and not isinstance(error, HfHubHTTPError):
        error = error.__cause__
    if isinstance(error, HfHubHTTPError):
        return f"The Hub refuses {name!r}: {_refusal(error, api, repository)}"
    reason = tables.short(paths.reason(error) or type(error).__name__, 150)
    return (f"{name!r} could not be uploaded: {reason}. The model is still in {folder}. Connect "
            "this machine to a network and try again; HF_HUB_OFFLINE must not be set.")


def _check(folder):
    """Raise LearnerError if a folder holds no finished model."""
    weights = [*folder.glob("model*.safetensors")]
    missing = [name for name in ("config.json", "tokenizer_config.json")
               if not (folder / name).is_file()] + ([] if weights else ["model.safetensors"])
    if missing:
        raise LearnerError(
            f"{folder} holds no finished model: {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing. Name the folder that was --output "
            "of a run of helpers.finetune that has ended.")


def _refusal(error, api, repository):
    """Return why the Hub refused, and what to do."""
    status = error.response.status_code
    if status == 401:
        return f"it does not accept the token of this machine. {LOGIN}"
    if status == 403:
        owner, mine = repository.partition("/")[0], []
        with contextlib.suppress(Exception):  # what was refused is said without it, too
            found = api.whoami()  # the owner of the token
            mine = [found["name"], *(org["name"] for org in found.get("orgs", []))]
        if mine and "/" in repository and owner not in mine:
            return f"{owner} is somebody else's account. Yours is {mine[0]}: choose {mine[0]}/…"
        return f"the token of this machine may read, but not write. {LOGIN}"
    if status == 429 or status >= 500:
        return f"it is overloaded or has a fault ({status}). Wait some minutes, then try again."
    said = (error.server_message or str(error)).strip()
    return f"{tables.short(said, 200) or 'no reason given'} ({status})"
