"""Pairs, several labels and numbers from the command line: trained, saved, loaded, predicted."""

import contextlib
import io
import json

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset, DatasetDict
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    pipeline,
)

from helpers import (
    answers,
    batching,
    checkpoints,
    classifiers,
    finetune,
    multilabel,
    paths,
    predict,
    regression,
    tables,
    tasks,
    texts,
    training,
)
from helpers.errors import LearnerError

CASES = paths.ROOT / "tests" / "cases"
TASKS = {  # file: what a person would say, the column or columns of the labels
    "pairs.csv": ((), "is_duplicate"),
    "several_labels_columns.csv": (("--metric", "macro_f1"), "IsRude,IsLate,IsBroken"),
    "one_number.csv": (("--label", "score", "--metric", "pearson"), "score"),
}


def run(data, output, *options):
    """Run the command that trains; return its exit status and what it said."""
    with (contextlib.redirect_stdout(io.StringIO()) as said,
          contextlib.redirect_stderr(io.StringIO()) as wrong):
        status = finetune.main(["--data", str(data), "--output", str(output), "--precision",
                                "fp32", *map(str, options)])
    return status, said.getvalue() if status == 0 else wrong.getvalue()


@pytest.fixture(scope="module", params=TASKS)
def made(request, tiny, tmp_path_factory):
    """A tiny model of each task: the file, the folder, metrics and what was said."""
    folder = tmp_path_factory.mktemp("made") / "model"
    status, said = run(CASES / request.param, folder, "--model", tiny, "--epochs", "2",
                       *TASKS[request.param][0])
    assert status == 0
    return request.param, folder, json.loads((folder / "metrics.json").read_text("utf-8")), said


def test_every_model_loads_as_a_pipeline_that_answers_in_the_names_of_the_file(made):
    file, folder, metrics, _ = made
    classify = pipeline("text-classification", model=str(folder), top_k=None)
    text = "It is late." if file != "pairs.csv" else {"text": "Is it?", "text_pair": "It is?"}
    answer = classify([text])[0] if file != "pairs.csv" else classify(text)
    found = {each["label"]: each["score"] for each in answer}
    assert {*found} == {*metrics["labels"]}
    if file == "one_number.csv":
        mine = predict.predictions(folder, [text])["score"][0]
        assert found["score"] == pytest.approx(mine, abs=1e-4)
    elif file == "pairs.csv":
        assert sum(found.values()) == pytest.approx(1)
    else:
        mine = predict.predictions(folder, [text]).iloc[0]
        assert found == pytest.approx({name: mine[name] for name in found}, abs=1e-5)


def test_metrics_card_and_last_line_have_the_figures_of_the_task(made):
    file, folder, metrics, said = made
    figure, card = {"pairs.csv": ("accuracy", "It reads two texts together."),
                    "several_labels_columns.csv": ("micro F1", "any number of 3 labels: IsRude"),
                    "one_number.csv": ("correlation", "It predicts a number, score."),
                    }[file]
    assert f"test {figure} " in said.splitlines()[-1]
    card_text = (folder / "README.md").read_text("utf-8")
    assert card in card_text
    assert "{{" not in card_text
    kinds = {"pairs.csv": "class", "one_number.csv": "number"}
    assert metrics["task"] == kinds.get(file, "labels")
    assert metrics["best_epoch"] in (1, 2) if "--metric" in TASKS[file][0] else True


def test_a_file_is_predicted_and_scored_by_the_task(made, tmp_path, capsys):
    file, folder, *_ = made
    status = predict.main(["--model", str(folder), "--data", str(CASES / file), "--output",
                           str(tmp_path / "answers.csv"), "--label", TASKS[file][1]])
    said = capsys.readouterr().out
    table = pd.read_csv(tmp_path / "answers.csv", keep_default_na=False)
    assert status == 0
    assert len(table) == len(pd.read_csv(CASES / file))
    first = {"pairs.csv": ["id", "text", "text_pair", "label", "probability", "0", "1"],
             "several_labels_columns.csv": ["id", "text", "labels", "IsRude", "IsLate",
                                            "IsBroken"],
             "one_number.csv": ["id", "text", "score"]}[file]
    assert [*table] == first
    assert {"pairs.csv": "accuracy ", "several_labels_columns.csv": "micro F1 ",
            "one_number.csv": "Pearson"}[file] in said


