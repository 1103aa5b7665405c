"""The text of a pretraining: read, cleaned, split, and how well simple models predict it.

A corpus is a dictionary of works: {name: list of paragraphs}.
"""

import functools
import gzip
import hashlib
import re
from pathlib import Path

from helpers import generation
from helpers.errors import LearnerError

HELD_OUT = 0.02  # share of each work, its end, that the model never trains on
EXCLUDED = Path(__file__).with_name("excluded_words.txt")


def read_folder(folder):
    """Return the works in a folder of `.txt` files: {name: list of paragraphs}, one per line.

    Raises LearnerError if the folder is missing, holds no text files or one that is not UTF-8
    text, or too little text to train on.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise LearnerError(f"There is no folder {folder}. --corpus wants one with .txt files.")
    works = {}
    for path in sorted(folder.glob("*.txt")):
        content = path.read_bytes()
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise LearnerError(
                f"{path.name} is not UTF-8 text (byte {error.start}). Save it as UTF-8, or take "
                "it out of the folder."
            ) from None
        if "\0" in text:
            raise LearnerError(f"{path.name} holds zero bytes, so it is not text. Take it out.")
        works[path.stem] = _paragraphs(text.splitlines())
    if not works:
        raise LearnerError(f"{folder} holds no .txt files: one per work, a paragraph per line.")
    return _enough(works, folder)


def read_dataset(name, config=None, *, revision=None, column="text"):
    """Return the train split of a Hub data set as one work, one paragraph per row.

    Raises LearnerError if it cannot be loaded or lacks the column.
    """
    from datasets import load_dataset

    try:
        rows = load_dataset(name, config, revision=revision, split="train")
    except Exception as error:  # the Hub's client raises errors of several libraries
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise LearnerError(
            f"The data set {name!r} could not be loaded: {reason} A folder of text files needs "
            "no network: --corpus FOLDER."
        ) from error
    if column not in rows.column_names:
        known = ", ".join(rows.column_names)
        raise LearnerError(f"{name} has no column {column!r}, only {known}.")
    return _enough({name: _paragraphs(rows[column][:])}, name)


def _paragraphs(lines):
    return [" ".join(line.split()) for line in lines if line.strip()]


def _enough(works, source):
    letters = sum(len(p) for work in works.values() for p in work)
    if letters < 100_000:
        raise LearnerError(
            f"{source} holds {letters:,} characters of text. A language model needs more: at "
            "least 100,000 to learn anything, and millions to be of use."
        )
    return works


def without_excluded(works):
    """Return the works without paragraphs that hold a slur, and how many were left out.

    The words are kept as hashes, so that nobody has to read them.
    """
    excluded = set(EXCLUDED.read_text(encoding="utf-8").split())

    @functools.cache
    def is_excluded(word):
        return hashlib.sha256(word.encode()).hexdigest()[:12] in excluded

    def is_clean(paragraph):
        lower = paragraph.lower()
        words = re.findall(r"[a-z]+(?:-[a-z]+)*", lower) + re.findall(r"[a-z]+", lower)
        return not any(map(is_excluded, words))

    kept = {name: [p for p in work if is_clean(p)] for name, work in works.items()}
    return kept, sum(map(len, works.values())) - sum(map(len, kept.values()))


def split(works):
    """Return the paragraphs for training and those held out: the last of every work."""
    train, held_out = [], []
    for work in works.values():
        cut = len(work) - max(1, round(HELD_OUT * len(work)))
        train += work[:cut]
        held_out += work[cut:]
    return train, held_out


def bigram_bits_per_byte(train_texts, texts):
    """Return the bits per byte of a byte-level bigram model with add-one smoothing."""
    return generation.byte_pairs(train_texts, texts).bits_per_byte


def gzip_bits_per_byte(texts):
    """Return the bits per byte after gzip, at its best, of the texts as one file."""
    content = "\n".join(texts).encode()
    return 8 * len(gzip.compress(content, 9)) / len(content)
