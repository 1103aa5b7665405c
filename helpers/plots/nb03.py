"""The pictures of notebook 03: a run's pace, runs without a line, and what comes out right."""

import numpy as np

from helpers import plots, training
from helpers.curves import LN_2, WINDOW, smoothed
from helpers.plots import BLUE, GREY, INK


@plots.styled
def pace(curve, norms, limit=1.0):
    """Draw gradient norm and learning rate at every step of a run, and the clipping `limit`.

    The title says how many gradients are longer than the limit.
    """
    _, (above, below) = plots.new(4.2, rows=2, sharex=True, height_ratios=[3, 2])
    plots.over_steps(above, norms, color=BLUE, alpha=0.25, lw=1, label="each step")
    plots.over_steps(above, smoothed(norms), color=BLUE, label=f"mean of {WINDOW} steps")
    above.axhline(limit, color=GREY, lw=1.2, ls="--", label=f"clipped to {limit:g}")
    longer = sum(norm > limit for norm in norms)
    title = f"{longer} of {len(norms)} gradients are longer than {limit:g}"
    above.set(ylabel="gradient norm", ylim=(0, None), title=title)
    rates = curve.learning_rate
    plots.over_steps(below, rates, color=INK)
    below.ticklabel_format(axis="y", style="sci", scilimits=(-5, -5))
    below.set(ylabel="learning rate", ylim=(0, None), xlabel="step")
    peak = f"highest at step {rates.index(max(rates)) + 1} of {len(rates)}: {max(rates):.2g}"
    below.annotate(peak, (1, 0.86), xycoords="axes fraction", ha="right", color=GREY)
    plots.finish(above, f"Two line charts by step. {title}. The learning rate is {peak}; at step "
                        f"1 it is {rates[0]:.2g}, at the last step {rates[-1]:.2g}.")


@plots.styled
def beside(runs, complete, title):
    """Draw losses and gradient norms of runs, {name: (losses, norms)}, over the `complete` run's.

    Strong lines are running means, faint ones single steps.
    """
    figure, rows = plots.new(4.6, rows=2, columns=len(runs), width=9.2, sharex=True, sharey="row",
                            squeeze=False)
    for column, (name, run) in enumerate(runs.items()):
        for axes, mine, other in zip(rows[:, column], run, complete, strict=True):
            plots.over_steps(axes, smoothed(other), color=GREY, label="the complete loop")
            plots.over_steps(axes, mine, color=BLUE, alpha=0.25, lw=1)
            plots.over_steps(axes, smoothed(mine), color=BLUE, label="one thing changed")
        rows[0, column].axhline(LN_2, color=GREY, lw=1.2, ls="--", label="guessing: ln 2")
        rows[0, column].set_title(name)
    rows[0, 0].set(ylabel=plots.LOSS, ylim=(0, 1.5))
    rows[1, 0].set(ylabel="gradient norm", yscale="log")
    figure.suptitle(title, x=0.01, ha="left")
    rows[1, len(runs) // 2].set_xlabel(f"step (faint: each batch; strong: mean of {WINDOW} steps)")
    figure.legend(*rows[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    ends = plots.listed({n: f"from {smoothed(losses)[0]:.1f} to {smoothed(losses)[-1]:.1f}"
                         for n, (losses, _) in runs.items()})
    plots.show(figure, f"Loss and gradient norm of {len(runs)} short runs. The loss goes: {ends}; "
                       f"in the complete loop to {smoothed(complete[0])[-1]:.1f}.")


@plots.styled
def shares_right(groups, title):
    """Draw the share of right answers in each group, {name: (right, texts)}, the worst last.

    Each bar has the 95 % interval of its share.
    """
    shares = {name: right / texts for name, (right, texts) in groups.items()}
    shares = dict(sorted(shares.items(), key=lambda item: -item[1]))
    notes = {name: "{} of {}".format(*groups[name]) for name in shares}
    bounds = np.array([training.interval(*groups[name]) for name in shares]).T
    errors = abs(bounds - np.array(list(shares.values())))
    axes = plots.bar_chart(shares, dict.fromkeys(shares, ""), row=0.42, xerr=errors)
    whole = axes.barh(range(len(shares)), 1, height=0.64, color=plots.PALE, zorder=0)
    axes.bar_label(whole, notes.values(), padding=8)
    plots.finish(axes, f"Bar chart of right answers by group: {plots.listed(notes)}.",
                 title=title, xlabel="share of the texts that are right, with 95 % interval",
                 xlim=(0, 1.14), xticks=[0, 0.5, 1])