def test_labels_are_those_whose_probability_reaches_the_threshold_of_the_config(made):
    file, folder, metrics, _ = made
    if file != "several_labels_columns.csv":
        pytest.skip("has no thresholds")
    model, tokenizer = predict.load(folder)
    thresholds = dict(zip(metrics["labels"], model.config.thresholds, strict=True))
    assert [figures["threshold"] for figures in metrics["test"]["by_label"].values()] == (
        pytest.approx([*thresholds.values()], abs=1e-4))
    rows = pd.read_csv(CASES / file)["Text"].tolist()[:40]
    for _, row in predict.predictions((model, tokenizer), rows).iterrows():
        assert row["labels"] == ";".join(name for name, least in thresholds.items()
                                         if row[name] >= least)


def test_a_model_of_one_text_refuses_pairs_and_the_other_way_round(made):
    file, folder, *_ = made
    given = ["One."] if file == "pairs.csv" else [("One.", "Another.")]
    with pytest.raises(LearnerError, match="The model reads"):
        predict.predictions(folder, given)
    if file == "pairs.csv":
        half = predict.predictions(folder, [("One.", " "), ("One.", "Another.")])
        assert half["label"].isna().tolist() == [True, False]


def test_answers_are_scored_on_the_scale_of_the_file_whatever_the_model_s_shift():
    task, written = tasks.Number("score", mean=3.0), ["1.0", "2.0", "4.0", "5.0"]
    off = torch.tensor([float(one) + 0.1 for one in written])[:, None]
    made = answers.table(task, off, {"text": ["a", "b", "c", "d"]})
    assert "mean absolute error       0.1 " in "\n".join(answers.scores(task, written, made))


def test_labels_to_score_by_are_read_as_those_to_train_on(tmp_path):
    file = tmp_path / "lists.csv"
    pd.DataFrame({"text": ["One.", "Two.", "Three."],
                  "Labels": ["['late', 'rude']", "[]", "['rude']"]}).to_csv(file, index=False)
    source = tables.read(file, "the table")
    task = tasks.Labels(("late", "rude"))
    made = answers.table(task, torch.tensor([[0.9, 0.8], [0.1, 0.2], [0.1, 0.9]]),
                         {"text": source.cells["text"].tolist()})
    said = "\n".join(answers.scores(task, answers.given(source, "labels"), made))
    assert "micro F1 1.000" in said
    with pytest.raises(LearnerError, match="no column 'verdict'"):
        answers.given(source, "verdict")


def test_the_tokens_of_a_pair_are_counted_as_they_are_read():
    gpt2 = AutoTokenizer.from_pretrained(checkpoints.find("gpt2").path)
    read, _ = batching.encode(gpt2, ["A good room."], ["A bad one."])
    pair = Dataset.from_dict({"text": ["A good room."], "text_pair": ["A bad one."],
                              "label": [0.5]})
    found = texts.report(DatasetDict(train=pair), gpt2)
    assert found.lengths == [len(read["input_ids"][0])]


def test_lines_through_a_pipe_are_answered_by_the_task(made, capsys):
    file, folder, *_ = made
    line = "Is it?\tIt is?\n" if file == "pairs.csv" else "It is late and rude.\n"
    predict.answer_lines(predict.load(folder), [line, "\n"])
    answer, empty = capsys.readouterr().out.split("\n")[:2]
    assert empty == ""
    assert answer.count("\t") == (file == "pairs.csv")
    if file == "one_number.csv":
        float(answer)


# A number, on its scale

@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_a_model_that_has_learned_a_number_answers_on_its_scale(kind):
    torch.manual_seed(0)
    small = {"vocab_size": 50, "num_labels": 1, "problem_type": "regression"}
    model = (BertForSequenceClassification(BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, **small))
        if kind == "bert" else GPT2ForSequenceClassification(GPT2Config(
            n_embd=8, n_layer=1, n_head=1, pad_token_id=0, **small))).eval()
    ids, task = torch.tensor([[3, 4, 5], [6, 7, 8]]), tasks.Number("price", mean=40.0, std=7.0)
    before = model(ids).logits.detach()
    regression.on_scale(model, task)
    after = tasks.of_config(model.config).answers(model(ids).logits.detach())
    assert torch.allclose(after, before * 7 + 40, atol=1e-4)
    assert hasattr(model.config, "number_shift") == (kind == "gpt2")
    regression.off_scale(model, task)
    assert torch.allclose(model(ids).logits, before, atol=1e-5)


def test_a_number_is_learned_further_from_where_it_was(tiny, tmp_path):
    file = CASES / "one_number.csv"
    assert run(file, tmp_path / "a", "--label", "score", "--model", tiny)[0] == 0
    config, _ = classifiers.find(str(tmp_path / "a"))
    task = tasks.of_data(texts.load(CASES / "one_number.csv", label="score"))
    model, _ = classifiers.load(str(tmp_path / "a"), config, task, max_length=128)
    known = AutoModelForSequenceClassification.from_pretrained(tmp_path / "a")
    ids = torch.tensor([[101, 2009, 102]])
    assert torch.allclose(model.eval()(ids).logits * task.std + task.mean,
                          known.eval()(ids).logits, atol=1e-3)


