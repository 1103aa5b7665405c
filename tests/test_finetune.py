"""The command line for those who leave the notebooks: what it makes, keeps and refuses."""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from types import SimpleNamespace
from unittest.mock import Mock

import pandas
import pytest
import torch
from huggingface_hub import ModelCard
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    pipeline,
)

from conftest import csv_of
from helpers import (
    checkpoints,
    classifiers,
    curves,
    finetune,
    frozen,
    parallel,
    paths,
    predict,
    recipes,
    sharing,
    speed,
    tasks,
    training,
)
from helpers import texts as own_texts
from helpers.errors import LearnerError


def names_in(file):
    """Return the classes as texts.load names them."""
    return own_texts.load(file)["train"].features["label"].names


@pytest.fixture(scope="module")
def texts(data, tmp_path_factory):
    return csv_of(data["train"].select(range(120)), tmp_path_factory.mktemp("texts"))


def run(texts, output, *options):
    """Run the command line in this process; returns its exit status."""
    return finetune.main(["--data", str(texts), "--output", str(output), "--precision", "fp32",
                          *options])


def said_by(*arguments):
    """Run the command line to its end; returns what it printed and what it showed meanwhile."""
    with (contextlib.redirect_stdout(io.StringIO()) as printed,
          contextlib.redirect_stderr(io.StringIO()) as shown):
        assert run(*arguments) == 0
    return printed.getvalue(), shown.getvalue()


def figures_of(folder):
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


# The runs that several tests look at.

@pytest.fixture(scope="module")
def made_and_shown(texts, tmp_path_factory):
    """A model of the recipe frozen, from a file whose columns have other names, and what was
    shown while it was made.
    """
    folder = tmp_path_factory.mktemp("made")
    (folder / "b.csv").write_text(texts.read_text().replace("text,label", "comment,verdict", 1))
    named = ("--text", "comment", "--label", "verdict", "--recipe", "frozen", "--epochs", "1")
    return folder / "model", said_by(folder / "b.csv", folder / "model", *named)[1]


@pytest.fixture(scope="module")
def made_frozen(made_and_shown):
    return made_and_shown[0]


@pytest.fixture(scope="module")
def made(texts, tmp_path_factory):
    """A model of the recipe fast."""
    output = tmp_path_factory.mktemp("made") / "model"
    assert run(texts, output) == 0
    return output


@pytest.fixture(scope="module")
def made_tiny(texts, tiny, tmp_path_factory):
    output = tmp_path_factory.mktemp("made") / "tiny"
    assert run(texts, output, "--model", str(tiny), "--recipe", "frozen") == 0
    return output


@pytest.fixture(scope="module")
def three(data, tmp_path_factory):
    """A file of three classes in words, 60, 48 and 12 texts with HTML, its columns named so."""
    rows = data["train"].select(range(120)).to_pandas()
    rows = rows.sort_values("label", kind="stable").reset_index(drop=True)
    rows["Review"] = "<p>" + rows["text"] + "</p><br>"
    rows["Verdict"] = ["bad"] * 60 + ["good"] * 48 + ["so-so"] * 12
    file = tmp_path_factory.mktemp("three") / "three.csv"
    rows[["Review", "Verdict"]].to_csv(file, index=False)
    return file


THREE = ("--text", "Review", "--label", "Verdict", "--clean", "--class-weights", "balanced",
         "--metric", "macro_f1", "--epochs", "3")


@pytest.fixture(scope="module")
def made_three(three, tmp_path_factory):
    """A model of three classes, with weights for them, whose epoch was chosen; what was said."""
    output = tmp_path_factory.mktemp("three") / "model"
    return output, said_by(three, output, *THREE)[0]


