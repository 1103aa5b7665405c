"""The pictures of notebook 04: runs that were killed and resumed, and where the memory goes."""


from helpers import plots
from helpers.curves import WINDOW, smoothed


@plots.styled
def resumed(whole, again, start, killed):
    """Draw loss and learning rate of a run that nothing interrupted, and of resumed ones.

    `whole` is a `LossCurve`, `again` {name: LossCurve}. They went on after step `start`; the run
    that they continue was killed at step `killed`.
    """
    _, (above, below) = plots.new(height=5.2, rows=2, sharex=True)
    gaps = {}
    for name, curve in again.items():
        gaps[name] = max(abs(a - b) for a, b in zip(curve.loss, whole.loss, strict=True))
        steps = range(start + 1, len(curve.loss) + 1)
        line, = above.plot(steps, smoothed(curve.loss)[start:], label=name)
        below.plot(steps, curve.learning_rate[start:], color=line.get_color())
    for axes, values in ((above, smoothed(whole.loss)), (below, whole.learning_rate)):
        plots.over_steps(axes, values, color=plots.INK, lw=2.6, ls=(0, (1, 1.4)), zorder=3,
                         label="never interrupted")
        axes.axvspan(start, killed, color=plots.PALE, zorder=0, label="lost and done again")
        axes.set_ylim(0, None)
    for step, said, side in ((start, "checkpoint ", "right"), (killed, " killed", "left")):
        above.annotate(said, (step, 0.98), xycoords=("data", "axes fraction"), ha=side, va="top")
    names, handles = {}, above.get_legend_handles_labels()
    names.update(zip(handles[1], handles[0], strict=True))
    above.figure.legend(names.values(), names, loc="outside lower center", ncols=2)
    worst = max(gaps, key=gaps.get)
    same = all(gap <= 1e-5 for name, gap in gaps.items() if name != worst)
    title = (f"{worst.capitalize()}, it is another run" if same and gaps[worst] > 1e-3
             else "What came after the power failure")
    above.set(ylabel=f"loss (mean of {WINDOW} steps)", title=title)
    below.set(ylabel="learning rate", xlabel="step")
    below.ticklabel_format(axis="y", style="sci", scilimits=(-5, -5))
    listing = "; ".join(f"{name} it is off by at most {gap:.3f}" for name, gap in gaps.items())
    plots.show(above.figure, f"Two line charts by step, training loss and learning rate. "
                             f"Checkpoint at step {start}, killed at step {killed}. In the loss, "
                             f"{listing}.")


@plots.styled
def memory(trainings):
    """Draw what each training keeps in memory, {training: {part: bytes}}, as stacked bars."""
    _, axes = plots.new(height=0.62 * len(trainings) + 1.7)
    megabytes = {name: {part: size / 1e6 for part, size in parts.items()}
                 for name, parts in trainings.items()}
    ends = plots.stacked_bars(axes, megabytes, "{:.0f}".format, "{:.0f} MB".format)
    listing = "; ".join(
        f"{name}: " + plots.listed({part: f"{size / 1e6:.0f}" for part, size in parts.items()})
        for name, parts in trainings.items())
    same = len({tuple(parts.values())[:-1] for parts in trainings.values()}) == 1
    last = [*next(iter(trainings.values()))][-1]
    plots.finish(axes, f"Stacked bars of megabytes. {listing}.", xlim=(0, 1.16 * max(ends)),
                 xlabel="megabytes", title=f"Only the {last} differ" if same else "Memory")
