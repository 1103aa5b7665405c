"""The pictures of notebook 05: what GPT-2 sees, where it is read, what it writes and forgets."""

import numpy as np

from helpers import plots
from helpers.plots import BLUE, GREEN, GREY, INK, ORANGE, PALE, PURPLE


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
        bars = axes.barh(range(len(tokens)), [share for _, share in tokens], height=0.64)
        axes.bar_label(bars, [f"{share:.2f}" for _, share in tokens], padding=3, fontsize=8,
                       color=GREY)
        plots.name_rows(axes, [repr(token)[1:-1] for token, _ in tokens])
        axes.set_ylim(most - 0.5, -0.6)
        axes.tick_params(axis="y", labelsize=9)
        axes.set_title(name, fontsize=11)
        shares = plots.listed({token.strip(): f"{share:.2f}" for token, share in tokens[:3]})
        likeliest.append(f"{name}: {shares}")
    panels[0].set_xlim(0, 1.3 * max(share for tokens in choices.values() for _, share in tokens))
    figure.supxlabel("probability", fontsize=11)
    figure.suptitle(title, x=0.01, ha="left")
    plots.show(figure, "Bar charts of next tokens by setting, the likeliest first. "
                       f"{'; '.join(likeliest)}.")


@plots.styled
def surprise(tokens, probabilities, title):
    """Draw what each token of a text costs, -ln p in nats; `tokens` begin with one that is given.

    `probabilities`, of all tokens but the first, are those that the model gave to what came.
    """
    costs = -np.log(np.asarray(probabilities, dtype=float))
    _, axes = plots.new(height=3.0)
    places = range(1, len(tokens))
    bars = axes.bar(places, costs, width=0.66, label="loss of one token, −ln p")
    axes.bar_label(bars, [f"{p:.2f}" if p >= 0.01 else f"{p:.4f}" for p in probabilities],
                   padding=2, fontsize=8.5, color=GREY)
    axes.axhline(costs.mean(), color=ORANGE, lw=1.6,
                 label=f"their mean, {costs.mean():.2f}: the loss")
    axes.set_xticks(range(len(tokens)), tokens, rotation=35, family="monospace", fontsize=9)
    axes.grid(visible=False, axis="x")
    axes.annotate("given", (0, 0), xytext=(0, 5), textcoords="offset points", ha="center",
                  color=GREY, fontsize=9)
    each = plots.listed({token: f"{cost:.1f}" for token, cost in zip(tokens[1:], costs,
                                                                     strict=True)})
    plots.finish(axes, f"Bar chart of the loss of each token in nats: {each}. The mean is "
                       f"{costs.mean():.2f}.",
                 title=title, ylabel="nats (grey: probability)", xlim=(-0.6, len(tokens) - 0.4))


