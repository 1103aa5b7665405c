"""Pretraining the small GPT-2: text in, a folder for `from_pretrained` out."""

import dataclasses
import errno
import hashlib
import json
import math
import os
import shutil

import pandas as pd
import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

from helpers import checkpoints, curves, generation, paths, trainers
from helpers.errors import LearnerError
from making import corpus, pretraining

TINY = pretraining.Recipe(vocab_size=400, width=32, inner=64, layers=1, heads=2, start="random",
                          batch_size=2, max_steps=12)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A folder with two works, made of the reviews that no notebook uses."""
    folder = tmp_path_factory.mktemp("texts")
    extra = pd.read_csv(paths.data_file("reviews", "extra.csv"))["text"].tolist()
    for name, part in (("one", extra[:900]), ("two", extra[900:])):
        (folder / f"{name}.txt").write_text("\n\n".join(part), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def works(texts):
    return corpus.read_folder(texts)


@pytest.fixture(scope="module")
def pretrained(works, tmp_path_factory):
    """A folder with a tiny pretrained model in `model`, and its figures."""
    folder = tmp_path_factory.mktemp("pretrained")
    return folder, pretraining.pretrain(works, folder / "model", TINY, progress=False)


@pytest.fixture(scope="module")
def tiny(pretrained):
    """The tiny model and its tokenizer, as they are loaded from its folder."""
    return loaded(pretrained[0] / "model")


@pytest.fixture(scope="module")
def shipped():
    """The shipped model, its tokenizer and its figures."""
    folder = checkpoints.find("gpt2", "small").path
    return *loaded(folder), json.loads((folder / "pretraining.json").read_text(encoding="utf-8"))


def loaded(folder):
    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("made", ["tiny", "shipped"])
def test_what_is_saved_loads_as_a_gpt2_in_32_bits(made, request):
    model, tokenizer, *_ = request.getfixturevalue(made)
    assert type(model) is transformers.GPT2LMHeadModel
    assert model.dtype == torch.float32
    assert model.config.use_cache
    stored = os.path.getsize(os.path.join(model.name_or_path, "model.safetensors"))
    assert stored < 2.2 * model.num_parameters(), "two bytes a parameter"
    assert tokenizer.pad_token is None
    assert tokenizer.eos_token == tokenizer.bos_token == pretraining.END
    assert len(tokenizer) == model.config.vocab_size


def test_any_string_comes_back_from_its_tokens(tiny):
    for text in ("plain", " spaces  and\ttabs\n", "naïve café", "🙂 こんにちは", ""):
        assert tiny[1].decode(tiny[1](text)["input_ids"]) == text


def test_the_figures_are_those_of_the_saved_model(pretrained, tiny, works):
    _, held_out = corpus.split(corpus.without_excluded(works)[0])
    again = generation.predicted(*tiny, held_out).bits_per_byte
    assert again == pytest.approx(pretrained[1]["bits_per_byte"], abs=0.01)
    assert pretrained[1]["steps"] == 12


def test_an_untrained_model_needs_the_bits_of_a_uniform_guess(tiny):
    model = pretraining.new_model(tiny[1], TINY)
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    text = "It rained, and we went on." * 40
    tokens = len(tiny[1](text)["input_ids"]) + 1
    expected = tokens * math.log2(400) / len(text)
    found = generation.predicted(model, tiny[1], [text]).bits_per_byte
    assert found == pytest.approx(expected, rel=1e-4)


def test_the_baselines_are_right_on_small_cases():
    # After "a" always "b", after "b" always the end: with add-one (2 + 1) / (2 + 256) each.
    expected = 3 * -math.log2(3 / 258) / 2
    assert corpus.bigram_bits_per_byte(["ab", "ab"], ["ab"]) == pytest.approx(expected)
    assert corpus.gzip_bits_per_byte(["the same line"] * 500) < 0.3
    assert corpus.gzip_bits_per_byte([os.urandom(4000).hex()]) > 4


def test_held_out_paragraphs_are_the_last_of_each_work():
    train, held_out = corpus.split({"a": [f"a{i}" for i in range(100)], "b": ["b0", "b1"]})
    assert held_out == ["a98", "a99", "b1"]
    assert len(train) + len(held_out) == 102


def test_a_paragraph_with_an_excluded_word_is_left_out(monkeypatch, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text(hashlib.sha256(b"blorp").hexdigest()[:12])
    monkeypatch.setattr(corpus, "EXCLUDED", words)
    paragraphs = ["A Blorp came by.", "Blorpish is another word.", "Nobody came by."]
    assert corpus.without_excluded({"a": paragraphs}) == ({"a": paragraphs[1:]}, 1)


def test_blocks_hold_every_token_in_order_and_close_each_paragraph(tiny):
    paragraphs = ["One paragraph.", "Another one."] * 200
    rows = pretraining.blocks(paragraphs, tiny[1])
    assert rows.shape[1] == pretraining.CONTEXT
    expected = "".join(text + pretraining.END for text in paragraphs)
    assert expected.startswith(tiny[1].decode(rows.flatten()))


def test_the_card_says_what_was_measured(pretrained):
    folder, figures = pretrained
    card = (folder / "model" / "README.md").read_text(encoding="utf-8")
    assert json.loads((folder / "model" / "pretraining.json").read_bytes()) == figures
    assert card == pretraining.card(figures)
    assert f"| this model | {figures['bits_per_byte']:.2f} |" in card
    assert "random weights" in card
    for prompt in (*pretraining.NEAR, *pretraining.FAR):
        written = " ".join(figures["samples"][prompt].split())
        assert f"- **{prompt}**{written[len(prompt):]}\n" in card


def test_with_bert_the_loss_counts_the_agreement_and_the_model_keeps_no_trace(works, tmp_path):
    first = {}
    for weight in (0.0, 3.0):
        recipe = pretraining.Recipe(vocab_size=600, inner=64, layers=1, batch_size=1, max_steps=1,
                                    agreement=weight)
        folder = tmp_path / f"model-{weight}"
        pretraining.pretrain(works, folder, recipe, progress=False)
        curve = curves.load(tmp_path / f"model-{weight}-pretraining" / "curve.json")
        first[weight] = curve.loss[0]
    # What is not matched is a share of a variance: some of it, before anything is learnt.
    assert 0.3 < first[3.0] - first[0.0] < 6
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert not any("agree" in name for name in model.state_dict())
    assert "bundled BERT" in (folder / "README.md").read_text(encoding="utf-8")


class Kill(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 7:
            raise KeyboardInterrupt


def test_an_interrupted_run_goes_on_to_the_same_model(
    pretrained, tiny, works, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(pretraining, "EVERY", 5)
    with monkeypatch.context() as patch:
        patch.setattr(trainers, "RecordCurve", Kill)
        with pytest.raises(KeyboardInterrupt):
            pretraining.pretrain(works, tmp_path / "model", TINY, progress=False)
    assert not (tmp_path / "model").exists()
    again = pretraining.pretrain(works, tmp_path / "model", TINY, progress=False)
    assert "Continuing from checkpoint-5" in capsys.readouterr().out
    assert again["bits_per_byte"] == pretrained[1]["bits_per_byte"]
    whole, resumed = tiny[0].state_dict(), loaded(tmp_path / "model")[0].state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_the_same_recipe_replaces_an_earlier_model_and_another_does_not_go_on(
    pretrained, works, tmp_path
):
    shutil.copytree(pretrained[0], tmp_path, dirs_exist_ok=True)
    pretraining.pretrain(works, tmp_path / "model", TINY, progress=False)
    assert loaded(tmp_path / "model")[0].config.n_embd == TINY.width
    other = dataclasses.replace(TINY, learning_rate=1e-4)
    with pytest.raises(LearnerError, match="other settings"):
        pretraining.pretrain(works, tmp_path / "model", other, progress=False)


@pytest.mark.parametrize(("output", "said"), [
    (".", "current folder"), ("texts", "one.txt"), ("texts/new", "mine.md"),
])
def test_a_folder_that_holds_anything_else_is_refused_before_the_training(
    output, said, texts, tmp_path, monkeypatch, capsys
):
    place = shutil.copytree(texts, tmp_path / "texts")
    (place / "new").mkdir()
    (place / "new" / "mine.md").write_text("kept")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pretraining, "train_tokenizer", lambda *_: pytest.fail("it began"))
    assert pretraining.main(["--corpus", "texts", "--output", output]) == 1
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in place.iterdir()) == ["new", "one.txt", "two.txt"]
    assert (place / "new" / "mine.md").is_file()


def test_a_full_disk_leaves_the_older_model(pretrained, tiny, tmp_path, monkeypatch):
    pretraining.save(*tiny, tmp_path / "model", pretrained[1])
    before = (tmp_path / "model" / "model.safetensors").read_bytes()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(transformers.GPT2LMHeadModel, "save_pretrained", full)
    with pytest.raises(LearnerError, match=r"No space left.*untouched"):
        pretraining.save(*tiny, tmp_path / "model", pretrained[1])
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(("name", "content", "said"), [
    (None, b"", "There is no folder"), ("notes.md", b"text", "holds no .txt files"),
    ("a.txt", b"\xff\xfe\x00broken", "a.txt is not UTF-8 text"),
    ("a.txt", b"PK\x03\x04\x00", "zero bytes"), ("a.txt", b"", "0 characters"),
    ("a.txt", b"Too short.", "needs more"),
])
def test_a_folder_that_is_no_corpus_is_refused(name, content, said, tmp_path, capsys):
    folder = tmp_path / "corpus"
    if name is not None:
        folder.mkdir()
        (folder / name).write_bytes(content)
    assert pretraining.main(["--corpus", str(folder), "--output", str(tmp_path / "x")]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_data_set_out_of_reach_ends_in_a_line(capsys, tmp_path):
    command = ["--dataset", "nobody/nothing", "--output", str(tmp_path / "x")]
    assert pretraining.main(command) == 1
    assert "'nobody/nothing' could not be loaded" in capsys.readouterr().err


def test_the_shipped_model_is_what_its_card_says(shipped):
    model, tokenizer, figures = shipped
    card = (paths.DATA / "gpt2-mini" / "README.md").read_text(encoding="utf-8")
    assert card == pretraining.card(figures)
    assert model.num_parameters() == figures["parameters"]
    simpler = min(figures["gzip_bits_per_byte"], figures["bigram_bits_per_byte"])
    assert figures["bits_per_byte"] < 0.8 * simpler
    assert pretraining.samples(model, tokenizer) == figures["samples"]
