"""The command line for those who leave the notebooks: what it makes, keeps and refuses."""

import json

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig

from conftest import csv_of
from helpers import checkpoints, finetune, parallel, reviews, speed, training
from helpers.errors import LearnerError


@pytest.fixture(scope="module")
def texts(data, tmp_path_factory):
    return csv_of(data["train"].select(range(120)), tmp_path_factory.mktemp("texts"))


def run(texts, output, *options):
    """Run the command line in this process; returns its exit status."""
    return finetune.main(["--data", str(texts), "--output", str(output), "--precision", "fp32",
                          *options])


@pytest.fixture(scope="module")
def made(texts, tmp_path_factory):
    output = tmp_path_factory.mktemp("made") / "model"
    assert run(texts, output) == 0
    return output


def test_the_result_is_a_model_that_from_pretrained_loads(made, texts):
    model = AutoModelForSequenceClassification.from_pretrained(made)
    tokenizer = AutoTokenizer.from_pretrained(made)
    assert model.config.id2label == {0: "negative", 1: "positive"}
    rows = reviews.load(texts)["test"]
    predicted = training.predict(model, tokenizer, rows["text"][:]).argmax(-1)
    correct = int((predicted == torch.tensor(rows["label"][:])).sum())
    figures = json.loads((made / "metrics.json").read_text())
    assert figures["test"]["correct"] == correct
    assert figures["test"]["accuracy"] == pytest.approx(correct / len(rows), abs=1e-4)


def test_the_metrics_say_how_it_was_made(made):
    figures = json.loads((made / "metrics.json").read_text())
    assert figures["recipe"] == "fast"
    assert figures["texts"] == {"train": 84, "validation": 12, "test": 24}
    assert figures["steps"] == figures["epochs"] * 6  # 84 texts, 16 a step
    assert figures["seconds"] > 0
    assert figures["versions"]["torch"] == torch.__version__
    assert len(json.loads((made / "curve.json").read_text())["loss"]) == figures["steps"]
    assert not (made / "checkpoint.pt").exists()


def test_the_model_card_is_true_to_the_metrics(made):
    card = (made / "README.md").read_text()
    figures = json.loads((made / "metrics.json").read_text())
    assert f"{figures['test']['accuracy']:.3f} of 24 test texts right" in card
    assert "84 texts of `mine.csv`" in card
    assert "all-MiniLM-L6-v2" in card


def test_a_finished_model_is_kept(made, texts, capsys):
    before = (made / "metrics.json").read_bytes()
    assert run(texts, made) == 2
    assert "already holds a fine-tuned model" in capsys.readouterr().err
    assert (made / "metrics.json").read_bytes() == before


def test_unless_told_otherwise(texts, tmp_path):
    output = tmp_path / "m"
    assert run(texts, output, "--epochs", "1") == 0
    first = json.loads((output / "metrics.json").read_text())["steps"]
    assert run(texts, output, "--overwrite") == 0
    assert json.loads((output / "metrics.json").read_text())["steps"] == 2 * first


