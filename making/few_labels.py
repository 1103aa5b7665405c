"""With how few labels? SetFit, fine-tuning and a frozen encoder, as notebook 10 compares them.

python -m making.few_labels

Trains each model on 8 to 200 of the training reviews, with three seeds, and counts how many test
reviews it gets right. SetFit (python -m pip install setfit) has its own defaults up to 64 labels,
above them the steps of the benchmark (`benchmark.fitted_by_setfit`); the others are those of
`making.learning_curve`. What data/reference/few_labels.json holds already is not trained again.
"""

import itertools
import json

from helpers import paths
from helpers.benchmark import FEW_LABELS
from helpers.reviews import drawn
from making import benchmark, learning_curve
from making.learning_curve import SEEDS, given

COUNTS = (8, 16, 32, 64, 200)
MODELS = ("setfit", "fine-tuned", "frozen encoder")


def correct(name, checkpoint, tokenizer, train, tested, seed):
    """Train one model on some reviews; return how many of the `tested` ones it gets right."""
    if name != "setfit":
        return learning_curve.correct(name, checkpoint, tokenizer, train, tested, seed)
    classifier = benchmark.fitted_by_setfit(checkpoint, train, seed)
    predicted = classifier.predict(tested["text"][:])
    return sum(int(p) == y for p, y in zip(predicted, tested["label"][:], strict=True))


def record(counts=COUNTS, models=MODELS, seeds=SEEDS):
    """Train what is not recorded yet, and record it, model by model."""
    checkpoint, tokenizer, data = given()
    known = (json.loads(FEW_LABELS.read_text(encoding="utf-8")) if FEW_LABELS.is_file()
             else {"correct": {}})
    known |= {"tested": len(data["test"]), "seeds": list(seeds)}
    for count, name in itertools.product(counts, models):
        by_count = known["correct"].setdefault(name, {})
        for seed in seeds[len(by_count.setdefault(str(count), [])):]:
            by_count[str(count)].append(correct(
                name, checkpoint, tokenizer, drawn(data["train"], count, seed), data["test"],
                seed))
            with paths.replacing(FEW_LABELS) as fresh:
                fresh.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        print(f"{count:>5}  {name:<16}{by_count[str(count)]}", flush=True)


if __name__ == "__main__":
    record()
