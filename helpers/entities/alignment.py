"""From entities to one label a token and back: what a token classifier reads and answers.

A word may become several tokens, a few characters none, and a long text is cut: an entity that
does not come through whole is in `Encoded.lost`.
"""

from dataclasses import dataclass
from typing import Any

from helpers.entities import spans
from helpers.entities.spans import Entity
from helpers.errors import LearnerError

IGNORED = -100  # the label that torch's cross-entropy leaves out
LATER_PIECES = ("ignore", "repeat")
MAX_TOKENS = 128


@dataclass(frozen=True)
class Lost:
    """An entity of which tokens do not tell all: why, and what of it they tell, or None."""

    sentence: int
    entity: Entity
    reason: str
    left: Entity | None

    def __str__(self):
        return (f"sentence {self.sentence}: {self.entity.type} from {self.entity.start} to "
                f"{self.entity.end}: {self.reason}")


@dataclass(frozen=True)
class Encoded:
    """Sentences as tokens: what a model reads, and how to find back.

    `dataset` has the columns input_ids, attention_mask and labels, a row a sentence. `words`
    holds the (start, end) of each sentence's words, `first` the number of each word's first
    token, None for a word without one. `types` are those of the labels.
    """

    dataset: Any
    words: list
    first: list
    lost: list
    types: tuple


def encode(tokenizer, sentences, types, max_length=MAX_TOKENS, later_pieces="ignore"):
    """Return sentences as `Encoded`: their tokens, with a label each.

    Labels are places in `spans.tag_names(types)`. The first token of a word has the word's IOB2
    tag; later ones are left out of the loss (-100) with "ignore", and with "repeat" have it, too,
    as I- where the first has B-. Special tokens have -100, and so has a word that an entity cuts.

    Raises LearnerError for a type that is not among `types`, and a tokenizer without offsets.
    """
    from datasets import Dataset

    if later_pieces not in LATER_PIECES:
        raise LearnerError(f"later_pieces={later_pieces!r} is neither 'ignore' nor 'repeat'.")
    number = {tag: i for i, tag in enumerate(spans.tag_names(types))}
    tokens = tokens_of(tokenizer, [sentence.text for sentence in sentences], max_length)
    offsets = tokens.pop("offset_mapping")
    labels, words, first, lost = [], [], [], []
    for i, sentence in enumerate(sentences):
        if other := {entity.type for entity in sentence.entities} - set(types):
            raise LearnerError(f"sentence {i} has entities of the type {min(other)!r}, and the "
                               f"types are {', '.join(types)}.")
        words.append(spans.words(sentence.text))
        owners = owners_of(words[i], offsets[i])
        first.append(_first(owners, len(words[i])))
        tags, gone = _tags(i, sentence, words[i], first[i], offsets[i])
        lost += gone
        labels.append(_labels(owners, first[i], tags, number, later_pieces == "repeat"))
    return Encoded(Dataset.from_dict({**tokens, "labels": labels}), words, first, lost,
                   tuple(types))


def tokens_of(tokenizer, texts, max_length):
    """Return what a tokenizer makes of texts, lists by name, with offset_mapping."""
    if not tokenizer.is_fast:
        raise LearnerError(f"{type(tokenizer).__name__} does not say which characters a token "
                           "stands for. Load it with AutoTokenizer, which takes the fast one.")
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    return dict(tokenizer(texts, truncation=True, max_length=max_length,
                          return_offsets_mapping=True))


def owners_of(words, offsets):
    """Return the number of the word that each token belongs to, None for special tokens."""
    owners, word = [], 0
    for start, end in offsets:
        while word < len(words) and words[word][1] <= start:
            word += 1
        inside = start < end and word < len(words) and words[word][0] < end
        owners.append(word if inside else None)
    return owners


def _first(owners, count):
    found = [None] * count
    for token, word in enumerate(owners):
        if word is not None and found[word] is None:
            found[word] = token
    return found


def _tags(number, sentence, words, first, offsets):
    """Return a tag for each word, None where none is right, and the `Lost` of a sentence."""
    tags, lost = [spans.OUTSIDE] * len(words), []
    read = max((end for _, end in offsets), default=0)  # characters up to where it was cut
    for entity in sentence.entities:
        own = [i for i, (start, end) in enumerate(words)
               if start < entity.end and entity.start < end]
        there = [i for i in own if first[i] is not None]
        if cut := spans.cut_word(entity, words):
            word = sentence.text[slice(*cut)]
            lost.append(Lost(number, entity, f"its border lies within the word {word!r}", None))
            for i in own:
                tags[i] = None
            continue
        for i in there:
            tags[i] = f"{'B' if i == there[0] else 'I'}-{entity.type}"
        left = Entity(words[there[0]][0], words[there[-1]][1], entity.type) if there else None
        if left != entity:
            ended = bool(own) and first[own[-1]] is None and words[own[-1]][0] >= read
            lost.append(Lost(number, entity, "the text is cut before its end" if ended else
                             "the tokenizer has no token for some of its characters", left))
    return tags, lost


def _labels(owners, first, tags, number, repeat):
    """Return the label of each token."""
    labels = []
    for token, word in enumerate(owners):
        tag = None if word is None else tags[word]
        later = tag is not None and first[word] != token
        if tag is None or (later and not repeat):
            labels.append(IGNORED)
        else:
            labels.append(number[f"I{tag[1:]}" if later and tag[0] == "B" else tag])
    return labels


def decode(encoded, logits):
    """Return the entities of each sentence, a tuple each, from logits or other scores of tags.

    `logits` has an array of shape (tokens, tags) for each sentence, padded or not. A word has the
    tag that its first token scores highest; an I- that continues nothing begins an entity.
    """
    names = spans.tag_names(encoded.types)
    found = []
    for words, first, scores in zip(encoded.words, encoded.first, logits, strict=True):
        best = scores.argmax(-1).tolist()
        # A word without a token goes on with the entity around it, or is left out.
        kept = [(word, names[best[token]]) for word, token in zip(words, first, strict=True)
                if token is not None]
        found.append(spans.entities_of(*zip(*kept, strict=True)) if kept else ())
    return found
