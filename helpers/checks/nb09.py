"""Exercises of notebook 09: tags, labels, entities out of tags, strict F1, kinds of mistakes."""

from helpers.checks import Exercise


def _tags(words, entities, *, inside="I", border=lambda start, end: end):
    """Tag each word, given as (start, end), with the entity that it lies in."""
    tags = ["O"] * len(words)
    for first, last, kind in entities:
        prefix = "B"
        for i, (start, end) in enumerate(words):
            if first <= start and border(start, end) <= last:
                tags[i] = f"{prefix}-{kind}"
                prefix = inside
    return tags


def _iob1(words, entities):
    """B- only where an entity follows another one of its type."""
    tags = _tags(words, entities)
    for i, tag in reversed([*enumerate(tags)]):
        if tag[0] == "B" and (not i or tags[i - 1][1:] != tag[1:]):
            tags[i] = f"I{tag[1:]}"
    return tags


def _labels(word_ids, tags, *, special=-100, later=None):
    """Label the first piece of each word; `later` labels the others from the word's label."""
    labels, before = [], None
    for word in word_ids:
        if word is None:
            labels.append(special)
        elif word != before:
            labels.append(tags[word])
        else:
            labels.append(later(tags[word]) if later else -100)
        before = word
    return labels


def _last_piece(word_ids, tags):
    following = [*word_ids[1:], None]
    return [-100 if word is None or word == after else tags[word]
            for word, after in zip(word_ids, following, strict=True)]


def _entities(tags, *, neighbours=True, types=True, last=True, end=1):
    """Return (first word, end, type) of each entity in IOB2 tags; the switches are mistakes."""
    found, going = [], None
    for i, tag in enumerate([*tags, "O"]):
        starts = tag[0] == "B" and (neighbours or going is None or going[1] != tag[2:])
        if going and (tag == "O" or starts or (types and tag[2:] != going[1])):
            if last or i < len(tags):
                found.append((going[0], i - 1 + end, going[1]))
            going = None
        if tag != "O" and going is None:
            going = i, tag[2:]
    return found


def _f1(right, true, found):
    return 2 * right / (true + found) if true + found else 0.0


def _strict(true, found):
    right = sum(len(set(a) & set(b)) for a, b in zip(true, found, strict=True))
    return _f1(right, sum(map(len, true)), sum(map(len, found)))


def _counted(true, found, same):
    """F1, where an entity is right if it is the `same` as one of the true ones."""
    right = sum(any(same(one, other) for one in a) for a, b in zip(true, found, strict=True)
                for other in b)
    return _f1(right, sum(map(len, true)), sum(map(len, found)))


def _overlap(one, other):
    return one[2] == other[2] and one[0] < other[1] and other[0] < one[1]


def _share(true, found, of):
    right = sum(len(set(a) & set(b)) for a, b in zip(true, found, strict=True))
    whole = sum(map(len, of))
    return right / whole if whole else 0.0


def _mean_over_sentences(true, found):
    each = [_strict([a], [b]) for a, b in zip(true, found, strict=True)]
    return sum(each) / len(each)


def _every_sentence_together(true, found):
    a, b = ({entity for row in rows for entity in row} for rows in (true, found))
    return _f1(len(a & b), len(a), len(b))


def _kind(true, found, *, border_first=False):
    if found is None or true is None:
        return "missed" if found is None else "invented"
    if true == found:
        return "right"
    wrong = [name for name, differs in (("wrong type", true[2] != found[2]),
                                        ("wrong border", true[:2] != found[:2])) if differs]
    return wrong[-1 if border_first else 0]


def _swapped(true, found):
    kind = _kind(true, found)
    return {"missed": "invented", "invented": "missed"}.get(kind, kind)


