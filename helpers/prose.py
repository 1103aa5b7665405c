"""Paragraphs of old books in `data/prose`: some that the small GPT-2 has read, some it has not."""

from helpers import paths

PARTS = ("read", "held_out")


def load():
    """Return {"read": paragraphs, "held_out": paragraphs}, lists of strings.

    The small GPT-2 was pretrained on those of "read" and never saw those of "held_out".
    """
    return {part: paths.data_file("prose", f"{part}.txt").read_text(encoding="utf-8").splitlines()
            for part in PARTS}
