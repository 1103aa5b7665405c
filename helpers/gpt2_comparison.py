"""GPT-2 beside BERT, as `making.gpt2_comparison` recorded it for notebook 05."""

from helpers import paths

FILE = paths.REFERENCE / "gpt2_comparison.json"


def load():
    """Return the record: what was trained how, and what each model answered with each seed.

    `answers` is {model: list of predictions per seed}, `labels` the right ones, `rates` {model:
    {learning rate: validation reviews right, per seed}}.
    """
    stored = paths.recorded(FILE.name)
    return stored | {
        "labels": [int(label) for label in stored["labels"]],
        "answers": {name: [[int(p) for p in row] for row in by_seed.values()]
                    for name, by_seed in stored["answers"].items()},
    }


def chosen_rate(rates, name):
    """Return the rate with which most validation reviews were right, the lower one of equals."""
    tried = rates[name]
    return float(max(sorted(tried, key=float), key=lambda rate: sum(tried[rate])))