@pytest.fixture(scope="module")
def made_again(data, texts, made_three, tmp_path_factory):
    """The model of three classes, tuned to two on files without header, tested on one of them,
    and uploaded, where there is little memory: folder, what was said, and the uploads.
    """
    place, uploads = tmp_path_factory.mktemp("again"), []

    def push(folder, repository, *, private=True):
        assert (place / "m" / "model.safetensors").is_file()
        uploads.append((folder, repository, private))
        return f"https://hub.example/{repository}"

    (place / "mine.csv").write_text(texts.read_text().partition("\n")[2])
    rows = data["test"].select(range(30)).to_pandas()[["text", "label"]]
    rows.to_csv(place / "test.csv", index=False, header=False)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sharing, "push", push)
        patched.setattr(recipes, "_free", lambda device: 1e8)
        said = said_by(place / "mine.csv", place / "m", "--no-header", "--test-data",
                       str(place / "test.csv"), "--model", str(made_three[0]), "--epochs", "1",
                       "--push", "me/mine")[0]
    return place / "m", said, uploads


# What is made

def test_the_result_is_a_model_that_from_pretrained_loads(made, texts):
    model = AutoModelForSequenceClassification.from_pretrained(made)
    tokenizer = AutoTokenizer.from_pretrained(made)
    assert model.config.id2label == dict(enumerate(names_in(texts)))
    rows = own_texts.load(texts)["test"]
    predicted = training.predict(model, tokenizer, rows["text"][:]).argmax(-1)
    correct = int((predicted == torch.tensor(rows["label"][:])).sum())
    figures = json.loads((made / "metrics.json").read_text())
    assert figures["test"]["correct"] == correct
    assert figures["test"]["accuracy"] == pytest.approx(correct / len(rows), abs=1e-4)


def test_the_result_answers_with_the_names_of_its_classes_to_texts_of_any_length(made, texts):
    classify = pipeline("text-classification", model=str(made), truncation=True)
    assert classify.tokenizer.model_max_length == 128
    answers = classify(["Lovely. " * 400, "Awful."])
    assert {answer["label"] for answer in answers} <= set(names_in(texts))


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
    assert card.data.language is None
    assert card.data.metrics == ["accuracy", "f1"]
    accuracy, f1 = card.data.eval_results
    assert (accuracy.metric_type, accuracy.dataset_split) == ("accuracy", "test")
    assert accuracy.metric_value == figures["test"]["accuracy"]
    assert (f1.metric_type, f1.metric_value) == ("f1", figures["test"]["macro_f1"])


@pytest.mark.parametrize(("made_by", "kept"), [("made", 0), ("made_frozen", 4)])
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


@pytest.fixture
def stopped(texts, tiny, tmp_path, monkeypatch):
    """A run that was stopped, a folder whose model and texts were renamed since, and arguments."""
    places = [tmp_path / "here", tmp_path / "there"]
    shutil.copytree(tiny, places[0])
    shutil.copy(texts, places[0] / "mine.csv")
    started, resumed = ((folder / "mine.csv", tmp_path / "m", "--model", str(folder),
                         "--recipe", "frozen") for folder in places)
    monkeypatch.setattr(speed, "bf16_pays", lambda device: False)
    interrupted(monkeypatch, 8, *started, "--precision", "auto", "--every", "4")
    assert {path.name for path in (tmp_path / "m").iterdir()} == {"checkpoint.pt"}
    places[0].rename(places[1])
    return resumed


