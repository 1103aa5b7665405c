"""Writing with a language model, what it makes of a text, and of settings that make no sense."""

import math

import pytest
import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel

from helpers import generation, widgets
from helpers.errors import LearnerError
from making import pretraining

PROMPT = "The room was"


@pytest.fixture(scope="module")
def writer(data):
    """A GPT-2 with random weights, and a tokenizer that knows the words of the reviews."""
    tokenizer = pretraining.train_tokenizer(data["train"]["text"][:], 2000)
    transformers.set_seed(0)
    return GPT2LMHeadModel(GPT2Config(
        vocab_size=len(tokenizer), n_positions=256, n_embd=64, n_layer=2, n_head=2,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )).eval(), tokenizer


def test_greedy_takes_the_most_probable_token_each_time(writer):
    model, tokenizer = writer
    ids = tokenizer(PROMPT, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        for _ in range(5):
            best = model(ids).logits[0, -1].argmax()
            ids = torch.cat([ids, best.view(1, 1)], dim=1)
    cold = generation.Sampling(temperature=1e-3)
    for sampling in (None, cold):
        written = generation.generate(*writer, PROMPT, sampling, max_new_tokens=5, seed=3)
        assert written == tokenizer.decode(ids[0])


def test_a_seed_fixes_what_is_drawn_and_leaves_the_random_state_alone(writer):
    drawn = generation.Sampling(temperature=1.5)
    before = torch.get_rng_state()
    texts = [generation.generate(*writer, PROMPT, drawn, seed=seed) for seed in (0, 0, 1)]
    assert torch.equal(before, torch.get_rng_state())
    assert texts[0] == texts[1] != texts[2]


def shares(writer, most=1000, **sampling):
    drawn = generation.Sampling(**sampling) if sampling else None
    return [share for _, share in generation.next_tokens(*writer, PROMPT, drawn, most=most)]


def test_next_tokens_are_the_softmax_of_the_logits(writer):
    model, tokenizer = writer
    with torch.inference_mode():
        expected = model(**tokenizer(PROMPT, return_tensors="pt")).logits[0, -1].softmax(-1)
    assert shares(writer, most=3) == pytest.approx(expected.topk(3).values.tolist())
    likeliest = generation.next_tokens(*writer, PROMPT, most=3)[0][0]
    assert likeliest == tokenizer.decode([expected.argmax()])


def test_top_k_keeps_k_tokens_and_top_p_the_smallest_set_that_holds_p(writer):
    every, four = shares(writer), shares(writer, top_k=4)
    assert four == pytest.approx([share / sum(every[:4]) for share in every[:4]], rel=1e-4)
    held = len(shares(writer, top_p=0.4))
    assert sum(every[:held]) >= 0.4 > sum(every[: held - 1])


def test_top_k_is_not_silently_50(writer):
    assert len(shares(writer, temperature=1.0)) == 1000
    hot = generation.Sampling(temperature=50.0)
    texts = {generation.generate(*writer, PROMPT, hot, max_new_tokens=1, seed=seed)
             for seed in range(80)}
    assert len(texts) > 55, "drawn from 50 tokens only"


def test_predictions_cost_the_sum_of_all_tokens_with_the_end(writer):
    model, tokenizer = writer
    texts = ["The room was fine.", "Café 🔥"]
    nats = tokens = 0
    for text in texts:
        ids = [tokenizer.bos_token_id, *tokenizer(text)["input_ids"], tokenizer.eos_token_id]
        with torch.inference_mode():
            chances = model(torch.tensor([ids])).logits[0].softmax(-1)
        nats -= sum(math.log(chances[i, ids[i + 1]]) for i in range(len(ids) - 1))
        tokens += len(ids) - 1
    found = generation.predicted(model, tokenizer, texts)
    assert (found.tokens, found.size) == (tokens, 18 + 10)
    assert found.nats == pytest.approx(nats, rel=1e-5)
    assert found.perplexity == pytest.approx(math.exp(nats / tokens), rel=1e-5)
    assert found.bits_per_byte == pytest.approx(nats / math.log(2) / 28, rel=1e-5)


def test_a_text_beyond_the_context_is_predicted_in_parts(writer):
    model, tokenizer = writer
    long = "word " * 400
    assert generation.predicted(model, tokenizer, [long]).tokens == len(
        tokenizer(long, verbose=False)["input_ids"]) + 1


def test_pairs_of_bytes_are_asked_for_every_byte_and_the_end():
    found = generation.byte_pairs(["ab", "ab"], ["ab", "ü"])
    assert (found.tokens, found.size) == (3 + 3, 2 + 2)


@pytest.mark.parametrize(("prompt", "said"), [
    ("", "The prompt is empty"), ("  \n", "The prompt is empty"), (None, "The prompt is empty"),
    ("word " * 300, r"has \d+ tokens and 40 more are to follow.*256"),
])
def test_a_prompt_that_is_empty_or_longer_than_the_context_is_named(prompt, said, writer):
    with pytest.raises(LearnerError, match=said):
        generation.generate(*writer, prompt)
    assert generation.generate(*writer, "word " * 100, max_new_tokens=2).startswith("word word")


@pytest.mark.parametrize(("settings", "said"), [
    ({"temperature": 0}, "temperature is 0"), ({"temperature": -1.0}, "choose greedy"),
    ({"temperature": float("nan")}, "above 0"), ({"top_k": -1}, "top_k is -1"),
    ({"top_k": 2.5}, "whole number"), ({"top_p": 0}, "top_p is 0"), ({"top_p": 1.2}, "at most 1"),
])
def test_a_setting_out_of_range_is_named(settings, said):
    with pytest.raises(LearnerError, match=said):
        generation.Sampling(**settings)


def test_the_explorer_follows_its_controls_and_answers_an_empty_prompt_in_a_sentence(writer):
    panel = widgets.generation_explorer(*writer, PROMPT, max_new_tokens=5)
    field, sliders, below, bars, text = panel.children
    temperature, _, _ = sliders.children
    greedy, _, button = below.children
    assert PROMPT in text.value
    at_one = bars.value
    temperature.value = 0.3
    assert bars.value != at_one
    greedy.value = True
    assert temperature.disabled
    assert bars.value.count("<code") == 1
    written = text.value
    field.value = "The <b>soup</b>"
    button.click()
    assert text.value != written
    assert "&lt;b&gt;soup" in text.value
    field.value = " "
    button.click()
    for view in (bars, text):
        assert "The prompt is empty" in view.value
