"""Make data/entities from the two readings of its sentences: `python -m making.entities`.

It prints how far the two agree, settles what they differ in as the file says, and splits: no name
of validation or test, and no word of a person's name there, is met in train; `test_seen` holds
sentences whose every name is.
"""

import csv
import json
import random
import re
from collections import Counter

from helpers import paths

FOLDER = paths.ROOT / "data" / "entities"
MARK = re.compile(r"\[([^\[\]]+)\]\(([^()]+)\)")
LARGEST = 30  # sentences that share names, at most, where validation and test take them
SIZES = {"test": 300, "validation": 180, "test_seen": 180}


def read_marks(marked):
    """Return a text and its entities, [(start, end, type)], from `the [name](type) in it`."""
    text, entities, last = "", [], 0
    for mark in MARK.finditer(marked):
        text += marked[last : mark.start()]
        entities.append((len(text), len(text) + len(mark[1]), mark[2]))
        text += mark[1]
        last = mark.end()
    return text + marked[last:], entities


def readings():
    """Return the rows of readings.tsv, {id, kind, text, first, second, entities}."""
    found = []
    with (FOLDER / "readings.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            text, first = read_marks(row["first"])
            second = read_marks(row["second"])[1] if row["second"] else first
            settled = {"": first, "first": first, "second": second}[row["settled"]]
            found.append({"id": row["id"], "kind": row["kind"], "text": text, "first": first,
                          "second": second, "entities": settled})
    return found


def agreement(rows):
    """Return F1 of the second reading against the first, entities equal in borders and type."""
    both = sum(len({*row["first"]} & {*row["second"]}) for row in rows)
    return 2 * both / sum(len(row["first"]) + len(row["second"]) for row in rows)


def names(row):
    """Return the names in a row, in lower case."""
    return {row["text"][start:end].casefold() for start, end, _ in row["entities"]}


def keys(row):
    """Return what no two splits may share: a row's names, and the words of its persons' names."""
    persons = (row["text"][start:end].casefold() for start, end, kind in row["entities"]
               if kind == "person")
    return names(row) | {word for name in persons for word in re.findall(r"[^\W\d_]{3,}", name)}


def groups(rows):
    """Return lists of rows: those that share a key are together, directly or by way of others."""
    found = []
    for row in rows:
        mine, known = [row], keys(row)
        others = []
        for group, its in found:
            if its & known:
                mine, known = group + mine, its | known
            else:
                others.append((group, its))
        found = [*others, (mine, known)]
    return [group for group, _ in found]


def split(rows):
    """Return {split: rows}."""
    draw = random.Random(0)
    circles = groups(rows)
    draw.shuffle(circles)
    circles.sort(key=lambda group: len(group) > LARGEST)  # the large ones are left for train
    splits = {name: [] for name in ("train", *SIZES)}
    for group in circles:
        name = next((name for name in ("test", "validation") if len(group) <= LARGEST
                     and len(splits[name]) + len(group) <= SIZES[name]), "train")
        splits[name] += group
    draw.shuffle(splits["train"])
    rows_with = Counter(name for row in splits["train"] for name in names(row))
    for row in list(splits["train"]):
        if len(splits["test_seen"]) < SIZES["test_seen"] and all(
                rows_with[name] > 1 for name in names(row)):
            splits["train"].remove(row)
            splits["test_seen"].append(row)
            rows_with.subtract(names(row))
    return splits


def main():
    """Write the four files."""
    rows = readings()
    differing = sum(row["first"] != row["second"] for row in rows)
    print(f"{len(rows)} sentences, {sum(len(row['entities']) for row in rows)} entities; the two "
          f"readings differ in {differing} sentences; F1 {agreement(rows):.3f}")
    for name, part in split(rows).items():
        with paths.replacing(FOLDER / f"{name}.jsonl") as fresh:
            fresh.write_text("".join(json.dumps(
                {key: row[key] for key in ("id", "kind", "text", "entities")},
                ensure_ascii=False) + "\n" for row in sorted(part, key=lambda row: row["id"])),
                encoding="utf-8")
        print(f"{name:<11}{len(part):>5} sentences, {sum(len(r['entities']) for r in part):>5} "
              f"entities")


if __name__ == "__main__":
    main()
