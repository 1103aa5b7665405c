"""The pictures of notebook 07: what the learning rate decides, and what luck does."""

import numpy as np

from helpers import plots
from helpers.curves import LN_2, WINDOW, smoothed


@plots.styled
def sweep(results, chance=0.5):
    """Draw runs by learning rate, {rate: (final loss, validation accuracy)}, the best circled."""
    _, (above, below) = plots.new(height=4.6, rows=2, sharex=True)
    losses, accuracies = zip(*results.values(), strict=True)
    best = max(results, key=lambda rate: results[rate][1])
    above.plot(list(results), accuracies, "o-", color=plots.BLUE)
    above.plot(best, max(accuracies), "o", ms=13, mfc="none", mec=plots.INK, mew=1.6)
    plots.mark_level(above, chance, "chance", points=-13)
    above.set(ylabel="accuracy", ylim=(min(0.4, *accuracies), 1),
              title=f"The validation accuracy is highest at {best:.0e}: {max(accuracies):.2f}")
    below.plot(list(results), losses, "o-", color=plots.ORANGE)
    plots.mark_level(below, LN_2, "guessing: ln 2")
    listing = ", ".join(f"{rate:.0e}: accuracy {accuracy:.2f}, loss {loss:.2f}"
                        for rate, (loss, accuracy) in results.items())
    plots.finish(below, "Two line charts by learning rate, validation accuracy and final training "
                        f"loss. {listing}.",
                 xscale="log", xlabel="learning rate", ylabel="final loss", ylim=(0, None))


@plots.styled
def band(curves, title):
    """Draw runs of as many steps that differ by luck, {name: LossCurve}, and their band."""
    _, axes = plots.new()
    lines = {name: smoothed(curve.loss) for name, curve in curves.items()}
    every = np.array(list(lines.values()))
    axes.fill_between(range(1, every.shape[1] + 1), every.min(0), every.max(0), alpha=0.18, lw=0,
                      color=plots.BLUE)
    for name, line in lines.items():
        plots.over_steps(axes, line, label=name, lw=1.6)
    axes.margins(x=0.01)
    ends = plots.listed({name: f"{line[-1]:.2f}" for name, line in lines.items()})
    plots.finish(axes, f"Line chart of training losses and their band; at the end: {ends}.",
                 xlabel=f"step (lines: mean of {WINDOW} steps)", ylabel=plots.LOSS, title=title)
