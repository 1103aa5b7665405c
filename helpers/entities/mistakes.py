"""What is wrong where entities were found or not, by kind."""

from dataclasses import dataclass

from helpers.entities.spans import Entity

KINDS = ("missed", "invented", "wrong type", "wrong border")


@dataclass(frozen=True)
class Mistake:
    """What is wrong at one place: its kind, the sentence's number, and the two entities.

    `true` is None for what was invented, `predicted` for what was missed. Of two that overlap,
    "wrong type" is of another type, whatever its borders; "wrong border" is of the right one.
    """

    kind: str
    sentence: int
    true: Entity | None
    predicted: Entity | None


def _pairs(true, predicted):
    """Yield the pairs of a true and a predicted entity that overlap, in their order."""
    for one in true:
        for other in predicted:
            if one.start < other.end and other.start < one.end:
                yield one, other


def overlapping(true, predicted):
    """Return how many entities overlap one of their type, none counted twice."""
    taken = set()
    for one, other in _pairs(true, predicted):
        if one.type == other.type and not {("true", one), ("predicted", other)} & taken:
            taken |= {("true", one), ("predicted", other)}
    return len(taken) // 2


def mistakes(true, predicted, sentence=0):
    """Return the `Mistake`s of a sentence, in the order of the text.

    Each entity that is wrong is in one of them: with the first of the others that it overlaps,
    of its own type if there is one, else alone.
    """
    right = set(true) & set(predicted)
    true = [entity for entity in true if entity not in right]
    predicted = [entity for entity in predicted if entity not in right]
    found, done = [], set()
    pairs = sorted(_pairs(true, predicted), key=lambda pair: pair[0].type != pair[1].type)
    for one, other in pairs:
        if ("true", one) in done or ("predicted", other) in done:
            continue
        done |= {("true", one), ("predicted", other)}
        kind = "wrong border" if one.type == other.type else "wrong type"
        found.append(Mistake(kind, sentence, one, other))
    found += [Mistake("missed", sentence, e, None) for e in true if ("true", e) not in done]
    found += [Mistake("invented", sentence, None, e) for e in predicted
              if ("predicted", e) not in done]
    return sorted(found, key=lambda mistake: (mistake.true or mistake.predicted).start)
