"""The pictures of notebook 11: several processes beside one, and what the network costs."""

from helpers import plots


@plots.styled
def same_curve(curves, title):
    """Draw the losses of two runs step by step, the first as a line, the second as dots."""
    figure, axes = plots.new()
    (first, line), (second, dots) = curves.items()
    plots.over_steps(axes, line.loss, color=plots.MUTED, lw=5, label=first)
    plots.over_steps(axes, dots.loss, "o", color=plots.INK, ms=5, label=second)
    axes.set(xlabel="step", ylabel="loss (cross-entropy)", title=title)
    axes.legend(loc="lower left")
    plots.show(figure, f"Losses by step: {first} ends at {line.loss[-1]:.2f}, {second} at "
                       f"{dots.loss[-1]:.2f}.")


@plots.styled
def efficiency(counts, shares, title="How much of its time a GPU computes"):
    """Draw the share of the time that is spent computing, by number of GPUs.

    `shares` maps an interconnect to one share for each of `counts`, the numbers of GPUs.
    """
    figure, axes = plots.new(height=3.0)
    for name, row in shares.items():
        axes.plot(counts, row, "o-", label=name)
    axes.set(xscale="log", xlabel="GPUs", ylabel="share of the time", ylim=(0, 1.05), title=title)
    axes.set_xticks(counts, [str(n) for n in counts])
    axes.minorticks_off()
    axes.legend(loc="lower left")
    ends = {name: f"{row[-1]:.0%} with {counts[-1]}" for name, row in shares.items()}
    plots.show(figure, f"Line chart of the share of time spent computing: {plots.listed(ends)}.")
