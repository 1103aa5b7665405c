import copy
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
)

from helpers import batching, curves, frozen, paths, training
from helpers.errors import LearnerError


def test_a_run_repeats_itself_with_one_thread_and_with_two(new_model, encoded, tokenizer):
    threads, runs = torch.get_num_threads(), []
    try:
        for number in (1, 2, 1):
            torch.set_num_threads(number)
            loader = batching.loader(encoded.select(range(48)), tokenizer, 8, train=True)
            runs.append(training.train(new_model(), loader, epochs=1).loss)
    finally:
        torch.set_num_threads(threads)
    for other in runs[1:]:
        assert max(abs(a - b) for a, b in zip(runs[0], other, strict=True)) <= 1e-5


def test_training_lowers_the_loss_while_its_rate_rises_and_falls_to_zero(
    new_model, encoded, tokenizer
):
    model, texts = new_model(), encoded.select(range(48))
    loader = batching.loader(texts, tokenizer, 24)
    before = training.evaluate(model, loader)
    curve = training.train(model, batching.loader(texts, tokenizer, 8, train=True), epochs=4,
                           learning_rate=3e-4, validation_loader=loader)
    after = training.evaluate(model, loader)
    assert before.loss == pytest.approx(curves.LN_2, abs=0.1)
    assert after.loss < 0.5 * before.loss
    assert [v["step"] for v in curve.validation] == [6, 12, 18, 24]
    assert curve.validation[-1]["loss"] == pytest.approx(after.loss)
    rates = curve.learning_rate
    assert rates[0] == 0
    assert rates.index(max(rates)) == len(rates) // 10
    assert max(rates) == pytest.approx(3e-4)
    assert rates[-1] == pytest.approx(3e-4 / 22)


def test_weights_decay_but_biases_and_layer_norms_do_not(new_model):
    model = new_model()
    model.bert.embeddings.requires_grad_(False)
    decays, spared = (group["params"] for group in training.parameter_groups(model, 0.5))
    before = {name: weights.clone() for name, weights in model.named_parameters()}
    optimizer = torch.optim.AdamW(training.parameter_groups(model, 0.5), lr=0.1)
    for weights in (*decays, *spared):
        weights.grad = torch.zeros_like(weights)  # then nothing but the decay moves a weight
    optimizer.step()
    for name, weights in model.named_parameters():
        still = "embeddings" in name or name.endswith("bias") or "LayerNorm" in name
        shrunk = before[name] * (1 if still else 1 - 0.1 * 0.5)
        assert torch.allclose(weights, shrunk), name


def test_a_model_that_is_frozen_altogether_is_refused_before_it_trains(
    new_model, encoded, tokenizer
):
    model = new_model().requires_grad_(False)
    with pytest.raises(LearnerError, match="Every parameter is frozen"):
        training.train(model, batching.loader(encoded, tokenizer, 8, train=True))


def test_the_head_learns_at_a_rate_of_its_own(new_model):
    model = new_model()
    names = {id(p): name for name, p in model.named_parameters()}
    groups = training.parameter_groups(model, 0.5, learning_rate=1e-4, head_rate=10)
    assert sorted(names[id(p)] for group in groups for p in group["params"]) == sorted(
        names.values())
    optimizer = torch.optim.AdamW(groups, lr=1e-4)
    for group in optimizer.param_groups:
        is_head = {not names[id(p)].startswith(("bert.embeddings", "bert.encoder"))
                   for p in group["params"]}
        assert is_head == {group["lr"] == pytest.approx(1e-3)}
        decays = {p.ndim > 1 for p in group["params"]}
        assert decays == {group["weight_decay"] == 0.5}
    upper = training.head(frozen.UpperLayers(model, 4))
    assert [id(p) for p in upper] == [id(p) for p in training.head(model)]


def test_frozen_parameters_stay_as_they_are(new_model, encoded, tokenizer):
    model = new_model()
    model.bert.embeddings.requires_grad_(False)
    table = model.get_input_embeddings().weight.clone()
    query = model.bert.encoder.layer[0].attention.self.query.weight.clone()
    training.train(model, batching.loader(encoded, tokenizer, 16, train=True), epochs=1)
    assert torch.equal(table, model.get_input_embeddings().weight)
    assert not torch.equal(query, model.bert.encoder.layer[0].attention.self.query.weight)


def test_evaluation_counts_every_text_once(new_model, encoded, tokenizer):
    model = new_model()
    one, other = (training.evaluate(model, batching.loader(encoded, tokenizer, size))
                  for size in (5, 96))
    assert one.n == other.n == 96
    assert one.correct == other.correct
    assert one.loss == pytest.approx(other.loss, abs=1e-5)
    assert one.labels.tolist() == encoded["labels"][:]