# The figures

def test_f1_of_several_labels_is_scikit_learn_s_and_baseline_and_exact_are_counted_by_hand():
    labels = [[1, 0], [1, 1], [0, 0], [0, 1]]
    predictions = [[1, 0], [1, 0], [1, 0], [0, 0]]
    found = multilabel.scores(labels, predictions, ["a", "b"])
    a, b = found.by_label
    assert (a.n, a.predicted, a.precision, a.recall, a.f1) == pytest.approx((2, 3, 2 / 3, 1, 0.8))
    assert (b.n, b.predicted, b.recall, b.f1) == (2, 0, 0, 0)
    assert found.micro_f1 == pytest.approx(2 * 2 / (2 * 2 + 1 + 2))
    assert found.macro_f1 == pytest.approx(0.4)
    assert found.exact == 0.25
    assert found.always_f1 == pytest.approx(2 * 4 / (2 * 4 + 4))
    assert found.never_predicted == ["b"]
    assert found.micro_f1_interval[0] <= found.micro_f1 <= found.micro_f1_interval[1]
    assert "Never predicted: b." in found.warnings()


def test_a_threshold_is_where_f1_is_best_on_validation_and_half_without_texts_of_the_label():
    labels = np.array([[1, 0, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0]])
    probabilities = np.array([[0.4, 0.9, 0.9], [0.3, 0.2, 0.8], [0.2, 0.1, 0.7], [0.1, 0.3, 0.1]])
    (first, none, third), said = multilabel.thresholds(labels, probabilities, ["a", "b", "c"])
    assert first == pytest.approx(0.25)
    assert none == 0.5
    assert 0.1 < third < 0.7
    assert said == ["No validation text, or each, has the label b, so its threshold stays 0.5."]


def test_figures_of_numbers_are_those_of_numpy_and_the_mean_is_the_baseline():
    labels, predictions = [1.0, 2.0, 3.0, 4.0, 10.0], [1.5, 2.0, 2.5, 5.0, 6.0]
    found = regression.scores(labels, predictions, mean=3.0)
    assert found.pearson == pytest.approx(np.corrcoef(labels, predictions)[0, 1])
    assert found.spearman == pytest.approx(1)
    assert found.error == pytest.approx(6 / 5)
    assert found.mean_error == pytest.approx(11 / 5)
    same = regression.scores(labels, [2.0] * 5)
    assert same.pearson is None
    assert same.figures()["pearson"] is None
    assert same.warnings()


def test_numbers_are_counted_in_ranges_whose_names_differ():
    for low, high in ((1.2, 5.2), (0, 1e-4), (100_000, 100_004), (-3, 1e6)):
        numbers = np.linspace(low, high, 50)
        counts = tasks.Number("n", span=(low, high)).counts(numbers)
        assert [*counts.values()] == [10] * 5
    assert [*tasks.Number("n", span=(0, 10)).counts([-5, 1, 99])] == [
        "0.0 to 2.0", "2.0 to 4.0", "4.0 to 6.0", "6.0 to 8.0", "8.0 to 10.0"]
    assert [*tasks.Number("n", span=(0, 10)).counts([-5, 1, 99]).values()] == [2, 0, 0, 0, 1]


# Long texts

def decoded(tokenizer, text, length, keep, second=None):
    encoded, owners = batching.encode(tokenizer, [text], second and [second], length, keep)
    assert max(map(len, encoded["input_ids"])) <= length
    return [tokenizer.decode(ids) for ids in encoded["input_ids"]], list(owners)


def test_head_tail_both_ends_and_windows_are_kept_of_a_long_text(tokenizer):
    text = " ".join(map(str, range(1, 11)))
    assert decoded(tokenizer, text, 6, "head")[0] == ["[CLS] 1 2 3 4 [SEP]"]
    assert decoded(tokenizer, text, 6, "tail")[0] == ["[CLS] 7 8 9 10 [SEP]"]
    assert decoded(tokenizer, text, 6, "ends")[0] == ["[CLS] 1 2 9 10 [SEP]"]
    windows, owners = decoded(tokenizer, text, 6, "windows")
    assert windows == ["[CLS] 1 2 3 4 [SEP]", "[CLS] 4 5 6 7 [SEP]", "[CLS] 7 8 9 10 [SEP]"]
    assert owners == [0, 0, 0]
    for keep in batching.KEEP:
        assert decoded(tokenizer, "1 2 3", 6, keep)[0] == ["[CLS] 1 2 3 [SEP]"]
    assert tokenizer.truncation_side == "right"


