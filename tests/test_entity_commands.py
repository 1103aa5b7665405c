"""`finetune --task entities` and `predict` with what it made: from a file to a file."""

import json
import subprocess
import sys

import pandas as pd
import pytest
from entity_markup import made
from transformers import pipeline

from helpers import classifiers, finetune, predict, training
from helpers.entities import alignment, data, finetuning, predicting, reading, recognizer, scores
from helpers.errors import LearnerError

SENTENCES = [
    "[Maren](person) took the ferry to [Osk](place).", "Nobody from [Krag](firm) answered me.",
    "[Ben Holt](person) sold his house in [Rye](place).", "It rained all week.",
    "We asked [Lise](person) about [Kelby](place).", "[Norbeck & Sons](firm) hired [Ole](person).",
    "The train to [Tarnby](place) was late.", "[Ada](person) met [Vera](person) in [Osk](place).",
    "my phone is dead again", "[Krag](firm) opens a shop in [Rye](place).",
    "I told [Maren](person) to call [Lumo](firm).", "Is [Nils](person) still at [Krag](firm)?",
    "The bridge at [Stour](place) is shut.", "[Tove](person) writes to [Ida](person) daily.",
    "They moved from [Kelby](place) to [Holm](place).", "Lunch was cold and late.",
    "[Ruth](person) left [Lumo](firm) in spring.", "A letter for [Ben Holt](person) came.",
    "[Holm](place) has no doctor.", "[Eva](person) sings at [Hotel Krone](firm).",
]


