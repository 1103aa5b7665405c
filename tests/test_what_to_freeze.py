"""What is trained, and how fast: as notebook 06 writes it, and as its command recorded it."""

import functools

import nbformat
import pytest
import torch
from transformers import AutoConfig

from helpers import batching, frozen, paths, training, what_to_freeze
from making import what_to_freeze as making

NOTEBOOK = paths.ROOT / "notebooks" / "06_what_to_freeze.ipynb"
LAYERS = 6
runs = functools.cache(what_to_freeze.load)


class Enough(Exception):
    """As many steps as a test needs."""


@pytest.fixture(scope="module")
def texts(checkpoint, tokenizer, data):
    return making.Texts(checkpoint, tokenizer, data)


def of_notebook(name):
    """Return a function as the notebook defines it."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    source = next(c.source for c in cells if c.source.startswith(f"def {name}("))
    space = {"torch": torch, "layers": LAYERS}
    exec(source.partition("\n\n\n")[0], space)
    return space[name]


def trained_names(model):
    return {name for name, weights in model.named_parameters() if weights.requires_grad}


@pytest.mark.parametrize(("freeze", "rate", "factor"), [(False, 1e-4, 0.7), (True, 3e-4, 1.0)])
def test_the_groups_are_those_that_the_notebook_builds(new_model, freeze, rate, factor):
    model = new_model()
    model.bert.embeddings.requires_grad_(not freeze)
    ours = what_to_freeze.layer_groups(model, rate, factor, 1e-3)
    theirs = of_notebook("layer_groups")(model, rate, factor, 1e-3)
    for one, other in zip(ours, theirs, strict=True):
        assert one["params"][0] is other["params"][0]
        assert (one["lr"], one["weight_decay"]) == (other["lr"], other["weight_decay"])


def test_each_layer_learns_at_a_factor_of_the_rate_above_it_and_the_head_at_its_own(new_model):
    model = new_model()
    rates = {id(g["params"][0]): g["lr"]
             for g in what_to_freeze.layer_groups(model, 1e-4, 0.5, 1e-3)}
    assert len(rates) == len([*model.parameters()])
    by_part = {name: rates[id(weights)] for name, weights in model.named_parameters()}
    assert by_part["bert.encoder.layer.5.output.dense.weight"] == 1e-4
    assert by_part["bert.encoder.layer.4.output.dense.bias"] == 0.5e-4
    assert by_part["bert.encoder.layer.0.attention.self.query.weight"] == 1e-4 / 2**5
    assert by_part["bert.embeddings.word_embeddings.weight"] == 1e-4 / 2**6
    assert by_part["bert.pooler.dense.weight"] == by_part["classifier.bias"] == 1e-3


def test_with_one_rate_for_all_layers_the_groups_train_as_the_recipe_fast_does(
    new_model, encoded, tokenizer
):
    losses = []
    for by_hand in (False, True):
        model = new_model()
        model.bert.embeddings.requires_grad_(False)
        loader = batching.loader(encoded.select(range(64)), tokenizer, 8, train=True)
        if by_hand:
            groups = what_to_freeze.layer_groups(model, 1e-4, 1.0, 1e-3)
            losses.append(making.fit(model, loader, groups, making.Setting(), model))
        else:
            losses.append(training.train(model, loader, epochs=1, learning_rate=1e-4,
                                         head_rate=10).loss)
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_layers_are_unfrozen_from_the_top_in_stages_of_equal_length(new_model):
    ours, theirs = new_model(), new_model()
    for model in (ours, theirs):
        model.bert.embeddings.requires_grad_(False)
    opened = []
    for step in range(70):
        what_to_freeze.unfreeze(ours, step, 70)
        of_notebook("unfreeze")(theirs, step, 70)
        assert trained_names(ours) == trained_names(theirs)
        opened.append(sum(layer.output.dense.weight.requires_grad
                          for layer in ours.bert.encoder.layer))
        assert ours.classifier.weight.requires_grad
    assert opened == [stage for stage in range(7) for _ in range(10)]
    what_to_freeze.unfreeze(ours, 10, 70)
    assert {n.split(".")[3] for n in trained_names(ours) if "layer." in n} == {"5"}


def test_every_rung_trains_what_the_one_before_trains_and_more(new_model):
    model, before = new_model(), set()
    ladder = what_to_freeze.rungs(LAYERS)
    for beginnings in ladder.values():
        what_to_freeze.train_only(model, beginnings)
        assert before < trained_names(model)
        before = trained_names(model)
        of_notebook("train_only")(model, beginnings)
        assert trained_names(model) == before
    assert before == {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize("rung", [rung for rung in what_to_freeze.rungs(LAYERS) if rung != "all"])
def test_no_layer_that_a_rung_trains_is_computed_once(rung, new_model):
    model = new_model()
    what_to_freeze.train_only(model, what_to_freeze.rungs(LAYERS)[rung])
    upper = frozen.UpperLayers(model, making.lower_layers(rung, LAYERS))
    inside = {id(p) for p in upper.parameters()}
    assert {id(p) for p in model.parameters() if p.requires_grad} <= inside


def test_random_weights_are_random_and_a_seed_draws_the_same_head_for_both_starts(checkpoint):
    model, same, other = (making.network(checkpoint, start, seed) for start, seed in (
        ("random", 1), ("random", 1), ("random", 2)))
    pretrained = making.network(checkpoint, "pretrained", 1)
    query = "bert.encoder.layer.0.attention.self.query.weight"
    weights = model.state_dict()
    assert torch.equal(weights[query], same.state_dict()[query])
    assert not torch.equal(weights[query], other.state_dict()[query])
    assert not torch.equal(weights[query], pretrained.state_dict()[query])


def test_a_mark_belongs_to_its_review(texts, data):
    sizes = batching.lengths(texts.judged)
    assert sizes == sorted(sizes)
    odd = torch.tensor([n % 2 == 1 for n in sizes])  # as if odd lengths were right
    first = batching.lengths(batching.tokenize(data["validation"], texts.tokenizer))
    marks = texts.marks(odd)
    assert marks[: len(first)] == "".join(str(n % 2) for n in first)
    assert len(marks) == len(first) + len(making.unused())


@pytest.mark.parametrize("name", [
    "all", "all but the embeddings, random weights", "factor 0.5", "gradual unfreezing",
    "LoRA, r = 8", "LoRA, r = 8, at 1e-4",
])
def test_the_first_steps_of_a_run_come_out_as_they_are_recorded(name, texts):
    def stop(losses):
        if len(losses) == 4:
            raise Enough(losses)

    setting = making.settings(LAYERS)[name]
    with pytest.raises(Enough) as stopped:
        making.trained(setting, texts, 1, on_step=stop)
    assert stopped.value.args[0] == pytest.approx(runs()[name][1]["first"][:4], abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["head and pooler, 3 epochs", "LoRA, r = 8"])
def test_a_whole_run_comes_out_as_it_is_recorded(name, texts):
    run = making.trained(making.settings(LAYERS)[name], texts, 0)
    recorded = runs()[name][0]
    assert run["trained"] == recorded["trained"]
    assert run["loss"] == pytest.approx(recorded["loss"], abs=0.02)
    assert abs(run["marks"].count("1") - sum(recorded["marks"])) <= 12  # another processor


def test_every_setting_is_recorded_with_every_seed(checkpoint):
    layers = AutoConfig.from_pretrained(checkpoint.path).num_hidden_layers
    assert set(runs()) == set(making.settings(layers))
    for each in runs().values():
        assert tuple(run["seed"] for run in each) == making.SEEDS
        assert len({run["trained"] for run in each}) == 1
        assert {len(run["marks"]) for run in each} == {1766}


def test_lora_trains_less_than_a_hundredth_of_the_model():
    assert runs()["LoRA, r = 8"][0]["trained"] < 0.01 * runs()["all"][0]["trained"]


def test_a_gain_is_that_of_the_first_over_the_second():
    one = [{"marks": [True, True, False, True]}] * 2
    other = [{"marks": [True, False, False, False]}, {"marks": [True, True, False, False]}]
    assert what_to_freeze.accuracies(other) == [0.25, 0.5]
    assert what_to_freeze.gain(one, other).by_seed == (0.5, 0.25)
