"""The pictures of notebook 07: curves of failed runs, early stopping, a sweep, luck, confusion."""

import math
import statistics

import numpy as np

from helpers import plots
from helpers.curves import LN_2, smoothed
from helpers.plots import BLUE, GREEN, GREY, INK, ORANGE, PALE_TO_BLUE
from helpers.training import interval

SMALL_WINDOW = 5  # steps of the running mean in a small picture


@plots.styled
def small_curves(curves, columns=3, top=1.4):
    """Draw runs of `gallery` in small pictures beside each other, {title: LossCurve}.

    Losses above `top` leave the picture, and the largest is written in; a run that ends as nan
    or infinite is marked where it does.
    """
    rows = math.ceil(len(curves) / columns)
    figure, axes = plots.new(height=2.05 * rows + 0.6, rows=rows, columns=columns, width=8.4,
                             sharex=True, sharey=True, squeeze=False)
    said = []
    for place, (title, curve) in zip(axes.flat, curves.items(), strict=False):
        said.append(f"{title}: {_panel(place, title, curve, top)}")
    for place in axes.flat[len(curves):]:
        place.axis("off")
    handles, names = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), fontsize=9.5)
    figure.supylabel(plots.LOSS, fontsize=10)
    plots.show(figure, f"{len(curves)} small line charts of the loss by step. {'. '.join(said)}.")


def _panel(axes, title, curve, top):
    """Draw one run; return what its picture shows, in words."""
    finite = [loss for loss in curve.loss if math.isfinite(loss)]
    lost = next((i for i, loss in enumerate(curve.loss, 1) if not math.isfinite(loss)), None)
    plots.over_steps(axes, finite, color=BLUE, alpha=0.3, lw=0.9)
    plots.over_steps(axes, smoothed(finite, SMALL_WINDOW), color=BLUE, lw=1.8,
                     label=f"training (faint: each batch, strong: mean of {SMALL_WINDOW})")
    looks = [(look["step"], look["loss"]) for look in curve.validation
             if math.isfinite(look["loss"])]
    if looks:
        axes.plot(*zip(*looks, strict=True), "o-", color=ORANGE, lw=1.2, ms=4.5, mec="white",
                  mew=0.6, label="validation (above: its last accuracy)")
    axes.axhline(LN_2, color=GREY, lw=1, ls="--", label="guessing: ln 2")
    axes.set_title(title, fontsize=10.5, pad=5)
    axes.set_ylim(0, top)
    axes.tick_params(labelsize=8.5)
    highest = max([*finite, *(loss for _, loss in looks)])
    notes = [f"one batch → {curve.settings['one batch'][-1]:.2f}"]
    if highest > top:
        notes.append(f"up to {highest:.1f}")
    if lost:
        axes.axvline(lost, color=INK, lw=1.2, ls=":")
        notes.append(f"no number\nfrom step {lost}")
    axes.text(0.97, 0.96, "\n".join(notes), transform=axes.transAxes, ha="right", va="top",
              fontsize=8.5, bbox={"facecolor": "white", "alpha": 0.7, "lw": 0, "pad": 1})
    accuracy = curve.validation[-1]["accuracy"]
    axes.set_title(f"accuracy {accuracy:.2f}", loc="right", fontsize=9, pad=5, color=ORANGE,
                   weight="normal")
    steps = sorted({1, *(look["step"] for look in curve.validation), len(finite)})
    path = ", ".join(f"{finite[step - 1]:.2f}" for step in steps if step <= len(finite))
    seen = ", ".join(f"{loss:.2f}" for _, loss in looks)
    return (f"training {path}; validation {seen or 'no number'}"
            + "".join(f", {note}" for note in notes).replace("\n", " ")
            + f"; validation accuracy {accuracy:.2f}")


