import errno
import os
import subprocess
import sys

import pytest
import torch
from scipy.stats import norm
from transformers import AutoModel, AutoModelForSequenceClassification

from helpers import batching, checks, curves, paths, training
from helpers.errors import LearnerError


def one_run(new_model, encoded, tokenizer, **options):
    loader = batching.loader(encoded.select(range(48)), tokenizer, 8, train=True)
    return training.train(new_model(), loader, epochs=1, **options)


def test_a_run_repeats_itself_with_one_thread_and_with_two(new_model, encoded, tokenizer):
    threads = torch.get_num_threads()
    runs = []
    try:
        for number in (1, 2, 1):
            torch.set_num_threads(number)
            runs.append(one_run(new_model, encoded, tokenizer).loss)
    finally:
        torch.set_num_threads(threads)
    for other in runs[1:]:
        assert max(abs(a - b) for a, b in zip(runs[0], other, strict=True)) <= 1e-5


def test_training_lowers_the_loss_of_the_very_texts(new_model, encoded, tokenizer):
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


def test_the_learning_rate_rises_and_falls_to_zero(new_model, encoded, tokenizer):
    loader = batching.loader(encoded, tokenizer, 4, train=True)
    rates = training.train(new_model(), loader, epochs=1, learning_rate=1e-4).learning_rate
    assert rates[0] == 0
    assert max(rates) == pytest.approx(1e-4)
    assert rates.index(max(rates)) == len(rates) // 10
    assert 0 < rates[-1] < 1e-5


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
    results = [
        training.evaluate(model, batching.loader(encoded, tokenizer, size)) for size in (5, 96)
    ]
    assert [r.n for r in results] == [96, 96]
    assert results[0].correct == results[1].correct
    assert results[0].loss == pytest.approx(results[1].loss, abs=1e-5)
    assert results[0].labels.tolist() == encoded["labels"][:]


def test_a_prediction_does_not_depend_on_its_neighbours(new_model, tokenizer, data):
    model = new_model()
    texts = data["test"]["text"][:20]
    together = training.predict(model, tokenizer, texts)
    alone = torch.cat([training.predict(model, tokenizer, [text]) for text in texts])
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.allclose(together.sum(-1), torch.ones(20))


def test_an_embedding_is_the_mean_over_the_real_tokens(checkpoint, tokenizer, data):
    encoder = AutoModel.from_pretrained(checkpoint.path, dtype=torch.float32)
    texts = data["test"]["text"][:10]
    together = training.embed(encoder, tokenizer, texts)
    alone = torch.cat([training.embed(encoder, tokenizer, [text]) for text in texts])
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.allclose(together.norm(dim=-1), torch.ones(10))


@pytest.mark.parametrize("texts", [[], "Lovely place."])
def test_texts_have_to_be_a_list(new_model, tokenizer, texts):
    with pytest.raises(LearnerError, match="list of at least one text"):
        training.predict(new_model(), tokenizer, texts)


def test_a_text_of_100_000_words_is_cut_and_read(new_model, tokenizer):
    assert training.predict(new_model(), tokenizer, ["word " * 100_000]).shape == (1, 2)


@pytest.mark.parametrize(("correct", "n"), [(360, 400), (200, 400), (400, 400), (0, 10)])
def test_the_interval_is_wilsons(correct, n):
    z, p = norm.ppf(0.975), correct / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    expected = (max(0, centre - half), min(1, centre + half))
    assert training.interval(correct, n) == pytest.approx(expected, abs=1e-9)


def test_a_saved_model_predicts_the_same(new_model, tokenizer, tmp_path):
    model = new_model()
    training.save(model, tokenizer, tmp_path / "deep" / "model")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "deep" / "model")
    texts = ["Fine.", "Broken on arrival."]
    assert torch.equal(
        training.predict(model, tokenizer, texts), training.predict(again, tokenizer, texts)
    )
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["model"]


def test_saving_again_replaces_the_older_save_whole(new_model, tokenizer, tmp_path):
    target = tmp_path / "model"
    training.save(new_model(0), tokenizer, target)
    (target / "stray.txt").write_text("left over")
    training.save(new_model(1), tokenizer, target)
    assert not (target / "stray.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


class FullDisk:
    """A model whose save stops in the middle, as on a full disk."""

    def save_pretrained(self, folder):
        (folder / "model.safetensors").write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_older_save_alone(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "model.safetensors").write_text("older")
    with pytest.raises(LearnerError, match=r"No space left.*untouched"):
        training.save(FullDisk(), FullDisk(), target)
    assert (target / "model.safetensors").read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file size are a POSIX feature")
def test_the_operating_systems_own_refusal_leaves_the_older_save_alone(tmp_path, checkpoint):
    # A real limit: in the child no file may grow beyond 1 MB, so writing the weights fails.
    program = f"""
import resource, signal, transformers
from helpers import training
from helpers.errors import LearnerError
model = transformers.AutoModel.from_pretrained({str(checkpoint.path)!r})
tokenizer = transformers.AutoTokenizer.from_pretrained({str(checkpoint.path)!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))
try:
    training.save(model, tokenizer, {str(tmp_path / "model")!r})
except LearnerError as error:
    print("CLEAR:", error)
"""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "older.txt").write_text("older")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          check=False)
    assert "CLEAR: Could not write model" in done.stdout, done.stderr
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["older.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(LearnerError, match="Could not write model into"):
        training.save(FullDisk(), FullDisk(), tmp_path / "file" / "model")


def test_an_error_of_another_kind_is_passed_on(tmp_path):
    with pytest.raises(ZeroDivisionError), paths.replacing(tmp_path / "x") as fresh:
        fresh.write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_checking_an_exercise_leaves_the_random_state_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    checks.check("03.2", lambda model, batch, optimizer: torch.rand(1).item())
    assert torch.equal(before, torch.get_rng_state())
