"""The runs with several rates and seeds that notebook 07 shows are what their command records."""

import itertools

import pytest

from helpers import batching, sweep
from making import sweep as making

RUNS = sweep.load()


@pytest.mark.slow
@pytest.mark.parametrize("rate", [1e-4, 3e-4])
def test_a_run_comes_out_as_it_is_recorded(rate, checkpoint, tokenizer, data):
    encoded = batching.tokenize(data["train"], tokenizer)
    model, curve = making.trained(checkpoint, tokenizer, encoded, rate, 0)
    assert curve.loss == pytest.approx(RUNS[rate, 0]["loss"], abs=0.01)
    right = [mark == "1" for mark in making.marks(model, tokenizer, data["validation"])]
    assert abs(sum(right) - sum(RUNS[rate, 0]["validation"])) <= 3  # on another processor


def test_the_first_steps_of_a_run_come_out_as_they_are_recorded(
    checkpoint, tokenizer, data, monkeypatch
):
    class Enough(Exception):
        pass

    def stop(curve):
        if len(curve.loss) == 4:
            raise Enough(curve.loss)

    train = making.training.train
    monkeypatch.setattr(making.training, "train", lambda *given, **named: train(
        *given, **named, on_step=stop))
    with pytest.raises(Enough) as stopped:
        making.trained(checkpoint, tokenizer, batching.tokenize(data["train"], tokenizer), 3e-4, 1)
    assert stopped.value.args[0] == pytest.approx(RUNS[3e-4, 1]["loss"][:4], abs=1e-3)


def test_every_rate_is_recorded_with_every_seed():
    assert set(RUNS) == set(itertools.product(making.RATES, making.SEEDS))
    for (rate, _), run in RUNS.items():
        assert len(run["loss"]) == 100
        assert len(run["validation"]) == 200
        assert (run["unused"] is not None) == (rate in making.CONTENDERS)


def test_the_unused_reviews_are_in_no_split(data):
    seen = {text for split in data.values() for text in split["text"][:]}
    assert not seen & set(making.unused()["text"][:])
    assert len(RUNS[1e-4, 0]["unused"]) == len(making.unused())
