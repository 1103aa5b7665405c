"""Frozen layers computed once: the same training; what was kept of another model is not used."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import psutil
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from helpers import batching, checkpoints, frozen, measure, training
from helpers.errors import LearnerError


@pytest.fixture(scope="module")
def encoded(data, tokenizer):
    return batching.tokenize(data["train"].select(range(40)), tokenizer)


@pytest.fixture
def model(new_model):
    return new_model()


@pytest.mark.parametrize("layers", [0, 3, 5])
def test_upper_layers_on_the_outputs_of_the_lower_ones_are_the_whole_model(
    layers, model, tokenizer, encoded
):
    upper = frozen.UpperLayers(model, layers)
    outputs = frozen.outputs(model, encoded, tokenizer, layers)
    whole = next(iter(batching.loader(encoded, tokenizer, 16)))
    part = next(iter(frozen.loader(outputs, 16)))
    assert torch.allclose(upper(**part).logits, model(**whole).logits, atol=1e-5)
    assert torch.equal(part["labels"], whole["labels"])


def test_lower_layers_that_are_computed_anew_give_the_same_and_keep_little_for_backward(
    model, tokenizer, encoded
):
    frozen.freeze(model, 4)
    outputs = frozen.outputs(model, encoded, tokenizer, 4)
    tokens = next(iter(batching.loader(encoded, tokenizer, 16)))
    states = next(iter(frozen.loader(outputs, 16)))
    anew, upper = frozen.ComputedAnew(model, 4), frozen.UpperLayers(model, 4)
    assert torch.allclose(anew(**tokens).logits, upper(**states).logits, atol=1e-5)
    assert [*dict(anew.named_parameters())] == [*dict(upper.named_parameters())]
    kept = [measure.activations(net, batch) for net, batch in (
        (anew, tokens), (upper, states), (model, tokens))]
    assert kept[0] == pytest.approx(kept[1], rel=0.05)
    assert kept[0] < kept[2]


def test_the_gradients_are_the_same_too(model, tokenizer, encoded):
    frozen.freeze(model, 3)
    outputs = frozen.outputs(model, encoded, tokenizer, 3)
    model.train()
    gradients = []
    for net, batch in (
        (model, next(iter(batching.loader(encoded, tokenizer, 16)))),
        (frozen.UpperLayers(model, 3), next(iter(frozen.loader(outputs, 16)))),
    ):
        model.zero_grad()
        net(**batch).loss.backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.requires_grad])
    for whole, part in zip(*gradients, strict=True):
        assert torch.allclose(whole, part, atol=1e-5)


def test_training_on_kept_outputs_gives_the_curve_of_training_with_frozen_layers(
    tokenizer, encoded, new_model
):
    curves = []
    for kept in (False, True):
        model = new_model()
        frozen.freeze(model, 3)
        net, loader = model, batching.loader(encoded, tokenizer, 16, train=True)
        if kept:
            outputs = frozen.outputs(model, encoded, tokenizer, 3)
            net, loader = frozen.UpperLayers(model, 3), frozen.loader(outputs, 16, train=True)
        curves.append(training.train(net, loader, epochs=2, learning_rate=1e-3))
    assert curves[0].loss == pytest.approx(curves[1].loss, abs=1e-4)
    assert curves[0].loss[0] > curves[0].loss[-1]


def test_frozen_weights_stay_and_the_others_learn(model, tokenizer, encoded):
    before = {name: weights.clone() for name, weights in model.state_dict().items()}
    frozen.freeze(model, 3)
    training.train(model, batching.loader(encoded, tokenizer, 16, train=True), epochs=1)
    changed = {name for name, weights in model.state_dict().items()
               if not torch.equal(weights, before[name])}
    kept = ("embeddings", "layer.0.", "layer.1.", "layer.2.")
    assert not [name for name in changed if any(part in name for part in kept)]
    assert any("layer.3." in name for name in changed)
    assert any("layer.5." in name for name in changed)
    assert "classifier.weight" in changed


def computed(monkeypatch):
    """Return a list that grows whenever outputs are computed, not read."""
    calls, lower = [], frozen.lower
    monkeypatch.setattr(frozen, "lower", lambda *a: calls.append(1) or lower(*a))
    return calls


def test_kept_outputs_are_read_again(model, tokenizer, encoded, tmp_path, monkeypatch):
    calls = computed(monkeypatch)
    first, second = (
        frozen.outputs(model, encoded, tokenizer, 2, file=tmp_path / "kept.safetensors")
        for _ in range(2)
    )
    assert torch.equal(first.hidden, second.hidden)
    assert len(calls) == 1


@pytest.mark.parametrize("change", ["weights", "length", "layers", "texts", "broken", "foreign"])
def test_kept_outputs_of_anything_else_are_made_anew(
    change, data, model, tokenizer, encoded, tmp_path, monkeypatch
):
    calls, file, layers, rows = computed(monkeypatch), tmp_path / "kept.safetensors", 2, encoded
    frozen.outputs(model, encoded, tokenizer, 2, file=file)
    if change == "weights":
        with torch.no_grad():
            model.bert.encoder.layer[1].output.dense.bias += 0.01
    elif change == "length":
        rows = batching.tokenize(data["train"].select(range(40)), tokenizer, 8)
    elif change == "layers":
        layers = 1
    elif change == "texts":
        rows = encoded.select([*range(1, 40), 0])
    elif change == "broken":
        file.write_bytes(file.read_bytes()[:1000])
    else:
        file.write_text("notes")
    made = frozen.outputs(model, rows, tokenizer, layers, file=file)
    assert len(calls) == 2
    again = frozen.outputs(model, rows, tokenizer, layers, file=file)
    assert len(calls) == 2
    assert torch.equal(made.hidden, again.hidden)


def test_what_kept_outputs_do_not_depend_on_does_not_matter(
    model, tokenizer, encoded, tmp_path, monkeypatch
):
    calls, file = computed(monkeypatch), tmp_path / "kept.safetensors"
    frozen.outputs(model, encoded, tokenizer, 2, file=file)
    with torch.no_grad():
        model.classifier.bias += 1  # far above the frozen layers
    frozen.outputs(model, encoded, tokenizer, 2, file=file)
    assert len(calls) == 1


def test_another_number_format_is_another_result(model, tokenizer, encoded, tmp_path, monkeypatch):
    calls, file = computed(monkeypatch), tmp_path / "kept.safetensors"
    frozen.outputs(model, encoded, tokenizer, 1, file=file)
    with torch.autocast("cpu", torch.bfloat16):
        frozen.outputs(model, encoded, tokenizer, 1, file=file)
    assert len(calls) == 2


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_several_processes_compute_their_share_of_one_file_that_all_have_mapped(
    processes, model, tokenizer, encoded, tmp_path, monkeypatch
):
    rows, file = encoded.select(range(20)), tmp_path / "kept.safetensors"
    held = frozen.outputs(model, rows, tokenizer, 2, batch_size=8)
    calls, barrier = computed(monkeypatch), threading.Barrier(processes)

    def outputs(process):
        accelerator = SimpleNamespace(
            process_index=process, num_processes=processes, is_main_process=process == 0,
            wait_for_everyone=barrier.wait,
        )
        return frozen.outputs(model, rows, tokenizer, 2, file=file, batch_size=8,
                              processes=accelerator)

    with ThreadPoolExecutor(processes) as pool:
        found = list(pool.map(outputs, range(processes)))
    assert len(calls) == 3  # 20 texts, 8 in a batch
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    for each in found:
        assert torch.equal(each.hidden, held.hidden)
        assert torch.equal(each[7][0], held[7][0])
    if sys.platform == "linux":
        assert str(file) in {area.path for area in psutil.Process().memory_maps()}


def test_how_much_disk_is_taken_is_said_before(model, tokenizer, encoded, tmp_path, monkeypatch,
                                               capsys):
    def outputs(free, unit):
        monkeypatch.setattr(frozen.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
        monkeypatch.setattr(frozen, "GB", unit)
        return frozen.outputs(model, encoded, tokenizer, 1, file=tmp_path / "kept", progress=True)

    calls, size = computed(monkeypatch), sum(batching.lengths(encoded)) * 384 * 4
    with pytest.raises(LearnerError, match=r"take 3.0 GB of disk, and .* has 2.0 GB left"):
        outputs(size * 2 / 3, size / 3)
    assert not calls
    outputs(size, size / 3)
    assert "take 3.0 GB of disk" in capsys.readouterr().out


def test_a_place_that_cannot_be_written_is_said(model, tokenizer, encoded, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(LearnerError, match=r"could not be written to .*Free some space"):
        frozen.outputs(model, encoded, tokenizer, 1, file=tmp_path / "file" / "kept")


def test_a_model_that_is_no_bert_is_refused():
    found = checkpoints.find("gpt2")
    model = AutoModelForSequenceClassification.from_pretrained(found.path, num_labels=2)
    with pytest.raises(LearnerError, match="GPT2ForSequenceClassification is not a BERT"):
        frozen.freeze(model, 1)


@pytest.mark.parametrize("layers", [-1, 6, 7])
def test_one_layer_has_to_be_left(layers, model):
    with pytest.raises(LearnerError, match="choose 0 to 5"):
        frozen.freeze(model, layers)
