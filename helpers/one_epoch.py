"""What single changes to the fast recipe do to its accuracy, as `making.one_epoch` recorded it."""

import statistics

from helpers import paths

FILE = paths.REFERENCE / "one_epoch.json"


def load():
    """Return {idea: {"what": a line, "accuracy": [of each seed]}}, fast first.

    The accuracies are those on the validation reviews and extra.csv together.
    """
    stored = paths.recorded(FILE.name)
    return {name: {"what": row["what"],
                   "accuracy": [right / stored["texts"] for right in row["correct"]]}
            for name, row in stored["ideas"].items()}


def table(ideas):
    """Return the ideas as text, the most accurate first, each with its distance from `fast`."""
    base = statistics.mean(ideas["fast"]["accuracy"])
    rows = sorted(ideas.items(), key=lambda item: -statistics.mean(item[1]["accuracy"]))
    lines = [f"{'':<15}accuracy  (lowest-highest)  to fast"]
    for name, row in rows:
        mean = statistics.mean(row["accuracy"])
        spread = f"({min(row['accuracy']):.3f}-{max(row['accuracy']):.3f})"
        lines.append(f"{name:<15}{mean:>8.3f}  {spread:>16}  {100 * (mean - base):>+7.1f}")
    return "\n".join(lines)
