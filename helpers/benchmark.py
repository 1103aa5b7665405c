"""The runs of the benchmark, five recipes for the same training, and what they come to.

`making.benchmark` made them. The ceiling is the highest rate of a matrix product in float32 that
was measured before a training; a training's share of it is the FLOPs of its products over its
seconds.
"""

import statistics

from helpers import paths, training

FILE = paths.REFERENCE / "benchmark.json"
GOAL = 0.90  # the accuracy to which the seconds are counted


def load():
    """Return the stored runs, a list of dictionaries, as `making.benchmark.run` yields them."""
    return paths.recorded(FILE.name)


def summary(runs):
    """Return one row per recipe: medians over its runs, and the spread of the seconds."""
    rows, ceiling = {}, max(r["matmul_rate"] for r in runs)
    for name in dict.fromkeys(r["recipe"] for r in runs):
        mine = [r for r in runs if r["recipe"] == name]
        seconds = [r["seconds"] for r in mine]
        tested = mine[0]["looks"][-1][2]
        correct = statistics.median_low(r["looks"][-1][1] for r in mine)
        to_goal = [seconds_to_goal(r) for r in mine]
        rows[name] = {
            "seconds": statistics.median(seconds), "fastest": min(seconds),
            "slowest": max(seconds), "accuracy": correct / tested,
            "a_second": statistics.median(r["shown"] / r["seconds"] for r in mine),
            "of_ceiling": statistics.median(
                r["operations"] / r["seconds"] / ceiling for r in mine),
            "interval": training.interval(correct, tested),
            "to_goal": None if None in to_goal else statistics.median(to_goal),
            "peak_memory_gb": statistics.median(r["peak_memory_gb"] for r in mine),
        }
    return rows


def looks(runs, seed=0):
    """Return the accuracies over time of one seed: {recipe: [(seconds, accuracy), …]}."""
    return {_title(r["recipe"]): [(s, right / n) for s, right, n in r["looks"]]
            for r in runs if r["seed"] == seed}


def seconds_to_goal(run):
    """Return after how many seconds a training was first at GOAL, or None."""
    return next((s for s, right, n in run["looks"] if right / n >= GOAL), None)


def table(rows):
    """Return the summary as text, each recipe's gain over the first one."""
    first = next(iter(rows.values()))["seconds"]
    lines = [f"{'':<17}{'seconds':>8}{'(spread)':>16}{'gain':>7}{'texts/s':>8}{'ceiling':>8}"
             f"{'accuracy':>9}{'(95 %)':>12}{f's to {GOAL:.2f}':>10}{'GB':>5}"]
    for name, r in rows.items():
        spread = f"({r['fastest']:.1f}-{r['slowest']:.1f})"
        low, high = r["interval"]
        goal = "-" if r["to_goal"] is None else f"{r['to_goal']:.1f}"
        lines.append(
            f"{_title(name):<17}{r['seconds']:>8.1f}{spread:>16}{first / r['seconds']:>6.1f}x"
            f"{r['a_second']:>8.1f}{r['of_ceiling']:>8.0%}{r['accuracy']:>9.3f}"
            f"{f'{low:.2f}-{high:.2f}':>12}{goal:>10}{r['peak_memory_gb']:>5.1f}"
        )
    return "\n".join(lines)


def _title(name):
    return name.replace("_", " ")