def test_of_a_pair_the_longer_text_is_cut_first_and_segments_stay_told_apart(tokenizer):
    text, second = " ".join(map(str, range(1, 11))), "a b c"
    assert decoded(tokenizer, text, 10, "ends", second)[0] == ["[CLS] 1 2 9 10 [SEP] a b c [SEP]"]
    encoded, _ = batching.encode(tokenizer, [text], [second], 10, "ends")
    assert encoded["token_type_ids"] == [[0] * 6 + [1] * 4]
    with pytest.raises(LearnerError, match="Windows are for single texts"):
        decoded(tokenizer, text, 10, "windows", second)


def test_windows_of_a_data_set_know_their_text_and_have_its_label(tokenizer):
    data = texts.load(CASES / "verdict_at_end.csv")["test"]
    encoded = batching.tokenize(data, tokenizer, 64, "windows")
    assert sorted({*encoded["owner"][:]}) == [*range(40)]
    assert [data["label"][owner] for owner in encoded["owner"]] == encoded["labels"][:]


def test_the_answer_to_a_text_is_the_mean_of_its_windows(tiny, tokenizer):
    model, _ = pair = predict.load(tiny)
    text = texts.load(CASES / "verdict_at_end.csv")["test"]["text"][0]
    logits, owners = training.logits(model, tokenizer, [text], max_length=64, keep="windows")
    assert len(owners) > 2
    found = predict.predictions(pair, [text], max_length=64, keep="windows").iloc[0, -2:]
    assert found.tolist() == pytest.approx(logits.softmax(-1).mean(0).tolist(), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("keep", "low", "high"), [("head", 0.3, 0.7), ("tail", 0.95, 1),
                                                   ("windows", 0.95, 1)])
def test_a_verdict_at_the_end_is_read_by_the_tail_and_by_windows(keep, low, high, tmp_path):
    status, said = run(CASES / "verdict_at_end.csv", tmp_path / "m", "--long", keep)
    assert status == 0
    accuracy = json.loads((tmp_path / "m" / "metrics.json").read_text("utf-8"))["test"]["accuracy"]
    assert low <= accuracy <= high
    assert "100% of the texts" in said
    config = json.loads((tmp_path / "m" / "config.json").read_text("utf-8"))
    assert config["long_texts"] == keep


# What does not fit

@pytest.mark.parametrize(("file", "options", "words"), [
    ("one_number.csv", ("--label", "score", "--metric", "accuracy"), "--metric accuracy is not"),
    ("one_number.csv", ("--label", "score", "--class-weights", "balanced"), "--class-weights is"),
    ("pairs.csv", ("--long", "windows"), "--long windows is for single texts"),
    ("pairs.csv", ("--task", "labels"), "--task labels is several labels a text"),
    ("pairs.csv", ("--task", "number", "--label", "question1", "--text", "question2"),
     "no number"),
])
def test_an_option_that_does_not_fit_the_task_is_refused_before_training(
    file, options, words, tiny, tmp_path
):
    status, said = run(CASES / file, tmp_path / "m", "--model", tiny, *options)
    assert status == 2
    assert words in said
    assert not (tmp_path / "m").exists()


def test_weights_let_those_with_a_label_count_as_much_as_those_without():
    weights = tasks.Labels(("a", "b")).weights("balanced", [[0], [0, 1], [], [0]])
    assert weights.tolist() == pytest.approx([1 / 3, 3])


# The report

@pytest.mark.parametrize(("file", "options", "words"), [
    ("pairs.csv", {}, ["60 texts, 2 classes", "median 20"]),
    ("several_labels_columns.csv", {}, ["150 texts, 3 labels", "Every label for every text: "]),
    ("one_number.csv", {"label": "score"}, ["150 texts, a number", "the mean of the training"]),
    ("verdict_at_end.csv", {}, ["keep='tail' or keep='windows' reads the end, too"]),
])
def test_the_report_is_about_the_task_and_fits_a_terminal(file, options, words, tokenizer):
    found = texts.report(texts.load(CASES / file, **options), tokenizer)
    said = str(found)
    for word in words:
        assert word in " ".join(said.split())
    assert len(said.splitlines()) <= 25
    assert max(map(len, said.splitlines())) <= 99
    assert sum(found.sizes.values()) == found.texts


def test_the_report_says_what_is_read_of_long_texts(tokenizer):
    data = texts.load(CASES / "verdict_at_end.csv")
    for keep, words in (("tail", "what comes before the end is not read"),
                        ("ends", "what is in the middle is not read"),
                        ("windows", "are read in windows, whose answers are averaged")):
        said = " ".join(str(texts.report(data, tokenizer, keep=keep)).split())
        assert words in said
