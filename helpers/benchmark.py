"""The runs of the benchmark, several recipes for the same task, and what they come to.

`making.benchmark` and `making.few_labels` made them. The ceiling is the highest rate of a matrix
product in float32 that was measured before a training; a training's share of it is the FLOPs of
its products over its seconds.
"""

import statistics

import numpy as np

from helpers import paths

FILE = paths.REFERENCE / "benchmark.json"
FEW_LABELS = paths.REFERENCE / "few_labels.json"
GOALS = (0.88, 0.90)  # the accuracies to which the seconds are counted
DRAWS = 10_000


def load():
    """Return the stored runs, a list of dictionaries, as `making.benchmark.run` yields them."""
    return paths.recorded(FILE.name)


def few_labels():
    """Return {model: {number of labels: [accuracy of each seed]}}, on the test reviews."""
    stored = paths.recorded(FEW_LABELS.name)
    return {
        name: {int(count): [n / stored["tested"] for n in right] for count, right in row.items()}
        for name, row in stored["correct"].items()
    }


def summary(runs):
    """Return a dictionary of figures for each recipe, over all of its runs.

    Accuracies are the mean, the lowest and the highest; seconds and the share of the ceiling are
    the median. `to` holds the median seconds to each of GOALS, None where a run never got there.
    """
    rows, ceiling = {}, max(r["matmul_rate"] for r in runs)
    for name in dict.fromkeys(r["recipe"] for r in runs):
        mine = [r for r in runs if r["recipe"] == name]
        seconds = [r["seconds"] for r in mine]
        accuracies = [accuracy(r) for r in mine]
        reached = {goal: [seconds_to(goal, r) for r in mine] for goal in GOALS}
        rows[name] = {
            "runs": len(mine),
            "seconds": statistics.median(seconds), "fastest": min(seconds),
            "slowest": max(seconds),
            "accuracy": statistics.mean(accuracies), "lowest": min(accuracies),
            "highest": max(accuracies),
            "to": {goal: None if None in each else statistics.median(each)
                   for goal, each in reached.items()},
            "of_ceiling": statistics.median(
                r["operations"] / r["seconds"] / ceiling for r in mine),
        }
    return rows


def accuracy(run):
    """Return the accuracy on the test reviews at the end of a run."""
    _, right, n = run["looks"][-1]
    return right / n


def looks(runs):
    """Return the accuracies over time of every run: {recipe: [[(seconds, accuracy), …], …]}."""
    found = {}
    for run in runs:
        found.setdefault(title(run["recipe"]), []).append(
            [(seconds, right / n) for seconds, right, n in run["looks"]])
    return found


def seconds_to(goal, run):
    """Return after how many seconds a run's accuracy was first at `goal`, or None."""
    return next((s for s, right, n in run["looks"] if right / n >= goal), None)


def difference(runs, one, other, seed=0):
    """Return how far the mean accuracy of `one` lies above that of `other`, and its interval.

    A bootstrap: the runs of each recipe and the test reviews, the same ones for both, are drawn
    again, with replacement. Returns (difference, low, high), the ends of 95 %.
    """
    generator = np.random.default_rng(seed)
    marks = [np.array([[int(mark) for mark in run["marks"]]
                       for run in runs if run["recipe"] == name]) for name in (one, other)]
    texts = marks[0].shape[1]
    shares = generator.multinomial(texts, np.full(texts, 1 / texts), size=DRAWS) / texts
    means = []
    for each in marks:  # (runs, texts)
        drawn = generator.multinomial(len(each), np.full(len(each), 1 / len(each)), size=DRAWS)
        means.append(((drawn / len(each)) @ each * shares).sum(1))
    low, high = np.percentile(means[0] - means[1], [2.5, 97.5])
    return float(marks[0].mean() - marks[1].mean()), float(low), float(high)


def table(rows):
    """Return the summary as text, each recipe's gain over the first one."""
    first = next(iter(rows.values()))["seconds"]
    lines = [f"{'':<16}{'runs':>4}{'seconds':>9}{'(spread)':>14}{'gain':>7}{'accuracy':>9}"
             f"{'(spread)':>14}" + "".join(f"{f'to {goal:.2f}':>9}" for goal in GOALS)
             + f"{'ceiling':>8}"]
    for name, r in rows.items():
        spread = f"({r['fastest']:.1f}-{r['slowest']:.1f})"
        between = f"({r['lowest']:.3f}-{r['highest']:.3f})"
        to = "".join(f"{'-' if r['to'][goal] is None else format(r['to'][goal], '.1f'):>9}"
                     for goal in GOALS)
        lines.append(
            f"{title(name):<16}{r['runs']:>4}{r['seconds']:>9.1f}{spread:>14}"
            f"{first / r['seconds']:>6.1f}x{r['accuracy']:>9.3f}{between:>14}{to}"
            f"{r['of_ceiling']:>8.0%}"
        )
    return "\n".join(lines)


def title(name):
    """Return a recipe's name as a table shows it."""
    return name.replace("_", " ")