def test_a_directory_that_holds_something_else_is_kept_always(texts, tmp_path, capsys):
    (tmp_path / "diary.txt").write_text("mine")
    assert run(texts, tmp_path, "--overwrite") == 2
    assert "holds something else" in capsys.readouterr().err
    assert (tmp_path / "diary.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["metrics.json", "checkpoint.pt", "model.safetensors"])
def test_a_file_of_the_same_name_is_kept_too(name, texts, tmp_path, capsys):
    (tmp_path / name).write_text("{}")
    assert run(texts, tmp_path) == 2
    said = capsys.readouterr().err
    assert "holds something else" in said or "cannot be read as a checkpoint" in said
    assert (tmp_path / name).read_text() == "{}"


def test_what_a_killed_process_has_left_is_no_hindrance(texts, tmp_path):
    leftover = tmp_path / "m" / ".checkpoint.pt-abcd"
    leftover.mkdir(parents=True)
    (leftover / "checkpoint.pt").write_text("half")
    assert run(texts, tmp_path / "m", "--epochs", "1") == 0
    assert not leftover.exists()


@pytest.mark.parametrize("place", [".", "/"])
def test_a_place_that_cannot_be_replaced_is_refused_at_once(place, texts, capsys):
    assert run(texts, place) == 2
    assert "choose a new directory" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_refused_at_once(texts, tmp_path, monkeypatch, capsys):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(finetune.tempfile, "TemporaryDirectory", refuse)
    assert run(texts, tmp_path / "m") == 2
    assert "Permission denied. Choose another --output" in capsys.readouterr().err


def test_a_file_in_the_place_of_the_directory_is_said(texts, tmp_path, capsys):
    (tmp_path / "m").write_text("mine")
    assert run(texts, tmp_path / "m") == 2
    assert "holds something else" in capsys.readouterr().err


class Stop(Exception):
    """An interruption in the middle of a training."""


def test_interrupted_it_goes_on_and_ends_as_if_nothing_had_been(texts, tmp_path, monkeypatch,
                                                                capsys):
    whole = tmp_path / "whole"
    assert run(texts, whole) == 0
    save = parallel.Checkpoints.after

    def interrupt(self, model, optimizer, scheduler, curve, *rest):
        save(self, model, optimizer, scheduler, curve, *rest)
        if len(curve.loss) == 8:
            raise Stop

    monkeypatch.setattr(parallel.Checkpoints, "after", interrupt)
    with pytest.raises(Stop):
        run(texts, tmp_path / "m", "--every", "4")
    monkeypatch.setattr(parallel.Checkpoints, "after", save)
    capsys.readouterr()
    assert run(texts, tmp_path / "m", "--seed", "3") == 2
    assert "unfinished run with another seed: 0 there, 3 here" in capsys.readouterr().err
    assert run(texts, tmp_path / "m") == 0
    assert "Going on after step 8." in capsys.readouterr().out
    a, b = (json.loads((tmp_path / n / "curve.json").read_text())["loss"] for n in ("whole", "m"))
    assert a == pytest.approx(b, abs=1e-5)


def test_a_replacement_that_was_interrupted_goes_on(texts, tmp_path, monkeypatch, capsys):
    output = tmp_path / "m"
    assert run(texts, output, "--epochs", "1") == 0
    train = parallel.train

    def interrupt(*args, checkpoint, **kwargs):
        def stop(curve):
            if len(curve.loss) == 5:
                raise Stop

        return train(*args, checkpoint=checkpoint, **(kwargs | {"on_step": stop}))

    monkeypatch.setattr(parallel, "train", interrupt)
    with pytest.raises(Stop):
        run(texts, output, "--epochs", "1", "--overwrite", "--every", "2")
    monkeypatch.setattr(parallel, "train", train)
    capsys.readouterr()
    assert run(texts, output, "--epochs", "1") == 0
    assert "Going on after step 4." in capsys.readouterr().out


def test_other_texts_are_another_run(texts, tmp_path, monkeypatch):
    changed = reviews.load(texts)
    before = finetune._checksum(changed)
    rows = changed["train"].to_dict()
    rows["label"][3] = 1 - rows["label"][3]
    changed["train"] = type(changed["train"]).from_dict(rows)
    assert finetune._checksum(changed) != before


@pytest.mark.parametrize(("recipe", "kept"), [("full", 0), ("fast", 4)])
def test_what_the_card_calls_kept_is_kept(recipe, kept, texts, tmp_path):
    assert run(texts, tmp_path / "m", "--recipe", recipe, "--epochs", "1") == 0
    after = AutoModelForSequenceClassification.from_pretrained(tmp_path / "m")
    before = AutoModelForSequenceClassification.from_pretrained(checkpoints.find("bert").path)
    pairs = zip(before.bert.encoder.layer, after.bert.encoder.layer, strict=True)
    same = [all(map(torch.equal, a.parameters(), b.parameters())) for a, b in pairs]
    assert same == [True] * kept + [False] * (6 - kept)
    tables = before.bert.embeddings.parameters(), after.bert.embeddings.parameters()
    assert all(map(torch.equal, *tables))
    says = "the lower 4 of 6 layers kept" if kept else "The embeddings kept their weights"
    assert says in (tmp_path / "m" / "README.md").read_text()


def test_a_larger_model_gets_smaller_learning_rates():
    job = finetune.Job(output="m")
    rates = [finetune._recipe(job, BertConfig(hidden_size=size, num_attention_heads=12))
             .learning_rate for size in (384, 768)]
    assert rates == pytest.approx([5e-4, 1.5e-4])
    asked = finetune.Job(output="m", learning_rate=2e-5)
    assert finetune._recipe(asked, BertConfig()).learning_rate == 2e-5


def test_gpt2_learns_too(texts, tmp_path):
    assert run(texts, tmp_path / "m", "--model", "gpt2", "--recipe", "full", "--epochs", "1") == 0
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "m")
    assert model.config.pad_token_id is not None


