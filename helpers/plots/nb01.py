"""The pictures of notebook 01: where the parameters are, and what moves from model to model."""

import numpy as np

from helpers import plots
from helpers.plots import BLUE, GREY, INK, ORANGE, PALE


@plots.styled
def parameter_bars(models):
    """Draw how many parameters stand in each part of each model, {model: {part: number}}."""
    _, axes = plots.new(height=0.85 * len(models) + 1.5)
    ends = np.zeros(len(models))
    for part in next(iter(models.values())):
        millions = np.array([counts[part] for counts in models.values()]) / 1e6
        bars = axes.barh(range(len(models)), millions, left=ends, height=0.6, label=part)
        axes.bar_label(bars, [f"{m:.0f} M" if m > 8 else "" for m in millions], color="white",
                       label_type="center", weight="bold", fontsize=10)
        ends += millions
    axes.bar_label(bars, [f"{end:.1f} M" for end in ends], padding=4)
    plots.name_rows(axes, models)
    listing = "; ".join(
        f"{name}: " + plots.listed({p: f"{n / 1e6:.1f} million" for p, n in counts.items()})
        for name, counts in models.items()
    )
    plots.finish(axes, f"Stacked bars of parameters. {listing}.", xlim=(0, 1.14 * max(ends)),
                 xlabel="millions of parameters", title="Where the parameters are")


@plots.styled
def transfer_diagram():
    """Draw pretraining, feature extraction and fine-tuning beside each other."""
    figure, axes = plots.new(height=3.5)
    axes.set(xlim=(0, 12.4), ylim=(0, 6.2))
    axes.axis("off")
    new = ORANGE, "trained from zero"
    columns = (
        ("1  Pretraining", "masked words,\nmillions of texts", new, "word guesser"),
        ("2a  Feature extraction", "labelled reviews", (GREY, "frozen"), "classifier"),
        ("2b  Fine-tuning", "labelled reviews", (BLUE, "trained further"), "classifier"),
    )
    for x, (title, data, (colour, state), head) in zip((0.2, 4.5, 8.8), columns, strict=True):
        middle = x + 1.6
        axes.text(middle, 5.85, title, ha="center", weight="bold", fontsize=11.5)
        plots.box(axes, (x, 0.2), (3.2, 0.95), data, PALE, INK, fontsize=10)
        plots.box(axes, (x, 1.75), (3.2, 1.5), f"encoder\n{state}", colour, fontsize=10)
        plots.box(axes, (x, 3.85), (3.2, 1.2), f"head: {head}\n{new[1]}", new[0], fontsize=10)
        plots.arrow(axes, (middle, 1.15), (middle, 1.75), INK)
        plots.arrow(axes, (middle, 3.25), (middle, 3.85), INK)
    for start, end in ((3.4, 4.5), (7.7, 8.8)):
        plots.arrow(axes, (start, 2.5), (end, 2.5), GREY, lw=1.6)
        axes.text((start + end) / 2, 2.72, "weights", ha="center", color=GREY, fontsize=9)
    plots.show(figure, "Three columns. Pretraining trains encoder and head on masked words. "
                       "Feature extraction keeps that encoder frozen under a new head. "
                       "Fine-tuning trains the encoder further together with the new head.")
