"""The pictures of notebook 11: several processes beside one, and the stages of sharding."""

from matplotlib.patches import Rectangle

from helpers import plots
from helpers.curves import LN_2
from helpers.plots import BLUE, INK, MUTED, ORANGE, PALE

BYTES = {"weights": 4, "gradients": 4, "optimizer": 8}  # of a parameter, with AdamW in float32
STAGES = {"DDP": (), "ZeRO stage 1": ("optimizer",), "ZeRO stage 2": ("optimizer", "gradients"),
          "ZeRO stage 3, FSDP": ("optimizer", "gradients", "weights")}  # what is in pieces


@plots.styled
def same_curve(one, runs, same=1e-4):
    """Draw the losses of runs in several processes, {name: LossCurve}, over one process's.

    The title names those that keep within `same` of it at every step.
    """
    figure, columns = plots.new(columns=len(runs), width=9.2, sharey=True, squeeze=False)
    equal = [name for name, run in runs.items()
             if max(abs(a - b) for a, b in zip(one.loss, run.loss, strict=True)) <= same]
    for axes, (name, run) in zip(columns[0], runs.items(), strict=True):
        plots.over_steps(axes, one.loss, color=MUTED, lw=5, label="one process")
        plots.over_steps(axes, run.loss, "o-", color=INK, lw=1, ms=4, label="two processes")
        axes.axhline(LN_2, color=plots.GREY, lw=1.2, ls="--", label="guessing: ln 2")
        axes.set_title(name)
    columns[0, 0].set_ylabel(plots.LOSS)
    columns[0, len(runs) // 2].set_xlabel("step")
    title = f"The same as one process: {', '.join(equal) or 'none of them'}"
    figure.suptitle(title, x=0.01, ha="left")
    figure.legend(*columns[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    ends = plots.listed({name: f"ends at {run.loss[-1]:.2f}" for name, run in runs.items()})
    plots.show(figure, f"Losses by step of two processes over those of one, which ends at "
                       f"{one.loss[-1]:.2f}. {title}. {ends}.")


@plots.styled
def sharding(processes=4):
    """Draw what each of several processes holds in the stages of sharding, and its bytes."""
    figure, columns = plots.new(2.7, columns=len(STAGES), width=9.2)
    colours = {"weights": BLUE, "gradients": ORANGE, "optimizer": plots.GREEN}
    notes = {}
    for axes, (stage, in_pieces) in zip(columns, STAGES.items(), strict=True):
        held = {part: size / processes if part in in_pieces else size
                for part, size in BYTES.items()}
        for process in range(processes):
            below = 0
            for part, size in BYTES.items():
                start = below + (process * held[part] if part in in_pieces else 0)
                axes.add_patch(Rectangle((process + 0.1, below), 0.8, size, color=PALE, lw=0,
                                         label="held by others"))
                axes.add_patch(Rectangle((process + 0.1, start), 0.8, held[part], lw=0,
                                         color=colours[part], label=part))
                below += size + 0.6
        notes[stage] = f"{sum(held.values()):g} bytes"
        axes.set(xlim=(0, processes), ylim=(-0.2, below), yticks=[], title=stage,
                 xticks=[n + 0.5 for n in range(processes)], xticklabels=range(processes),
                 xlabel=f"{notes[stage]} per parameter")
        axes.title.set_fontsize(11)
        plots.without_frame(axes)
    columns[0].set_ylabel("held by each process")
    handles, names = columns[0].get_legend_handles_labels()
    once = dict(zip(names, handles, strict=True))
    figure.legend(once.values(), once.keys(), loc="outside lower center", ncols=4)
    plots.show(figure, f"What each of {processes} processes holds of weights, gradients and "
                       f"optimizer: {plots.listed(notes)} per parameter.")
