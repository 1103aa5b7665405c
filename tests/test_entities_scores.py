"""Scores of entities: equal to seqeval's, to what is counted by hand, and honest about luck."""

import random

import numpy as np
import pytest
from entity_markup import made
from seqeval.metrics import f1_score, precision_score
from seqeval.scheme import IOB2

from helpers.entities import baselines, mistakes, scores, spans
from helpers.entities.spans import Entity
from helpers.errors import LearnerError

TRUE = [made("[Anna Holt](person) left [Osk](place) for [Rye](place)"), made("nothing here"),
        made("[Velo](product) of [Tarnby](place)")]


def predicted(*markups):
    return [made(markup).entities for markup in markups]


FOUND = predicted("[Anna](person) Holt left [Osk](person) for Rye", "nothing [here](place)",
                  "[Velo](product) of [Tarnby](place)")


def test_figures_are_those_counted_by_hand():
    found = scores.scores(TRUE, FOUND)
    assert (found.n, found.predicted, found.sentences) == (5, 5, 3)
    assert (found.precision, found.recall, found.f1) == (0.4, 0.4, pytest.approx(0.4))
    assert found.relaxed_f1 == pytest.approx(0.6)  # Anna, Velo, Tarnby
    # Of eleven words, Holt, Osk, Rye and here have another tag than they should.
    assert found.token_accuracy == pytest.approx(7 / 11)
    assert found.outside_share == pytest.approx(5 / 11)
    by_type = {t.name: (t.n, t.predicted, t.precision, t.recall) for t in found.by_type}
    assert by_type == {"person": (1, 2, 0, 0), "place": (3, 2, 0.5, pytest.approx(1 / 3)),
                       "product": (1, 1, 1, 1)}


def test_each_mistake_has_its_kind_and_both_entities():
    assert [(m.kind, m.sentence) for m in scores.scores(TRUE, FOUND).mistakes] == [
        ("wrong border", 0), ("wrong type", 0), ("missed", 0), ("invented", 1)]
    border, kind, missed, invented = scores.scores(TRUE, FOUND).mistakes
    assert (border.true.end, border.predicted.end) == (9, 4)
    assert (kind.true.type, kind.predicted.type) == ("place", "person")
    assert missed.predicted is None
    assert invented.true is None
    assert scores.scores(TRUE, FOUND).kinds() == dict.fromkeys(mistakes.KINDS, 1)


def test_one_entity_found_as_two_is_one_wrong_border_and_one_invented():
    true, found = made("[Anna Holt](person)"), made("[Anna](person) [Holt](person)")
    assert [m.kind for m in mistakes.mistakes(true.entities, found.entities)] == [
        "wrong border", "invented"]
    assert scores.scores([true], [found.entities]).relaxed_f1 == pytest.approx(2 / 3)


def test_the_entity_of_the_right_type_is_the_one_that_a_mistake_is_about():
    true = made("[Velo Osk](product)").entities
    found = made("[Velo](person) [Osk](product)").entities
    first, second = mistakes.mistakes(true, found)
    assert (first.kind, second.kind) == ("wrong border", "invented") or (
        second.kind, first.kind) == ("wrong border", "invented")
    assert {first.predicted, second.predicted} == set(found)


def random_entities(generator, text):
    words, found, i = spans.words(text), [], 0
    while i < len(words):
        length = generator.choice([0, 0, 1, 2])
        if length:
            last = min(i + length, len(words)) - 1
            found.append(Entity(words[i][0], words[last][1], generator.choice("abc")))
        i += max(1, length)
    return tuple(found)


def test_strict_figures_are_seqevals_and_the_counts_of_the_bootstrap_give_the_same():
    generator = random.Random(1)
    texts = ["one two three, four five-six seven eight"] * 60
    sentences = [spans.Sentence(text, random_entities(generator, text)) for text in texts]
    found = [random_entities(generator, text) for text in texts]
    result = scores.scores(sentences, found)
    tags = [[spans.tags(s) for s in sentences],
            [spans.tags(spans.Sentence(s.text, row))
             for s, row in zip(sentences, found, strict=True)]]
    strict = {"mode": "strict", "scheme": IOB2}
    assert result.f1 == pytest.approx(f1_score(*tags, **strict))
    assert result.precision == pytest.approx(precision_score(*tags, **strict))
    counts = scores.counted(sentences, found, list("abc")).sum((0, 1))
    assert result.f1 == pytest.approx(2 * counts[0] / (counts[1] + counts[2]))
    assert result.interval[0] < result.f1 < result.interval[1]


