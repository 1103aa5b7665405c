"""Sentences to learn from: the project's own, and those of a file of one's own, in splits."""

import random
from collections import Counter, defaultdict

from helpers import markup, paths
from helpers.entities import reading
from helpers.errors import LearnerError, number_of, short

SPLITS = ("train", "validation", "test")
SEEN = "test_seen"  # the project's test sentences whose names are in training, too
SHARES = {"test": 0.2, "validation": 0.1}
FEWEST = 10  # sentences with entities


def load():
    """Return the sentences in `data/entities` as {split: list of `Sentence`}.

    The splits are train, validation, test and test_seen; the names of the last one stand in
    train, too, those of validation and test do not.

    Raises LearnerError if the files are not there.
    """
    return {split: reading.read(paths.data_file("entities", f"{split}.jsonl")).sentences
            for split in (*SPLITS, SEEN)}


def split(sentences, seed=0, *, test=None):
    """Return {split: sentences} of one's own, 70 : 10 : 20, and lines on what was left out.

    Copies of a text are in one split; of copies that are marked differently, none is kept. `test`
    are test sentences of one's own: no text of theirs is learned from.

    Raises LearnerError if there are too few sentences, or a split has no entity.
    """
    groups, said = defaultdict(list), []
    for sentence in sentences:
        groups[markup.folded(sentence.text)].append(sentence)
    odd = [key for key, group in groups.items()
           if len({(s.text, s.entities) for s in group}) > 1
           and len({s.text for s in group}) == 1]
    if odd:
        first = short(groups[odd[0]][0].text, 60)
        said.append("Left out, because the same text is marked differently elsewhere: "
                    f"{number_of(len(odd), 'text')}, such as {first!r}.")
    held = {markup.folded(s.text) for s in test or ()} & groups.keys()
    if held:
        said.append("Left out of training, because the test data has them, too: "
                    f"{number_of(len(held), 'text')}.")
    kept = [groups[key] for key in groups if key not in held and key not in set(odd)]
    with_entities = sum(any(s.entities for s in group) for group in kept)
    if with_entities < FEWEST:
        raise LearnerError(f"{with_entities} different sentences with entities are too few to "
                           f"learn from and to test. Mark {FEWEST} or more; some hundreds are "
                           "where it begins to be worth it.")
    random.Random(seed).shuffle(kept)
    total, parts = sum(map(len, kept)), {}
    for name, share in SHARES.items():
        if name == "test" and test is not None:
            parts["test"] = list(test)
            continue
        parts[name] = []
        while len(parts[name]) < share * total:
            parts[name] += kept.pop()
    parts["train"] = [s for group in kept for s in group]
    for name in SPLITS:
        if not any(s.entities for s in parts[name]):
            raise LearnerError(f"No sentence of {name} has an entity. Mark more of them, or try "
                               "another --seed.")
    return {name: parts[name] for name in SPLITS}, said


def seen(names, sentences):
    """Return how many entities of sentences have a name that is among `names`, and how many are.

    `names` is what `baselines.names` returns.
    """
    from helpers.entities import baselines

    counts = Counter(baselines.words_of(name) in names
                     for sentence in sentences for name in sentence.names())
    return counts[True], counts.total()
