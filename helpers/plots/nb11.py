"""The pictures of notebook 11: several processes beside one, and what the network costs."""

from helpers import plots


@plots.styled
def same_curve(curves, title):
    """Draw the losses of two runs step by step, the first as a line, the second as dots."""
    _, axes = plots.new()
    (first, line), (second, dots) = curves.items()
    plots.over_steps(axes, line.loss, color=plots.MUTED, lw=5, label=first)
    plots.over_steps(axes, dots.loss, "o", color=plots.INK, ms=5, label=second)
    plots.finish(axes, f"Losses by step: {first} ends at {line.loss[-1]:.2f}, {second} at "
                       f"{dots.loss[-1]:.2f}.", xlabel="step", ylabel=plots.LOSS, title=title)


@plots.styled
def efficiency(counts, shares):
    """Draw the share of the time spent computing, {interconnect: [a share per GPU count]}."""
    _, axes = plots.new()
    for name, row in shares.items():
        axes.plot(counts, row, "o-", label=name)
    axes.set_xscale("log")
    axes.set_xticks(counts, counts)
    axes.minorticks_off()
    ends = plots.listed({name: f"{row[-1]:.0%} with {counts[-1]}" for name, row in shares.items()})
    plots.finish(axes, f"Line chart of the share of time spent computing: {ends}.",
                 xlabel="GPUs", ylabel="share of the time", ylim=(0, 1.05),
                 title="How much of its time a GPU computes")
