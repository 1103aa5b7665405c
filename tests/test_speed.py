"""How many FLOP/s the machine reaches, and how many FLOPs a training takes."""

from types import SimpleNamespace

import pytest
import torch

from helpers import batching, frozen, speed, training


def test_the_flops_of_a_matrix_product_are_counted():
    class Product(torch.nn.Linear):
        def forward(self, inputs):
            return SimpleNamespace(loss=super().forward(inputs).sum())

    batch = {"inputs": torch.zeros(7, 30)}
    # Forward, and backward to the weights; the inputs need no gradient.
    for n in (1, 3):
        assert speed.training_operations(Product(30, 20), [batch] * n) == n * 4 * 7 * 30 * 20


def test_freezing_saves_what_the_arithmetic_says(new_model, encoded, tokenizer):
    model = new_model()
    batches = list(batching.loader(encoded.select(range(16)), tokenizer, 16))
    whole = speed.training_operations(model, batches)
    tokens = sum(batch["input_ids"].numel() for batch in batches)
    layers = sum(p.numel() for p in model.bert.encoder.parameters())
    assert whole == pytest.approx(6 * layers * tokens, rel=0.05)  # 2 forward, 4 backward
    frozen.freeze(model, 3)
    half = speed.training_operations(model, batches)
    assert half == pytest.approx(whole * 4 / 6, rel=0.05)  # half of the backward pass is gone


def test_counting_leaves_the_model_as_it_was(new_model, encoded, tokenizer):
    model = new_model()
    speed.training_operations(model, [next(iter(batching.loader(encoded, tokenizer, 4)))])
    assert model.device.type == "cpu"
    assert all(p.grad is None for p in model.parameters())
    assert training.predict(model, tokenizer, ["Lovely."]).shape == (1, 2)


def test_the_rate_is_that_of_the_products(monkeypatch):
    rate = speed.matmul_rate(seconds=0.05, shape=(256, 200, 300))
    assert 1e8 < rate < 1e14
    clock = iter(x / 1000 for x in range(1000))  # a second reading comes a millisecond later
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(clock))
    assert speed.matmul_rate(seconds=0.01, shape=(10, 20, 30)) == pytest.approx(12e6)


@pytest.mark.parametrize(("rate", "pays"), [(3.0, True), (1.2, False), (0.5, False)])
def test_bf16_pays_where_it_is_clearly_faster(rate, pays, monkeypatch):
    given = {torch.bfloat16: rate, torch.float32: 1.0}
    monkeypatch.setattr(speed, "matmul_rate", lambda dtype, *rest: given[dtype])
    assert speed.bf16_pays() is pays
