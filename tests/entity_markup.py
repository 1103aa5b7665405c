"""Sentences with entities as tests write them: in brackets, with the type behind, [Osk](place)."""

import re

from helpers.entities import spans

ENTITY = re.compile(r"\[([^\]]+)\]\(([^)]+)\)", re.DOTALL)


def made(markup):
    """Return the `Sentence` that is meant."""
    text, entities, done = "", [], 0
    for found in ENTITY.finditer(markup):
        text += markup[done : found.start()]
        entities.append(spans.Entity(len(text), len(text) + len(found[1]), found[2]))
        text, done = text + found[1], found.end()
    return spans.sentence(text + markup[done:], entities)[0]
