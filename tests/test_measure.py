import gc
import weakref
from types import SimpleNamespace

import pytest
import tiny_run
import torch

from helpers import measure


class TwoMaps(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(8, 16, bias=False)
        self.second = torch.nn.Linear(16, 3, bias=False)

    def forward(self, rows):
        return SimpleNamespace(loss=self.second(self.first(rows).relu()).sum())


@pytest.mark.parametrize("rows", [1, 5])
def test_what_is_kept_for_backward_is_counted_once_and_without_the_weights(rows):
    """The input, for the first map, and what relu makes, for itself and the second map."""
    batch = {"rows": torch.ones(rows, 8)}
    assert measure.activations(TwoMaps(), batch) == 4 * rows * (8 + 16)


def test_of_a_model_whose_maps_are_frozen_nothing_is_kept():
    model = TwoMaps().requires_grad_(False)
    assert measure.activations(model, {"rows": torch.ones(5, 8)}) == 0


def test_a_model_that_was_measured_can_be_let_go_of():
    model = TwoMaps()
    weights = weakref.ref(model.first.weight)
    measure.activations(model, {"rows": torch.ones(5, 8)})
    del model
    gc.collect()
    assert weights() is None


def test_bfloat16_halves_the_products_and_adds_a_copy_of_the_weights():
    with torch.autocast("cpu", torch.bfloat16):
        kept = measure.activations(TwoMaps(), {"rows": torch.ones(64, 8)})
    products, copies = 64 * (8 + 16), 16 * 3  # no gradient is wanted for the first map's input
    assert 2 * (products + copies) <= kept <= 2 * (products + copies + 8 * 16)


def test_a_quarter_of_a_batch_keeps_a_quarter():
    model, row = tiny_run.model(), tiny_run.rows(1)[0]
    whole = {name: torch.tensor([row[name]] * 8) for name in ("input_ids", "labels")}
    part = {name: values[:2] for name, values in whole.items()}
    few, all_rows = (measure.activations(model, batch) for batch in (part, whole))
    assert few == pytest.approx(all_rows / 4, rel=0.01)  # a few numbers do not depend on the rows
