"""Teaching the small BERT to fill masks: what is masked, what is learnt, and what is shipped."""

import hashlib
import json
import random
import re

import pytest
import torch
import transformers
from transformers import AutoModelForMaskedLM, BertConfig, BertForMaskedLM, TrainerCallback

from helpers import checkpoints, paths, trainers
from helpers.errors import LearnerError
from making import corpus, masking, starts

TINY = masking.Recipe(steps=12, tokens=256, head_learning_rate=2e-2)


@pytest.fixture(scope="module")
def reviews():
    return masking.review_texts("extra")


@pytest.fixture(scope="module")
def works(reviews):
    return {"one": reviews[:900], "two": reviews[900:]}


@pytest.fixture
def small(monkeypatch):
    """Everything small: a model of one narrow layer, few texts to measure, few milestones."""
    def new_model(seed=0):
        transformers.set_seed(seed)
        model = BertForMaskedLM(BertConfig(hidden_size=32, num_hidden_layers=1,
                                           num_attention_heads=2, intermediate_size=64))
        model.bert.embeddings.requires_grad_(False)
        return model

    monkeypatch.setattr(masking, "new_model", new_model)
    monkeypatch.setattr(masking, "SENTENCES", masking.SENTENCES[:2])
    monkeypatch.setattr(masking, "MILESTONES", (0, 3, 9))
    monkeypatch.setattr(masking, "ROUNDS", 1)
    monkeypatch.setattr(masking, "PROSE", 20)


def train(works, folder, recipe=TINY):
    figures = masking.train(works, folder / "model", recipe, progress=False)
    return figures, json.loads((folder / "model" / "history.json").read_text(encoding="utf-8"))


# Text and masks

def test_texts_are_cut_where_a_clause_ends_and_nothing_is_lost(tokenizer):
    long = " ".join(f"The {i}th house was old, and nobody lived in it." for i in range(30))
    rows = masking.cut([long, "Short."], tokenizer, shortest=1)
    assert [piece for row in rows[:-1] for piece in row] == tokenizer(
        long, add_special_tokens=False, verbose=False
    )["input_ids"]
    assert all(len(row) <= masking.LONGEST - 2 for row in rows)
    assert all(re.search(r"[.,]$", tokenizer.decode(row)) for row in rows)
    assert tokenizer.decode(rows[-1]) == "short."
    assert masking.cut(["Short."], tokenizer) == []


def test_a_batch_keeps_to_its_size_and_no_text_comes_twice_before_all_have_come():
    rows = [[i] * (3 + i % 40) for i in range(500)]
    drawn = masking.batches(rows, 256, random.Random(0))
    seen = []
    while len(seen) < len(rows):
        batch = next(drawn)
        assert len(batch) * (max(map(len, batch)) + 2) <= 256
        seen += batch
    assert sorted(seen) == sorted(rows)


@pytest.mark.parametrize("share", [0.15, 0.4])
def test_masks_are_on_ordinary_pieces_alone_at_the_share_asked_for(share, tokenizer, reviews):
    rows = [*masking.cut(reviews[:400], tokenizer, 1), [tokenizer.unk_token_id, 2000]]
    batch = masking.masked(rows, tokenizer, share, torch.Generator().manual_seed(0))
    chosen = batch["labels"] != -100
    whole = torch.where(chosen, batch["labels"], batch["input_ids"])
    special = torch.isin(whole, torch.tensor(tokenizer.all_special_ids))
    assert not (chosen & special).any()
    assert torch.equal(chosen, batch["input_ids"] == tokenizer.mask_token_id)
    assert chosen.sum() / (~special).sum() == pytest.approx(share, abs=0.015)
    kept = whole[0][batch["attention_mask"][0].bool()].tolist()
    assert kept == [tokenizer.cls_token_id, *rows[0], tokenizer.sep_token_id]


def test_a_batch_without_a_mask_does_not_come_up(tokenizer):
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        batch = masking.masked([[2000, 2001]], tokenizer, 0.01, generator)
        assert (batch["labels"] != -100).sum() >= 1


def test_neither_slurs_nor_reviews_for_validation_and_test_are_read(
    works, small, tokenizer, tmp_path, monkeypatch
):
    words = tmp_path / "words.txt"
    words.write_text(hashlib.sha256(b"hotel").hexdigest()[:12])
    monkeypatch.setattr(corpus, "EXCLUDED", words)
    read = []
    monkeypatch.setattr(masking, "steps", lambda prose, reviews, *_: read.extend(prose + reviews)
                        or pytest.fail("enough was seen"))
    with pytest.raises(pytest.fail.Exception, match="enough"):
        masking.train(works, tmp_path / "model", TINY, progress=False)
    texts = {tokenizer.decode(row) for row in read}
    assert len(texts) > 2000
    assert not [text for text in texts if re.search(r"\bhotel\b", text)]
    unseen = masking.cut(masking.review_texts("validation", "test"), tokenizer, 1)
    assert not texts & {tokenizer.decode(row) for row in unseen}


# Training

