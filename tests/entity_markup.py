"""Sentences with entities as tests write them: in brackets, with the type behind, [Osk](place)."""

from helpers.entities import spans
from making.entities import read_marks


def made(markup):
    """Return the `Sentence` that is meant."""
    text, entities = read_marks(markup)
    return spans.sentence(text, [spans.Entity(*entity) for entity in entities])[0]
