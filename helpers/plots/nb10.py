"""The pictures of notebook 10: how fast a training is, and what sets its limit."""

import itertools

import numpy as np
from matplotlib.ticker import LogLocator

from helpers import plots


@plots.styled
def ladder(rates, title):
    """Draw how many texts a second each rung reaches, {name: rate}, and its gain."""
    notes = {name: f"{rate:.0f}" for name, rate in rates.items()}
    alt = f"Bar chart of reviews a second: {plots.listed(notes)}."
    for before, name in itertools.pairwise(rates):
        notes[name] += f"  ×{rates[name] / rates[before]:.2f}"
    axes = plots.bar_chart(rates, notes, max(rates, key=rates.get), row=0.42)
    plots.finish(axes, alt, title=title,
                 xlabel="reviews a second, and the gain over the row above")


@plots.styled
def roofline(roof, points, ceiling, title):
    """Draw the FLOP/s of trainings, {name: (tokens in a batch, rate)}, below what is possible.

    `roof` maps a number of tokens to the rate of a matrix product with as many rows; `ceiling` is
    that of a large one. After Williams et al. (2009), "Roofline: an insightful visual performance
    model".
    """
    _, axes = plots.new(height=4.2)
    shares = {name: f"{rate / ceiling:.0%}" for name, (_, rate) in points.items()}
    outline = list(roof), [rate / 1e9 for rate in roof.values()]
    axes.fill_between(*outline, color=plots.PALE, lw=0)
    axes.plot(*outline, color=plots.GREY, label="one matrix product with so many rows")
    plots.mark_level(axes, ceiling / 1e9, "large matrices")
    for name, (tokens, rate) in points.items():
        axes.plot(tokens, rate / 1e9, "o", ms=9, mec="white", label=f"{name}: {shares[name]}")
    plots.finish(axes, "FLOP/s of trainings beside matrix products, by tokens in a batch; shares "
                       f"of the rate of large matrices: {plots.listed(shares)}.",
                 xscale="log", xlabel="tokens in a batch", ylabel="GFLOP/s", ylim=(0, None),
                 title=title)


@plots.styled
def accuracy_over_time(runs, goal, title):
    """Draw test accuracy over time, {recipe: [(seconds, accuracy), …]}, with the goal marked."""
    _, axes = plots.new(height=3.8)
    for name, looks in runs.items():
        axes.plot(*zip(*looks, strict=True), "o-", label=name, ms=5)
    plots.mark_level(axes, goal, f"{goal:.2f}")
    lowest = min(accuracy for looks in runs.values() for _, accuracy in looks)
    ends = {name: "{1:.2f} after {0:.0f} s".format(*looks[-1]) for name, looks in runs.items()}
    plots.finish(axes, f"Line chart of test accuracy over seconds: {plots.listed(ends)}.",
                 xscale="log", xlabel="seconds of training", ylabel="test accuracy", title=title,
                 ylim=(min(0.45, lowest), 1))


@plots.styled
def power_law(points, exponents, title, label):
    """Draw seconds over a quantity, {name: {quantity: seconds}}, and lines of {name: exponent}."""
    _, axes = plots.new()
    slopes = {name: f"{exponent:.2f}" for name, exponent in exponents.items()}
    for name, seconds in points.items():
        sizes, values = np.array(list(seconds.items())).T
        middle = np.exp(np.mean(np.log(values) - exponents[name] * np.log(sizes)))
        (line,) = axes.plot(sizes, middle * sizes ** exponents[name], lw=1.4,
                            label=f"{name}: exponent {slopes[name]}")
        axes.plot(sizes, values, "o", color=line.get_color())
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    plots.finish(axes, f"Measured seconds and fitted power laws: {plots.listed(slopes)}.",
                 xlabel=label, ylabel="seconds a step", title=title)
