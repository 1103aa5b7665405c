"""The pictures of notebook 01: parameters, senses of a word by sentence and layer, transfer."""

import numpy as np
from matplotlib.patches import Rectangle

from helpers import plots
from helpers.plots import BLUE, GREY, INK, ORANGE, PALE


@plots.styled
def parameter_bars(models):
    """Draw how many parameters stand in each part of each model, {model: {part: number}}."""
    _, axes = plots.new(height=0.85 * len(models) + 1.5)
    millions = {name: {part: number / 1e6 for part, number in counts.items()}
                for name, counts in models.items()}
    ends = plots.stacked_bars(axes, millions, lambda m: f"{m:.0f} M" if m > 8 else "",
                              lambda end: f"{end:.1f} M")
    listing = "; ".join(
        f"{name}: " + plots.listed({p: f"{n / 1e6:.1f} million" for p, n in counts.items()})
        for name, counts in models.items()
    )
    shares = [100 * counts["embeddings"] / sum(counts.values()) for counts in models.values()]
    title = "The table holds " + ", ".join(
        f"{share:.0f}% of {name}" for share, name in zip(shares, models, strict=True))
    plots.finish(axes, f"Stacked bars of parameters. {listing}.", xlim=(0, 1.14 * max(ends)),
                 xlabel="millions of parameters", title=title)


@plots.styled
def senses(similar, sentences, names):
    """Draw how similar a word's vectors are: after the last layer, and by layer.

    `similar` has the shape (1 + layers, sentences, sentences); layer 0 is the embedding. `names`
    has the sense in each sentence. Pairs of one sense are framed in the heat map.
    """
    similar, names = np.asarray(similar), np.asarray(names)
    figure, (grid, lines) = plots.new(height=5.2, rows=2)
    other = names[:, None] != names
    same = ~other & ~np.eye(len(names), dtype=bool)
    within, across = similar[:, same].mean(1), similar[:, other].mean(1)
    _heat_map(grid, similar[-1], same)
    grid.set_xticks(range(len(names)), names)
    grid.set_yticks(range(len(names)), sentences)
    grid.set_title(f"After layer {len(similar) - 1} (framed: same sense)", fontsize=11)
    layers = range(len(similar))
    lines.plot(layers, within, "o-", color=BLUE)
    lines.plot(layers, across, "s--", color=ORANGE)
    lines.fill_between(layers, across, within, color=PALE, zorder=0)
    for row, name, colour in ((within, "same sense", BLUE), (across, "other sense", ORANGE)):
        lines.annotate(name, (layers[-1], row[-1]), xytext=(8, 0), textcoords="offset points",
                       va="center", color=colour)
    lines.set_xticks(layers)
    lines.set(xlim=(-0.2, layers[-1] * 1.17), xlabel="after layer (0: embeddings)",
              ylabel="mean similarity")
    gaps = within - across
    title = f"Gap: {gaps[0]:.2f} at layer 0, {gaps[-1]:.2f} after layer {layers[-1]}"
    lines.set_title(title, fontsize=11)
    plots.show(figure, "Heat map of similarities after the last layer: within a sense "
                       f"{within[-1]:.2f} on average, across {across[-1]:.2f}. Line chart by "
                       f"layer. {title}.")


def _heat_map(axes, values, framed):
    off = ~np.eye(len(values), dtype=bool)
    low, high = values.min(), values[off].max()
    axes.imshow(values, cmap=plots.PALE_TO_BLUE, vmin=low, vmax=high, aspect="auto")
    for row, column in np.ndindex(values.shape):
        is_dark = values[row, column] > (low + high) / 2
        axes.text(column, row, f"{values[row, column]:.2f}", ha="center", va="center",
                  color="white" if is_dark else INK)
        if framed[row, column]:
            axes.add_patch(Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, fill=False,
                                     ec=ORANGE, lw=2.5))
    plots.without_frame(axes)


@plots.styled
def transfer_diagram(size="full"):
    """Draw feature extraction, pretraining and fine-tuning beside each other, in this order.

    `size` is that of the checkpoint: the small one was made in another way than the full one.
    """
    figure, axes = plots.new(height=3.5)
    axes.set(xlim=(0, 12.4), ylim=(0, 6.2))
    axes.axis("off")
    made, state, top = {
        "small": ("a larger model's outputs,\nthen pairs of sentences", "trained: distilled",
                  ("mean of the vectors\n(nothing to train)", GREY)),
        "full": ("masked words in books\nand Wikipedia", "trained from random",
                 ("head: word guesser\n(left behind)", ORANGE)),
    }[size]
    new = "head: classifier\ntrained from random", ORANGE
    columns = (
        ("2a  Feature extraction", "labelled reviews", ("frozen: used, not changed", GREY), new),
        ("1  Pretraining", made, (state, ORANGE), top),
        ("2b  Fine-tuning", "labelled reviews", ("trained further", BLUE), new),
    )
    for x, (title, data, (state, colour), (head, above)) in zip((0.2, 4.5, 8.8), columns,
                                                                strict=True):
        middle = x + 1.6
        axes.text(middle, 5.85, title, ha="center", weight="bold", fontsize=11.5)
        plots.box(axes, (x, 0.2), (3.2, 0.95), data, PALE, INK, fontsize=9.5)
        plots.box(axes, (x, 1.75), (3.2, 1.5), f"encoder\n{state}", colour, fontsize=9.5)
        plots.box(axes, (x, 3.85), (3.2, 1.2), head, above, fontsize=9.5)
        plots.arrow(axes, (middle, 1.15), (middle, 1.75), INK)
        plots.arrow(axes, (middle, 3.25), (middle, 3.85), INK)
    for start, end in ((4.5, 3.4), (7.7, 8.8)):
        plots.arrow(axes, (start, 2.5), (end, 2.5), GREY, lw=1.6)
        axes.text((start + end) / 2, 2.72, "weights", ha="center", color=GREY, fontsize=9)
    plots.show(figure, f"Three columns. In the middle, pretraining on {' '.join(made.split())} "
                       "makes the encoder. On the left, feature extraction keeps that encoder "
                       "frozen under a new head. On the right, fine-tuning trains it further "
                       "together with a new head.")


@plots.styled
def heads(attention, similarity, pair):
    """Draw for each head its attention in one pair of words, and what is left without it.

    Both arrays have the shape (layers, heads). `similarity` compares a text's vector with and
    without the head. The heads of the last layer, and the one with the most attention, are marked.
    """
    attention, similarity = np.asarray(attention), np.asarray(similarity)
    _, axes = plots.new(height=3.4)
    axes.plot(attention[:-1].ravel(), similarity[:-1].ravel(), "o", color=BLUE, alpha=0.6,
              label="a head of another layer")
    axes.plot(attention[-1], similarity[-1], "D", color=ORANGE, label="a head of the last layer")
    layer, head = np.unravel_index(attention.argmax(), attention.shape)
    most, left = attention[layer, head], similarity[layer, head]
    axes.annotate(f"layer {layer + 1}, head {head + 1}", (most, left), xytext=(0, 9),
                  textcoords="offset points", ha="right", color=INK)
    plots.finish(
        axes, f"Scatter plot of {attention.size} heads: attention in {pair} against the "
              f"similarity that is left without the head. Most attention {most:.2f}, in layer "
              f"{layer + 1}; there {left:.2f} is left. The smallest is {similarity.min():.2f}.",
        xlabel=f"attention {pair}", ylabel="similarity without it",
        title="The attention of a head, and what its removal changes")