@pytest.mark.parametrize(("read", "norm"), [(training.predict, 1), (training.embed, 2)])
def test_what_is_read_of_a_text_does_not_depend_on_its_neighbours(
    read, norm, new_model, tokenizer, data
):
    model, texts = new_model(), data["test"]["text"][:20]
    model = model.base_model if read is training.embed else model
    together = read(model, tokenizer, texts)
    alone = torch.cat([read(model, tokenizer, [text]) for text in texts])
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.allclose(together.norm(norm, dim=-1), torch.ones(20))


@pytest.mark.parametrize("texts", [[], "Lovely place."])
def test_texts_have_to_be_a_list(new_model, tokenizer, texts):
    with pytest.raises(LearnerError, match="list of at least one text"):
        training.predict(new_model(), tokenizer, texts)


def test_a_text_of_100_000_words_is_cut_where_the_tokenizer_cuts(new_model, tokenizer):
    model, short = new_model(), copy.deepcopy(tokenizer)
    short.model_max_length = 8
    text = "word " * 100_000
    cut = training.predict(model, short, [text, "word " * 6])
    assert torch.equal(cut[0], cut[1])
    assert not torch.equal(training.predict(model, tokenizer, [text]), cut[:1])


def test_texts_are_read_as_far_as_the_tokenizer_goes(new_model, tokenizer):
    model, text = new_model(), "word " * 200
    whole = training.predict(model, tokenizer, [text])
    assert torch.equal(whole, training.predict(model, tokenizer, [text], max_length=512))
    assert not torch.equal(whole, training.predict(model, tokenizer, [text], max_length=128))


def test_a_model_with_fewer_positions_than_the_tokenizer_says_decides(tokenizer):
    model = BertForSequenceClassification(BertConfig(
        vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8, max_position_embeddings=40))
    assert training.predict(model, tokenizer, ["word " * 200]).shape == (1, 2)
    assert training.most_tokens(model, tokenizer) == 40
    assert training.most_tokens(model, tokenizer, 30) == 30
    assert training.embed(model.bert, tokenizer, ["word " * 200]).shape == (1, 8)


def test_a_length_that_nobody_knows_is_512(tokenizer):
    endless = copy.deepcopy(tokenizer)
    endless.model_max_length = int(1e30)
    model = SimpleNamespace(config=SimpleNamespace(model_type="xlnet", max_position_embeddings=-1))
    assert training.most_tokens(model, endless) == 512


SMALL = {
    "vocab_size": 30, "hidden_size": 8, "dim": 8, "n_embd": 8, "embedding_size": 8,
    "num_hidden_layers": 1, "n_layers": 1, "n_layer": 1, "num_attention_heads": 1, "n_heads": 1,
    "n_head": 1, "intermediate_size": 8, "hidden_dim": 8, "entity_vocab_size": 4,
    "max_position_embeddings": 40,
}
KINDS = ["bert", "distilbert", "electra", "albert", "gpt2", "roberta", "xlm-roberta",
         "camembert", "mpnet", "data2vec-text", "roberta-prelayernorm", "xlm-roberta-xl", "ibert"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_positions_of_a_model_are_all_that_it_has(kind):
    config = AutoConfig.for_model(kind)
    config.update({name: value for name, value in SMALL.items() if hasattr(config, name)})
    config.pad_token_id = 1
    model, most = AutoModel.from_config(config), training.positions(config)
    model(input_ids=torch.full((1, most), 5))
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=torch.full((1, most + 1), 5))


def test_the_interval_is_wilsons():
    assert training.interval(360, 400) == pytest.approx((0.86669, 0.92570), abs=1e-5)
    assert training.interval(10, 10) == pytest.approx((1 / (1 + 1.959964**2 / 10), 1))


def test_a_saved_model_predicts_the_same(new_model, tokenizer, tmp_path):
    model, texts = new_model(), ["Fine.", "Broken on arrival."]
    training.save(model, tokenizer, tmp_path / "runs" / "model")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "runs" / "model")
    assert torch.equal(
        training.predict(model, tokenizer, texts), training.predict(again, tokenizer, texts)
    )


class Files:
    """Saves like a model: its files in a folder, in the middle of which `error` may be raised."""

    def __init__(self, error=None, **content):
        self.error, self.content = error, content

    def save_pretrained(self, folder):
        for name, text in self.content.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        if self.error:
            raise self.error


OLD = Files(**{"config": "old", "parts/first": "an old part"}), Files(words="old words")
NEW = Files(**{"config": "new", "parts/first": "a new part"}), Files(words="new words")


def content(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != paths.MANIFEST}


