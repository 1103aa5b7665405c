"""From entities to labels of tokens and back, over texts that no tokenizer likes."""

import random

import numpy as np
import pytest
import torch
from entity_markup import made
from transformers import AutoTokenizer, DataCollatorForTokenClassification

from helpers import checkpoints
from helpers.entities import alignment, spans
from helpers.entities.spans import Entity
from helpers.errors import LearnerError

TYPES = ("person", "place")
# Letters, marks, signs, blanks, what WordPiece drops, and what it takes for a token of its own.
PARTS = [
    "a", "Maren", "O'Dal", "Rye-on", "é", "e\u0301", "ß", "İ", "ﬁ", "東", "京", "タワー", "한국",
    "ё", "ا", "हिन्दी", "👩\u200d🚀", "👍🏽", "🇳🇴", "\u200b", "\u200d", "\ufeff", "\u0301",
    "\ufffd", "\x00", "\x07", "\xad", " ", "  ", "\n", "\t", "\u00a0", "\u2028", "\u3000", "-",
    "'", "’", "_", "@", "#", "$", "…", "[SEP]", "[MASK]", "[", "x" * 120, "\ud83d", "𝕏", "½",
    "10", "ǅ",
]


def logits_of(encoded):
    """Return logits that are sure of each token's label; where it has none, of one at random."""
    tags = len(spans.tag_names(encoded.types))
    generator = np.random.default_rng(0)
    found = []
    for labels in encoded.dataset["labels"]:
        labels = np.array(labels)
        any_tag = generator.integers(tags, size=len(labels))
        found.append(np.eye(tags)[np.where(labels == alignment.IGNORED, any_tag, labels)])
    return found


def random_sentence(generator):
    """Return a text of random parts and entities at random borders of characters."""
    text = "".join(generator.choice(PARTS) if generator.random() < 0.8 else
                   chr(generator.choice([generator.randrange(0xD800),
                                         generator.randrange(0xE000, 0x11_0000)]))
                   for _ in range(generator.randrange(1, 25)))
    borders = sorted(generator.sample(range(len(text) + 1), min(len(text) + 1, 8)))
    entities = []
    for start, end in zip(borders[::2], borders[1::2], strict=False):
        entities.append(Entity(start, end, generator.choice(TYPES)))
    kept = []
    for entity in entities:
        try:
            sentence, _ = spans.sentence(text, [*kept, entity])
        except LearnerError:
            continue
        kept = list(sentence.entities)
    return spans.Sentence(text, tuple(kept))


@pytest.mark.parametrize("later_pieces", alignment.LATER_PIECES)
@pytest.mark.parametrize("max_length", [8, 128])
@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_every_entity_of_random_texts_comes_back_or_is_reported(name, later_pieces, max_length):
    tokenizer = AutoTokenizer.from_pretrained(checkpoints.find(name).path)
    generator = random.Random(max_length)
    sentences = [random_sentence(generator) for _ in range(1500)]
    encoded = alignment.encode(tokenizer, sentences, TYPES, max_length, later_pieces)
    decoded = alignment.decode(encoded, logits_of(encoded))
    lost = {(each.sentence, each.entity): each for each in encoded.lost}
    whole = 0
    for i, (sentence, found) in enumerate(zip(sentences, decoded, strict=True)):
        expected = []
        for entity in sentence.entities:
            gone = lost.get((i, entity))
            whole += gone is None
            assert gone is None or gone.left != entity
            expected += [entity] if gone is None else [gone.left] if gone.left else []
        # Words that an entity cuts have no label, so that anything may be found there.
        cut = [each.entity for each in encoded.lost
               if each.sentence == i and "lies within" in each.reason]
        words = [word for word in encoded.words[i]
                 if any(word[0] < e.end and e.start < word[1] for e in cut)]
        if not words:
            assert list(found) == expected, (sentence, encoded.lost)
    assert whole > 300
    assert len({each.reason for each in encoded.lost}) > 3 or name == "gpt2"


