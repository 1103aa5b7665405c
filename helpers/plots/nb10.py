"""The pictures of notebook 10: how fast a training is, and what sets its limit."""

import itertools

import numpy as np
from matplotlib.ticker import LogLocator

from helpers import plots


@plots.styled
def ladder(rates, title):
    """Draw how many texts a second each rung of a ladder reaches, and its gain.

    `rates` maps a rung's name to texts a second, in the order of the rungs.
    """
    notes = {name: f"{rate:.0f}" for name, rate in rates.items()}
    alt = f"Bar chart of reviews a second: {plots.listed(notes)}."
    for before, name in itertools.pairwise(rates):
        notes[name] += f"  ×{rates[name] / rates[before]:.2f}"
    figure, _ = plots.bar_chart(rates, notes, max(rates, key=rates.get), row=0.42, title=title,
                                xlabel="reviews a second, and the gain over the row above")
    plots.show(figure, alt)


@plots.styled
def roofline(roof, points, ceiling, title):
    """Draw the FLOP/s that trainings reach beside what the machine can do.

    `roof` maps a number of tokens in a batch to the rate of a matrix product with as many rows,
    `points` a training's name to (tokens in a batch, rate); `ceiling` is the rate of a large
    product. All rates are in FLOP/s. After Williams et al. (2009), "Roofline: an insightful
    visual performance model".
    """
    figure, axes = plots.new(height=4.2)
    shares = {name: f"{rate / ceiling:.0%}" for name, (_, rate) in points.items()}
    outline = list(roof), [rate / 1e9 for rate in roof.values()]
    axes.fill_between(*outline, color=plots.PALE, lw=0)
    axes.plot(*outline, color=plots.GREY, label="one matrix product with so many rows")
    plots.mark_level(axes, ceiling / 1e9, "large matrices")
    for name, (tokens, rate) in points.items():
        axes.plot(tokens, rate / 1e9, "o", ms=9, mec="white", label=f"{name}: {shares[name]}")
    axes.set(xscale="log", xlabel="tokens in a batch", ylabel="GFLOP/s", ylim=(0, None),
             title=title)
    plots.legend_below(axes)
    plots.show(figure, "FLOP/s of trainings beside matrix products, by tokens in a batch; shares "
                       f"of the rate of large matrices: {plots.listed(shares)}.")


@plots.styled
def accuracy_over_time(runs, goal, title):
    """Draw test accuracy over the seconds of a training, on a logarithmic axis, a line per recipe.

    `runs` maps a recipe to a list of (seconds, accuracy); `goal` is marked.
    """
    figure, axes = plots.new(height=3.8)
    for name, looks in runs.items():
        axes.plot(*zip(*looks, strict=True), "o-", label=name, ms=5)
    plots.mark_level(axes, goal, f"{goal:.2f}")
    lowest = min(accuracy for looks in runs.values() for _, accuracy in looks)
    axes.set(xscale="log", xlabel="seconds of training", ylabel="test accuracy", title=title,
             ylim=(min(0.45, lowest), 1))
    plots.legend_below(axes)
    ends = {name: "{1:.2f} after {0:.0f} s".format(*looks[-1]) for name, looks in runs.items()}
    plots.show(figure, f"Line chart of test accuracy over seconds: {plots.listed(ends)}.")


@plots.styled
def power_law(points, exponents, title, label):
    """Draw measured seconds over a quantity, both on logarithmic axes, with the fitted lines.

    `points` maps a name to a dictionary from quantity to seconds, `exponents` to the slope.
    """
    figure, axes = plots.new(height=3.4)
    slopes = {name: f"{exponent:.2f}" for name, exponent in exponents.items()}
    for name, seconds in points.items():
        sizes, values = np.array(list(seconds.items())).T
        middle = np.exp(np.mean(np.log(values) - exponents[name] * np.log(sizes)))
        (line,) = axes.plot(sizes, middle * sizes ** exponents[name], lw=1.4,
                            label=f"{name}: exponent {slopes[name]}")
        axes.plot(sizes, values, "o", color=line.get_color())
    axes.set(yscale="log", xlabel=label, ylabel="seconds a step", title=title)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend(loc="upper left")
    plots.show(figure, "Measured seconds and fitted power laws; exponents: "
                       f"{plots.listed(slopes)}.")
