"""The comparison of GPT-2 and BERT that notebook 05 shows is what its command measures."""

import json

import pytest
import torch

from helpers import gpt2_comparison, paired
from making import gpt2_comparison as making

STORED = json.loads(gpt2_comparison.FILE.read_text(encoding="utf-8"))
RECORD = gpt2_comparison.load()


@pytest.mark.parametrize("model", ["GPT-2", "GPT-2, mean", making.BAG])
def test_a_small_part_of_the_comparison_comes_out_as_it_is_recorded(model, data):
    rate = (None if model == making.BAG
            else gpt2_comparison.chosen_rate(STORED["rates"], making.recipe_of(model)))
    train = making.drawn(data["train"], making.COUNT, 0)
    found = making.answers(model, train, data["test"]["text"][:], 0, rate)
    recorded = RECORD["answers"][model][0]
    assert sum(a != b for a, b in zip(found, recorded, strict=True)) <= 8  # another processor


def test_every_model_is_recorded_with_every_seed_and_all_test_reviews(data):
    assert set(RECORD["answers"]) == {*making.RATES, *making.POOLED, making.BAG}
    assert RECORD["labels"] == data["test"]["label"][:]
    for rows in STORED["answers"].values():
        assert tuple(map(int, rows)) == making.SEEDS
        assert {len(row) for row in rows.values()} == {len(RECORD["labels"])}
    assert (STORED["count"], STORED["epochs"]) == (making.COUNT, making.EPOCHS)


def test_bert_and_gpt2_get_the_same_epochs_and_from_scratch_more():
    epochs = making.EPOCHS
    assert epochs["BERT"] == epochs["GPT-2"] < epochs["GPT-2, from scratch"]


def test_the_rates_were_chosen_with_seeds_that_the_comparison_does_not_have():
    assert not set(making.SEEDS) & set(making.SEEDS_OF_RATES)
    for name, rates in making.RATES.items():
        assert set(STORED["rates"][name]) == {str(rate) for rate in rates}
        best = gpt2_comparison.chosen_rate(STORED["rates"], name)
        right = {float(rate): sum(each) for rate, each in STORED["rates"][name].items()}
        assert right[best] == max(right.values())


def test_pretraining_is_worth_at_least_eight_points_and_the_interval_is_above_zero():
    found = paired.compare_seeds(RECORD["answers"]["GPT-2, from scratch"],
                                 RECORD["answers"]["GPT-2"], RECORD["labels"])
    assert found.difference >= 0.08
    assert found.interval[0] > 0


@pytest.mark.parametrize("name", making.POOLED)
def test_what_is_pooled_does_not_depend_on_the_padding(name):
    tokenizer = making.tokenizer_of(name)
    model = making.new_model(name, 0, tokenizer.pad_token_id).eval()
    texts = ["Never again", "It broke on the second day, and nobody answers."]
    with torch.inference_mode():
        together = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits
        alone = torch.cat([model(**tokenizer([text], return_tensors="pt")).logits
                           for text in texts])
    assert torch.allclose(together, alone, atol=1e-4)


def test_the_first_token_knows_nothing_but_itself_and_the_mean_more():
    logits = {}
    for name in making.POOLED:
        tokenizer = making.tokenizer_of(name)
        model = making.new_model(name, 0, tokenizer.pad_token_id).eval()
        with torch.inference_mode():
            logits[name] = [model(**tokenizer(text, return_tensors="pt")).logits
                            for text in ("The best room", "The worst room")]
    assert torch.allclose(*logits["GPT-2, first token"], atol=1e-5)
    assert not torch.allclose(*logits["GPT-2, mean"], atol=1e-2)