def test_it_goes_on_wherever_data_and_model_lie_and_ends_as_if_nothing_had_been_and_no_other_does(
    stopped, made_tiny, tmp_path, monkeypatch, capsys
):
    output, changed = tmp_path / "m", tmp_path / "changed.csv"
    changed.write_text(stopped[0].read_text().replace(",1\n", ",0\n", 1))
    for name in (".DS_Store", ".ipynb_checkpoints", ".checkpoint.pt-left", finetune.FROZEN):
        (output / name).mkdir()  # a file manager's, Jupyter's, a killed process's
    for option, differs in (
        (["--seed", "3"], "unfinished run that differs: seed 0 there, 3 here"),
        (["--data", str(changed)], " texts"),
        (["--precision", "bf16"], "precision fp32 there, bf16 here"),
        (["--class-weights", "balanced"], "class weights None there, balanced here"),
    ):
        assert run(*stopped, *option) == 2
        assert differs in capsys.readouterr().err
    monkeypatch.setattr(speed, "bf16_pays", lambda device: True)  # the machine is faster today
    assert run(*stopped, "--precision", "auto") == 0
    assert "Going on after step 8." in capsys.readouterr().out
    assert figures_of(output)["precision"] == "fp32"
    assert not {path.name for path in output.iterdir()} & {".checkpoint.pt-left", finetune.FROZEN}
    a, b = (curves.load(folder / "curve.json").loss for folder in (made_tiny, output))
    assert a == pytest.approx(b, abs=1e-5)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_replacement_that_met_an_interruption_or_a_full_disk_keeps_the_model_and_goes_on(
    made_tiny, texts, tiny, tmp_path, monkeypatch, capsys
):
    def fail(model, folder, **kwargs):
        (folder / "model.safetensors").write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    output = shutil.copytree(made_tiny, tmp_path / "m")
    how = (texts, output, "--model", str(tiny), "--epochs", "1")
    interrupted(monkeypatch, 5, *how, "--overwrite", "--every", "2")
    with monkeypatch.context() as patched:
        patched.setattr(BertForSequenceClassification, "save_pretrained", fail)
        assert run(*how) == 2
    assert "No space left on device" in capsys.readouterr().err
    kept = contents(output)
    assert kept.pop("checkpoint.pt")
    assert kept == contents(made_tiny)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    output.rename(tmp_path / ".m.set-aside")  # as when it is killed while it replaces
    assert run(*how) == 0
    assert "Going on after step 4." in capsys.readouterr().out
    assert not (output / "checkpoint.pt").exists()


@pytest.mark.parametrize("recipe", ["fast", "frozen", "full"])
def test_a_loss_that_is_not_finite_is_no_success(recipe, texts, tiny, tmp_path, capsys):
    output = tmp_path / "m"
    arguments = (texts, output, "--model", str(tiny), "--recipe", recipe, "--epochs", "2",
                 "--every", "1")
    assert run(*arguments, "--learning-rate", "1e30") == 2
    said = capsys.readouterr().err.strip()
    assert "of 12: the loss or its gradient is not finite" in said or recipe != "frozen"
    assert "a lower --learning-rate than 1e+30, and --overwrite" in said
    assert {path.name for path in output.iterdir()} == {"checkpoint.pt"}
    kept = torch.load(output / "checkpoint.pt", weights_only=True)
    assert all(weights.isfinite().all() for weights in kept["model"].values())
    assert run(*arguments, "--epochs", "1", "--overwrite") == 0


def test_a_loss_far_above_that_of_guessing_is_no_success(texts, tmp_path, capsys):
    output = tmp_path / "m"
    assert run(texts, output, "--learning-rate", "1", "--epochs", "1") == 2
    said = capsys.readouterr().err
    assert "has diverged, so nothing is saved. Choose a lower --learning-rate than 1." in said
    assert not (output / "model.safetensors").exists()


def options(*given):
    return finetune.parser().parse_args(["--output", "m", *given])


def test_a_larger_model_gets_smaller_learning_rates():
    small, large = (BertConfig(hidden_size=size, num_attention_heads=12) for size in (384, 768))
    assert finetune.choose_recipe(options(), small).learning_rate == pytest.approx(1e-4)
    assert finetune.choose_recipe(options(), large).learning_rate == pytest.approx(3e-5)
    asked = options("--learning-rate", "2e-5")
    assert finetune.choose_recipe(asked, large).learning_rate == 2e-5


def test_the_fast_recipe_has_two_epochs_or_as_many_as_make_a_hundred_steps():
    fast = finetune.choose_recipe(options(), BertConfig())
    assert [fast.over(n).epochs for n in (1600, 50_000, 800, 16, 5)] == [2, 2, 2, 100, 100]
    assert finetune.choose_recipe(options("--epochs", "3"), BertConfig()).over(16).epochs == 3
    frozen = finetune.choose_recipe(options("--recipe", "frozen"), BertConfig())
    assert frozen.over(16).epochs == 2


