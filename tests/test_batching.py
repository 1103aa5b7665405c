import copy

import pytest
import torch

from helpers import batching
from helpers.errors import LearnerError


def test_tokenizing_keeps_what_the_model_reads(encoded, data):
    assert set(encoded.column_names) == {
        "input_ids", "token_type_ids", "attention_mask", "labels",
    }
    assert encoded["labels"][:] == data["train"]["label"][:96]


def test_texts_are_cut_at_the_limit(data, tokenizer):
    cut = batching.tokenize(data["train"].select(range(8)), tokenizer, max_length=8)
    assert max(batching.lengths(cut)) == 8
    assert all(ids[-1] == tokenizer.sep_token_id for ids in cut["input_ids"][:])


def test_every_row_comes_once_an_epoch_in_an_order_of_its_own_that_can_be_found_again(encoded):
    sampler = batching.LengthGroupedBatches(batching.lengths(encoded), 7)
    epochs = [list(sampler) for _ in range(3)]
    for batches in epochs:
        assert len(batches) == len(sampler) == 14
        assert sorted(i for batch in batches for i in batch) == list(range(96))
    assert epochs[0] != epochs[1] != epochs[2]
    for epoch in (2, 0, 1):
        sampler.set_epoch(epoch)
        assert list(sampler) == epochs[epoch]


def test_sorted_by_length_the_rows_are_the_same_and_pad_little(encoded, tokenizer):
    ordered = batching.by_length(encoded)
    assert batching.lengths(ordered) == sorted(batching.lengths(encoded))
    assert sorted(map(str, ordered)) == sorted(map(str, encoded))
    assert batching.padding_share(batching.loader(ordered, tokenizer, 16)) < 0.15


def test_the_order_depends_on_the_seed_alone_and_leaves_the_random_state_alone(
    encoded, tokenizer
):
    def order(seed):
        loader = batching.loader(encoded, tokenizer, 8, train=True, seed=seed)
        return [batch["input_ids"].flatten().tolist() for batch in loader]

    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert order(1) == order(1)
    assert order(1) != order(2)
    list(batching.loader(encoded, tokenizer, 8))
    assert torch.equal(before, torch.get_rng_state())


def test_grouping_by_length_leaves_little_padding(data, tokenizer):
    every = batching.tokenize(data["train"], tokenizer)
    grouped = batching.padding_share(batching.loader(every, tokenizer, 16, train=True))
    plain = batching.padding_share(batching.loader(every, tokenizer, 16))
    assert grouped < 0.05
    assert plain > 0.25


def test_padding_is_masked(encoded, tokenizer):
    for batch in batching.loader(encoded, tokenizer, 8):
        is_padding = batch["input_ids"] == tokenizer.pad_token_id
        assert torch.equal(batch["attention_mask"], (~is_padding).long())


@pytest.mark.parametrize(
    ("rows", "batch_size", "pad_token", "said"),
    [
        *((8, size, "[PAD]", "whole number from 1 up") for size in (0, -1, 2.5, None)),
        (0, 16, "[PAD]", "no rows"),
        (8, 16, None, r"tokenizer\.pad_token = tokenizer\.eos_token.*config"),
    ],
)
@pytest.mark.parametrize("train", [True, False])
def test_what_makes_no_batch_is_said(encoded, tokenizer, rows, batch_size, pad_token, said, train):
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.pad_token = pad_token
    with pytest.raises(LearnerError, match=said):
        batching.loader(encoded.select(range(rows)), tokenizer, batch_size, train=train)


def test_a_run_resumed_within_its_second_epoch_gets_the_batches_of_that_epoch(encoded, tokenizer):
    from accelerate import Accelerator, skip_first_batches

    def rows(loader):
        return [batch["input_ids"].tolist() for batch in loader]

    whole = batching.loader(encoded, tokenizer, 16, train=True)
    first, second = rows(whole), rows(whole)
    assert first != second
    # As the Trainer does it: a loader of accelerate's, the batches that were had skipped.
    resumed = Accelerator(cpu=True).prepare(batching.loader(encoded, tokenizer, 16, train=True))
    resumed = skip_first_batches(resumed, 2)
    resumed.set_epoch(1)
    assert rows(resumed) == second[2:]
