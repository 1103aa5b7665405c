"""The command line for those who leave the notebooks: what it makes, keeps and refuses."""

import io
import json
import shutil
import sys
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import ModelCard
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    pipeline,
)

from conftest import csv_of
from helpers import checkpoints, classifiers, finetune, parallel, speed, training
from helpers import texts as own_texts
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
    rows = own_texts.load(texts)["test"]
    predicted = training.predict(model, tokenizer, rows["text"][:]).argmax(-1)
    correct = int((predicted == torch.tensor(rows["label"][:])).sum())
    figures = json.loads((made / "metrics.json").read_text())
    assert figures["test"]["correct"] == correct
    assert figures["test"]["accuracy"] == pytest.approx(correct / len(rows), abs=1e-4)


def test_the_result_answers_with_the_names_of_its_classes_to_texts_of_any_length(made):
    classify = pipeline("text-classification", model=str(made), truncation=True)
    assert classify.tokenizer.model_max_length == 128
    assert {answer["label"] for answer in classify(["Lovely. " * 400, "Awful."])} <= {
        "negative", "positive",
    }


def test_the_metrics_say_how_it_was_made(made):
    figures = json.loads((made / "metrics.json").read_text())
    assert figures["recipe"] == "fast"
    assert figures["texts"] == {"train": 84, "validation": 12, "test": 24}
    assert figures["steps"] == figures["epochs"] * 6  # 84 texts, 16 a step
    assert figures["seconds"] > 0
    assert figures["versions"]["torch"] == torch.__version__
    assert len(json.loads((made / "curve.json").read_text())["loss"]) == figures["steps"]
    assert not [path.name for path in made.iterdir() if path.suffix == ".pt" or path.is_dir()]


def test_the_model_card_is_true_to_the_metrics_and_tells_the_hub(made):
    card = ModelCard.load(made / "README.md")
    figures = json.loads((made / "metrics.json").read_text())
    assert f"{figures['test']['accuracy']:.3f} of 24 test texts right" in card.text
    assert "84 texts of `mine.csv`" in card.text
    assert card.data.license == "apache-2.0"
    assert card.data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert card.data.library_name == "transformers"
    assert card.data.pipeline_tag == "text-classification"
    (result,) = card.data.eval_results
    assert (result.metric_type, result.dataset_split) == ("accuracy", "test")
    assert result.metric_value == figures["test"]["accuracy"]


def test_a_finished_model_is_kept(made, texts, capsys):
    before = (made / "metrics.json").read_bytes()
    assert run(texts, made) == 2
    assert "already holds a fine-tuned model" in capsys.readouterr().err
    assert (made / "metrics.json").read_bytes() == before


