"""The pictures of notebook 02: how long the texts are, and what padding costs."""

import statistics

from matplotlib.patches import Patch

from helpers import plots


@plots.styled
def length_histogram(lengths, limits):
    """Draw how many texts have how many tokens, with a line at each limit, {label: tokens}."""
    _, axes = plots.new(height=3.0)
    axes.hist(lengths, bins=range(0, max(lengths) + 4, 3), color=plots.BLUE, ec="white")
    for i, (label, limit) in enumerate(limits.items()):
        axes.axvline(limit, color=plots.ORANGE, lw=1.6)
        axes.text(limit, 1.0 - 0.12 * i, f" {label}: {limit:.0f}", color=plots.ORANGE, va="top",
                  transform=axes.get_xaxis_transform())
    middle = statistics.median_low(lengths)
    share = sum(length <= middle for length in lengths) / len(lengths)
    half = f"{share:.0%} of the reviews have at most {middle} tokens"
    marked = plots.listed({label: f"{limit:.0f}" for label, limit in limits.items()})
    plots.finish(axes, f"Histogram of tokens per review: {half}, the longest has {max(lengths)}; "
                       f"marked: {marked}.",
                 xlabel="tokens in a review", ylabel="reviews", xlim=(0, None), title=half)


@plots.styled
def mask_grids(masks):
    """Draw two or more attention masks, {title: tensor of shape (texts, tokens)}, as grids."""
    padding = {name: f"{1 - mask.float().mean().item():.0%}" for name, mask in masks.items()}
    figure, panels = plots.new(height=0.9 + 1.55 * len(masks), rows=len(masks), sharex=True)
    for axes, (name, mask) in zip(panels, masks.items(), strict=True):
        axes.pcolormesh(mask.flip(0).numpy(), cmap=plots.PALE_TO_BLUE, vmin=0, vmax=1,
                        ec="white", lw=0.3)
        plots.without_frame(axes)
        axes.set(yticks=[], ylabel="texts")
        axes.set_title(f"{name}: {padding[name]} padding", fontsize=11)
    panels[-1].set_xlabel("position of the token")
    figure.legend([Patch(color=plots.BLUE), Patch(color=plots.PALE)], ["token", "padding"],
                  loc="outside lower right", ncols=2)
    plots.show(figure, f"Grids of tokens and padding; share of padding: {plots.listed(padding)}.")


@plots.styled
def times(seconds, title, label):
    """Draw one bar per variant, {name: measured seconds}."""
    notes = {name: f"{value:.2g} s" for name, value in seconds.items()}
    axes = plots.bar_chart(seconds, notes, min(seconds, key=seconds.get))
    plots.finish(axes, f"Bar chart of measured times: {plots.listed(notes)}.", title=title,
                 xlabel=label)
