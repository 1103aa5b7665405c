"""The benchmark: every recipe runs, the clock counts only training, the table is what was run."""

import time
from types import SimpleNamespace

import pytest

from helpers import benchmark
from helpers.errors import LearnerError
from making import benchmark as making


@pytest.mark.slow
@pytest.mark.parametrize(("name", "epochs", "batch"), [
    ("circulating", 3, 2), ("trainer_defaults", 3, 8), ("loop", 3, 16), ("fast", 2, 16),
])
def test_each_recipe_runs_and_is_looked_at(name, epochs, batch):
    figures = making.one(name, texts=32)
    assert figures["texts"] == 32
    assert figures["looks"][-1][2] == 400
    seconds = [look[0] for look in figures["looks"]]
    assert 0 < seconds[0] <= seconds[-1] <= figures["seconds"] + 0.01
    assert figures["steps"] == epochs * 32 // batch
    assert figures["shown"] == epochs * 32
    # Six FLOPs a weight and token; frozen layers two, and the last for one token less.
    tokens = 128 if name == "circulating" else 24
    whole = 6 * 10.6e6 * tokens
    assert 0.2 * whole < figures["operations"] / figures["shown"] < 1.5 * whole
    share = figures["operations"] / figures["seconds"] / figures["matmul_rate"]
    assert 0 < share < 1.2


def test_the_clock_stands_still_while_it_looks(monkeypatch):
    result = SimpleNamespace(correct=9, n=10)
    monkeypatch.setattr(making.training, "evaluate", lambda *a: time.sleep(0.1) or result)
    model = SimpleNamespace(training=True, train=lambda mode: None)
    clock = making.Clock(None, steps=8)
    for _ in range(8):
        clock.step(model)
    assert len(clock.looks) == 8
    assert clock.seconds < 0.1


def figures(recipe, seconds, correct, seed=0):
    return {"recipe": recipe, "seed": seed, "seconds": seconds, "peak_memory_gb": 1.0,
            "shown": 200, "operations": 3e9, "matmul_rate": 1e8,
            "looks": [(seconds / 2, correct - 20, 400), (seconds, correct, 400)]}


def test_the_summary_holds_medians_and_the_spread():
    rows = benchmark.summary([
        figures("slow", 100.0, 364), figures("fast", 2.0, 361),
        figures("slow", 110.0, 368, 1), figures("fast", 3.0, 340, 1),
        figures("slow", 90.0, 380, 2), figures("fast", 1.0, 362, 2),
    ])
    assert rows["slow"]["seconds"] == 100.0
    assert (rows["fast"]["fastest"], rows["fast"]["slowest"]) == (1.0, 3.0)
    assert rows["slow"]["accuracy"] == 368 / 400
    assert rows["fast"]["to_goal"] is None  # one of three never got there
    assert rows["slow"]["to_goal"] == 100.0
    assert rows["slow"]["a_second"] == 2.0
    assert rows["slow"]["of_ceiling"] == 0.3
    assert " 50.0x" in benchmark.table(rows)


def test_the_stored_runs_bear_out_what_notebook_10_says():
    rows = benchmark.summary(benchmark.load())
    assert set(rows) == set(making.RECIPES)
    for name, times in {"circulating": 50, "trainer_defaults": 9, "setfit": 15}.items():
        assert rows[name]["seconds"] >= times * rows["fast"]["seconds"], name
    assert rows["fast"]["accuracy"] >= rows["circulating"]["interval"][0]
    assert all(0.1 < row["of_ceiling"] < 1 for row in rows.values())


@pytest.mark.parametrize("options", [
    ["--repeats", "0"], ["--texts", "0"], ["--texts", "9999"], ["--save", "--only", "fast"],
    ["--save", "--texts", "32"],
])
def test_options_that_make_no_table_are_refused(options, capsys):
    with pytest.raises(SystemExit, match="2"):
        making.main(options)
    assert options[0] in capsys.readouterr().err


def test_a_recipe_that_stops_is_named(monkeypatch):
    monkeypatch.setattr(making.subprocess, "run", lambda *a, **k: SimpleNamespace(returncode=1))
    with pytest.raises(LearnerError, match="The recipe loop failed"):
        list(making.run(["loop"], 1))