def write(path, markups):
    sentences = [made(markup) for markup in markups]
    path.write_text("".join(json.dumps({
        "text": s.text, "entities": [[e.start, e.end, e.type] for e in s.entities]}) + "\n"
        for s in sentences), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    """A run of the command on the sentences: its folder, its file, and what it printed."""
    folder = tmp_path_factory.mktemp("entities")
    file = write(folder / "mine.jsonl", SENTENCES)
    done = subprocess.run(
        [sys.executable, "-m", "helpers.finetune", "--task", "entities", "--data", str(file),
         "--model", str(tiny), "--output", str(folder / "model"), "--epochs", "40",
         "--learning-rate", "0.003", "--threads", "1"],
        capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "model", file, done.stdout


def test_the_command_reports_trains_tests_and_saves(trained):
    folder, _, printed = trained
    assert "JSON with entities; 20 sentences, 30 entities (person 13, place 10" in printed
    assert "train 14 sentences" in printed
    assert "A list of the training names finds 0." in printed
    assert "test F1 by entity " in printed
    assert "Test entities whose names are not in training: " in printed
    assert "Warning: " in printed  # of a few sentences, no figure says much
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["task"] == "entities"
    assert metrics["types"] == ["firm", "person", "place"]
    assert metrics["texts"] == {"train": 14, "validation": 2, "test": 4}
    assert metrics["steps"] == 40
    assert metrics["final_loss"] < 1
    assert metrics["test"]["by_type"]["person"]["entities"] > 0
    assert (folder / "curve.json").is_file()


def test_the_pipeline_loads_the_model_and_answers_in_the_types_names(trained):
    text = made(SENTENCES[0]).text
    texts = [text, made(SENTENCES[5]).text]
    find = pipeline("token-classification", model=str(trained[0]), aggregation_strategy="first")
    assert [[(e["start"], e["end"], e["entity_group"]) for e in row] for row in find(texts)] == [
        [(e.start, e.end, e.type) for e in row]
        for row in recognizer.find(*predicting.load(trained[0]), texts)]
    find = pipeline("token-classification", model=str(trained[0]), aggregation_strategy="simple")
    found = find(texts)
    assert {each["entity_group"] for row in found for each in row} <= {"firm", "person", "place"}
    assert found[0]
    assert all(text[each["start"] : each["end"]] for each in found[0])


def test_the_card_says_the_figures_and_how_to_use_the_model(trained):
    card = (trained[0] / "README.md").read_text(encoding="utf-8")
    metrics = json.loads((trained[0] / "metrics.json").read_text())
    assert "pipeline_tag: token-classification" in card
    assert f"F1 by entity is {metrics['test']['f1']:.3f} on 4 test sentences" in card
    assert "| person | " in card
    assert "mine.jsonl" in card
    assert "{{" not in card
    assert "\n\n\n" not in card


def test_a_file_is_answered_by_lines_that_are_read_back_and_compared_with_its_marks(
    trained, tmp_path, capsys
):
    folder, file, _ = trained
    output = tmp_path / "found.jsonl"
    assert predict.main(["--model", str(folder), "--data", str(file), "--output",
                         str(output)]) == 0
    printed = capsys.readouterr().out
    assert "in 20 texts; saved in" in printed
    found = reading.read(output).sentences
    truth = reading.read(file).sentences
    assert [s.text for s in found] == [s.text for s in truth]
    assert str(scores.scores(truth, [s.entities for s in found])) in printed
    model, tokenizer = predicting.load(folder)
    assert [s.entities for s in found] == recognizer.find(model, tokenizer,
                                                          [s.text for s in truth])
    assert sum(len(s.entities) for s in found) > 10  # it has learned them by heart
    assert all(0 < p <= 1 for line in output.read_text().splitlines()
               for p in json.loads(line)["probabilities"])


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_a_table_of_texts_becomes_a_table_with_a_row_an_entity(trained, tmp_path, ending):
    texts = [made(markup).text for markup in SENTENCES[:3]]
    pd.DataFrame({"id": ["a", "b", "c"], "text": texts}).to_csv(tmp_path / "new.csv", index=False)
    output = tmp_path / f"found.{ending}"
    assert predict.main(["--model", str(trained[0]), "--data", str(tmp_path / "new.csv"),
                         "--output", str(output)]) == 0
    found = (pd.read_csv if ending == "csv" else pd.read_excel)(output)
    assert list(found.columns) == list(predicting.COLUMNS)
    assert set(found["id"]) <= {"a", "b", "c"}
    for row in found.itertuples():
        assert texts["abc".index(row.id)][row.start : row.end] == row.words


def test_through_a_pipe_each_line_is_answered_by_a_line_of_json(trained):
    done = subprocess.run(
        [sys.executable, "-m", "helpers.predict", "--model", str(trained[0])],
        input=f"{made(SENTENCES[0]).text}\n\n", capture_output=True, encoding="utf-8", check=True)
    first, empty = map(json.loads, done.stdout.splitlines())
    assert first["text"] == made(SENTENCES[0]).text
    assert first["entities"]
    assert (empty["text"], empty["entities"]) == ("", [])


def test_in_a_conversation_entities_are_in_brackets_and_in_colour_where_there_is_any(
    trained, capsys
):
    texts = iter([made(SENTENCES[0]).text, ""])
    predicting.converse(predicting.load(trained[0]), ask=lambda prompt: next(texts))
    assert "](" in capsys.readouterr().out
    sentence = made("[Ada](person) of [Osk](place)")
    assert predicting.shown(sentence.text, sentence.entities, ("person", "place"), True) == (
        "\033[30;44mAda\033[0m\033[2m person\033[0m of \033[30;42mOsk\033[0m\033[2m place\033[0m")


def test_windows_read_a_long_text_whole_and_answer_as_one_that_fits(trained):
    model, tokenizer = predicting.load(trained[0])
    texts = [made(markup).text for markup in SENTENCES]
    together = " ".join(texts)
    _, answers = recognizer.answers_to_words(model, tokenizer, [together], max_length=24)[0]
    assert not answers.isnan().any()
    whole, = recognizer.find(model, tokenizer, [together], max_length=24)
    assert any(e.start > len(together) * 0.8 for e in whole)
    encoded = alignment.encode(tokenizer, [made(markup) for markup in SENTENCES],
                               ("firm", "person", "place"))
    batch = tokenizer.pad({"input_ids": encoded.dataset["input_ids"][:]}, return_tensors="pt")
    logits = model(**batch).logits.detach()
    assert recognizer.find(model, tokenizer, texts) == alignment.decode(encoded, logits)


def test_a_model_of_entities_gives_no_class_and_a_classifier_no_entities(trained, tiny):
    with pytest.raises(LearnerError, match="finds entities, and gives no class to a text"):
        predict.predictions(trained[0], ["A text."])
    assert not predicting.is_recognizer(tiny)
    assert not predicting.is_recognizer("bert")


def test_a_model_of_another_scheme_is_read_and_one_without_names_of_types_refused(
    trained, tmp_path
):
    model, tokenizer = predicting.load(trained[0])
    text = made(SENTENCES[0]).text
    found = recognizer.find(model, tokenizer, [text])
    assert found[0]
    model.config.id2label = {i: name.replace("B-", "U-") for i, name in
                             model.config.id2label.items()}
    assert recognizer.types_of(model.config) == ("firm", "person", "place")
    one_word = [e for e in found[0] if " " not in text[e.start : e.end]]
    assert set(one_word) <= set(recognizer.find(model, tokenizer, [text])[0])
    model.config.id2label = {i: f"LABEL_{i}" for i in range(7)}
    training.save(model, tokenizer, tmp_path / "nameless")
    with pytest.raises(LearnerError, match="LABEL_0, LABEL_1, LABEL_2, LABEL_3, …, and O for"):
        predicting.load(tmp_path / "nameless")


def test_weights_that_are_not_whole_are_refused(trained, tmp_path):
    model, tokenizer = predicting.load(trained[0])
    training.save(model.base_model, tokenizer, tmp_path / "bare")
    config = json.loads((tmp_path / "bare" / "config.json").read_text())
    config["architectures"] = ["BertForTokenClassification"]
    (tmp_path / "bare" / "config.json").write_text(json.dumps(config))
    assert predicting.is_recognizer(tmp_path / "bare")
    with pytest.raises(LearnerError, match="are not whole: classifier"):
        predicting.load(tmp_path / "bare")


@pytest.mark.parametrize(("options", "said"), [
    (["--search", "1"], "--search"), (["--metric", "macro_f1"], "--metric"),
    (["--text", "a"], "--text"), (["--no-header"], "--no-header"), (["--long", "tail"], "--long"),
    (["--class-weights", "balanced"], "--class-weights"), (["--processes", "2"], "--processes"),
    (["--recipe", "frozen"], "--recipe frozen"), (["--clean"], "--clean"),
    (["--share", "0.5"], "--share"), (["--precision", "bf16"], "--precision"),
])
def test_options_that_make_no_sense_with_entities_are_refused(options, said, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        finetune.main(["--task", "entities", "--output", str(tmp_path / "x"), *options])
    assert stopped.value.code == 2
    assert f"{said} is not for --task entities" in capsys.readouterr().err


def test_predict_refuses_options_that_are_not_for_entities(trained, tmp_path, capsys):
    assert predict.main(["--model", str(trained[0]), "--data", str(trained[1]), "--output",
                         str(tmp_path / "x.csv"), "--long", "tail"]) == 2
    assert "--long is not for a model that finds entities" in capsys.readouterr().err


@pytest.mark.parametrize(("markups", "said"), [
    (SENTENCES[:8], "7 different sentences with entities are too few"),
    (["no names here"] * 30, "0 different sentences with entities are too few"),
])
def test_too_few_sentences_are_refused_before_any_training(markups, said, tiny, tmp_path, capsys):
    file = write(tmp_path / "few.jsonl", markups)
    assert finetune.main(["--task", "entities", "--data", str(file), "--model", str(tiny),
                          "--output", str(tmp_path / "x")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_file_with_a_fault_is_refused_with_its_line(tiny, tmp_path, capsys):
    file = write(tmp_path / "mine.jsonl", SENTENCES)
    file.write_text(file.read_text() + '{"text": "Osk", "entities": [[0, 9, "place"]]}\n')
    assert finetune.main(["--task", "entities", "--data", str(file), "--model", str(tiny),
                          "--output", str(tmp_path / "x")]) == 2
    assert "mine.jsonl, line 21: the entity from 0 to 9 is not within" in capsys.readouterr().err


def test_who_forgets_the_task_is_told(tiny, tmp_path, capsys):
    file = write(tmp_path / "mine.jsonl", SENTENCES)
    assert finetune.main(["--data", str(file), "--model", str(tiny), "--output",
                          str(tmp_path / "x")]) == 2
    assert "The file has entities: they are learned with --task entities." in (
        capsys.readouterr().err)
    (tmp_path / "mine.csv").write_text("text,label\nGood,1\nBad or long enough to be O\n")
    assert finetune.main(["--data", str(tmp_path / "mine.csv"), "--model", str(tiny),
                          "--output", str(tmp_path / "x")]) == 2
    assert "entities" not in capsys.readouterr().err


def test_a_training_that_diverges_saves_nothing(tiny, tmp_path, capsys):
    file = write(tmp_path / "mine.jsonl", SENTENCES)
    assert finetune.main(["--task", "entities", "--data", str(file), "--model", str(tiny),
                          "--output", str(tmp_path / "x"), "--learning-rate", "1e30"]) == 2
    assert "has diverged, so nothing is saved" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_test_data_of_ones_own_are_tested_with_and_not_learned_from(tmp_path):
    sentences = [made(markup) for markup in SENTENCES]
    parts, said = data.split(sentences, test=[made(SENTENCES[0])])
    assert parts["test"] == [sentences[0]]
    assert sentences[0] not in parts["train"] + parts["validation"]
    assert said == ["Left out of training, because the test data has them, too: 1 text."]


def test_copies_of_a_text_are_in_one_split_and_contradictions_in_none():
    sentences = [made(markup) for markup in SENTENCES * 2]
    parts, said = data.split(sentences)
    where = {}
    for split, part in parts.items():
        for sentence in part:
            where.setdefault(sentence.text, set()).add(split)
    assert all(len(splits) == 1 for splits in where.values())
    assert (sum(map(len, parts.values())), said) == (40, [])
    parts, said = data.split([*sentences, made("[Holm](person) has no doctor.")])
    assert "marked differently elsewhere: 1 text, such as 'Holm has no doctor.'" in said[0]
    assert not any(s.text == "Holm has no doctor." for part in parts.values() for s in part)


def test_the_projects_sentences_share_no_name_with_its_test_and_do_with_test_seen():
    from helpers.entities import baselines

    parts = data.load()
    known = baselines.names(parts["train"])
    assert data.seen(known, parts["test"])[0] == 0
    found, every = data.seen(known, parts[data.SEEN])
    assert found > 0.8 * every


def test_the_recipe_fast_reads_entities_more_often_unless_told(tiny):
    def recipe(*given, sentences=900):
        options = finetune.parser().parse_args(["--output", "x", "--task", "entities", *given])
        found = finetuning._recipe(options, classifiers.find(str(tiny))[0], sentences)
        return found.name, found.epochs, found.learning_rate, found.head_rate

    assert recipe() == ("fast", 4, 2e-4, 10)
    assert recipe("--epochs", "2", "--learning-rate", "0.001") == ("fast", 2, 1e-3, 10)
    assert recipe(sentences=160) == ("fast", 10, 2e-4, 10)  # 100 steps, or more
    assert recipe("--recipe", "full") == ("full", 3, 1e-4, 1)