@pytest.mark.parametrize(("later_pieces", "labels"), [
    ("ignore", "B-person I-person I-person I-person -100 O B-place -100 O"),
    ("repeat", "B-person I-person I-person I-person I-person O B-place I-place O"),
])
def test_later_tokens_of_a_word_are_left_out_or_repeat_its_tag(tokenizer, later_pieces, labels):
    sentence = made("[Anna O'Dalaigh](person) left [Stour](place).")
    encoded = alignment.encode(tokenizer, [sentence], TYPES, later_pieces=later_pieces)
    names = [*spans.tag_names(TYPES), "-100"]
    found = [names[max(label, -1)] if label >= 0 else "-100" for label in
             encoded.dataset[0]["labels"]]
    assert tokenizer.convert_ids_to_tokens(encoded.dataset[0]["input_ids"]) == [
        "[CLS]", "anna", "o", "'", "dalai", "##gh", "left", "st", "##our", ".", "[SEP]"]
    assert found == ["-100", *labels.split(), "-100"]
    assert encoded.lost == []


@pytest.mark.parametrize(("markup", "max_length", "reason", "left"), [
    ("we saw [Anna Holt](person)", 5, "the text is cut before its end", "Anna"),
    ("we saw [Anna Holt](person)", 4, "the text is cut before its end", None),
    ("the mark [\u200b](person) alone", 128, "no token for some of its characters", None),
    ("the mark [Anna \ufffd](person) behind", 128, "no token for some of its characters", "Anna"),
    ("a [Velo](place)fan", 128, "its border lies within the word 'Velofan'", None),
])
def test_what_does_not_come_through_is_reported_with_its_reason(
    tokenizer, markup, max_length, reason, left
):
    sentence = made(markup)
    lost, = alignment.encode(tokenizer, [sentence], TYPES, max_length).lost
    assert lost.entity == sentence.entities[0]
    assert lost.reason.endswith(reason)
    assert (lost.left and sentence.text[lost.left.start : lost.left.end]) == left
    assert str(lost).startswith("sentence 0: p")


def test_a_word_that_is_cut_by_an_entity_has_no_label(tokenizer):
    encoded = alignment.encode(tokenizer, [made("a [Velo](place)fan of [Osk](place)")], TYPES,
                               later_pieces="repeat")
    tokens = tokenizer.convert_ids_to_tokens(encoded.dataset[0]["input_ids"])
    labels = dict(zip(tokens, encoded.dataset[0]["labels"], strict=True))
    assert {labels[token] for token in ("ve", "##lo", "##fan")} == {-100}
    assert (labels["a"], labels["os"], labels["##k"]) == (0, 3, 4)


def test_padded_batches_of_the_usual_collator_are_decoded_to_the_same(tokenizer):
    sentences = [made("[Anna](person) left"), made("from [Osk](place) to [Rye-on-Stour](place)!")]
    encoded = alignment.encode(tokenizer, sentences, TYPES)
    collate = DataCollatorForTokenClassification(tokenizer)
    batch = collate([{**row} for row in encoded.dataset])
    logits = torch.nn.functional.one_hot(batch["labels"].clamp(min=0), 5).float()
    assert alignment.decode(encoded, logits) == [s.entities for s in sentences]
    assert alignment.decode(encoded, logits.numpy()) == [s.entities for s in sentences]


def test_an_inside_tag_that_continues_nothing_begins_an_entity(tokenizer):
    encoded = alignment.encode(tokenizer, [made("in osk")], TYPES)
    logits = np.zeros((1, 5, 5))
    logits[0, 2:4, 4] = 1  # I-place on both tokens of osk
    assert alignment.decode(encoded, logits) == [(Entity(3, 6, "place"),)]


def test_a_type_that_the_model_does_not_have_is_refused(tokenizer):
    with pytest.raises(LearnerError, match="the type 'firm', and the types are person, place"):
        alignment.encode(tokenizer, [made("[Velo](firm)")], TYPES)
    with pytest.raises(LearnerError, match="neither 'ignore' nor 'repeat'"):
        alignment.encode(tokenizer, [made("Velo")], TYPES, later_pieces="all")


def test_a_tokenizer_without_offsets_is_refused(tokenizer):
    class Slow:
        is_fast = False

    with pytest.raises(LearnerError, match="does not say which characters"):
        alignment.encode(Slow(), [made("Velo")], TYPES)


def test_a_text_without_words_has_no_entities(tokenizer):
    encoded = alignment.encode(tokenizer, [made(""), made(" \u0301")], TYPES)
    assert alignment.decode(encoded, logits_of(encoded)) == [(), ()]
