"""Entities as spans of characters, and as one tag a word: IOB2, IOB1, BILOU and IOBES.

Ramshaw, L. and Marcus, M. (1995), "Text chunking using transformation-based learning", have the
first of these schemes; Ratinov, L. and Roth, D. (2009), "Design challenges and misconceptions in
named entity recognition", compare them.
"""

import functools
import itertools
import re
from dataclasses import dataclass

from helpers.errors import LearnerError, short

OUTSIDE = "O"
TAG = re.compile(r"([BIESLUMW])[-_](\S.*)")
_BEGINS, _ENDS = set("BSUW"), set("ESLUW")


@dataclass(frozen=True, order=True)
class Entity:
    """A name in a text: characters `start` up to, not including, `end`, and its type."""

    start: int
    end: int
    type: str


@dataclass(frozen=True)
class Sentence:
    """A text and its entities, in order and without overlap; `id` and `kind` where there are any.

    `kind` is what sort of text it is, such as "mail".
    """

    text: str
    entities: tuple = ()
    id: str = ""
    kind: str = ""

    def names(self):
        """Return the words of each entity, as they stand in the text."""
        return tuple(self.text[e.start : e.end] for e in self.entities)

    def __str__(self):
        return marked(self.text, self.entities)


def marked(text, entities):
    """Return a text with its entities in brackets, such as `[Osk](place)`."""
    parts, done = [], 0
    for entity in entities:
        parts.append(text[done : entity.start])
        parts.append(f"[{text[entity.start : entity.end]}]({entity.type})")
        done = entity.end
    return "".join([*parts, text[done:]])


def types(sentences):
    """Return the types of all entities of some sentences, sorted."""
    return tuple(sorted({entity.type for sentence in sentences for entity in sentence.entities}))


def sentence(text, entities=(), *, id="", kind="", where=""):
    """Return a `Sentence`, and lines on what was put right on the way.

    Blanks at the border of an entity are left out of it, and a second mark for the same entity
    is left out. `where` begins each message, such as "names.jsonl, line 3".

    Raises LearnerError for an entity that is empty, outside of the text or without a type, that
    cuts a character, and for two that overlap.
    """
    where = f"{where}: " if where else ""
    kept, said = set(), []
    for entity in entities:
        trimmed = _checked(text, entity, where)
        name = short(text[trimmed.start : trimmed.end])
        if trimmed != entity:
            said.append(f"{where}blanks around {name!r} are left out of the entity.")
        if trimmed in kept:
            said.append(f"{where}{name!r} is marked twice as {trimmed.type}; one is kept.")
        kept.add(trimmed)
    kept = sorted(kept)
    for one, other in itertools.pairwise(kept):
        if other.start < one.end:
            raise LearnerError(
                f"{where}{_named(text, one)} and {_named(text, other)} overlap. A token has one "
                "label: keep one of them, usually the longer.")
    return Sentence(text, tuple(kept), id, kind), said


def _checked(text, entity, where):
    """Return an entity without blanks at its borders; raise LearnerError if it cannot be one."""
    start, end = entity.start, entity.end
    at = f"{where}the entity from {start} to {end}"
    if not (isinstance(entity.type, str) and entity.type.strip()):
        raise LearnerError(f"{at} has no type. Give it one, such as 'person'.")
    if not 0 <= start <= end <= len(text):
        raise LearnerError(f"{at} is not within the text, which has {len(text)} characters. "
                           "Offsets count characters from 0, and the end is not included.")
    if start == end or not text[start:end].strip():
        raise LearnerError(f"{at} holds {'nothing' if start == end else 'only blanks'}. Leave it "
                           "out, or mark the name.")
    for border in (start, end):
        if cuts_character(text, border):
            raise LearnerError(
                f"{at}, {text[start:end]!r}, cuts a character of several parts, such as a letter "
                "with its accent or an emoji. Move the border to its edge.")
    inside = text[start:end]
    start += len(inside) - len(inside.lstrip())
    return Entity(start, start + len(inside.strip()), entity.type.strip())


def cuts_character(text, border):
    """Say whether a border lies within what a reader takes for one character.

    Unicode Standard Annex 29 calls it a grapheme cluster.
    """
    around = text[max(0, border - 1) : border + 1]
    return len(around) == 2 and not around.isascii() and border not in _borders(text)


@functools.lru_cache(maxsize=64)
def _borders(text):
    import regex

    return {0, *(found.end() for found in regex.finditer(r"\X", text))}