def test_the_small_bert_learns_in_some_steps(tokenizer, reviews):
    recipe = masking.Recipe(steps=10, tokens=192, reviews_share=1)
    rows = masking.cut(reviews[:100], tokenizer, 1)
    model = masking.new_model()
    optimizer = torch.optim.AdamW(
        [parameter for parameter in model.parameters() if parameter.requires_grad], lr=1e-3
    )
    losses = []
    for batch in masking.steps(rows, rows, tokenizer, recipe):
        scores, labels = masking.scores_and_labels(model, batch)
        loss = torch.nn.functional.cross_entropy(scores, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 9.5, "an untrained head knows nothing: log(30522) is 10.3"
    assert sum(losses[-4:]) / 4 < 8


class Kill(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 7:
            raise KeyboardInterrupt


def test_an_interrupted_run_goes_on_to_the_same_and_the_card_says_what_was_measured(
    works, small, tmp_path, monkeypatch, capsys
):
    once = tmp_path / "once"
    figures, history = train(works, once)
    assert [entry["step"] for entry in history["milestones"]] == [0, 3, 9, 12]
    assert history["loss"][-1][1] < history["loss"][0][1] - 0.1
    assert (once / "model" / "README.md").read_text("utf-8") == masking.card(figures)
    assert f"| {figures['reviews']['top5']:.3f} |" in masking.card(figures)
    assert figures["reviews"] == pytest.approx(history["milestones"][-1]["reviews"], abs=0.002)

    monkeypatch.setattr(masking, "EVERY", 5)
    with monkeypatch.context() as patch:
        patch.setattr(trainers, "RecordCurve", Kill)
        with pytest.raises(KeyboardInterrupt):
            train(works, tmp_path / "twice")
    assert not (tmp_path / "twice" / "model").exists()
    _, again = train(works, tmp_path / "twice")
    assert "Continuing from checkpoint-5" in capsys.readouterr().out
    assert again == history
    whole, resumed = ((tmp_path / name / "model" / masking.WEIGHTS).read_bytes()
                      for name in ("once", "twice"))
    assert whole == resumed


def test_a_folder_that_holds_anything_else_is_refused_before_the_training(
    works, tmp_path, monkeypatch
):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.md").write_text("kept")
    monkeypatch.setattr(masking, "new_model", lambda *_: pytest.fail("it began"))
    with pytest.raises(LearnerError, match=r"mine\.md"):
        train(works, tmp_path)


def test_a_folder_that_is_no_corpus_ends_in_a_line(tmp_path, capsys):
    command = ["--corpus", str(tmp_path / "none"), "--output", str(tmp_path / "x")]
    assert masking.main(command) == 1
    assert "There is no folder" in capsys.readouterr().err


def test_a_loss_is_thinned_to_means_that_cover_every_step():
    losses = [10 / (i + 1) for i in range(1000)]
    points = masking.thinned(losses)
    assert len(points) < 150
    assert points[:3] == [[1, 10.0], [2, 5.0], [3, 3.3333]]
    start = 0
    for step, mean in points:
        assert mean == pytest.approx(sum(losses[start:step]) / (step - start), abs=1e-4)
        start = step
    assert start == 1000


def test_always_guessing_the_most_frequent_pieces_is_measured_right():
    labels = torch.tensor([[7, 8, -100, 99]])
    found = masking.most_frequent([[7] * 50, [8, 1, 2, 3, 4]], [{"labels": labels}])
    assert (found["masks"], found["top1"], found["top5"]) == (3, 0.333, 0.667)


# What is shipped

@pytest.fixture(scope="module")
def shipped():
    """The shipped model, as plain transformers loads it, and its figures."""
    model = AutoModelForMaskedLM.from_pretrained(checkpoints.find("bert-mlm", "small").path)
    record = paths.data_file("bert-mini-mlm", "masking.json").read_text(encoding="utf-8")
    return model.eval(), json.loads(record)


def test_the_shipped_model_guesses_as_its_card_says(shipped, tokenizer):
    model, figures = shipped
    rows = masking.cut(masking.review_texts("validation"), tokenizer, 1)
    held_out = masking.held_out_steps(rows, tokenizer, masking.ROUNDS)
    found = masking.measure(model, held_out)
    assert found == pytest.approx(figures["reviews"], abs=0.003)
    assert found["top5"] >= 0.45
    for sentence, guessed in masking.guesses(model, tokenizer).items():
        for (piece, chance), (known, recorded) in zip(
            guessed, figures["guesses"][sentence], strict=True
        ):
            assert chance == pytest.approx(recorded, abs=0.002)
            assert piece == known or chance < 0.1


def test_the_shipped_card_and_history_are_those_of_the_training(shipped):
    home = paths.DATA / "bert-mini-mlm"
    runs = json.loads((home / "starts.json").read_text(encoding="utf-8"))
    assert (home / "README.md").read_text("utf-8") == masking.card(shipped[1],
                                                                   starts.summary(runs))
    history = json.loads((home / "history.json").read_text(encoding="utf-8"))
    last = shipped[1]["steps"]
    assert history["loss"][-1][0] == history["milestones"][-1]["step"] == last
    assert [m["step"] for m in history["milestones"][:-1]] == [
        step for step in masking.MILESTONES if step < last
    ]
    assert (home / masking.WEIGHTS).stat().st_size <= 22e6


def test_the_difference_between_starts_is_that_of_pairs():
    runs = [{"reviews": size, "start": start, "seed": seed, "tested": 400,
             "correct": 340 + 10 * seed + (4 if start == "mlm" else 0) + seed % 2}
            for size in starts.SIZES for start in starts.STARTS for seed in starts.SEEDS]
    row = starts.summary(runs)[0]
    assert row["difference"] == pytest.approx(0.01)
    assert row["interval"] == pytest.approx([0.01, 0.01])
    assert row["bundled"]["deviation"] > 0.03