@pytest.mark.parametrize(("asked", "device", "precision"), [
    ("auto", "cuda", "bf16"), ("auto", "cpu", "fp32"), ("fp32", "cuda", "fp32"),
    ("bf16", "cpu", "bf16"),
])
def test_the_number_format_follows_the_machine(asked, device, precision, monkeypatch):
    monkeypatch.setattr(speed, "bf16_pays", {"cuda": True, "cpu": False}.get)
    state = SimpleNamespace(device=device, is_main_process=True, num_processes=1)
    assert finetune.choose_precision(asked, None, state) == precision


def test_gpt2_learns_too(data, tmp_path):
    texts = csv_of(data["train"].select(range(60)), tmp_path)
    assert run(texts, tmp_path / "m", "--model", "gpt2", "--epochs", "1") == 0
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "m")
    assert model.config.pad_token_id is not None
    assert figures_of(tmp_path / "m")["recipe"] == "full"


def test_what_does_not_fit_the_model_is_said_before_weights_or_texts_are_loaded(
    texts, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(classifiers, "load", lambda *a, **k: pytest.fail("loaded"))
    monkeypatch.setattr(own_texts, "load", lambda *a, **k: pytest.fail("read"))
    assert run(texts, tmp_path / "m", "--model", "gpt2", "--recipe", "frozen") == 2
    assert "--recipe full" in capsys.readouterr().err
    assert run(texts, tmp_path / "m", "--max-length", "600") == 2
    assert "reads 512 tokens at most" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "size", "most"), [
    ("bert", 512, 512), ("camembert", 514, 512), ("xlm-roberta", 514, 512),
    ("xlnet", None, 10_000)])
def test_the_length_that_a_model_reads_is_counted_as_in_predicting(kind, size, most):
    sizes = {"max_position_embeddings": size} if size else {}
    config = AutoConfig.for_model(kind, pad_token_id=1, **sizes)
    classifiers.check_length("it", config, most)
    if size:
        with pytest.raises(LearnerError, match="reads 512 tokens at most"):
            classifiers.check_length("it", config, most + 1)


def test_a_model_that_learned_from_cleaned_texts_says_so_and_predicts_from_such(
    made_three, made_again
):
    folder = made_three[0]
    assert figures_of(folder)["cleaned"] is True
    assert "HTML was taken out of the texts" in (folder / "README.md").read_text("utf-8")
    marked, plain = predict.predictions(folder, ["<b>A lovely place</b>", "A lovely place"]
                                        ).to_dict("records")
    assert marked.pop("text") == "<b>A lovely place</b>"
    assert plain.pop("text") == "A lovely place"
    assert marked == plain
    assert not predict.load(made_again[0])[0].config.cleaned_texts


def test_a_head_for_other_classes_is_replaced_and_said(made_again, texts):
    folder, said, _ = made_again
    assert f"a new one for {', '.join(names_in(texts))} replaces it" in said
    assert figures_of(folder)["labels"] == names_in(texts)


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
    (["--restarts", "1"], "--restarts goes with --processes"),
    (["--data", "", "--text", "comment"], "--text goes with --data"),
    (["--data", "", "--no-header"], "--no-header goes with --data"),
    (["--data", "", "--test-data", "b.csv"], "--test-data goes with --data"),
    (["--metric", "recall"], "invalid choice"),
    (["--search", "0"], "'0' is not a number above 0"),
    (["--search", "-5"], "'-5' is not a number above 0"),
    (["--class-weights", "0.3"], "invalid choice"),
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

    monkeypatch.setattr(recipes, "carry_out", fail)
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
    for part in ("recipes:", "several processes:", "out of memory:", "rare classes:",
                 "search:", "exit status:", "a column of texts"):
        assert part in said


