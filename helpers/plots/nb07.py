"""The pictures of notebook 07: what the learning rate decides, and what luck does."""

import numpy as np

from helpers import plots
from helpers.curves import LN_2, WINDOW, smoothed


@plots.styled
def sweep(results, chance=0.5):
    """Draw the outcome of runs that differ in their learning rate; the best is circled.

    `results` maps a learning rate to (loss at the end of the training, validation accuracy).
    """
    figure, (above, below) = plots.new(height=4.6, rows=2)
    losses, accuracies = zip(*results.values(), strict=True)
    best = max(results, key=lambda rate: results[rate][1])
    above.plot(list(results), accuracies, "o-", color=plots.BLUE)
    above.plot(best, max(accuracies), "o", ms=13, mfc="none", mec=plots.INK, mew=1.6)
    plots.mark_level(above, chance, "chance", points=-13)
    above.set(xscale="log", ylabel="accuracy", ylim=(min(0.4, *accuracies), 1), xticklabels=[],
              title=f"The validation accuracy is highest at {best:.0e}: {max(accuracies):.2f}")
    below.plot(list(results), losses, "o-", color=plots.ORANGE)
    plots.mark_level(below, LN_2, "guessing: ln 2")
    below.set(xscale="log", xlabel="learning rate", ylabel="final loss", ylim=(0, None))
    listing = ", ".join(f"{rate:.0e}: accuracy {accuracy:.2f}, loss {loss:.2f}"
                        for rate, (loss, accuracy) in results.items())
    plots.show(figure, "Two line charts by learning rate, validation accuracy and final training "
                       f"loss. {listing}.")


@plots.styled
def band(curves, title):
    """Draw the running mean of several runs that differ by luck, and the band they span.

    `curves` maps a name to a `LossCurve`; all have the same number of steps.
    """
    figure, axes = plots.new()
    lines = {name: smoothed(curve.loss) for name, curve in curves.items()}
    every = np.array(list(lines.values()))
    axes.fill_between(range(1, every.shape[1] + 1), every.min(0), every.max(0), alpha=0.18, lw=0,
                      color=plots.BLUE)
    for name, line in lines.items():
        plots.over_steps(axes, line, label=name, lw=1.6)
    axes.set(xlabel=f"step (lines: mean of {WINDOW} steps)", ylabel="loss (cross-entropy)",
             title=title)
    axes.margins(x=0.01)
    plots.legend_below(axes)
    ends = plots.listed({name: f"{line[-1]:.2f}" for name, line in lines.items()})
    plots.show(figure, f"Line chart of training losses and their band; at the end: {ends}.")