def test_an_entity_that_ends_within_a_word_and_one_without_a_word_are_counted():
    sentence = spans.Sentence("a Velofan\u200b", (Entity(2, 6, "product"), Entity(9, 10, "odd")))
    assert scores.scores([sentence], [sentence.entities]).f1 == 1
    assert scores.scores([sentence], [(Entity(2, 9, "product"),)]).f1 == 0


def test_the_interval_is_as_wide_as_the_sentences_are_few_and_covers_the_truth():
    generator = np.random.default_rng(0)
    sentence, right, wrong = made("[a](x)"), made("[a](x)").entities, ()
    inside = 0
    for seed in range(60):
        found = [right if hit else wrong for hit in generator.random(80) < 0.6]
        low, high = scores.scores([sentence] * 80, found, seed=seed).interval
        inside += low <= 2 * 0.6 / 1.6 <= high
    assert inside >= 53
    few = scores.scores([sentence] * 8, [right] * 5 + [wrong] * 3).interval
    many = scores.scores([sentence] * 80, [right] * 50 + [wrong] * 30).interval
    assert few[1] - few[0] > 2 * (many[1] - many[0])


def test_a_comparison_is_paired():
    sentences = [made("[a](x) b")] * 40
    one = [sentences[0].entities] * 20 + [()] * 20
    better = [sentences[0].entities] * 26 + [()] * 14
    found = scores.compare(sentences, one, better)
    alone = scores.scores(sentences, one), scores.scores(sentences, better)
    assert found.difference == pytest.approx(alone[1].f1 - alone[0].f1)
    assert 0 < found.interval[0] < found.difference < found.interval[1]
    assert alone[1].interval[0] < alone[0].interval[1]  # unpaired they overlap
    assert str(found).startswith("+12.1 points of F1 (95 %: +")
    same = scores.compare(sentences, one, one)
    assert (same.difference, same.interval) == (0, (0, 0))


def test_nothing_found_is_zero_and_nothing_to_find_is_refused():
    found = scores.scores(TRUE, [()] * 3)
    assert (found.f1, found.precision, found.recall, found.predicted) == (0, 0, 0, 0)
    assert found.kinds()["missed"] == 5
    with pytest.raises(LearnerError, match="have no entities"):
        scores.scores([made("nothing")], [()])
    with pytest.raises(LearnerError, match=r"There are 3 sentences and 1 predictions"):
        scores.scores(TRUE, [()])


def test_figures_go_into_json_and_print_as_a_table():
    found = scores.scores(TRUE, FOUND)
    assert found.figures()["by_type"]["place"]["recall"] == 0.3333
    assert found.figures()["mistakes"]["missed"] == 1
    assert "place        3      2       0.50    0.33  0.40 (" in str(found)
    assert "always O has 0.455" in str(found)


def test_the_list_of_names_finds_the_longest_of_those_it_knows():
    known = baselines.names([made("[Anna](person) and [Anna Holt](person), [Holt](place)"),
                             made("[Holt](person) [Holt](person)")])
    text = "Anna Holt, Anna in Holt, not anna"
    assert spans.marked(text, baselines.find_names(known, text)) == (
        "[Anna Holt](person), [Anna](person) in [Holt](person), not anna")
    assert baselines.find_names({}, text) == ()


def test_shapes_tell_capitals_digits_and_signs():
    shapes = {"Osk": "Xx", "McHolt": "XxXx", "osk": "x", "BBC": "X", "A4": "X0", "-": "-",
              "東": "x"}
    assert {word: baselines.shape(word) for word in shapes} == shapes


def test_the_regression_finds_names_by_their_capitals():
    sentences = [made(m) for m in (
        "we met [Anna](person) there", "then [Ben](person) came home", "he saw [Cleo](person) run",
        "we went home there", "then he came to run", "he saw home run there")] * 3
    model = baselines.train_features(sentences)
    assert [spans.marked(text, baselines.find_by_features(model, text)) for text in (
        "we met Dora there", "we met dogs there", "")] == [
        "we met [Dora](person) there", "we met dogs there", ""]
