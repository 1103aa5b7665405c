"""How well entities are found: by entity, strictly and relaxed, by token, and by kind of error.

seqeval counts the strict figures; the intervals come from a bootstrap: as many sentences are
drawn again, with replacement, a thousand times.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from helpers import scores as text_scores
from helpers.entities import mistakes, spans
from helpers.errors import LearnerError, number_of, short

DRAWS = 1000


@dataclass(frozen=True)
class TypeScore:
    """The strict figures of a type: `n` entities are of it, `predicted` were taken for it."""

    name: str
    n: int
    predicted: int
    precision: float
    recall: float
    f1: float
    f1_interval: tuple


@dataclass(frozen=True)
class Scores:
    """The figures of predicted entities over `sentences` sentences, intervals at 95 %.

    An entity is right strictly if type and both borders are, relaxed if its type is and it
    overlaps. `f1` is strict; `token_accuracy` is the share of words with the right tag, and
    `outside_share` the share that has no entity.
    """

    sentences: int
    n: int
    predicted: int
    precision: float
    recall: float
    f1: float
    interval: tuple
    relaxed_f1: float
    token_accuracy: float
    outside_share: float
    by_type: list
    mistakes: list

    def kinds(self):
        """Return how often each kind of mistake was made, {kind: number}."""
        counted = Counter(mistake.kind for mistake in self.mistakes)
        return {kind: counted[kind] for kind in mistakes.KINDS}

    def figures(self):
        """Return the figures as metrics.json holds them, rounded to four digits."""
        return {
            "f1": round(self.f1, 4), "interval_95": text_scores.rounded(self.interval),
            "precision": round(self.precision, 4), "recall": round(self.recall, 4),
            "relaxed_f1": round(self.relaxed_f1, 4),
            "token_accuracy": round(self.token_accuracy, 4),
            "outside_share": round(self.outside_share, 4),
            "texts": self.sentences, "entities": self.n, "predicted": self.predicted,
            "by_type": {t.name: {
                "entities": t.n, "predicted": t.predicted, "precision": round(t.precision, 4),
                "recall": round(t.recall, 4), "f1": round(t.f1, 4),
                "f1_interval_95": text_scores.rounded(t.f1_interval),
            } for t in self.by_type},
            "mistakes": self.kinds(),
        }

    def __str__(self):
        width = max(5, *(len(short(t.name)) for t in self.by_type)) if self.by_type else 5
        lines = [f"{'type':<{width}} {'names':>6} {'found':>6}  precision  recall  F1 (95 %)"]
        for t in self.by_type:
            lines.append(f"{short(t.name):<{width}} {t.n:>6,} {t.predicted:>6,}  "
                         f"{t.precision:>9.2f}  {t.recall:>6.2f}  "
                         f"{text_scores.with_interval(t.f1, t.f1_interval)}")
        low, high = self.interval
        kinds = ", ".join(f"{n} {kind}" for kind, n in self.kinds().items())
        return "\n".join([*lines, f"F1 by entity {self.f1:.3f} (95 %: {low:.2f} to {high:.2f}, "
                          f"{number_of(self.n, 'entity')} in "
                          f"{number_of(self.sentences, 'sentence')}), relaxed "
                          f"{self.relaxed_f1:.3f}; tags right {self.token_accuracy:.3f}, where "
                          f"always O has {self.outside_share:.3f}",
                          f"mistakes: {kinds}"])


def scores(sentences, predicted, seed=0):
    """Return the `Scores` of predicted entities, a tuple for each `Sentence`.

    `seed` is the bootstrap's. Raises LearnerError where the sentences have no entity, and for
    another number of predictions.
    """
    _check(sentences, predicted)
    report, accuracy, outside = _by_seqeval(sentences, predicted)
    kinds = sorted(set(spans.types(sentences)) | {e.type for row in predicted for e in row})
    counts = counted(sentences, predicted, kinds)
    drawn = _f1(_draws(len(counts), seed) @ counts.reshape(len(counts), -1), len(kinds))
    wrong = [mistake for i, (sentence, row) in enumerate(zip(sentences, predicted, strict=True))
             for mistake in mistakes.mistakes(sentence.entities, row, i)]
    every = report["micro avg"]
    total = counts.sum((0, 1))
    relaxed = sum(mistakes.overlapping(sentence.entities, row)
                  for sentence, row in zip(sentences, predicted, strict=True))
    return Scores(
        sentences=len(sentences), n=int(total[1]), predicted=int(total[2]),
        precision=float(every["precision"]), recall=float(every["recall"]),
        f1=float(every["f1-score"]), interval=text_scores.middle(drawn[:, -1]),
        relaxed_f1=float(text_scores.f1_from(np.asarray(relaxed), total[1:].sum())),
        token_accuracy=accuracy, outside_share=outside,
        by_type=[TypeScore(
            name=kind, n=int(counts[:, i, 1].sum()), predicted=int(counts[:, i, 2].sum()),
            precision=float(report[kind]["precision"]), recall=float(report[kind]["recall"]),
            f1=float(report[kind]["f1-score"]), f1_interval=text_scores.middle(drawn[:, i]),
        ) for i, kind in enumerate(kinds)],
        mistakes=wrong,
    )


def _check(sentences, *several):
    if any(len(predicted) != len(sentences) for predicted in several):
        raise LearnerError(f"There are {len(sentences)} sentences and "
                           f"{', '.join(str(len(p)) for p in several)} predictions. Give a tuple "
                           "of entities for each sentence, in their order.")
    if not any(sentence.entities for sentence in sentences):
        raise LearnerError("The sentences have no entities, so there is nothing to count.")


def _by_seqeval(sentences, predicted):
    """Return seqeval's strict report, the share of words with the right tag, and of those outside.

    Words are cut further wherever an entity begins or ends, so that each can be told by tags.
    """
    from seqeval.metrics import accuracy_score, classification_report
    from seqeval.scheme import IOB2

    true, found = [], []
    for sentence, row in zip(sentences, predicted, strict=True):
        pieces = _cut_at_borders(spans.words(sentence.text), [*sentence.entities, *row])
        true.append(spans.tags(sentence, pieces))
        found.append(spans.tags(spans.Sentence(sentence.text, tuple(row)), pieces))
    report = classification_report(true, found, output_dict=True, mode="strict", scheme=IOB2,
                                   zero_division=0)
    every = [tag for row in true for tag in row]
    return report, float(accuracy_score(true, found)), every.count(spans.OUTSIDE) / len(every)


def _cut_at_borders(words, entities):
    """Return words, cut at the borders of entities, and the entities that hold no word."""
    borders = sorted({border for e in entities for border in (e.start, e.end)})
    pieces = []
    for start, end in words:
        inside = [border for border in borders if start < border < end]
        pieces += zip([start, *inside], [*inside, end], strict=True)
    wordless = {(e.start, e.end) for e in entities
                if not any(e.start <= start and end <= e.end for start, end in pieces)}
    return sorted({*pieces, *wordless})


def counted(sentences, predicted, kinds):
    """Return entities right, true and predicted, shape (sentences, types, 3)."""
    place = {kind: i for i, kind in enumerate(kinds)}
    counts = np.zeros((len(sentences), len(kinds), 3), dtype=int)
    for i, (sentence, row) in enumerate(zip(sentences, predicted, strict=True)):
        for column, several in enumerate((set(sentence.entities) & set(row), sentence.entities,
                                          row)):
            for entity in several:
                counts[i, place[entity.type], column] += 1
    return counts


def _draws(n, seed):
    """Return how often each of n sentences is drawn, shape (draws, n)."""
    return np.random.default_rng(seed).multinomial(n, [1 / n] * n, size=DRAWS)


def _f1(drawn, kinds):
    """Return F1 of each type, and of all together as the last, from counts: (draws, types + 1)."""
    drawn = drawn.reshape(len(drawn), kinds, 3)
    drawn = np.concatenate([drawn, drawn.sum(1, keepdims=True)], axis=1)
    return text_scores.f1_from(drawn[..., 0] * 1.0, drawn[..., 1] + drawn[..., 2])


@dataclass(frozen=True)
class Paired:
    """The strict F1 of a second way to find entities minus that of a first, on the same sentences.

    `interval` is (low, high) at 95 %.
    """

    difference: float
    interval: tuple

    def __str__(self):
        low, high = (100 * bound for bound in self.interval)
        return f"{100 * self.difference:+.1f} points of F1 (95 %: {low:+.1f} to {high:+.1f})"


def compare(sentences, first, second, seed=0):
    """Return the `Paired` comparison of two predictions, each a tuple a sentence.

    The interval is a bootstrap that draws the same sentences for both. Raises LearnerError as
    `scores` does.
    """
    _check(sentences, first, second)
    kinds = sorted(set(spans.types(sentences)) | {e.type for rows in (first, second)
                                                  for row in rows for e in row})
    ends, draws = [], None
    for predicted in (first, second):
        counts = counted(sentences, predicted, kinds)
        draws = _draws(len(counts), seed) if draws is None else draws
        flat = counts.reshape(len(counts), -1)
        ends.append((_f1(flat.sum(0, keepdims=True), len(kinds))[0, -1],
                     _f1(draws @ flat, len(kinds))[:, -1]))
    (one, drawn_one), (other, drawn_other) = ends
    return Paired(float(other - one), text_scores.middle(drawn_other - drawn_one))
