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
    BertForSequenceClassification,
    pipeline,
)

from conftest import csv_of
from helpers import checkpoints, classifiers, finetune, parallel, speed, training
from helpers import texts as own_texts


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
    answers = classify(["Lovely. " * 400, "Awful."])
    assert {answer["label"] for answer in answers} <= {"negative", "positive"}


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


@pytest.fixture(scope="module")
def made_full(texts, tmp_path_factory):
    """A model of the recipe full, from a file whose columns have other names."""
    folder = tmp_path_factory.mktemp("full")
    (folder / "b.csv").write_text(texts.read_text().replace("text,label", "comment,verdict", 1))
    named = ("--text", "comment", "--label", "verdict", "--recipe", "full", "--epochs", "1")
    assert run(folder / "b.csv", folder / "model", *named) == 0
    return folder / "model"


@pytest.mark.parametrize(("made_by", "kept"), [("made_full", 0), ("made", 4)])
def test_what_the_card_calls_kept_is_kept(made_by, kept, request):
    output = request.getfixturevalue(made_by)
    after = AutoModelForSequenceClassification.from_pretrained(output)
    before = AutoModelForSequenceClassification.from_pretrained(checkpoints.find("bert").path)
    pairs = zip(before.bert.encoder.layer, after.bert.encoder.layer, strict=True)
    same = [all(map(torch.equal, a.parameters(), b.parameters())) for a, b in pairs]
    assert same == [True] * kept + [False] * (6 - kept)
    tables = before.bert.embeddings.parameters(), after.bert.embeddings.parameters()
    assert all(map(torch.equal, *tables))
    says = "the lower 4 of 6 layers kept" if kept else "The embeddings kept their weights"
    assert says in (output / "README.md").read_text()


def test_a_finished_model_is_kept(made, texts, capsys):
    before = (made / "metrics.json").read_bytes()
    assert run(texts, made) == 2
    assert "already holds a fine-tuned model" in capsys.readouterr().err
    assert (made / "metrics.json").read_bytes() == before


@pytest.mark.parametrize("name", ["diary", "metrics.json", "checkpoint.pt", "model.safetensors"])
def test_what_no_save_put_there_is_kept_always(name, texts, tmp_path, capsys):
    (tmp_path / name).write_text("mine")
    assert run(texts, tmp_path, "--overwrite") == 2
    said = capsys.readouterr().err
    assert "holds what no save put there" in said or "cannot be read as a checkpoint" in said
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize(("place", "said"), [
    (".", "Choose a new folder"),
    ("/", "Choose a new folder"),
    ("file", "is a file"),
    ("file/m", "Choose another --output"),
])
def test_a_place_that_cannot_be_used_is_said_at_once(place, said, texts, tmp_path, monkeypatch,
                                                     capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(classifiers, "find", lambda name: pytest.fail("loaded"))
    assert run(texts, place) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("error", [
    PermissionError(13, "Permission denied"), FileNotFoundError(2, "No such file or directory"),
])
def test_a_place_that_cannot_be_written_is_said_at_once(error, texts, tmp_path, monkeypatch,
                                                        capsys):
    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr(finetune.Path, "mkdir", refuse)  # the latter on Windows without a drive E:
    assert run(texts, tmp_path / "m") == 2
    assert f"{error.strerror}. Choose another --output" in capsys.readouterr().err


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


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_replacement_that_was_interrupted_goes_on(made, texts, tmp_path, monkeypatch, capsys):
    output = shutil.copytree(made, tmp_path / "m")
    interrupted(monkeypatch, 5, texts, output, "--epochs", "1", "--overwrite", "--every", "2")
    assert contents(made).items() <= contents(output).items()
    output.rename(tmp_path / ".m.set-aside")  # as when it is killed while it replaces
    assert run(texts, output, "--epochs", "1") == 0
    assert "Going on after step 4." in capsys.readouterr().out
    assert not (output / "checkpoint.pt").exists()


def test_a_full_disk_leaves_no_half_a_model(made, texts, tmp_path, monkeypatch, capsys):
    def fail(model, folder, **kwargs):
        (folder / "model.safetensors").write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    output = shutil.copytree(made, tmp_path / "m")
    monkeypatch.setattr(BertForSequenceClassification, "save_pretrained", fail)
    assert run(texts, output, "--epochs", "1", "--overwrite") == 2
    assert "No space left on device" in capsys.readouterr().err
    assert contents(output) == contents(made)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


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


def options(*given):
    return finetune.parser().parse_args(["--output", "m", *given])


def test_a_larger_model_gets_smaller_learning_rates():
    small, large = (BertConfig(hidden_size=size, num_attention_heads=12) for size in (384, 768))
    assert finetune.choose_recipe(options(), small).learning_rate == pytest.approx(5e-4)
    assert finetune.choose_recipe(options(), large).learning_rate == pytest.approx(1.5e-4)
    asked = options("--learning-rate", "2e-5")
    assert finetune.choose_recipe(asked, large).learning_rate == 2e-5


@pytest.mark.parametrize(("asked", "device", "precision"), [
    ("auto", "cuda", "bf16"), ("auto", "cpu", "fp32"), ("fp32", "cuda", "fp32"),
    ("bf16", "cpu", "bf16"),
])
def test_the_number_format_follows_the_machine(asked, device, precision, monkeypatch):
    monkeypatch.setattr(speed, "bf16_pays", {"cuda": True, "cpu": False}.get)
    state = SimpleNamespace(device=device, is_main_process=True, num_processes=1)
    assert finetune.choose_precision(asked, None, state) == precision


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


def test_a_console_without_the_letters_of_the_folder_is_no_obstacle(made, monkeypatch):
    printed = io.BytesIO()
    figures = json.loads((made / "metrics.json").read_text())
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding="cp1252"))
    monkeypatch.setattr(finetune, "finetune", lambda options: figures)
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
    (["--restarts", "1"], "--restarts with --processes"),
    (["--data", "", "--text", "comment"], "--text and --label go with --data"),
])
def test_a_wrong_option_is_named(options, said, texts, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(texts, tmp_path / "m", *options)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("options", "said"), [
    (["--model", "bret"], "The model 'bret' cannot be loaded"),
    (["--data", "nothing.csv"], "There is no file nothing.csv"),
    (["--label", "verdict"], "verdict"),
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
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
])
def test_a_lack_of_memory_and_nothing_else_names_the_batch_size_to_try(
    error, texts, tmp_path, monkeypatch, capsys
):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(parallel, "train", fail)
    if "mat1" in str(error):
        with pytest.raises(RuntimeError, match="mat1"):
            run(texts, tmp_path / "m")
    else:
        assert run(texts, tmp_path / "m", "--batch-size", "12") == 2
        assert "Try --batch-size 6" in capsys.readouterr().err


def test_the_help_teaches(capsys):
    with pytest.raises(SystemExit):
        finetune.main(["--help"])
    said = capsys.readouterr().out
    for part in ("recipes:", "several processes:", "out of memory:", "columns text and label"):
        assert part in said
