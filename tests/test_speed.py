"""How fast the machine is, how many FLOPs and bytes a training takes, and what was gained."""

from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from helpers import batching, frozen, speed, training


class Product(torch.nn.Linear):
    def forward(self, inputs, labels=None):
        return SimpleNamespace(loss=super().forward(inputs).sum())


def test_the_flops_of_a_matrix_product_are_counted():
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


def test_a_rate_can_be_taken_of_matrices_that_come_from_memory(monkeypatch):
    seconds = set()

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func is torch.ops.aten.mm.default:
                seconds.add(args[1].data_ptr())
            return func(*args, **(kwargs or {}))

    monkeypatch.setattr(speed, "BEYOND_CACHE", 5 * 4 * 20 * 30)
    for fetched, matrices in ((True, 5), (False, 1)):
        seconds.clear()
        with Watch():
            speed.matmul_rate(seconds=0.05, shape=(10, 20, 30), fetched=fetched)
        assert len(seconds) - fetched == matrices  # the first one warms up


def test_the_bandwidth_is_what_a_copy_reads_and_writes(monkeypatch):
    monkeypatch.setattr(speed, "BEYOND_CACHE", 4000)
    clock = iter(x / 1000 for x in range(1000))
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(clock))
    assert speed.bandwidth(seconds=0.01) == pytest.approx(2 * 4000 / 0.001)


TABLE, PLACES = torch.ones(1000, 8), torch.tensor([3, 5])
A, B = torch.ones(30, 20), torch.ones(20, 10)


@pytest.mark.parametrize(("operation", "numbers"), [
    (lambda: A @ B, 30 * 20 + 20 * 10 + 30 * 10),
    (lambda: A.add_(A), 2 * 600 + 600),  # read twice, written
    (lambda: A.add(1.0), 600 + 600),
    (lambda: A.view(20, 30).t()[:3], 0),  # the same numbers, looked at otherwise
    (lambda: torch.empty(1000), 0),
    (lambda: torch.ones(1, 10).expand(30, 10).add(1.0), 10 + 10 + 300),  # stored once
    (lambda: torch.nn.functional.embedding(PLACES, TABLE), 2 * 2 + 2 * 8 + 2 * 8),
])
def test_the_bytes_of_an_operation_are_what_goes_in_and_comes_out(operation, numbers):
    with speed.Traffic() as traffic:
        operation()
    assert traffic.bytes == 4 * numbers


def test_a_fused_optimizer_moves_each_number_once_and_counting_changes_nothing():
    model = torch.nn.Linear(300, 200)
    before = model.weight.clone()
    fused, plain = (speed.optimizer_bytes(model, fused=kind) for kind in (True, False))
    # Weight, gradient and two means are read, all but the gradient written.
    assert fused == pytest.approx(7 * 4 * (300 * 200 + 200), rel=0.001)
    assert plain > 2 * fused
    assert torch.equal(model.weight, before)
    assert all(p.grad is None for p in model.parameters())
    model.weight.requires_grad_(False)
    assert speed.optimizer_bytes(model, fused=True) == pytest.approx(7 * 4 * 200, rel=0.01)


def test_the_intensity_of_a_step_counts_forward_backward_and_optimizer():
    model, batch = Product(300, 200, bias=False), {"inputs": torch.ones(50, 300),
                                                   "labels": torch.zeros(50)}
    weights, inputs, results = 300 * 200, 50 * 300, 50 * 200
    flops = speed.training_operations(model, [batch]) / 50
    # Product, and that of the gradient; the sum and its gradient; seven times the weights.
    least = 4 * (2 * (weights + inputs + results) + 7 * weights)
    found = speed.intensity(model, [batch] * 3, flops, fused=True)
    assert found == pytest.approx(4 * 50 * weights / least, rel=0.1)
    assert model.weight.grad is None


def test_products_with_more_rows_do_more_for_a_byte(monkeypatch):
    monkeypatch.setattr(speed, "matmul_rate", lambda **how: 1e9 * how["shape"][0])
    points = speed.product_points(100, 200, rows=(1, 50))
    assert points[1] == (pytest.approx(2 * 20_000 / (4 * 20_300)), 1e9)
    assert points[50] == (pytest.approx(100 * 20_000 / (4 * (5_000 + 20_000 + 10_000))), 5e10)


def passes(*seconds):
    return [{"forward": 0.25 * each, "backward": 0.75 * each} for each in seconds]


@pytest.mark.parametrize(("after", "said"), [
    (passes(1, 2, 2.5), "measured 3.00 (2.00 to 8.00): held"),
    (passes(1.2, 1.2, 1.2), "measured 5.00 (4.17 to 6.67): missed by +67%. Larger."),
    (passes(4, 4, 4), "measured 1.50 (1.25 to 2.00): missed by -50%. No reason known: measure"),
])
def test_a_rung_says_whether_its_prediction_held_and_else_why_not(after, said):
    rung = speed.Rung(passes(6, 5, 8), after, 3.0, more="Larger.")
    assert str(rung).startswith(f"predicted 3.00 times as fast, {said}")


@pytest.mark.parametrize(("gain", "held"), [(1.24, True), (1.26, False), (0.81, True),
                                            (0.79, False)])
def test_a_prediction_holds_within_a_quarter_either_way(gain, held):
    assert speed.Rung(passes(gain), passes(1.0), 1.0).held is held


def test_the_parts_of_a_step_are_medians_over_the_passes():
    assert speed.parts(passes(4, 1, 2)) == {"forward": 0.5, "backward": 1.5}
    assert speed.a_text(passes(4, 1, 2)) == 2
    assert speed.share(passes(4, 1, 2), "backward") == 0.75


def test_a_rate_is_told_with_its_range(monkeypatch):
    clock = iter([0.0, 1.0, 1.0, 5.0, 5.0, 7.0])
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(clock))
    assert speed.a_second(8, abs, -1) == "4 reviews a second (2 to 8)"


@pytest.mark.parametrize(("after", "said"), [
    (0.008, "30 s; a step 10.0 ms, then 8.0 ms: won back after 15,000 steps"),
    (0.0099, "30 s; a step 10.0 ms, then 9.9 ms: never won back"),
    (0.02, "30 s; a step 10.0 ms, then 20.0 ms: never won back"),
])
def test_what_was_spent_on_faster_steps_is_won_back_by_steps_that_are_faster(after, said):
    assert speed.won_back(30, 0.01, after) == said
