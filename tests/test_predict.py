"""The command that predicts: what it writes, what it answers, and what it refuses."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
)

from helpers import answers, checkpoints, paths, predict, tasks, training
from helpers.errors import LearnerError

CASES = Path(__file__).with_name("cases")
NEW = CASES / "test_without_labels.csv"
SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 32, "initializer_range": 0.5}


def a_model(folder, tokenizer, names=("negative", "positive"), **config):
    """Save a BERT of two layers with random weights, and its tokenizer; return the folder."""
    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(
        vocab_size=len(tokenizer), id2label=dict(enumerate(names)), **SIZE | config))
    training.save(model, tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory):
    return a_model(tmp_path_factory.mktemp("model") / "model", tokenizer)


@pytest.fixture
def run(folder, tmp_path, capsys):
    """A function that runs the command line on the model: (status, what is said, the output)."""

    def command(*options, data=NEW, output="answers.csv"):
        place = tmp_path / output
        status = predict.main(["--model", str(folder), "--data", str(data),
                               "--output", str(place), *map(str, options)])
        said = capsys.readouterr()
        return status, said.err if status else said.out, place

    return command


def written(path):
    return pd.read_csv(path, dtype={"id": str}, keep_default_na=False)


def test_html_is_taken_out_when_asked_and_stays_in_what_is_written(run, tmp_path):
    file = tmp_path / "html.csv"
    pd.DataFrame({"text": ["<b>Lovely</b> &amp; quiet", "Lovely & quiet"]}).to_csv(
        file, index=False)
    for options, same in (((), False), (("--clean", "--overwrite"), True)):
        table = written(run(*options, data=file)[2])
        assert table["text"].tolist() == ["<b>Lovely</b> &amp; quiet", "Lovely & quiet"]
        assert (table["probability"][0] == table["probability"][1]) == same


def test_a_closed_standard_input_is_said(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SystemExit, match="2"):
        predict.main(["--model", str(folder)])
    assert "--data and --output" in capsys.readouterr().err


def test_a_file_without_labels_gets_a_row_for_each_row_with_its_id(run, folder):
    status, said, place = run()
    assert status == 0
    table, given = written(place), pd.read_csv(NEW)
    assert list(table) == ["id", "text", "label", "probability", "negative", "positive"]
    assert table["id"].tolist() == given["id"].astype(str).tolist()
    assert table["text"].tolist() == given["text"].tolist()
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    expected = training.predict(model, AutoTokenizer.from_pretrained(folder),
                                given["text"].tolist())
    assert torch.allclose(torch.tensor(table[["negative", "positive"]].to_numpy()),
                          expected.double(), atol=1e-5)
    assert table["label"].tolist() == [("negative", "positive")[i] for i in expected.argmax(-1)]
    assert (table["probability"] == table[["negative", "positive"]].max(axis=1)).all()
    assert set(table["label"]) == {"negative", "positive"}
    assert f"saved in {place}" in said
    assert "40 rows" in said


READERS = {
    ".csv": pd.read_csv, ".tsv": lambda path: pd.read_csv(path, sep="\t"),
    ".jsonl": lambda path: pd.read_json(path, lines=True), ".parquet": pd.read_parquet,
    ".xlsx": pd.read_excel,
}


@pytest.mark.parametrize("ending", READERS)
def test_the_ending_says_what_kind_of_file_is_written(ending, run, tmp_path):
    odd = ["=1+1", "a\rb", 'he said "no", twice', "tab\there", "Très cher, 20 £", "line\u2028end"]
    data = tmp_path / "odd.csv"
    pd.DataFrame({"text": odd}).to_csv(data, index=False, quoting=1)
    status, said, place = run(data=data, output=f"answers{ending}")
    assert status == 0, said
    table = READERS[ending](place)
    got = [text.replace("\r", "\n").replace("_x000D_", "\n") for text in table["text"]]
    assert got == [text.replace("\r", "\n") for text in odd]
    assert table["probability"].between(0.5, 1).all()
    assert [str(i) for i in table["id"]] == ["2", "3", "4", "5", "6", "7"]


def test_an_empty_text_gets_no_label_and_is_counted(run, tmp_path):
    data = tmp_path / "gaps.csv"
    data.write_text('id,text\na,Lovely.\nb,""\nc,"  "\nd,Awful.\n')
    status, said, place = run(data=data)
    assert status == 0
    table = written(place)
    assert table["id"].tolist() == ["a", "b", "c", "d"]
    assert (table.loc[1:2, ["label", "probability", "negative", "positive"]] == "").all(None)
    assert (table.loc[[0, 3], "label"] != "").all()
    assert "2 of 4 texts are empty" in said


@pytest.mark.parametrize("ending", READERS)
def test_a_file_of_empty_texts_alone_is_written_too(ending, run, tmp_path):
    data = tmp_path / "empty.csv"
    data.write_text('id,text\na,""\nb," "\n')
    status, said, place = run(data=data, output=f"answers{ending}")
    assert status == 0, said
    assert READERS[ending](place)["label"].isna().tolist() == [True, True]


def test_texts_longer_than_the_model_was_trained_with_are_cut_and_counted(
    run, folder, tokenizer, tmp_path
):
    tokenizer.model_max_length, before = 16, tokenizer.model_max_length
    try:
        short = a_model(tmp_path / "short", tokenizer)
    finally:
        tokenizer.model_max_length = before
    data = tmp_path / "long.csv"
    data.write_text("text\nFine.\n" + "good " * 14 + "\n" + "good " * 14 + "bad\n")
    status, said, place = run("--model", short, data=data)
    assert status == 0
    assert "1 of 3 texts are longer than 16 tokens" in said
    table = written(place)
    assert table["positive"][1] == table["positive"][2]
    _, said, place = run("--model", short, "--max-length", 8, "--overwrite", data=data)
    assert "2 of 3 texts are longer than 8 tokens" in said
    status, said, _ = run("--model", short, "--max-length", 17, "--overwrite", data=data)
    assert status == 2
    assert "reads 16 tokens at most" in said


def test_the_size_of_the_batches_changes_no_answer(folder):
    texts = ["word " * n for n in (1, 90, 3, 40, 7, 7, 200)]
    one, many = (predict.predictions(folder, texts, batch_size=n) for n in (1, 4))
    assert one["text"].tolist() == texts
    assert (one["label"] == many["label"]).all()
    assert (one["positive"] - many["positive"]).abs().max() < 1e-5


def test_classes_called_as_the_columns_are_get_columns_of_their_own(tokenizer, tmp_path):
    names = ("label", "text", "Spam", "spam", "id")
    model = a_model(tmp_path / "m", tokenizer, names)
    table = predict.predictions(model, ["Buy now."])
    assert list(table) == ["text", "label", "probability", "class label", "class text", "Spam",
                           "class spam", "class id"]
    assert table["label"][0] in names


def test_labels_that_the_file_has_are_scored(run, folder):
    pytest.importorskip("helpers.scores")
    status, said, place = run("--label", "label", data=CASES / "word_labels.csv")
    assert status == 0
    right = (written(place)["label"] == pd.read_csv(CASES / "word_labels.csv")["label"]).mean()
    assert f"accuracy {right:.3f} " in said
    assert "n = 80" in said


def test_labels_are_compared_as_they_were_told_apart_in_training():
    task = tasks.Classes(("1", "01"))
    table = answers.table(task, torch.eye(2), {"text": ["One.", "Another."]})
    assert "accuracy 1.000" in answers.scores(task, ["1.0", "01"], table)[0]


def test_a_label_column_that_is_not_there_is_named(run):
    status, said, place = run("--label", "verdict")
    assert status == 2
    assert "no column 'verdict'" in said
    assert not place.exists()


def test_a_file_that_is_there_is_kept_unless_told_and_the_data_always(run, tmp_path):
    place = tmp_path / "answers.csv"
    place.write_text("mine")
    status, said, _ = run()
    assert (status, place.read_text()) == (2, "mine")
    assert "--overwrite" in said
    assert run("--overwrite")[0] == 0
    data = tmp_path / "data.csv"
    data.write_bytes(NEW.read_bytes())
    os.link(data, tmp_path / "same.csv")
    for name in ("data.csv", "same.csv"):
        status, said, _ = run("--overwrite", data=data, output=name)
        assert status == 2
        assert "the file of the texts itself" in said
    assert data.read_bytes() == NEW.read_bytes()


@pytest.mark.parametrize(("output", "said"), [
    ("answers.doc", "one of these endings: .csv, .tsv"), ("answers", "one of these endings"),
    ("dir.csv", "is a folder"), ("file/x.csv", "Nothing can be written"),
    ("x" * 300 + ".csv", "can"),
])
def test_a_place_that_cannot_be_written_is_named_before_anything_is_loaded(
    output, said, run, tmp_path, monkeypatch
):
    (tmp_path / "dir.csv").mkdir()
    (tmp_path / "file").write_text("a file")
    monkeypatch.setattr(predict, "load", None)
    status, message, _ = run(output=output)
    assert status == 2
    assert said in message
    assert len(message) <= 400


def test_a_write_that_fails_leaves_what_was_there(run, tmp_path, monkeypatch):
    (tmp_path / "answers.csv").write_text("older")

    def full(table, path):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(answers.WRITERS, ".csv", full)
    status, said, place = run("--overwrite")
    assert status == 2
    assert "No space left" in said
    assert place.read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["answers.csv"]


# Models.


def test_a_gpt2_without_a_pad_token_answers_to_each_text_as_alone(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(checkpoints.find("gpt2").path)
    assert tokenizer.pad_token is None
    torch.manual_seed(0)
    GPT2ForSequenceClassification(GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=64,
        initializer_range=0.5, num_labels=3)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    pair = predict.load(tmp_path)
    texts = ["Fine.", "A much longer text, of many more words than the other.", "word " * 90]
    together = predict.predictions(pair, texts).iloc[:, 3:]
    alone = pd.concat([predict.predictions(pair, [text]) for text in texts]).iloc[:, 3:]
    assert abs(together.to_numpy() - alone.to_numpy()).max() < 1e-5
    assert list(together) == ["LABEL_0", "LABEL_1", "LABEL_2"]


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def widened(path):
    path.write_text(path.read_text().replace('"intermediate_size": 32', '"intermediate_size": 64'))


def without_a_layer(model, place):
    state = {name: value for name, value in model.state_dict().items() if "layer.1" not in name}
    model.save_pretrained(place, state_dict=state)


def diverged(model, place):
    model.classifier.bias.data.fill_(float("nan"))
    model.save_pretrained(place)


SPOILT = {  # what is done to a whole folder
    "cut off": lambda place: half(place / "model.safetensors"),
    "no weights": lambda place: (place / "model.safetensors").unlink(),
    "other shapes": lambda place: widened(place / "config.json"),
    "config cut off": lambda place: half(place / "config.json"),
    "unfinished": lambda place: (place / "config.json").unlink(),
    "no tokenizer": lambda place: [path.unlink() for path in place.glob("tokenizer*")],
}
SAVED = {  # what is saved instead, beside the tokenizer
    "bare": lambda model, place: model.bert.save_pretrained(place),
    "without layers": without_a_layer, "diverged": diverged,
}


def broken(how, folder, place, tokenizer):
    """Return a folder with something wrong."""
    if how == "a file":
        place.write_text("x")
    elif how in SAVED:
        SAVED[how](AutoModelForSequenceClassification.from_pretrained(folder), place)
        tokenizer.save_pretrained(place)
    elif how in SPOILT:
        SPOILT[how](shutil.copytree(folder, place))
    return place


@pytest.mark.parametrize(("how", "said"), [
    ("bare", "without a head"), ("cut off", "cannot be loaded"),
    ("no weights", "cannot be loaded"), ("other shapes", "cannot be loaded"),
    ("config cut off", "cannot be loaded"),
    ("unfinished", "no finished model"), ("without layers", "not whole"),
    ("no tokenizer", "tokenizer's files are missing"), ("diverged", "diverged"),
    ("a file", "is a file"), ("nothing", "There is no folder"),
])
def test_a_model_that_cannot_answer_is_refused_in_a_line(
    how, said, run, folder, tokenizer, tmp_path
):
    status, message, place = run("--model", broken(how, folder, tmp_path / "m", tokenizer))
    assert status == 2
    assert said in message
    assert len(message.splitlines()[-1]) <= 400
    assert how == "diverged" or "\n" not in message.strip()  # after its bar
    assert not place.exists()


@pytest.mark.parametrize("name", ["bert", "my-model", "./my-model", "runs/2026/model"])
def test_what_is_no_folder_and_no_name_is_said_at_once(name, run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    status, said, _ = run("--model", name)
    assert status == 2
    assert ("Fine-tune it" if name == "bert" else "There is no folder") in said


def test_a_model_of_the_hub_out_of_reach_is_said_in_a_line(run):
    status, said, _ = run("--model", "nobody/nothing")
    assert status == 2
    assert "'nobody/nothing' cannot be loaded" in said
    assert len(said) <= 400


# A terminal, and a pipe.


def test_in_a_conversation_each_text_is_answered_with_bars_until_an_empty_one(folder, capsys):
    texts = iter(["Lovely place.", "Awful.", "", "never asked"])
    predict.converse(predict.load(folder), ask=lambda prompt: next(texts))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    table = predict.predictions(folder, ["Lovely place."])
    best = table["label"][0]
    assert lines[0].split()[:2] == [best, f"{table['probability'][0]:.3f}"]
    assert len(lines[0].split()[2]) == round(30 * table["probability"][0])
    assert next(texts) == "never asked"


def test_ctrl_d_ends_a_conversation(folder, capsys):
    def ask(prompt):
        raise EOFError

    predict.converse(predict.load(folder), ask=ask)
    assert capsys.readouterr().out == "\n"


def test_through_a_pipe_each_line_gets_a_line(folder):
    lines = ["Lovely place.", "", "Très cher, 20 £", "Awful."]
    done = subprocess.run(
        [sys.executable, "-m", "helpers.predict", "--model", folder], cwd=paths.ROOT,
        input="\n".join(lines).encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    table = predict.predictions(folder, lines)
    expected = [f"{label}\t{share:.6f}" if label else ""
                for label, share in zip(table["label"], table["probability"], strict=True)]
    got = done.stdout.decode().splitlines()
    assert [line.split("\t")[0] for line in got] == [line.split("\t")[0] for line in expected]
    assert [float(line.split("\t")[1]) for line in got if line] == pytest.approx(
        [float(line.split("\t")[1]) for line in expected if line], abs=1e-5)


def test_ctrl_c_says_that_nothing_was_written(run, monkeypatch):
    def stopped(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "logits", stopped)
    status, said, place = run()
    assert status == 130
    assert "Nothing was written" in said
    assert not place.exists()


def test_data_and_output_go_together(folder, capsys):
    with pytest.raises(SystemExit) as left:
        predict.main(["--model", str(folder), "--data", str(NEW)])
    assert left.value.code == 2
    assert "go together" in capsys.readouterr().err


def test_a_lack_of_memory_is_said_with_the_way_out(folder, monkeypatch):
    def full(*args, **options):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(training, "logits", full)
    with pytest.raises(LearnerError, match=r"--batch-size 16 or"):
        predict.predictions(folder, ["Fine."])
