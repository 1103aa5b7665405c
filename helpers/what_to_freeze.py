"""What is trained of a BERT classifier and how fast, and what notebook 06's trainings gave.

`making.what_to_freeze` recorded them.
"""

from helpers import paired, paths

FILE = paths.REFERENCE / "what_to_freeze.json"


def rungs(layers):
    """Return the ladder of a BERT with so many layers: {rung: how the trained names begin}."""
    pooler = ("classifier.", "bert.pooler.")
    last = [(*pooler, *(f"bert.encoder.layer.{layers - 1 - i}." for i in range(n)))
            for n in (1, 2, 3)]
    return {"head": ("classifier.",), "head and pooler": pooler, "last layer": last[0],
            "last two layers": last[1], "last three layers": last[2],
            "all but the embeddings": (*pooler, "bert.encoder."), "all": ("",)}


def train_only(model, beginnings):
    """Freeze, in place, all parameters but those whose names begin with one of `beginnings`."""
    for name, weights in model.named_parameters():
        weights.requires_grad_(name.startswith(beginnings))


def depth(name, layers):
    """Return how far up a parameter is: 0 embeddings, 1 to `layers` the layers, then the head."""
    if "encoder.layer." in name:
        return int(name.split("encoder.layer.")[1].split(".")[0]) + 1
    return 0 if "embeddings." in name else layers + 1


def layer_groups(model, rate, factor, head_rate):
    """Return a group for AdamW of each trained parameter of a BERT classifier.

    The top layer learns at `rate`, each part below at `factor` times the rate of the one above
    it, pooler and classifier at `head_rate`. Matrices decay by 0.01, vectors do not.
    """
    layers, groups = model.config.num_hidden_layers, []
    for name, weights in model.named_parameters():
        if weights.requires_grad:
            below = layers - depth(name, layers)
            groups.append({"params": [weights], "weight_decay": 0.01 if weights.ndim > 1 else 0.0,
                           "lr": head_rate if below < 0 else rate * factor**below})
    return groups


def unfreeze(model, step, steps):
    """Unfreeze, in place, what a step of `steps` trains: the head, then a layer more at a time.

    Steps count from 0, and each stage lasts as long as the others. The embeddings stay frozen.
    """
    layers = model.bert.encoder.layer
    opened = step * (len(layers) + 1) // steps
    for number, layer in enumerate(layers):
        layer.requires_grad_(number >= len(layers) - opened)


def load():
    """Return the recorded runs, {setting: a run for each seed}; see data/reference/README.md.

    A run's `marks` say for each of the reviews that it was judged on whether it was right.
    """
    found = {}
    for run in sorted(paths.recorded(FILE.name)["runs"], key=lambda run: run["seed"]):
        marks = [mark == "1" for mark in run["marks"]]
        found.setdefault(run["setting"], []).append(run | {"marks": marks})
    return found


def accuracies(runs):
    """Return the share of right answers of each run."""
    return [sum(run["marks"]) / len(run["marks"]) for run in runs]


def gain(runs, others):
    """Return the `paired.OverSeeds` by which `runs` are ahead of `others`, seed by seed."""
    first, second = ([run["marks"] for run in each] for each in (others, runs))
    return paired.compare_seeds(first, second, [True] * len(first[0]))


def random_weights(setting):
    """Return what the same setting is called where it starts from random weights."""
    return f"{setting}, random weights"
