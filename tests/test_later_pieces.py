"""What notebook 09 says of later pieces is what its command measured, with its own settings."""

import re

import nbformat
import pytest

from helpers import paths
from helpers.entities import alignment, data
from making import later_pieces as making
from tools import run

STORED = paths.recorded(making.FILE)


def test_both_ways_are_recorded_with_every_seed_on_the_validation_sentences():
    assert set(STORED["f1"]) == set(alignment.LATER_PIECES)
    assert STORED["seeds"] == list(making.SEEDS)
    assert {len(each) for each in STORED["f1"].values()} == {len(making.SEEDS)}
    assert STORED["sentences"] == len(data.load()["validation"])


def test_it_trains_as_the_notebook_does():
    source = "\n".join(c.source for c in nbformat.read(*run.chosen(["09"]), as_version=4).cells)
    assert (f"epochs, batch_size, head_rate = {making.EPOCHS}, {making.BATCH_SIZE}, "
            f"{making.HEAD_RATE}\n") in source
    rate, = re.findall(r'learning_rate = {"small": ([\de.-]+)', source)
    assert float(rate) == making.LEARNING_RATE


def test_what_is_there_is_not_trained_again(monkeypatch):
    monkeypatch.setattr(making, "trained", lambda *_: pytest.fail("trained again"))
    making.record()
