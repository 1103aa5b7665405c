"""What the small GPT-2 takes over from BERT, and how it is held to agree with it."""

import pytest
import torch

from making import from_bert, pretraining

SENTENCE = " the house was old and the garden was small but we were happy there"


@pytest.fixture(scope="module")
def words_tokenizer():
    """A tokenizer that knows the words of SENTENCE and of a few pairs, whole."""
    texts = [SENTENCE, " terrible horrible awful banana monday tuesday"] * 400
    return pretraining.train_tokenizer(texts, 500)


@pytest.fixture(scope="module")
def teacher():
    return from_bert.Teacher(layers=2)


@pytest.mark.parametrize(("start", "inner", "low", "high"), [
    ("bert", 1536, 0.8, 1.0), ("bert", 768, 0.6, 1.0), ("random", 768, -0.3, 0.3),
], ids=["as wide as BERT's feed-forward", "half as wide", "random weights do not agree"])
def test_a_filled_gpt2_reads_nearly_as_bert_does_from_left_to_right(
    start, inner, low, high, words_tokenizer, teacher
):
    recipe = pretraining.Recipe(start=start, inner=inner, layers=2)
    model = pretraining.new_model(words_tokenizer, recipe).eval()
    batch = teacher.align(words_tokenizer, [(SENTENCE, True)])
    wanted = teacher.hidden(batch["teacher_ids"], batch["rows"], batch["teacher_places"])
    with torch.inference_mode():
        hidden = model.transformer(batch["ids"]).last_hidden_state
    found = hidden[batch["rows"], batch["places"]]
    assert low < torch.cosine_similarity(found, wanted, dim=-1).mean().item() < high


def test_words_start_where_berts_do(words_tokenizer, teacher):
    table = torch.nn.functional.normalize(
        from_bert.word_vectors(words_tokenizer, teacher.bert, teacher.pieces), dim=-1
    )

    def alike(a, b):
        one, other = (words_tokenizer.convert_tokens_to_ids(f"Ġ{word}") for word in (a, b))
        return float(table[one] @ table[other])

    assert alike("terrible", "horrible") > alike("terrible", "banana") + 0.2
    assert alike("monday", "tuesday") > alike("monday", "awful") + 0.2


def test_the_teacher_does_not_look_ahead(words_tokenizer, teacher):
    seen = []
    for text in (" the house was old", " the house was happy"):
        batch = teacher.align(words_tokenizer, [(text, True)])
        seen.append(teacher.hidden(batch["teacher_ids"], batch["rows"], batch["teacher_places"]))
    assert torch.allclose(seen[0][:3], seen[1][:3], atol=1e-5)
    assert not torch.allclose(seen[0][3], seen[1][3], atol=1e-2)


def test_tokens_are_aligned_where_they_end_at_the_same_character(teacher):
    tokenizer = pretraining.train_tokenizer([" unbelievable"] * 9, 258)  # hardly more than bytes
    batch = teacher.align(tokenizer, [("so unbelievable", True), ("so", False)])
    ends = (batch[name].tolist() for name in ("rows", "places", "teacher_places"))
    for row, place, other in zip(*ends, strict=True):
        mine = tokenizer.decode(batch["ids"][row, : place + 1])
        theirs = teacher.pieces.decode(batch["teacher_ids"][row, : other + 1])
        assert mine.replace(" ", "") == theirs.replace(" ", "")
    assert torch.equal(batch["ids_labels"][0], batch["ids"][0])
    assert batch["ids_labels"][1].tolist() == [-100] * batch["ids"].shape[1]
    assert len(batch["rows"]) == 1 + 1 + len(teacher.pieces.tokenize("unbelievable"))


def test_short_texts_are_fixed_by_the_seed_and_hold_words_that_the_prose_lacks(teacher):
    prose = ["The sea was calm. The men were silent; nobody moved at all."] * 5
    reviews = ["The battery died within a week.", "Lovely hotel."]
    texts = from_bert.short_texts(prose, reviews, teacher.pieces, 300)
    assert texts == from_bert.short_texts(prose, reviews, teacher.pieces, 300)
    assert len(texts) == 300
    sentences = {"The sea was calm.", "The men were silent;", "nobody moved at all."}
    assert {text for text, is_prose in texts if is_prose} <= sentences
    assert sum(is_prose for _, is_prose in texts) == 100
    assert any("battery" in text for text, _ in texts)
    known = set(" ".join(prose + reviews).split())
    assert sum(not set(text.split()) <= known for text, _ in texts) > 90


def test_the_words_of_bert_are_whole_and_the_frequent_ones_come_first(teacher):
    words = from_bert.words(teacher.pieces)
    assert len(words) > 20_000
    assert words.index("the") < words.index("hotel") < words.index("disappointing")
    assert all(word.isalpha() for word in words)
