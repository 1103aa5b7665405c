"""What to know about sentences with entities before any training."""

from collections import Counter

from helpers.entities import baselines, data, scores, spans
from helpers.errors import number_of, short

FEW = 20  # entities of a type to learn from, below which it is said


def report(parts, encoded, tokenizer):
    """Return lines on the splits of `parts`, {split: sentences}, of which train is `encoded`.

    How many entities of each type there are, which marks contradict each other, how many names of
    the test were seen before, what a list of names finds, and what the tokenizer loses.
    """
    train, test = parts["train"], parts["test"]
    known = baselines.names(train)
    return [
        "; ".join(f"{name} {number_of(len(part), 'sentence')}, "
                  f"{number_of(sum(len(s.entities) for s in part), 'entity')}"
                  for name, part in parts.items()) + ".",
        *_types(parts),
        *_contradictions(train, known),
        *_lengths(train, encoded, tokenizer),
        *_seen(known, test),
        f"A list of the training names finds {_by_list(known, test):.3f} of F1 by entity on the "
        "test sentences, which has to be beaten.",
    ]


def _types(parts):
    """Return a line on the types, and one for each that is too rare, or missing in training."""
    counts = {split: Counter(entity.type for sentence in part for entity in sentence.entities)
              for split, part in parts.items()}
    every = sorted(set().union(*counts.values()))
    lines = ["entities in train: " + ", ".join(f"{short(kind)} {counts['train'][kind]:,}"
                                               for kind in every) + "."]
    folded = Counter(kind.casefold() for kind in every)
    if alike := [kind for kind in every if folded[kind.casefold()] > 1]:
        lines.append(f"Types that differ in capitals alone are two types: {', '.join(alike)}.")
    lines += [f"{short(kind)} has {number_of(counts['train'][kind], 'entity')} to learn from: too "
              "few to be found well." for kind in every if counts["train"][kind] < FEW]
    return lines


def _contradictions(train, known):
    """Return lines on names that are marked as two types, or at some places and not at others."""
    kinds, plain = {}, Counter()
    for sentence in train:
        for entity, name in zip(sentence.entities, sentence.names(), strict=True):
            kinds.setdefault(name, Counter())[entity.type] += 1
        for found in baselines.find_names(known, sentence.text):
            if not any(e.start < found.end and found.start < e.end for e in sentence.entities):
                plain[sentence.text[found.start : found.end]] += 1
    lines, two = [], {name: c for name, c in kinds.items() if len(c) > 1}
    if two:
        name = max(two, key=lambda each: two[each].total())
        lines.append(f"{number_of(len(two), 'name')} with several types, such as {short(name)!r}: "
                     f"{', '.join(f'{kind} {n}' for kind, n in two[name].most_common())}. That is "
                     "right where they mean several things.")
    if plain:
        name, count = plain.most_common(1)[0]
        lines.append(f"{number_of(len(plain), 'name')} unmarked elsewhere, such as "
                     f"{short(name)!r}, {number_of(count, 'time')}. Were they forgotten?")
    return lines


def _lengths(train, encoded, tokenizer):
    """Return lines on unknown words and on entities that do not come through."""
    tokens = [token for row in encoded.dataset["input_ids"] for token in row]
    unknown = tokens.count(tokenizer.unk_token_id) / len(tokens)
    lines, reasons = [], {}
    if unknown > 0.001:
        lines.append(f"{unknown:.1%} of the tokens are unknown to the tokenizer.")
    for lost in encoded.lost:
        reasons.setdefault(lost.reason.partition(" the word ")[0], []).append(lost)
    for reason, several in reasons.items():
        first = several[0]
        name = train[first.sentence].text[first.entity.start : first.entity.end]
        lines.append(f"{number_of(len(several), 'training entity')} not learned from whole, such "
                     f"as {short(name)!r}: {reason}.")
    return lines


def _seen(known, test):
    found, every = data.seen(known, test)
    return [f"{found} of {every} names in the test sentences stand in training, too "
            f"({found / every:.0%}). New names are harder: their recall is counted by itself."]


def _by_list(known, test):
    found = [baselines.find_names(known, sentence.text) for sentence in test]
    counts = scores.counted(test, found, sorted({*spans.types(test), *known.values()}))
    right, true, predicted = counts.sum((0, 1))
    return 2 * right / (true + predicted)