@plots.styled
def early_stopping(curve, kept):
    """Draw a run that was stopped: each epoch's losses, the step of the model `kept` marked."""
    _, axes = plots.new()
    plots.over_steps(axes, curve.loss, color=BLUE, alpha=0.25, lw=1)
    plots.over_steps(axes, smoothed(curve.loss, SMALL_WINDOW), color=BLUE,
                     label=f"training (faint: each batch; strong: mean of {SMALL_WINDOW} steps)")
    looks = {look["step"]: look["loss"] for look in curve.validation}
    axes.plot(looks.keys(), looks.values(), "o-", color=ORANGE, mec="white", ms=8,
              label="validation, after each epoch")
    axes.axvline(kept, color=GREEN, lw=1.4, ls=":")
    axes.annotate("kept", (kept, 1), xytext=(4, -12), textcoords="offset points", color=GREEN,
                  xycoords=("data", "axes fraction"))
    plots.mark_level(axes, LN_2, "guessing: ln 2")
    axes.set_ylim(0, None)
    listing = ", ".join(f"{loss:.2f} at step {step}" for step, loss in looks.items())
    plots.finish(axes, f"Line chart: the training loss ends at {curve.final_loss():.2f}; "
                       f"validation {listing}; kept: step {kept}.",
                 xlabel="step", ylabel=plots.LOSS,
                 title=f"Validation is lowest at step {min(looks, key=looks.get)}; the run stops "
                       f"at step {len(curve.loss)}")


@plots.styled
def sweep(results, reviews, chance=0.5):
    """Draw the accuracy by learning rate, {rate: [accuracy of each seed]}, with its interval.

    A dot is a seed, the bar the 95 % interval of their mean on so many `reviews`.
    """
    _, axes = plots.new(height=3.7)
    means = {rate: statistics.mean(each) for rate, each in results.items()}
    bounds = [interval(round(mean * reviews), reviews) for mean in means.values()]
    errors = np.array([(mean - low, high - mean)
                       for mean, (low, high) in zip(means.values(), bounds, strict=True)])
    axes.errorbar(means.keys(), means.values(), errors.T.clip(0), color=BLUE, capsize=4, lw=2,
                  elinewidth=1.4, label="mean of the seeds, with its 95 % interval")
    for number, (rate, each) in enumerate(results.items()):
        axes.plot([rate * 1.09] * len(each), each, "o", color="white", mec=INK, ms=5,
                  label=None if number else "one seed")
    best = max(means, key=means.get)
    close = [rate for rate, mean in means.items() if mean >= means[best] - 0.02]
    plots.mark_level(axes, chance, "chance", points=-13)
    axes.set_xscale("log")
    axes.set_xticks(list(means), [f"{rate:.0e}" for rate in means])
    axes.minorticks_off()
    listing = plots.listed({f"{rate:.0e}": f"{mean:.3f}" for rate, mean in means.items()})
    title = (f"Highest at {best:.0e}: {means[best]:.3f}" if len(close) == 1 else
             f"{len(close)} rates are within two points of the best")
    plots.finish(axes, f"Line chart of validation accuracy by learning rate: {listing}.",
                 xlabel="learning rate", ylabel="validation accuracy", title=title,
                 ylim=(min(0.4, *(a for each in results.values() for a in each)), 1))


@plots.styled
def confusions(counts, names=("negative", "positive")):
    """Draw confusion matrices beside each other, {title: ((2, 2) counts, true class by row)}."""
    figure, axes = plots.new(height=2.75, columns=len(counts), width=8.8, squeeze=False)
    said = []
    for number, (place, (title, matrix)) in enumerate(zip(axes[0], counts.items(), strict=True)):
        matrix = np.array(matrix)
        share = matrix / matrix.sum(1, keepdims=True).clip(1)
        place.imshow(share, cmap=PALE_TO_BLUE, vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(matrix):
            place.text(column, row, count, ha="center", va="center", size=14, weight="bold",
                       color="white" if share[row, column] > 0.45 else INK)
        place.set_xticks((0, 1), names, fontsize=9)
        place.set_yticks((0, 1), names if number == 0 else ("", ""), fontsize=9, rotation=90,
                         va="center")
        place.set_title(title, fontsize=10.5, pad=6)
        plots.without_frame(place)
        said.append(f"{title}: of {matrix[1].sum()} {names[1]} {matrix[1, 1]} found, of "
                    f"{matrix[0].sum()} {names[0]} {matrix[0, 1]} called {names[1]}")
    axes[0, 0].set_ylabel("true")
    figure.supxlabel("predicted (colour: share of the row)", fontsize=10.5)
    plots.show(figure, f"Confusion matrices. {'. '.join(said)}.")
