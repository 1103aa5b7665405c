"""What is recorded of single ideas is what their command measures."""

from dataclasses import asdict

import pytest
import torch

from helpers import batching, paths, training
from making import one_epoch as making

STORED = paths.recorded(making.FILE.name)


def test_every_idea_is_recorded_with_every_seed_and_differs_from_all_others():
    assert {name: row["what"] for name, row in STORED["ideas"].items()} == {
        name: idea.what for name, idea in making.IDEAS.items()}
    assert all(len(row["correct"]) == len(making.SEEDS) for row in STORED["ideas"].values())
    settings = [tuple(v for k, v in asdict(idea).items() if k != "what")
                for idea in making.IDEAS.values()]
    assert len(set(settings)) == len(settings)


@pytest.fixture(scope="module")
def few(encoded):
    return encoded.select(range(64))


@pytest.mark.parametrize("name", sorted(making.IDEAS))
def test_every_idea_trains_and_changes_what_comes_of_it(name, few, checkpoint, tokenizer):
    idea = making.IDEAS[name]
    teacher = (making.trained(making.IDEAS["one epoch"], checkpoint, tokenizer, few, 1)
               if idea.distilled else None)
    plain, found = (making.trained(each, checkpoint, tokenizer, few, 0, teacher, steps=3)
                    for each in (making.IDEAS["one epoch"], idea))
    batch = next(iter(batching.loader(few, tokenizer, 16)))
    with torch.inference_mode():
        answers = [making.logits(model, batch, "first") for model in (plain, found)]
    assert torch.allclose(*answers) == (name == "one epoch")


def test_two_epochs_of_it_are_the_recipe_fast(few, checkpoint, tokenizer, new_model):
    from helpers.recipes import RECIPES

    recipe, idea = RECIPES["fast"], making.IDEAS["two epochs"]
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.head_rate) == (
        idea.epochs, idea.batch_size, idea.rate, idea.head_rate)
    by_loop = new_model()
    by_loop.base_model.embeddings.requires_grad_(False)
    training.train(by_loop, batching.loader(few, tokenizer, 16, train=True, seed=0), epochs=2,
                   learning_rate=recipe.learning_rate, head_rate=recipe.head_rate)
    found = making.trained(idea, checkpoint, tokenizer, few, 0)
    assert torch.allclose(by_loop.classifier.weight, found.classifier.weight, atol=1e-6)


@pytest.mark.slow
def test_a_small_part_comes_out_as_it_is_recorded(checkpoint, tokenizer, data):
    encoded = batching.tokenize(data["train"], tokenizer)
    tested = [batching.tokenize(rows, tokenizer) for rows in (data["validation"], making.unused())]
    for name in ("one epoch", "mean"):
        idea = making.IDEAS[name]
        model = making.trained(idea, checkpoint, tokenizer, encoded, making.SEEDS[0])
        right = sum(making.correct(model, tokenizer, rows, idea.pooling) for rows in tested)
        assert abs(right - STORED["ideas"][name]["correct"][0]) <= 8  # on another processor