def run(program):
    """Run a program in a process of its own."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          check=False)


@pytest.fixture
def target(tmp_path):
    """A folder that holds a save, beside nothing else."""
    training.save(*OLD, tmp_path / "model-1[a]")
    return tmp_path / "model-1[a]"


def test_saving_again_replaces_the_older_save_whole(target, tmp_path):
    training.save(*NEW, f"{target}/")
    assert content(target) == {"config": "new", "parts/first": "a new part", "words": "new words"}
    training.save(Files(config="last"), Files(), target)
    assert content(target) == {"config": "last"}
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["curve.json", "config", "parts/first", "parts/x", "new/x"])
def test_a_folder_is_kept_if_anything_in_it_was_added_or_changed(name, target):
    (target / name).parent.mkdir(exist_ok=True)
    (target / name).write_text("odd")  # as long as what the save wrote
    before = content(target)
    with pytest.raises(LearnerError, match=rf"\({name.split('/')[0]}\), so it is kept"):
        training.save(*NEW, target)
    assert content(target) == before
    with paths.replacing_folder(target, own=[name.split("/")[0]]):
        pass
    assert content(target) == {}


def test_a_folder_of_runs_is_kept(target, tmp_path):
    (tmp_path / "trainer" / "checkpoint-8").mkdir(parents=True)
    (tmp_path / "curve.json").write_text("{}")
    said = r"holds what no save put there.*\(curve.json, model-1\[a\], trainer\)"
    with pytest.raises(LearnerError, match=said):
        training.save(*NEW, tmp_path)
    assert (tmp_path / "trainer" / "checkpoint-8").exists()
    assert content(target)["config"] == "old"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("../file", "file is a file"), ("../file/model", "Could not write model into"),
        (".", "is the current folder"), ("../disk", "or a whole disk"),
    ],
)
def test_what_cannot_be_replaced_is_said(place, said, target, monkeypatch):
    (target.parent / "file").write_text("not a folder")
    monkeypatch.setattr(os.path, "ismount", lambda path: path.name == "disk")
    monkeypatch.chdir(target)
    with pytest.raises(LearnerError, match=said):
        training.save(*NEW, place)
    assert content(target)["config"] == "old"
    assert (target.parent / "file").read_text() == "not a folder"


def test_what_a_file_manager_or_jupyter_leaves_does_not_stop_a_save(target):
    for name in (".DS_Store", "parts/Thumbs.db", ".ipynb_checkpoints/notes.txt"):
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text("notes")
    training.save(*NEW, target)
    assert content(target)["config"] == "new"
    assert content(target)[".ipynb_checkpoints/notes.txt"] == "notes"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there that few have")
def test_a_symbolic_link_stays_one(target, tmp_path):
    (tmp_path / "link").symlink_to(target)
    training.save(*NEW, tmp_path / "link")
    with paths.replacing(tmp_path / "link" / "config") as fresh:
        fresh.write_text("newer")
    assert (tmp_path / "link").is_symlink()
    assert content(target)["config"] == "newer"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left")])
@pytest.mark.parametrize("between_the_renames", [False, True])
def test_an_interruption_or_a_full_disk_leaves_the_older_save_alone(
    error, between_the_renames, target, monkeypatch
):
    def failing(source, destination, replace=os.replace):
        if Path(destination) == target and Path(source).name == "new":
            raise error
        replace(source, destination)

    before = content(target)
    if between_the_renames:
        monkeypatch.setattr(os, "replace", failing)
    model = Files(None if between_the_renames else error, config="half")
    with pytest.raises((KeyboardInterrupt, LearnerError), match=r"^$|No space left.*untouched"):
        training.save(model, Files(), target)
    assert content(target) == before
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("moment", range(9))
def test_a_save_killed_at_any_moment_leaves_the_old_or_the_new_whole(moment, target):
    program = f"""
import os, shutil, signal
from helpers import paths
calls = 0
def deadly(function):
    def called(*arguments, **options):
        global calls
        if calls == {moment}:
            os.kill(os.getpid(), signal.SIGKILL)
        calls += 1
        return function(*arguments, **options)
    return called
os.replace, os.unlink, os.rmdir = map(deadly, (os.replace, os.unlink, os.rmdir))
with paths.replacing_folder({str(target)!r}) as fresh:
    (fresh / "config").write_text("new")
"""
    before = content(target)
    assert run(program).returncode == -signal.SIGKILL
    assert target.exists() == (moment != 1)
    paths.bring_back(target.with_name("model"))  # another one, which it is not mistaken for
    assert not target.with_name("model").exists()
    paths.bring_back(target)
    assert content(target) == (before if moment < 2 else {"config": "new"})
    training.save(*NEW, target)
    assert content(target)["words"] == "new words"
    assert not list(target.parent.glob(".*.set-aside"))


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file size are a POSIX feature")
def test_the_operating_systems_own_refusal_leaves_the_older_save_alone(target):
    # A real limit: in the child no file may grow beyond 1 MB, so writing the weights fails.
    program = f"""
import resource, signal, torch
from helpers import paths
from safetensors.torch import save_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))
with paths.replacing_folder({str(target)!r}) as fresh:
    save_file({{"weights": torch.zeros(10**6)}}, fresh / "weights")
"""
    before = content(target)
    assert "LearnerError: Could not write model" in run(program).stderr
    assert content(target) == before
    assert list(target.parent.iterdir()) == [target]


def test_an_error_of_another_kind_is_passed_on(tmp_path):
    with pytest.raises(ZeroDivisionError), paths.replacing(tmp_path / "x") as fresh:
        fresh.write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
