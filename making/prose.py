"""Paragraphs of the small GPT-2's corpus that ship with the series, for notebook 05.

python -m making.prose --corpus FOLDER

Takes, from four of the books that the model was pretrained on, some paragraphs of the part that
it learnt from and those that were held out, and writes them to `data/prose`, one a line.
"""

import argparse
import sys

from helpers import paths
from helpers.prose import PARTS
from making import command, corpus

WORKS = ("dubliners", "in_the_days_of_giants", "moby_dick", "pride_and_prejudice")
LENGTH = (200, 700)  # characters of a paragraph, at least and at most
EACH = {"read": 36, "held_out": 12}  # paragraphs of a work, at most


def chosen(paragraphs, most):
    """Return up to `most` paragraphs of a fitting length, spread evenly over a text."""
    fitting = [p for p in paragraphs if LENGTH[0] <= len(p) <= LENGTH[1] and p.isascii()]
    most = min(most, len(fitting))
    return [fitting[i * len(fitting) // most] for i in range(most)]


def parts(works):
    """Return {"read": paragraphs, "held_out": paragraphs} of `works`, {name: paragraphs}."""
    clean, _ = corpus.without_excluded(works)
    split = {name: corpus.split({name: clean[name]}) for name in WORKS}
    return {part: [p for name in WORKS for p in chosen(split[name][side], EACH[part])]
            for side, part in enumerate(PARTS)}


def main(arguments=None):
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m making.prose",
                                     description=__doc__.partition("\n")[0])
    command.add_corpus(parser)
    options = parser.parse_args(arguments)

    def work():
        for part, paragraphs in parts(command.read_corpus(options)).items():
            with paths.replacing(paths.DATA / "prose" / f"{part}.txt") as fresh:
                fresh.write_text("\n".join(paragraphs) + "\n", encoding="utf-8")
            print(f"{part:<10}{len(paragraphs)} paragraphs, {sum(map(len, paragraphs)):,} bytes")

    return command.run(work)


if __name__ == "__main__":
    sys.exit(main())
