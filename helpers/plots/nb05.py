"""The pictures of notebook 05: what GPT-2 sees, where it is read, what it writes next."""

import numpy as np

from helpers import plots
from helpers.plots import GREY, INK, ORANGE, PALE


@plots.styled
def last_tokens(rows, title, pad):
    """Draw a padded batch, a row per text, the last real token of each marked as the one read.

    `rows` are lists of tokens of one length; those equal to `pad` at a row's end are padding.
    """
    figure, axes = plots.new(height=0.62 * len(rows) + 0.9)
    longest = len(rows[0])
    font = {"fontsize": min(10, 70 / longest), "family": "monospace"}
    ends = []
    for y, tokens in enumerate(rows):
        last = max(i for i, token in enumerate(tokens) if token != pad)
        ends.append(tokens[last].strip())
        looks = [("#CFE3F3", INK)] * last + [(ORANGE, "white")] + [(PALE, GREY)] * longest
        for x, token in enumerate(tokens):
            plots.box(axes, (x + 0.05, y + 0.12), (0.9, 0.76),
                      "pad" if x > last else token.strip(), *looks[x], **font,
                      weight="bold" if x == last else "normal")
        axes.text(longest + 0.55, y + 0.5, "label", va="center", weight="bold")
        plots.arrow(axes, (last + 0.5, y + 0.9), (longest + 0.5, y + 0.55), ORANGE,
                    connectionstyle="arc3,rad=0.08")
    axes.set(xlim=(0, longest + 1.6), ylim=(len(rows) + 0.1, 0), title=title)
    axes.axis("off")
    plots.show(figure, "A padded batch, one row per text. An arrow leads from the last real token "
                       f"of each row to its label: {', '.join(ends)}.")


@plots.styled
def attention_pair(patterns, title):
    """Draw attention side by side, {name: (tokens, weights of shape (looking, seen))}."""
    figure, panels = plots.new(height=4.1, columns=len(patterns))
    ahead = []
    for axes, (name, (tokens, weights)) in zip(panels, patterns.items(), strict=True):
        weights = np.asarray(weights)
        axes.imshow(weights, cmap=plots.PALE_TO_BLUE, vmin=0, vmax=weights.max())
        axes.set_xticks(range(len(tokens)), tokens, rotation=90, family="monospace", fontsize=9)
        axes.set_yticks(range(len(tokens)), tokens, family="monospace", fontsize=9)
        plots.without_frame(axes)
        axes.set_title(name, fontsize=11)
        share = np.triu(weights, 1).sum() / weights.sum()
        ahead.append(f"in {name} {share:.0%} of the attention goes to later tokens")
    figure.suptitle(title, x=0.01, ha="left")
    plots.show(figure, f"Grids of attention, rows look at columns: {'; '.join(ahead)}.")


@plots.styled
def next_tokens(choices, title):
    """Draw what a model chooses its next token from, {setting: [(token, probability), …]}."""
    figure, panels = plots.new(height=3.2, columns=len(choices), sharex=True)
    most = max(len(tokens) for tokens in choices.values())
    likeliest = []
    for axes, (name, tokens) in zip(panels, choices.items(), strict=True):
        tokens = sorted(tokens, key=lambda pair: -pair[1])
        axes.barh(range(len(tokens)), [share for _, share in tokens], height=0.64)
        plots.name_rows(axes, [repr(token)[1:-1] for token, _ in tokens])
        axes.set_ylim(most - 0.5, -0.6)
        axes.tick_params(axis="y", labelsize=9)
        axes.set_title(name, fontsize=11)
        shares = plots.listed({token.strip(): f"{share:.2f}" for token, share in tokens[:3]})
        likeliest.append(f"{name}: {shares}")
    figure.supxlabel("probability", fontsize=11)
    figure.suptitle(title, x=0.01, ha="left")
    plots.show(figure, "Bar charts of next tokens by setting, the likeliest first. "
                       f"{'; '.join(likeliest)}.")