@plots.styled
def kept_tokens(prompts, temperatures, top_k, top_p):
    """Draw how much the likeliest tokens hold together, {prompt: logits of shape (vocabulary,)}.

    A panel per prompt, a line per temperature; `top_k` and `top_p` are drawn as the lines at
    which they cut. Temperature 1 has to be among them.
    """
    figure, panels = plots.new(height=3.7, columns=len(prompts), sharey=True)
    counts = {}
    for axes, (prompt, logits) in zip(panels, prompts.items(), strict=True):
        counts[prompt] = {}
        for temperature, colour in zip(temperatures, (GREEN, BLUE, PURPLE), strict=False):
            shares = np.exp((x := np.asarray(logits, dtype=float) / temperature) - x.max())
            held = np.sort(shares / shares.sum())[::-1].cumsum()
            kept = int((held < top_p).sum()) + 1
            counts[prompt][temperature] = kept
            name = f"temperature {temperature:g}"
            axes.plot(range(1, len(held) + 1), held, color=colour, label=name)
            axes.plot(kept, held[kept - 1], "o", color=colour, mec="white", ms=8)
            below = temperature == max(temperatures)
            axes.annotate(f"{kept:,}", (kept, held[kept - 1]), textcoords="offset points",
                          xytext=(5, -14) if below else (-4, 7), ha="left" if below else "right",
                          color=colour, fontsize=9)
        axes.axvline(top_k, color=ORANGE, lw=1.6, ls="--", label=f"top-k {top_k} cuts here")
        axes.axhline(top_p, color=INK, lw=1.6, ls=":", label=f"top-p {top_p:g} cuts here")
        axes.set(xscale="log", xlim=(1, 1.6 * len(held)), ylim=(0, 1.08),
                 xlabel="likeliest tokens (dots: kept by top-p)")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_title(f"“{prompt} …”", fontsize=11)
    panels[0].set_ylabel("their probability together")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    said = "; ".join(
        f"after “{prompt}” " + ", ".join(f"{n:,} at temperature {t:g}" for t, n in by.items())
        for prompt, by in counts.items())
    by_top_p = " or ".join(f"{row[1]:,}" for row in counts.values())
    figure.suptitle(f"At temperature 1, top-k keeps {top_k} tokens, top-p {top_p:g} keeps "
                    f"{by_top_p}", x=0.01, ha="left")
    plots.show(figure, f"Lines of the probability that the likeliest tokens hold together. Top-p "
                       f"{top_p:g} keeps {said}.")


@plots.styled
def forgetting(bits):
    """Draw models by what they need for two kinds of text, {model: (reviews, prose)}, in bits.

    Arrows lead from the first model to each of the others; the title is about the second.
    """
    _, axes = plots.new(height=3.6)
    (start, (x0, y0)), *others = bits.items()
    axes.plot(x0, y0, "o", color=INK, ms=9)
    axes.annotate(start, (x0, y0), xytext=(-10, -5), textcoords="offset points", ha="right")
    for (name, (x, y)), colour in zip(others, (ORANGE, BLUE, GREEN), strict=False):
        plots.arrow(axes, (x0, y0), (x, y), colour, shrinkA=6, shrinkB=6, lw=1.6)
        axes.plot(x, y, "o", color=colour, ms=9)
        axes.annotate(name, (x, y), xytext=(10, 6), textcoords="offset points", color=colour)
    axes.margins(0.35, 0.25)
    axes.invert_xaxis()
    said = "; ".join(f"{name}: {x:.2f} on reviews, {y:.2f} on prose"
                     for name, (x, y) in bits.items())
    second, (x1, y1) = others[0]
    title = f"Fine-tuned {second}: {x1 - x0:+.2f} bits on reviews, {y1 - y0:+.2f} on prose"
    plots.finish(axes, f"Points of bits per byte, arrows from the first. {said}.",
                 title=title,
                 xlabel="bits per byte on reviews (better to the right)",
                 ylabel="on prose (better below)")


@plots.styled
def by_seed(accuracies, title):
    """Draw test accuracies, {model: one per seed}: a dot for each seed, a line at the mean."""
    _, axes = plots.new(height=0.5 * len(accuracies) + 1.3)
    means = {name: sum(each) / len(each) for name, each in accuracies.items()}
    best = max(means, key=means.get)
    for row, (name, each) in enumerate(accuracies.items()):
        colour = BLUE if name == best else GREY
        axes.plot(each, [row] * len(each), "o", color=colour, alpha=0.55, mec="white", ms=8,
                  label="one seed" if name == best else None)
        axes.plot([means[name]] * 2, [row - 0.3, row + 0.3], color=colour, lw=3,
                  label="mean" if name == best else None)
        axes.annotate(f"{means[name]:.3f}", (max(each), row), xytext=(10, 0), va="center",
                      textcoords="offset points")
    plots.name_rows(axes, accuracies)
    axes.axvline(0.5, color=GREY, lw=1.2, ls="--", label="chance")
    notes = plots.listed({name: f"{mean:.3f}" for name, mean in means.items()})
    plots.finish(axes, f"Test accuracy, one dot per seed; means: {notes}.", title=title,
                 xlabel="test accuracy", xlim=(0.45, 1))
