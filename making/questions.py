"""Pairs the questions of data/questions: each once with one that asks the same, once with another.

python -m making.questions

The questions and which of them ask the same were written, and stand in near_train.csv and so on.
Pairs with the label 1 are taken from there; those with 0 take the second question of the next
group of the same topic. Topics that have one group in a split share a circle. So each question
has both labels, once each.
"""

import itertools
import random

import pandas as pd

from helpers import paths

SPLITS = ("train", "validation", "test")
COLUMNS = ["group", "other_group", "topic", "first", "second", "same"]


def circles(groups):
    """Yield lists of (group, topic) in which each one's next is of the same topic if it can be."""
    by_topic = {topic: list(each) for topic, each in itertools.groupby(
        sorted(groups, key=lambda one: (one[1], one[0])), key=lambda one: one[1])}
    yield [one for each in by_topic.values() if len(each) == 1 for one in each]
    yield from (each for each in by_topic.values() if len(each) > 1)


def paired(same):
    """Return a table of pairs, half of them with the label 0, for a table of those with 1."""
    of = {number: list(zip(rows["first"], rows["second"], strict=True))
          for number, rows in same.groupby("group")}
    found = [(number, number, topic, first, second, 1) for number, topic, first, second
             in zip(*(same[name] for name in ("group", "topic", "first", "second")), strict=True)]
    for circle in circles({*zip(same["group"], same["topic"], strict=True)}):
        for (here, topic), (there, _) in zip(circle, circle[1:] + circle[:1], strict=True):
            found += [(here, there, topic, mine[0], theirs[1], 0)
                      for mine, theirs in zip(of[here], of[there], strict=True)]
    random.Random(0).shuffle(found)
    return pd.DataFrame(found, columns=COLUMNS)


def main():
    """Pair the questions of each split."""
    for split in SPLITS:
        table = pd.read_csv(paths.data_file("questions", f"near_{split}.csv"))
        table = paired(table[table["same"] == 1].sort_values(["group", "first"]))
        table.insert(0, "id", [f"{split}-{number}" for number in range(len(table))])
        table.to_csv(paths.DATA / "questions" / f"{split}.csv", index=False)


if __name__ == "__main__":
    main()