def _named(text, entity):
    return f"{short(text[entity.start : entity.end])!r} ({short(entity.type)})"


def words(text):
    """Return the words of a text as (start, end), cut as BERT's basic tokenizer cuts.

    Blanks part words; each punctuation mark and each Chinese character is a word by itself.
    """
    from tokenizers import PreTokenizedString

    normalizer, cutter = _basic_tokenizer()
    # Half of a surrogate pair is no character that a tokenizer takes.
    cut = PreTokenizedString(text.encode("utf-8", "replace").decode())
    cut.normalize(normalizer.normalize)
    cutter.pre_tokenize(cut)
    return [span for _, span, _ in cut.get_splits("original", "char")]


@functools.cache
def _basic_tokenizer():
    from tokenizers import normalizers, pre_tokenizers

    return (normalizers.BertNormalizer(lowercase=False, strip_accents=False),
            pre_tokenizers.BertPreTokenizer())


def tag_names(types):
    """Return the IOB2 tags for some types: O, then B- and I- of each; a tag's place is its id."""
    return [OUTSIDE, *(f"{prefix}-{kind}" for kind in types for prefix in "BI")]


def tags(sentence, pieces=None):
    """Return the IOB2 tag of each word of a sentence, or of other `pieces`: (start, end) each.

    Raises LearnerError for an entity whose border lies within a word.
    """
    pieces = words(sentence.text) if pieces is None else pieces
    found = [OUTSIDE] * len(pieces)
    for entity in sentence.entities:
        if cut := cut_word(entity, pieces):
            raise LearnerError(
                f"{_named(sentence.text, entity)} ends within the word "
                f"{short(sentence.text[slice(*cut)])!r}, and a word has one tag. Mark the whole "
                "word, or part the two by a blank.")
        inside = [i for i, (start, end) in enumerate(pieces)
                  if entity.start <= start and end <= entity.end]
        for i in inside:
            found[i] = f"{'B' if i == inside[0] else 'I'}-{entity.type}"
    return found


def cut_word(entity, words):
    """Return the first word that a border of an entity lies within, or None."""
    return next(((start, end) for start, end in words
                 if start < entity.start < end or start < entity.end < end), None)


def entities_of(words, tags):
    """Return the entities that tags give to words, (start, end) each, as a tuple.

    Reads IOB2, IOB1, BILOU, IOBES and bare types: an entity begins at B, S, U, at any tag after
    another type or O, and after E, L, S, U, which end one.

    Raises LearnerError for a tag that is none of these, and for another number of tags than words.
    """
    if len(words) != len(tags):
        raise LearnerError(f"{len(tags)} tags for {len(words)} words: each word needs one.")
    found, going = [], None
    for (start, end), tag in zip(words, tags, strict=True):
        prefix, kind = parted(tag)
        if kind is None:
            going = None
            continue
        if going is None or prefix in _BEGINS or found[-1].type != kind:
            found.append(Entity(start, end, kind))
        else:
            found[-1] = Entity(found[-1].start, end, kind)
        going = None if prefix in _ENDS else kind
    return tuple(found)


def parted(tag):
    """Return the prefix and the type of a tag: None and None for O, I for a bare type.

    Raises LearnerError for a tag that has a prefix and no type, or is empty.
    """
    tag = str(tag).strip()
    if tag == OUTSIDE:
        return None, None
    if found := TAG.fullmatch(tag):
        return found[1], found[2]
    if not tag or re.fullmatch(r"[BIESLUMW][-_]?|[-_].*", tag):
        raise LearnerError(f"The tag {tag!r} names no type. Tags are O, or such as B-person.")
    return "I", tag


def scheme(tags):
    """Return the name of the scheme of sentences' tags, a list of lists.

    BILOU, IOBES, IOB2, IOB1, or "types" for types without a prefix.
    """
    prefixes = {parted(tag)[0] for row in tags for tag in row} - {None}
    if not any(TAG.fullmatch(str(tag)) for row in tags for tag in row):
        return "types"
    if prefixes & set("LU"):
        return "BILOU"
    if prefixes & set("ESMW"):
        return "IOBES"
    begun_inside = any(
        parted(tag)[0] == "I" and parted(before)[1] != parted(tag)[1]
        for row in tags for before, tag in zip([OUTSIDE, *row], row, strict=False))
    return "IOB1" if begun_inside else "IOB2"