def test_a_directory_that_holds_something_else_is_kept_always(texts, tmp_path, capsys):
    (tmp_path / "diary.txt").write_text("mine")
    assert run(texts, tmp_path, "--overwrite") == 2
    assert "holds what no save put there" in capsys.readouterr().err
    assert (tmp_path / "diary.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["metrics.json", "checkpoint.pt", "model.safetensors"])
def test_a_file_of_the_same_name_is_kept_too(name, texts, tmp_path, capsys):
    (tmp_path / name).write_text("{}")
    assert run(texts, tmp_path, "--overwrite") == 2
    said = capsys.readouterr().err
    assert "holds what no save put there" in said or "cannot be read as a checkpoint" in said
    assert (tmp_path / name).read_text() == "{}"


@pytest.mark.parametrize("place", [".", "/"])
def test_a_place_that_cannot_be_replaced_is_refused_at_once(place, texts, capsys):
    assert run(texts, place) == 2
    assert "Choose a new folder" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_refused_at_once(texts, tmp_path, monkeypatch, capsys):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(finetune.tempfile, "TemporaryDirectory", refuse)
    assert run(texts, tmp_path / "m") == 2
    assert "Permission denied. Choose another --output" in capsys.readouterr().err


def test_a_drive_that_is_not_there_is_said(texts, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(finetune.Path, "exists", lambda path: False)  # as on Windows without E:
    assert run(texts, tmp_path / "gone" / "m") == 2
    assert "No such file or directory. Choose another --output" in capsys.readouterr().err


def test_a_file_in_the_place_of_the_directory_is_said(texts, tmp_path, capsys):
    (tmp_path / "m").write_text("mine")
    assert run(texts, tmp_path / "m") == 2
    assert "is a file" in capsys.readouterr().err


class Stop(Exception):
    """An interruption in the middle of a training."""


def interrupted(monkeypatch, step, *arguments):
    """Run the command line until some step."""
    save = parallel.Checkpoints.after

    def after(self, model, optimizer, scheduler, curve, *rest):
        save(self, model, optimizer, scheduler, curve, *rest)
        if len(curve.loss) == step:
            raise Stop

    with monkeypatch.context() as patched, pytest.raises(Stop):
        patched.setattr(parallel.Checkpoints, "after", after)
        run(*arguments)


def test_interrupted_it_goes_on_and_ends_as_if_nothing_had_been(texts, made, tmp_path, monkeypatch,
                                                                capsys):
    output = tmp_path / "m"
    interrupted(monkeypatch, 8, texts, output, "--every", "4")
    assert {path.name for path in output.iterdir()} == {"checkpoint.pt"}
    assert run(texts, output, "--seed", "3") == 2
    assert "unfinished run that differs: seed 0 there, 3 here" in capsys.readouterr().err
    changed = tmp_path / "changed.csv"
    changed.write_text(texts.read_text().replace(",1\n", ",0\n", 1))
    assert run(changed, output) == 2
    assert " texts" in capsys.readouterr().err
    assert run(texts, output) == 0
    assert "Going on after step 8." in capsys.readouterr().out
    a, b = (json.loads((folder / "curve.json").read_text())["loss"] for folder in (made, output))
    assert a == pytest.approx(b, abs=1e-5)


def test_it_goes_on_wherever_data_and_model_lie_and_however_fast_the_machine_is_today(
    texts, tmp_path, monkeypatch, capsys
):
    places = [tmp_path / "here", tmp_path / "there"]
    shutil.copytree(checkpoints.find("bert").path, places[0])
    shutil.copy(texts, places[0] / "mine.csv")
    started, resumed = ((folder / "mine.csv", tmp_path / "m", "--model", str(folder))
                        for folder in places)
    monkeypatch.setattr(speed, "bf16_pays", lambda device: False)
    interrupted(monkeypatch, 4, *started, "--precision", "auto", "--every", "4")
    places[0].rename(places[1])
    for name in (".DS_Store", ".ipynb_checkpoints", ".checkpoint.pt-left", finetune.FROZEN):
        (tmp_path / "m" / name).mkdir()  # a file manager's, Jupyter's, a killed process's
    monkeypatch.setattr(speed, "bf16_pays", lambda device: True)
    assert run(*resumed, "--precision", "bf16") == 2
    assert "precision fp32 there, bf16 here" in capsys.readouterr().err
    assert run(*resumed, "--precision", "auto") == 0
    assert "Going on after step 4." in capsys.readouterr().out
    assert json.loads((tmp_path / "m" / "metrics.json").read_text())["precision"] == "fp32"
    names = {path.name for path in (tmp_path / "m").iterdir()}
    assert not names & {".checkpoint.pt-left", finetune.FROZEN}


def test_a_replacement_that_was_interrupted_goes_on(texts, tmp_path, monkeypatch, capsys):
    output = tmp_path / "m"
    assert run(texts, output, "--epochs", "1") == 0
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    interrupted(monkeypatch, 5, texts, output, "--epochs", "1", "--overwrite", "--every", "2")
    assert before.items() <= {path.name: path.read_bytes() for path in output.iterdir()}.items()
    (tmp_path / ".m-abcd").mkdir()
    output.rename(tmp_path / ".m-abcd" / "older")  # as when it is killed while it replaces
    capsys.readouterr()
    assert run(texts, output, "--epochs", "1") == 0
    assert "Going on after step 4." in capsys.readouterr().out
    assert not (output / "checkpoint.pt").exists()


@pytest.mark.parametrize("recipe", ["fast", "full"])
def test_a_loss_that_is_not_finite_is_no_success(recipe, texts, tmp_path, capsys):
    output = tmp_path / "m"
    arguments = (texts, output, "--recipe", recipe, "--learning-rate", "1e30", "--every", "1")
    assert run(*arguments) == 2
    said = capsys.readouterr().err.strip()
    assert "of 12: the loss or its gradient is not finite" in said or recipe == "full"
    assert "a lower --learning-rate than 1e+30, and --overwrite" in said
    assert {path.name for path in output.iterdir()} == {"checkpoint.pt"}
    kept = torch.load(output / "checkpoint.pt", weights_only=True)
    assert all(weights.isfinite().all() for weights in kept["model"].values())
    assert run(texts, output, "--epochs", "1", "--overwrite") == 0


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
    assert run(texts, tmp_path / "m", "--model", "gpt2", "--epochs", "1") == 0
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "m")
    assert model.config.pad_token_id is not None
    assert json.loads((tmp_path / "m" / "metrics.json").read_text())["recipe"] == "full"


def test_the_fast_recipe_says_that_it_is_for_bert_before_any_weights_are_loaded(
    texts, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(classifiers, "load", lambda *a, **k: pytest.fail("loaded"))
    assert run(texts, tmp_path / "m", "--model", "gpt2", "--recipe", "fast") == 2
    assert "--recipe full" in capsys.readouterr().err


def test_a_head_for_other_classes_is_replaced_and_said(new_model, tokenizer, texts, tmp_path,
                                                       capsys):
    model = new_model()
    model.config.num_labels, model.classifier = 3, torch.nn.Linear(384, 3)
    training.save(model, tokenizer, tmp_path / "three")
    assert run(texts, tmp_path / "m", "--model", str(tmp_path / "three"), "--epochs", "1") == 0
    assert "a new one for negative, positive replaces it" in capsys.readouterr().out


def test_columns_can_be_named(texts, tmp_path, capsys):
    renamed = tmp_path / "renamed.csv"
    renamed.write_text(texts.read_text().replace("text,label", "comment,verdict", 1))
    named = ["--text", "comment", "--label", "verdict"]
    assert run(renamed, tmp_path / "m", *named[2:]) == 2
    assert "comment" in capsys.readouterr().err
    assert run(renamed, tmp_path / "m", *named, "--epochs", "1") == 0
    with pytest.raises(SystemExit):
        finetune.main(["--output", str(tmp_path / "n"), *named])


def test_a_console_without_the_letters_of_the_folder_is_no_obstacle(made, monkeypatch):
    printed = io.BytesIO()
    figures = json.loads((made / "metrics.json").read_text())
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding="cp1252"))
    monkeypatch.setattr(finetune, "finetune", lambda job: figures)
    assert finetune.main(["--output", "模型"]) == 0
    sys.stdout.flush()
    assert rb"saved in \u6a21\u578b" in printed.getvalue()