# Any number of classes

def test_three_classes_in_words_are_learnt_and_a_pipeline_answers_as_was_measured(made_three,
                                                                                  three):
    folder = made_three[0]
    rows = own_texts.load(three, "Review", "Verdict", clean=True)["test"]
    names = rows.features["label"].names
    assert names == ["bad", "good", "so-so"]
    config = AutoModelForSequenceClassification.from_pretrained(folder).config
    assert config.id2label == dict(enumerate(names))
    assert config.label2id == {name: c for c, name in enumerate(names)}
    classify = pipeline("text-classification", model=str(folder), truncation=True)
    answers = [answer["label"] for answer in classify([*rows["text"][:], "Lovely. " * 400])][:-1]
    figures = figures_of(folder)
    assert figures["labels"] == names
    correct = sum(answer == names[label] for answer, label in zip(answers, rows["label"][:],
                                                                  strict=True))
    assert correct == figures["test"]["correct"]
    assert [answers.count(name) for name in names] == [
        figures["test"]["by_class"][name]["predicted"] for name in names]


def test_every_class_is_in_metrics_card_and_the_last_lines_beside_the_majority(made_three, three):
    folder, said = made_three
    figures, card = figures_of(folder), (folder / "README.md").read_text(encoding="utf-8")
    labels = own_texts.load(three, "Review", "Verdict", clean=True)["train"]["label"][:]
    assert list(figures["train_texts_by_class"].values()) == [labels.count(c) for c in range(3)]
    assert figures["test"]["majority"]["class"] == "bad"
    assert figures["class_weights"] == "balanced"
    for name, of_class in figures["test"]["by_class"].items():
        recall = f"{of_class['recall']:.2f} ("
        assert f"| {name} | {of_class['texts']} |" in card
        assert recall in next(line for line in card.splitlines() if line.startswith(f"| {name}"))
        assert recall in next(line for line in said.splitlines() if line.startswith(name))
    assert f"{figures['test']['macro_f1']:.3f}" in card
    macro = float(re.search(r"^macro F1 ([\d.]+)", said, re.M)[1])
    assert macro == pytest.approx(figures["test"]["macro_f1"], abs=6e-4)  # rounded once, twice
    always = f"{figures['test']['majority']['accuracy']:.3f}"
    assert f"Always answering bad, the most frequent class, gets {always}" in card
    assert f"always bad: accuracy {always}" in said
    assert said.strip().splitlines()[-1].startswith("test accuracy")
    assert card.splitlines()[0] == "---"
    for title in ("How to use it", "How well", "Data", "Training", "Limits"):
        assert f"\n\n## {title}\n\n" in card


def test_the_epoch_that_is_best_by_the_metric_is_kept_and_said(made_three):
    folder, said = made_three
    figures, epochs = figures_of(folder), curves.load(folder / "curve.json").validation
    assert len(epochs) == 3
    best = max(range(3), key=lambda i: (epochs[i]["macro_f1"], -i))
    assert figures["best_epoch"] == best + 1
    assert f"The weights of epoch {best + 1} are kept" in said
    assert figures["validation"]["macro_f1"] == pytest.approx(epochs[best]["macro_f1"], abs=1e-4)


def test_nothing_that_is_saved_names_a_folder_of_this_machine(made_again, made_three, texts):
    for path in made_again[0].iterdir():
        if path.suffix in (".md", ".json", ".txt"):
            saved = path.read_text(encoding="utf-8")
            for place in (made_again[0].parent, made_three[0].parent, texts.parent):
                assert str(place) not in saved, path.name


