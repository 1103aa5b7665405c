"""The pictures of notebook 10: what was gained, what it costs, and what sets the limit."""

import statistics

import numpy as np
from matplotlib.ticker import FixedLocator, NullLocator

from helpers import plots

COLOURS = [plots.BLUE, plots.ORANGE, plots.GREEN, plots.PURPLE, plots.GREY, plots.INK, "#E69F00",
           "#56B4E9"]
SHAPES = "osD^vPX*"


@plots.styled
def ladder(rates, predicted, title):
    """Draw how many texts a second each rung reaches, {name: rate}, and what was predicted.

    `predicted` is {name: rate}, for the rungs that had a prediction.
    """
    notes = {name: f"{rate:.0f}" for name, rate in rates.items()}
    alt = {name: f"{notes[name]} (predicted {predicted[name]:.0f})" if name in predicted
           else notes[name] for name in rates}
    axes = plots.bar_chart(rates, dict.fromkeys(rates, ""), max(rates, key=rates.get), row=0.4)
    for row, (name, rate) in enumerate(rates.items()):
        foreseen = predicted.get(name)
        if foreseen is not None:
            axes.plot([foreseen] * 2, [row - 0.36, row + 0.36], color=plots.ORANGE, lw=3,
                      label="predicted from the rung above" if row == len(rates) - 1 else None)
        axes.annotate(notes[name], (max(rate, foreseen or 0), row), xytext=(8, 0), va="center",
                      textcoords="offset points")
    axes.set_xlim(0, 1.15 * max([*rates.values(), *predicted.values()]))
    plots.finish(axes, f"Bar chart of reviews a second: {plots.listed(alt)}.", title=title,
                 xlabel="reviews a second")


@plots.styled
def accuracy_over_seconds(runs, goals, title):
    """Draw the final accuracy over the seconds of each run of `helpers.benchmark`, all labelled.

    `goals` are accuracies to mark.
    """
    _, axes = plots.new(height=4.4)
    means = {}
    recipes = dict.fromkeys(run["recipe"] for run in runs)
    for recipe, colour, shape in zip(recipes, COLOURS, SHAPES, strict=False):
        mine, name = [run for run in runs if run["recipe"] == recipe], recipe.replace("_", " ")
        seconds = np.array([run["seconds"] for run in mine])
        accuracy = np.array([run["looks"][-1][1] / run["looks"][-1][2] for run in mine])
        means[name] = np.exp(np.log(seconds).mean()), accuracy.mean()
        axes.plot(seconds, accuracy, shape, color=colour, ms=6, alpha=0.45, mew=0)
        axes.plot(*means[name], shape, color=colour, ms=11, mec="white")
    for (name, (seconds, accuracy)), colour in zip(means.items(), COLOURS, strict=False):
        close = any(seconds < x < 2.5 * seconds and abs(accuracy - y) < 0.01
                    for x, y in means.values())  # one to the right: the name goes to the left
        axes.annotate(name, (seconds, accuracy), xytext=(-10 if close else 10, 0), va="center",
                      ha="right" if close else "left", textcoords="offset points", color=colour,
                      weight="bold", fontsize=10)
    for goal in goals:
        axes.axhline(goal, color=plots.GREY, lw=1, ls="--")
    low, high = min(m[0] for m in means.values()), max(m[0] for m in means.values())
    axes.set_xscale("log")
    axes.set_xlim(low / 3, 3 * high)
    _log_ticks(axes.xaxis)
    said = {name: f"{accuracy:.3f} after {seconds:.0f} s" for name, (seconds, accuracy)
            in means.items()}
    plots.finish(axes, f"Scatter of test accuracy over seconds, means: {plots.listed(said)}.",
                 title=title, ylabel="test accuracy",
                 xlabel="seconds of training (small: each seed; large: their mean)")


@plots.styled
def few_labels(accuracies, title):
    """Draw accuracy over the number of labels, {method: {labels: [accuracy of each seed]}}."""
    _, axes = plots.new(height=3.8)
    said = {}
    for (name, by_labels), colour, shape in zip(accuracies.items(), COLOURS, SHAPES,
                                                 strict=False):
        labels = sorted(by_labels)
        means = [statistics.mean(by_labels[n]) for n in labels]
        said[name] = f"{means[0]:.2f} with {labels[0]}, {means[-1]:.2f} with {labels[-1]}"
        axes.plot(labels, means, f"{shape}-", color=colour, ms=6, label=name)
        for n in labels:
            axes.plot([n] * len(by_labels[n]), by_labels[n], shape, color=colour, ms=4,
                      alpha=0.4, mew=0)
    every = sorted({n for by_labels in accuracies.values() for n in by_labels})
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(every))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:,.0f}")
    plots.finish(axes, f"Line chart of test accuracy by number of labels: {plots.listed(said)}.",
                 title=title, xlabel="labelled reviews (faint: each seed; line: their mean)",
                 ylabel="test accuracy")