def test_the_fast_recipe_says_that_it_is_for_bert(texts, tmp_path, capsys):
    assert run(texts, tmp_path / "m", "--model", "gpt2") == 2
    assert "--recipe full" in capsys.readouterr().err


@pytest.mark.parametrize(("options", "said"), [
    (["--epochs", "0"], "'0' is no whole number from 1 up"),
    (["--batch-size", "-3"], "'-3' is no whole number from 1 up"),
    (["--batch-size", "many"], "'many' is no whole number from 1 up"),
    (["--learning-rate", "0"], "'0' is no number above 0"),
    (["--learning-rate", "nan"], "'nan' is no number above 0"),
    (["--recipe", "slow"], "invalid choice"),
    (["--max-length", "2"], "'2' is no whole number from 3 up"),
    (["--seed", "-1"], "'-1' is no whole number from 0 up"),
    (["--learning-rate", "inf"], "'inf' is no number above 0"),
    (["--port", "29500"], "go with --processes"),
])
def test_a_wrong_option_is_named(options, said, texts, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(texts, tmp_path / "m", *options)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("options", "said"), [
    (["--model", "bret"], "The model 'bret' cannot be loaded"),
    (["--data", "nothing.csv"], "There is no file nothing.csv"),
    (["--max-length", "600"], "reads 512 tokens at most"),
])
def test_what_cannot_be_used_is_said_in_a_line(options, said, texts, tmp_path, capsys):
    assert run(texts, tmp_path / "m", *options) == 2
    message = capsys.readouterr().err.strip()
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize("error", [
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    torch.OutOfMemoryError("CUDA out of memory"), MemoryError(),
])
def test_out_of_memory_names_the_batch_size_to_try(error, texts, tmp_path, monkeypatch, capsys):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(parallel, "train", fail)
    assert run(texts, tmp_path / "m", "--batch-size", "12") == 2
    assert "Try --batch-size 6" in capsys.readouterr().err


def test_another_error_is_not_called_a_lack_of_memory(texts, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(parallel, "train", fail)
    with pytest.raises(RuntimeError, match="mat1"):
        run(texts, tmp_path / "m")


def test_the_help_teaches(capsys):
    with pytest.raises(SystemExit):
        finetune.main(["--help"])
    said = capsys.readouterr().out
    for part in ("recipes:", "fast", "several processes:", "torchrun", "out of memory:",
                 "too high, and the loss", "columns text and label"):
        assert part in " ".join(said.split()) or part in said


def test_the_number_format_follows_the_machine(monkeypatch):
    monkeypatch.setattr(speed, "bf16_pays", {"cuda": True, "cpu": False}.get)
    assert finetune._precision("auto", "cuda") == "bf16"
    assert finetune._precision("auto", "cpu") == "no"
    assert finetune._precision("fp32", "cuda") == "no"
    assert finetune._precision("bf16", "cpu") == "bf16"


def test_a_full_disk_leaves_no_half_a_model(texts, tmp_path, monkeypatch, capsys):
    from transformers import BertForSequenceClassification

    output = tmp_path / "m"
    assert run(texts, output, "--epochs", "1") == 0
    before = {path.name: path.read_bytes() for path in output.iterdir()}

    def fail(model, folder, **kwargs):
        (folder / "model.safetensors").write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(BertForSequenceClassification, "save_pretrained", fail)
    assert run(texts, output, "--epochs", "1", "--overwrite") == 2
    assert "No space left on device" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_job_names_an_unknown_recipe():
    with pytest.raises(LearnerError, match="'quick' is no recipe, only: fast, full"):
        finetune.finetune(finetune.Job(output="m", recipe="quick"))