def test_a_class_that_is_never_predicted_is_warned_of_with_what_may_help(data, tmp_path, capsys):
    rows = data["train"].select(range(200)).to_pandas()
    rare = rows[rows["label"] == 1][:10]
    rows = pandas.concat([rows[rows["label"] == 0], rare])
    rows[["text", "label"]].to_csv(tmp_path / "rare.csv", index=False)
    assert run(tmp_path / "rare.csv", tmp_path / "m", "--epochs", "1", "--learning-rate",
               "1e-4") == 0
    said = capsys.readouterr().out
    assert "Warning: Never predicted: " in said
    assert "--class-weights balanced" in said
    assert "Warning: Not shown to be better than always answering" in said
    assert "no lower than that of guessing by the shares of the classes" in said
    assert "Never predicted: " in (tmp_path / "m" / "README.md").read_text(encoding="utf-8")


def test_weights_make_every_class_count_the_same():
    task = tasks.Classes(("a", "b", "c"))
    weights = task.weights("balanced", [0] * 6 + [1] * 2 + [2] * 1)
    assert weights.tolist() == pytest.approx([9 / (3 * 6), 9 / (3 * 2), 9 / (3 * 1)])
    assert task.weights(None, [0, 1]) is None


def test_a_run_that_goes_on_chooses_the_same_epoch(three, made_three, tmp_path, monkeypatch):
    interrupted(monkeypatch, 14, three, tmp_path / "m", *THREE, "--every", "6")
    assert run(three, tmp_path / "m", *THREE) == 0
    one, other = (figures_of(folder) for folder in (made_three[0], tmp_path / "m"))
    assert one["best_epoch"] == other["best_epoch"]
    assert one["test"] == other["test"]
    a, b = (curves.load(folder / "curve.json") for folder in (made_three[0], tmp_path / "m"))
    assert a.loss == pytest.approx(b.loss, abs=1e-5)
    assert len(a.validation) == len(b.validation) == 3


def test_texts_to_test_with_can_be_a_file_of_their_own_and_files_may_lack_a_header(made_again):
    assert figures_of(made_again[0])["texts"] == {"train": 105, "validation": 15, "test": 30}


