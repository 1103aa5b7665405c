"""What is said of sentences with entities before a training, each line of it provoked."""

import pytest
from entity_markup import made

from helpers.entities import alignment, report, spans

PLAIN = ["[Maren](person) took the ferry to [Osk](place).", "It rained."]


def lines(tokenizer, train, test=PLAIN[:1], max_length=128):
    parts = {name: [made(markup) for markup in markups]
             for name, markups in (("train", train), ("validation", PLAIN), ("test", test))}
    types = spans.types(parts["train"])
    encoded = alignment.encode(tokenizer, parts["train"], types, max_length)
    return "\n".join(report.report(parts, encoded, tokenizer))


def test_sizes_types_and_the_list_of_names_are_said(tokenizer):
    said = lines(tokenizer, PLAIN, ["[Maren](person) saw [Rye](place) and [Ada](person)"])
    assert said.startswith("train 2 sentences, 2 entities; validation 2 sentences, 2 entities; "
                           "test 1 sentence, 3 entities.\nentities in train: person 1, place 1.")
    assert "1 of 3 names in the test sentences stand in training, too (33%)" in said
    # Of three entities one is found, and nothing else: precision 1, recall 1/3.
    assert "A list of the training names finds 0.500 of F1 by entity" in said


@pytest.mark.parametrize(("train", "said"), [
    ([*PLAIN, "[Osk](team) lost in [Osk](place)"],
     "1 name with several types, such as 'Osk': place 2, team 1."),
    ([*PLAIN, "Maren and Maren came to Osk, and so did [Ada](person)"],
     "2 names unmarked elsewhere, such as 'Maren', 2 times. Were they forgotten?"),
    ([*PLAIN, "[Ada](Person) came"], "differ in capitals alone are two types: Person, person."),
    (PLAIN, "person has 1 entity to learn from: too few to be found well."),
    ([*PLAIN, "a [Velo](place)fan"],
     "1 training entity not learned from whole, such as 'Velo': its border lies within."),
    ([*PLAIN, "🛶 🛶 🛶 [Ada](person)"], "of the tokens are unknown to the tokenizer."),
])
def test_what_is_odd_about_the_marks_is_said_and_nothing_where_it_is_not(tokenizer, train, said):
    assert said in lines(tokenizer, train)
    if train is not PLAIN:
        assert said not in lines(tokenizer, PLAIN * 20)


def test_entities_that_are_cut_off_are_said(tokenizer):
    said = lines(tokenizer, [*PLAIN, "x " * 200 + "[Ada](person)"])
    assert "1 training entity not learned from whole, such as 'Ada': the text is cut" in said


def test_a_type_of_which_only_the_test_knows_is_said(tokenizer):
    assert "firm has 0 entities to learn from" in lines(tokenizer, PLAIN, ["[Krag](firm)"])
