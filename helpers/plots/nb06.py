"""The pictures of notebook 06: what layers know, what is trained, what that gave, LoRA."""

import statistics

import numpy as np

from helpers import plots
from helpers.plots import BLUE, GREY, INK, ORANGE, PALE, PALE_TO_BLUE

differences = plots.differences


@plots.styled
def probes(results, title, chance=0.5):
    """Draw what probes get right after each layer, {name: shares, from the embeddings on}."""
    _, axes = plots.new(height=3.6)
    for name, shares in results.items():
        is_random = "random" in name
        axes.plot(range(len(shares)), shares, "o--" if is_random else "o-", label=name,
                  mec="white", ms=7)
    plots.mark_level(axes, chance, "guessing", points=-14)
    layers = len(next(iter(results.values())))
    axes.set_xticks(range(layers), ["embed-\ndings", *range(1, layers)])
    lowest = min(min(shares) for shares in results.values())
    ends = plots.listed({name: f"{shares[0]:.2f} on the embeddings, {max(shares):.2f} at best, "
                               f"{shares[-1]:.2f} at the top" for name, shares in results.items()})
    plots.finish(axes, f"Line chart of a probe's accuracy by layer: {ends}.", title=title,
                 xlabel="after layer", ylabel="accuracy of the probe",
                 ylim=(min(0.45, lowest - 0.02), 1))


def parts(layers):
    """Return the parts of a BERT classifier, {name: how the names of its parameters begin}."""
    return {"embeddings": "bert.embeddings.",
            **{str(n + 1): f"bert.encoder.layer.{n}." for n in range(layers)},
            "pooler": "bert.pooler.", "head": "classifier."}


@plots.styled
def trained_parts(ladder, layers):
    """Draw which parts each rung trains, {rung: how the trained names begin}."""
    figure, axes = plots.new(height=0.36 * len(ladder) + 1.1)
    columns = parts(layers)
    grid = np.array([[float(part.startswith(beginnings)) for part in columns.values()]
                     for beginnings in ladder.values()])
    axes.imshow(grid, cmap=PALE_TO_BLUE, vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, fontsize=9.5)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(ladder)), ladder)
    axes.set_xticks(np.arange(len(columns) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(ladder) - 1) + 0.5, minor=True)
    axes.grid(visible=False)
    axes.grid(visible=True, which="minor", color="white", lw=3)
    axes.tick_params(length=0, which="both")
    axes.spines[:].set_visible(False)
    figure.supxlabel("blue: trained; pale: frozen; the numbers are layers", fontsize=10.5)
    listing = "; ".join(f"{rung}: {', '.join(np.array([*columns])[row > 0])}"
                        for rung, row in zip(ladder, grid, strict=True))
    plots.show(figure, f"A grid of what is trained. {listing}.")


@plots.styled
def ladder(results, title, chance=0.5):
    """Draw the accuracy of each rung, {series: {rung: [accuracy of each seed]}}.

    A small dot is a seed, the large one their mean.
    """
    names = [*next(iter(results.values()))]
    _, axes = plots.new(height=0.5 * len(names) + 1.5)
    said = []
    for number, (series, by_rung) in enumerate(results.items()):
        colour, marker = ((BLUE, "o"), (ORANGE, "s"))[number % 2]
        means = {rung: statistics.mean(each) for rung, each in by_rung.items()}
        for row, each in enumerate(by_rung.values()):
            axes.plot(each, [row] * len(each), marker, color="white", mec=colour, ms=5)
        axes.plot(means.values(), range(len(means)), f"{marker}-", color=colour, ms=9, lw=1.2,
                  mec="white", label=f"{series} (small: one seed each)")
        said.append(f"{series}: " + plots.listed({rung: f"{m:.3f}" for rung, m in means.items()}))
    axes.axvline(chance, color=GREY, lw=1.2, ls="--", label="guessing")
    plots.name_rows(axes, names)
    axes.grid(visible=True, axis="x")
    plots.finish(axes, f"Accuracy by rung. {'. '.join(said)}.", title=title, xlabel="accuracy")


@plots.styled
def lora(rows, columns, r, alpha):
    """Draw a frozen matrix of (rows, columns) and the two small ones that LoRA puts beside it."""
    figure, axes = plots.new(height=2.9)
    axes.set(xlim=(0, 12), ylim=(-0.4, 4.9))
    axes.axis("off")
    thin = 0.55
    plots.box(axes, (0.2, 1.85), (1.0, 0.9), "input", PALE, INK)
    plots.box(axes, (2.6, 2.5), (2.3, 2.1), f"W, frozen\n{rows} × {columns}\n{rows * columns:,}",
              PALE, INK)
    plots.box(axes, (2.6, 0.9), (2.3, thin), f"A: {r} × {columns}", BLUE, fontsize=9.5)
    plots.box(axes, (6.0, 0.3), (thin, 1.8), f"B: {rows} × {r}", BLUE, rotation=90, fontsize=9.5)
    plots.box(axes, (8.0, 0.75), (1.6, 0.85), f"× α / r\n= {alpha} / {r}", PALE, INK)
    plots.box(axes, (10.4, 2.4), (1.4, 0.9), "sum", PALE, INK)
    for start, end in (
        ((1.2, 2.5), (2.6, 3.4)), ((1.2, 2.1), (2.6, 1.2)), ((4.9, 1.18), (6.0, 1.18)),
        ((6.55, 1.18), (8.0, 1.18)), ((9.6, 1.3), (10.8, 2.4)), ((4.9, 3.5), (10.4, 2.95)),
    ):
        plots.arrow(axes, start, end, GREY)
    added = r * (rows + columns)
    axes.text(2.6, -0.1, f"trained: {added:,} numbers, {added / rows / columns:.1%} of W",
              fontsize=10, va="center", ha="left", color=BLUE)
    plots.show(figure, f"The input goes through the frozen matrix W of {rows} × {columns} = "
                       f"{rows * columns:,} numbers and, beside it, through A of {r} × {columns} "
                       f"and B of {rows} × {r}, {added:,} numbers, which are trained; their "
                       f"output is multiplied by {alpha} / {r} and added.")


def price_html(prices, name, tasks, accuracy):
    """Return HTML of what so many tasks cost, in bars as long as their share of the dearest.

    `prices` is {what is trained: (parameters of 4 bytes, bytes of activations for a batch)};
    `name` is the one shown. Whoever trains less than everything stores one base for all tasks.
    """
    trained, kept = prices[name]
    whole, most = max(prices.values())
    shared = 0 if trained == whole else 4 * whole
    costs = {"on disk": (shared + tasks * 4 * trained, tasks * 4 * whole),
             "in training, beside the weights": (12 * trained + kept, 12 * whole + most)}
    bars = "".join(
        '<div style="display:flex;align-items:center;gap:10px;line-height:1.7">'
        f'<span style="width:220px">{label}</span><div style="width:280px;background:{PALE}">'
        f'<div style="width:{min(1, cost / full):.1%};height:14px;background:{BLUE}"></div></div>'
        f"<span>{cost / 1e6:,.0f} MB</span></div>" for label, (cost, full) in costs.items())
    return (f"{bars}<div>{trained:,} parameters are trained for each task; recorded accuracy "
            f"<b>{accuracy:.3f}</b></div>")
