"""The pictures of notebook 01: where the parameters are, and what moves from model to model."""

from matplotlib.patches import Patch

from helpers import plots
from helpers.plots import BLUE, COLOURS, GREY, INK, ORANGE, PALE


@plots.styled
def parameter_bars(models):
    """Draw how many parameters stand in each part of each model.

    `models` maps a name to a dictionary from part to number of parameters.
    """
    figure, axes = plots.new(height=0.85 * len(models) + 1.5)
    colours = dict(zip(next(iter(models.values())), COLOURS, strict=False))
    listing = []
    for row, (name, counts) in enumerate(models.items()):
        start = 0
        for part, colour in colours.items():
            millions = counts[part] / 1e6
            axes.barh(row, millions, left=start, height=0.6, color=colour)
            if millions > 8:
                axes.text(start + millions / 2, row, f"{millions:.0f} M", color="white",
                          ha="center", va="center", weight="bold", fontsize=10)
            start += millions
        axes.text(start + 1, row, f"{start:.1f} M", va="center")
        parts = {part: f"{count / 1e6:.1f} million" for part, count in counts.items()}
        listing.append(f"{name}: {plots.listed(parts)}")
    plots.name_rows(axes, models)
    largest = max(sum(counts.values()) for counts in models.values()) / 1e6
    axes.set(xlabel="millions of parameters", xlim=(0, 1.14 * largest),
             title="Where the parameters are")
    plots.legend_below(axes, handles=[Patch(color=c) for c in colours.values()],
                       labels=list(colours))
    plots.show(figure, f"Stacked bars of parameters. {'; '.join(listing)}.")


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