def test_what_was_found_out_about_the_texts_is_said_before_the_training(
    texts, tmp_path, monkeypatch, capsys
):
    class Report:
        def __init__(self, data, tokenizer, max_length, keep, limit):
            self.line = f"{len(data['train'])} texts, cut at {max_length}; drop_empty=True helps"

        def __str__(self):
            return self.line

    monkeypatch.setattr(own_texts, "report", Report, raising=False)
    monkeypatch.setattr(recipes, "carry_out", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(texts, tmp_path / "m", "--max-length", "64")
    assert "84 texts, cut at 64; --drop-empty helps" in capsys.readouterr().out


def test_something_moves_on_the_screen_from_the_first_second(made_and_shown):
    said = made_and_shown[1]
    places = [said.index(part) for part in ("loading the libraries", "reading the texts",
                                            "tokens:", "frozen layers:", "step/s")]
    assert places == sorted(places)


# Limits

def test_outputs_that_would_take_too_much_room_are_computed_anew_with_the_same_end(
    texts, tiny, made_tiny, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(frozen, "LIMIT", 1e5)
    monkeypatch.setattr(frozen, "outputs", lambda *a, **k: pytest.fail("kept"))
    assert run(texts, tmp_path / "m", "--model", str(tiny), "--recipe", "frozen") == 0
    said = capsys.readouterr().out
    assert "GB of disk, so they are not kept" in said
    folders = made_tiny, tmp_path / "m"
    a, b = (curves.load(folder / "curve.json").loss for folder in folders)
    assert a == pytest.approx(b, abs=1e-4)
    a, b = (figures_of(folder)["test"]["correct"] for folder in folders)
    assert a == b


def test_outputs_are_kept_up_to_the_limit_and_half_of_the_free_disk(tmp_path, monkeypatch):
    def free(size):
        monkeypatch.setattr(frozen.shutil, "disk_usage", lambda folder: SimpleNamespace(free=size))

    monkeypatch.setattr(frozen, "LIMIT", 4000)
    free(8000)
    assert frozen.fits((10, 100), tmp_path / "not" / "there")
    assert not frozen.fits((10, 101), tmp_path)
    free(7999)
    assert not frozen.fits((10, 100), tmp_path)


def test_too_little_memory_is_said_before_the_training(made_again):
    said = made_again[1]
    assert "Training takes about " in said
    assert "There are 0.1 GB" in said
    assert "smaller --batch-size" in said


def test_a_batch_takes_no_more_memory_than_all_texts_together(texts, tiny, tmp_path, monkeypatch):
    def memory(model, row, rows, *args, **kwargs):
        assert rows == 84
        raise Stop

    monkeypatch.setattr(recipes, "memory", memory)
    with pytest.raises(Stop):
        run(texts, tmp_path / "m", "--model", str(tiny), "--batch-size", "100000")


def test_a_notebook_may_train_without_bars(texts, tiny, tmp_path, capsys):
    how = finetune.parser().parse_args(["--data", str(texts), "--model", str(tiny), "--epochs",
                                        "1", "--output", str(tmp_path / "m")])
    assert finetune.finetune(how, progress=False) == figures_of(tmp_path / "m")
    assert not capsys.readouterr().err


def test_stopped_before_the_first_checkpoint_it_promises_none(
    texts, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(recipes, "carry_out", Mock(side_effect=KeyboardInterrupt))
    assert run(texts, tmp_path / "m") == 130
    assert "before the first checkpoint, so the same command begins" in capsys.readouterr().err


def test_a_reader_who_has_enough_ends_it_without_a_traceback(texts, tiny, tmp_path):
    run = subprocess.Popen(
        [sys.executable, "-m", "helpers.finetune", "--data", str(texts), "--output",
         str(tmp_path / "m"), "--model", str(tiny)],
        cwd=paths.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"})
    run.stdout.close()
    said = run.stderr.read().decode()
    assert run.wait() == 141
    assert "Stopped: what is printed goes into a pipe that is closed." in said
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "size"), [
    ("full", 8), ("full", 64), ("fast", 64), ("frozen", 64)])
def test_the_memory_foretold_is_about_what_is_taken(recipe, size, data, tmp_path):
    rows = data["train"].to_pandas()
    rows["text"] = [" ".join(rows["text"][i : i + 12]) for i in range(len(rows))]  # 128 tokens
    rows[["text", "label"]][:250].to_csv(tmp_path / "long.csv", index=False)
    program = textwrap.dedent("""
        import sys
        from helpers import finetune
        from helpers.measure import Measured

        def stop(curve):
            if len(curve.loss) == 2:
                raise KeyboardInterrupt

        options = finetune.parser().parse_args(sys.argv[1:])
        with Measured() as cost:
            try:
                finetune.finetune(options, progress=False, on_step=stop)
            except KeyboardInterrupt:
                pass
        print(cost.peak / 1e9)
    """)
    done = subprocess.run(
        [sys.executable, "-c", program, "--data", str(tmp_path / "long.csv"), "--output",
         str(tmp_path / "m"), "--recipe", recipe, "--batch-size", str(size), "--precision",
         "fp32"], cwd=paths.ROOT, capture_output=True, text=True, check=True)
    foretold = float(re.search(r"takes about ([\d.]+) GB", done.stdout)[1])
    assert foretold == pytest.approx(float(done.stdout.split()[-1]), rel=0.15)


# The Hub

def test_the_finished_model_is_uploaded_when_asked(made_again):
    folder, said, uploads = made_again
    assert uploads == [(str(folder), "me/mine", True)]
    assert "Uploaded to https://hub.example/me/mine" in said


def test_a_failed_upload_says_how_to_try_again(made, monkeypatch, capsys):
    monkeypatch.setattr(finetune, "finetune", lambda options: figures_of(made))
    monkeypatch.setattr(sharing, "push", Mock(side_effect=LearnerError("Out of reach.")))
    assert finetune.main(["--output", str(made), "--push", "me/mine"]) == 3
    said = capsys.readouterr().err
    assert "Out of reach.\nThe model is saved in" in said
    assert f"print(sharing.push('{made}', 'me/mine'))" in said