@plots.styled
def ideas(tried, luck, title):
    """Draw the accuracy of each idea of `helpers.one_epoch`, of which the first is the base.

    Each seed is a dot. The bar reaches `luck` to either side of the mean, which is how far from
    the base's mean it may lie by chance: a bar that stays off the line stands clear.
    """
    rows = {idea["name"]: idea["accuracy"] for idea in tried}
    _, axes = plots.new(height=0.34 * len(rows) + 1.3)
    means = {name: statistics.mean(each) for name, each in rows.items()}
    base, *others = means.values()
    for row, (name, each) in enumerate(rows.items()):
        colour = plots.BLUE if row else plots.ORANGE
        if row:
            axes.plot([means[name] - luck, means[name] + luck], [row, row], color=plots.MUTED,
                      lw=6, solid_capstyle="butt")
        axes.plot(each, [row] * len(each), "o", color=colour, ms=4, alpha=0.6, mew=0)
        axes.plot(means[name], row, "D", color=colour, ms=8, mec="white")
        axes.annotate(f"{means[name]:.3f}", (1, row), xycoords=("axes fraction", "data"),
                      xytext=(6, 0), textcoords="offset points", va="center", fontsize=10)
    axes.axvline(base, color=plots.ORANGE, lw=1.2, ls="--")
    plots.name_rows(axes, rows)
    clear = sum(abs(mean - base) > luck for mean in others)
    said = {name: f"{mean:.3f}" for name, mean in means.items()}
    plots.finish(axes, f"Dot plot of accuracy, means over the seeds: {plots.listed(said)}. "
                       f"{clear} stand clear of the first.", title=title,
                 xlabel="accuracy (dots: seeds; bar: as far as luck alone may part two means)")


@plots.styled
def roofline(products, trainings, ceiling, bandwidth, title):
    """Draw FLOP/s over FLOPs a byte, {name: (FLOPs a byte, FLOP/s)}, below what is possible.

    `ceiling` is in FLOP/s, `bandwidth` in bytes a second. After Williams et al. (2009),
    "Roofline: an insightful visual performance model".
    """
    _, axes = plots.new(height=4.6)
    every = {**products, **trainings}
    places = [place for place, _ in every.values()]
    left, right = min(places) / 2, 2.5 * max([*places, ceiling / bandwidth])
    corner = ceiling / bandwidth
    roof = ([left, corner, right], [left * bandwidth / 1e9, ceiling / 1e9, ceiling / 1e9])
    lowest = min(rate for _, rate in every.values()) / 1e9
    axes.fill_between(*roof, color=plots.PALE, lw=0)
    axes.plot(*roof, color=plots.GREY, label="what memory (slope) and processor (flat) allow")
    axes.plot(*zip(*((place, rate / 1e9) for place, rate in products.values()), strict=True), "o",
              color="white", mec=plots.INK, ms=7, label="matrix products, by rows")
    for name, (place, rate) in products.items():
        axes.annotate(name, (place, rate / 1e9), xytext=(0, -13), ha="center", fontsize=9,
                      textcoords="offset points", color=plots.INK)
    shares = {name: f"{rate / ceiling:.0%}" for name, (_, rate) in trainings.items()}
    for (name, (place, rate)), colour, shape in zip(trainings.items(), COLOURS, SHAPES,
                                                    strict=False):
        axes.plot(place, rate / 1e9, shape, color=colour, ms=10, mec="white",
                  label=f"{name}: {shares[name]} of the ceiling")
    axes.set(xscale="log", yscale="log", xlim=(left, right),
             ylim=(min(lowest, left * bandwidth / 1e9) / 1.7, 1.8 * ceiling / 1e9))
    for axis in (axes.xaxis, axes.yaxis):
        _log_ticks(axis)
    plots.finish(axes, "Roofline: FLOP/s over FLOPs a byte, with the slope of the bandwidth and "
                       "the ceiling of large matrix products. Shares of the ceiling: "
                       f"{plots.listed(shares)}.",
                 xlabel="FLOPs a byte", ylabel="GFLOP/s", title=title)


def _log_ticks(axis):
    """Mark 1, 2, 5, 10, … as plain numbers on a logarithmic axis."""
    axis.set_major_locator(FixedLocator([d * 10.0**e for e in range(-3, 6) for d in (1, 2, 5)]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")
