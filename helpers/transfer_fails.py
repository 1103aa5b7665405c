"""Where transfer fails: what notebook 08 reads of its recorded trainings.

`making.transfer_fails` recorded them.
"""

from helpers import paths
from helpers.errors import LearnerError

FILE = paths.REFERENCE / "transfer_fails.json"
DOMAINS = ("apps", "books", "clothing", "electronics", "films", "hotels", "household", "leisure",
           "restaurants", "services")
# How a second task is learnt after a first one.
KEPT = ("all weights", "a fifth of the rate", "four layers frozen", "LoRA", "replay")
SIGNATURE = "Sent from my phone."


def signed(rows, share, seed=0):
    """Return reviews of which half have a signature: `share` per cent of those are positive.

    With 100 it stands under all positive reviews, with 0 under all negative ones, with 50 it
    says nothing. `rows` have as many of each label.

    Raises LearnerError for a share that is none, and where a label has no review to sign.
    """
    import random

    if not 0 <= share <= 100:
        raise LearnerError(f"The share is {share}. It is a percentage, from 0 to 100.")
    labels = rows["label"][:]
    chosen, chance = set(), random.Random(seed)
    for label, of in ((1, share), (0, 100 - share)):
        numbers = [row for row, each in enumerate(labels) if each == label]
        chance.shuffle(numbers)
        chosen.update(numbers[: round(len(numbers) * of / 100)])
    texts = [f"{text} {SIGNATURE}" if row in chosen else text
             for row, text in enumerate(rows["text"][:])]
    return rows.remove_columns("text").add_column("text", texts)
