"""The pictures of notebook 02: how long the texts are, and what padding costs."""

import math

from matplotlib.patches import Patch

from helpers import plots


@plots.styled
def length_histogram(lengths, limits):
    """Draw how many texts have how many tokens, with a line at each limit, {label: tokens}.

    The title says how many tokens suffice for 95 % of the texts.
    """
    _, axes = plots.new(height=3.0)
    longest = max(lengths)
    width = max(1, math.ceil(longest / 40))  # of a bar, in tokens
    axes.hist(lengths, bins=range(0, longest + 2 * width, width), color=plots.MUTED, ec="white",
              align="left")
    for i, (label, limit) in enumerate(limits.items()):
        left = limit > 0.6 * longest  # so that no label runs out of the picture
        axes.axvline(limit, color=plots.ORANGE, lw=1.6)
        axes.annotate(f"{label}: {limit:.0f}", (limit, 1 - 0.12 * i), color=plots.ORANGE,
                      xytext=(-5 if left else 5, 0), textcoords="offset points", va="top",
                      ha="right" if left else "left", xycoords=axes.get_xaxis_transform(),
                      bbox={"color": "white", "pad": 1})
    enough = sorted(lengths)[math.ceil(0.95 * len(lengths)) - 1]
    share = sum(length <= enough for length in lengths) / len(lengths)
    most = f"{share:.0%} of the texts have at most {enough} tokens"
    marked = plots.listed({label: f"{limit:.0f}" for label, limit in limits.items()})
    plots.finish(axes, f"Histogram of tokens per text: {most}, the longest has {longest}; "
                       f"marked: {marked}.",
                 xlabel="tokens in a text, with [CLS] and [SEP]", ylabel="texts",
                 xlim=(0, None), title=most)


@plots.styled
def mask_grids(masks):
    """Draw two or more attention masks, {title: tensor of shape (texts, tokens)}, as grids."""
    padding = {name: f"{1 - mask.float().mean().item():.0%}" for name, mask in masks.items()}
    figure, panels = plots.new(height=0.9 + 1.2 * len(masks), rows=len(masks), sharex=True)
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