EXERCISES = {
    "09.1": Exercise(
        _tags,
        cases=[([(0, 3), (4, 8), (9, 13), (14, 18)], [(4, 13, "person")]),
               ([(0, 4), (5, 6), (7, 10), (11, 14)], [(0, 4, "place"), (7, 10, "place")]),
               ([(0, 4), (5, 9), (10, 14), (15, 19)], [(0, 4, "person"), (5, 14, "person")]),
               ([(0, 2), (3, 5)], [])],
        wrong={
            "Only the first word of an entity has B-; those after it have I-.":
                lambda words, entities: _tags(words, entities, inside="B"),
            "Every word has I-, so that two names side by side become one. The first one of each "
            "entity has B-.": lambda words, entities: [
                tag.replace("B-", "I-") for tag in _tags(words, entities)],
            "That is IOB1, which has B- only after an entity of the same type. In IOB2 every "
            "entity begins with B-.": _iob1,
            "The last word of an entity has no tag. Its end is not included, so a word that ends "
            "right there lies inside: end <= last.": lambda words, entities: _tags(
                words, entities, border=lambda start, end: end + 1),
            "The tags have no type. It follows the hyphen: B-person.":
                lambda words, entities: [tag[0] for tag in _tags(words, entities)],
        },
        praise="With these tags, two neighbours of one type stay two.",
        advice="Begin with O for each word, then write over the words of each entity.",
    ),
    "09.2": Exercise(
        _labels,
        cases=[([None, 0, 1, 1, 2, None], [0, 3, 0]), ([None, 0, 0, 0, 1, 2, 2, None], [3, 4, 1]),
               ([None, 0, 1, None, None], [5, 6]), ([None, 0, 1, 1, None], [3, 0, 0])],
        wrong={
            "Special tokens and padding have 0, which is the label of O: they would be learned. "
            "They have -100.": lambda word_ids, tags: _labels(word_ids, tags, special=0),
            "Later pieces repeat the word's label. Here they are left out: -100.":
                lambda word_ids, tags: _labels(word_ids, tags, later=lambda tag: tag),
            "Later pieces have 0, which says that the rest of a name is no name. They have -100.":
                lambda word_ids, tags: _labels(word_ids, tags, later=lambda tag: 0),
            "You label the last piece of a word. It is the first one that has the label.":
                _last_piece,
            "word_ids are places in the list of tags. A word of several pieces takes one of them.":
                lambda word_ids, tags: [
                    -100 if word is None else tags[min(i, len(tags)) - 1]
                    for i, word in enumerate(word_ids)],
            "The special tokens are missing. Each position needs a label, theirs is -100.":
                lambda word_ids, tags: _labels([w for w in word_ids if w is not None], tags),
        },
        praise="So is what the cross-entropy skips: its ignore_index is -100.",
        advice="A position has its word's label if it belongs to another word than the position "
               "before, else -100.",
    ),
    "09.3": Exercise(
        _strict,
        cases=[([[(0, 4, "person")], [(5, 9, "place"), (12, 15, "person")]],
                [[(0, 4, "person")], [(5, 9, "place"), (12, 19, "person")]]),
               ([[(0, 4, "person")], [(0, 4, "person")], []],
                [[(0, 4, "place")], [(0, 4, "person")], [(2, 3, "place")]]),
               ([[(0, 9, "product")]], [[(0, 4, "product"), (5, 9, "product")]]),
               ([[(1, 2, "place")], [(4, 8, "place")]], [[(1, 2, "place")], []])],
        wrong={
            "An entity that only overlaps counts as right: that is relaxed. Both borders have to "
            "be the same.": lambda true, found: _counted(true, found, _overlap),
            "The type counts, too.": lambda true, found: _counted(
                true, found, lambda one, other: one[:2] == other[:2]),
            "That is the precision. F1 is 2 · right / (true + found).":
                lambda true, found: _share(true, found, found),
            "That is the recall. F1 is 2 · right / (true + found).":
                lambda true, found: _share(true, found, true),
            "That is the mean of the sentences' F1. Count over all of them, then compute F1 once.":
                _mean_over_sentences,
            "Offsets are those of a sentence: compare sentence by sentence, or an entity is right "
            "because another sentence has it.": _every_sentence_together,
            "That is half of F1: 2 · right / (true + found).":
                lambda true, found: _strict(true, found) / 2,
        },
        praise="A border that is off by a word costs twice: one is missed, one is invented.",
        advice="Count, sentence by sentence, the entities that are in both; then "
               "2 · right / (true + found).",
    ),
    "09.4": Exercise(
        _entities,
        cases=[(["O", "B-person", "I-person", "O"],), (["B-place", "B-place", "O", "B-person"],),
               (["B-person", "I-place", "O", "O"],), (["O", "I-product", "I-product"],),
               (["O", "O"],), (["B-place", "I-place", "B-place", "I-place"],)],
        wrong={
            "Two neighbours have become one: a B- ends what was going on.":
                lambda tags: _entities(tags, neighbours=False),
            "An I- of another type does not continue the entity. It begins one of its own.":
                lambda tags: _entities(tags, types=False),
            "The entity at the end of the sentence is missing: nothing comes after it to end it.":
                lambda tags: _entities(tags, last=False),
            "Give the place after the last word, as Python's ranges do.":
                lambda tags: _entities(tags, end=0),
            "An I- that continues nothing begins an entity here: a model does write such tags.":
                lambda tags: [entity for entity in _entities(tags) if tags[entity[0]][0] == "B"],
        },
        praise="seqeval reads tags in this way unless it is told to be strict.",
        advice="Go through the tags; keep where the entity began that is going on, and its type.",
        normalize=lambda value, *case: sorted(map(list, value)),
    ),
    "09.5": Exercise(
        _kind,
        cases=[((0, 4, "person"), None), (None, (5, 9, "place")),
               ((0, 4, "person"), (0, 4, "place")), ((0, 9, "place"), (5, 9, "place")),
               ((0, 9, "place"), (5, 9, "product")), ((0, 4, "person"), (0, 4, "person")),
               ((0, 9, "place"), (0, 12, "place"))],
        wrong={
            "The other way round: what was found and is no name was invented; a name that was "
            "not found was missed.": _swapped,
            "Where both are wrong, it is the type that is named.":
                lambda true, found: _kind(true, found, border_first=True),
            "Both borders count, the end, too.": lambda true, found:
                "right" if true and found and true[::2] == found[::2] else _kind(true, found),
            "What is right in type and both borders is \"right\".": lambda true, found:
                "wrong border" if true == found else _kind(true, found),
        },
        praise="Missed and invented ask for more sentences, wrong borders for clearer rules.",
        advice="First see whether one of the two is None, then the types, then the borders.",
    ),
}
