"""Entities as spans of characters and as tags of words: what is one, and what is refused."""

import pytest
from entity_markup import made

from helpers.entities import spans
from helpers.entities.spans import Entity
from helpers.errors import LearnerError


def words_of(text):
    return [text[start:end] for start, end in spans.words(text)]


@pytest.mark.parametrize(("text", "words"), [
    ("Maren's bike, in Rye-on-Stour.", ["Maren", "'", "s", "bike", ",", "in", "Rye", "-", "on",
                                        "-", "Stour", "."]),
    ("@tarnby_anna", ["@", "tarnby", "_", "anna"]),
    ("  two\tblanks\r\n", ["two", "blanks"]),
    ("東京 tower", ["東", "京", "tower"]),
    ("cafe\u0301 a\u200bb", ["cafe\u0301", "a\u200bb"]),
    ("half \ud83d!", ["half", "\ud83d", "!"]),
    ("", []),
])
def test_words_are_cut_as_berts_basic_tokenizer_cuts(text, words):
    assert words_of(text) == words


def test_words_are_the_words_of_the_checkpoints_tokenizer(tokenizer):
    text = "Dr O'Dalaigh (Maren), 3.5 km from Rye-on-Stour… 東京タワー, Käthe: \"Hi\u00a0there!\""
    encoded = tokenizer(text, return_offsets_mapping=True)
    found = {}
    for word, (start, end) in zip(encoded.word_ids(), encoded["offset_mapping"], strict=True):
        if word is not None:
            found[word] = (found.get(word, (start, end))[0], end)
    assert list(found.values()) == spans.words(text)


@pytest.mark.parametrize(("markup", "tags"), [
    ("[Maren](person) left [Rye-on](place).", "B-person O B-place I-place I-place O"),
    ("[Tarnby](place) [Maren](person) and [Ada](person)", "B-place B-person O B-person"),
    ("the [Tarnby](place)-[Osk](place) line", "O B-place O B-place O"),
    ("[Ada](person) [Ben](person)", "B-person B-person"),
    ("nobody", "O"),
])
def test_tags_are_iob2_and_give_the_same_entities_back(markup, tags):
    sentence = made(markup)
    assert spans.tags(sentence) == tags.split()
    assert spans.entities_of(spans.words(sentence.text), tags.split()) == sentence.entities
    assert str(sentence) == markup


@pytest.mark.parametrize(("tags", "scheme"), [
    ("B-p I-p O B-p B-p B-q O O", "IOB2"),
    ("I-p I-p O I-p B-p I-q O O", "IOB1"),
    ("B-p L-p O U-p U-p U-q O O", "BILOU"),
    ("B-p E-p O S-p S-p S-q O O", "IOBES"),
    ("B_p I_p O B_p B_p B_q O O", "IOB2"),
])
def test_every_scheme_is_read_alike(tags, scheme):
    words = [(i, i + 1) for i in range(8)]
    assert spans.entities_of(words, tags.split()) == (
        Entity(0, 2, "p"), Entity(3, 4, "p"), Entity(4, 5, "p"), Entity(5, 6, "q"))
    assert spans.scheme([tags.split()]) == scheme


def test_bare_types_are_read_and_neighbours_of_one_type_are_one_entity():
    assert spans.entities_of([(0, 1), (2, 3), (4, 5)], ["p", "p", "q"]) == (
        Entity(0, 3, "p"), Entity(4, 5, "q"))
    assert spans.scheme([["p", "O", "q"]]) == "types"


@pytest.mark.parametrize("tag", ["B-", "", "-p", "I", " "])
def test_a_tag_without_a_type_is_refused(tag):
    with pytest.raises(LearnerError, match="names no type"):
        spans.entities_of([(0, 1)], [tag])


def test_as_many_tags_as_words_are_needed():
    with pytest.raises(LearnerError, match="2 tags for 1 words"):
        spans.entities_of([(0, 1)], ["O", "O"])


@pytest.mark.parametrize(("text", "entity", "said"), [
    ("Osk", Entity(0, 4, "place"), "not within the text, which has 3 characters"),
    ("Osk", Entity(-1, 2, "place"), "not within the text"),
    ("Osk", Entity(2, 1, "place"), "not within the text"),
    ("Osk", Entity(1, 1, "place"), "holds nothing"),
    ("Osk  Holt", Entity(3, 5, "place"), "holds only blanks"),
    ("Osk", Entity(0, 3, " "), "has no type"),
    ("Osk", Entity(0, 3, None), "has no type"),
    ("Jose\u0301 left", Entity(0, 4, "person"), "'Jose', cuts a character"),
    ("👩\u200d🚀 left", Entity(0, 1, "person"), "cuts a character"),
    ("👍🏽 Ada", Entity(1, 6, "person"), "cuts a character"),
    ("🇳🇴 Ada", Entity(1, 6, "person"), "cuts a character"),
])
def test_what_is_no_entity_is_refused_and_the_place_is_said(text, entity, said):
    with pytest.raises(LearnerError, match=said) as raised:
        spans.sentence(text, [entity], where="names.jsonl, line 3")
    assert str(raised.value).startswith("names.jsonl, line 3: the entity from ")


def test_two_that_overlap_are_refused_and_both_are_named():
    with pytest.raises(LearnerError, match=r"'Osk Street' \(place\) and 'Street' \(place\) over"):
        spans.sentence("in Osk Street", [Entity(7, 13, "place"), Entity(3, 13, "place")])


def test_blanks_at_a_border_are_left_out_and_told_and_so_is_a_second_mark():
    sentence, said = spans.sentence("in Osk today", [Entity(2, 7, "place"), Entity(3, 6, "place")])
    assert sentence.entities == (Entity(3, 6, "place"),)
    assert said == ["blanks around 'Osk' are left out of the entity.",
                    "'Osk' is marked twice as place; one is kept."]


def test_a_border_between_characters_is_allowed_beside_accents_and_emoji():
    text = "Jose\u0301👩\u200d🚀🇳🇴"
    allowed = [i for i in range(len(text) + 1) if not spans.cuts_character(text, i)]
    assert allowed == [0, 1, 2, 3, 5, 8, 10]


def test_an_entity_that_ends_within_a_word_has_no_tags():
    with pytest.raises(LearnerError, match=r"'Velo' \(product\) ends within the word 'Velofan'"):
        spans.tags(spans.sentence("a Velofan", [Entity(2, 6, "product")])[0])


def test_types_and_names_of_sentences():
    sentence = made("[Ada](person) in [Osk](place)")
    assert spans.types([sentence]) == ("person", "place")
    assert sentence.names() == ("Ada", "Osk")
    assert spans.tag_names(("a", "b")) == ["O", "B-a", "I-a", "B-b", "I-b"]