@pytest.mark.parametrize(("options", "said"), [
    (["--epochs", "0"], "'0' is not a whole number of at least 1"),
    (["--batch-size", "-3"], "'-3' is not a whole number of at least 1"),
    (["--batch-size", "many"], "'many' is not a whole number of at least 1"),
    (["--learning-rate", "0"], "'0' is not a number above 0"),
    (["--learning-rate", "nan"], "'nan' is not a number above 0"),
    (["--recipe", "slow"], "invalid choice"),
    (["--max-length", "2"], "'2' is not a whole number of at least 3"),
    (["--seed", "-1"], "'-1' is not a whole number of at least 0"),
    (["--learning-rate", "inf"], "'inf' is not a number above 0"),
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
    (["--model", "broken"], "The model 'broken' cannot be loaded"),
])
def test_what_cannot_be_used_is_said_in_a_line(options, said, texts, tmp_path, monkeypatch,
                                               capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(checkpoints.find("bert").path, "broken")
    weights = tmp_path / "broken" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:9000])
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
                 "too high, and the loss", "columns text and label", "auto "):
        assert part in " ".join(said.split()) or part in said


def test_the_number_format_follows_the_machine(monkeypatch):
    def precision(asked, device):
        state = SimpleNamespace(device=device, is_main_process=True, num_processes=1)
        return finetune._precision(finetune.Job("m", precision=asked), None, state)

    monkeypatch.setattr(speed, "bf16_pays", {"cuda": True, "cpu": False}.get)
    assert precision("auto", "cuda") == "bf16"
    assert precision("auto", "cpu") == "fp32"
    assert precision("fp32", "cuda") == "fp32"
    assert precision("bf16", "cpu") == "bf16"


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
    with pytest.raises(LearnerError, match="no recipe 'quick', only: auto, fast, full"):
        finetune.finetune(finetune.Job(output="m", recipe="quick"))
