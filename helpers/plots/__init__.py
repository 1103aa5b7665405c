"""The notebooks' pictures: one look, and alt text on every one of them.

Here are the drawing tools and the pictures that several notebooks show; `nb03` has those of
notebook 03 alone, and so on. A title or alt text that a function brings along states nothing but
what it has computed from the data. The colours are those of Okabe and Ito (2008), which people
with any colour vision can tell apart.
"""

import io

import matplotlib
import numpy as np
from cycler import cycler
from IPython.display import Image, display
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from helpers.curves import LN_2, WINDOW, smoothed

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8A8F98"
INK, PALE, MUTED = "#24292F", "#E6E9ED", "#9DB7CC"
PALE_TO_BLUE = LinearSegmentedColormap.from_list("pale to blue", [PALE, BLUE])
LOSS = "loss (cross-entropy)"

# Decorates a drawing function: it draws in this look, and other plots keep theirs.
styled = matplotlib.rc_context({
    "font.size": 11, "text.color": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.labelcolor": INK, "axes.edgecolor": GREY, "figure.facecolor": "white",
    "axes.titlesize": 12.5, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.titlepad": 12, "figure.titlesize": 12.5, "figure.titleweight": "bold",
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "axes.grid": True, "grid.color": PALE, "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, PURPLE, GREY]),
    "lines.linewidth": 2, "lines.solid_capstyle": "round",
})


def new(height=3.4, rows=1, columns=1, width=7.2, **options):
    """Return a figure as wide as a notebook's text and its axes; `height` is in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def show(figure, alt, handle=None):
    """Show a figure with the text that says what is in it, for those who cannot see it.

    With the `handle` of an earlier `show`, the picture replaces that one. Returns the handle.
    """
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=150)
    image = Image(content.getvalue(), width=round(figure.get_figwidth() * 96), alt=alt)
    if handle is None:
        return display(image, display_id=True)
    handle.update(image)
    return handle


def listed(texts):
    """Return the names and texts of a dictionary as an alt text lists them: "a 1, b 2"."""
    return ", ".join(f"{name} {text}" for name, text in texts.items())


def over_steps(axes, values, *style, **options):
    """Draw a line over the steps of a run, from 1; returns matplotlib's line."""
    return axes.plot(range(1, len(values) + 1), values, *style, **options)[0]


def mark_level(axes, value, name, points=4):
    """Draw a dashed line at `value`, its name at the right, so many points above the line."""
    axes.axhline(value, color=GREY, lw=1.2, ls="--")
    axes.annotate(name, (1, value), xytext=(0, points), textcoords="offset points", ha="right",
                  color=GREY, xycoords=("axes fraction", "data"))


def finish(axes, alt, handle=None, **labels):
    """Label the axes, name what is drawn in a legend below, and `show` the figure."""
    axes.set(**labels)
    names = axes.get_legend_handles_labels()[1]
    if names:
        columns = max(1, min(4, 90 // (max(map(len, names)) + 6)))
        axes.figure.legend(loc="outside lower center", ncols=columns)
    return show(axes.figure, alt, handle)


def bar_chart(values, notes, strongest=None, row=0.5, xerr=None):
    """Return axes with a bar per name, {name: number}, and its note, {name: text}.

    All but the `strongest` are muted, if one is named; `row` is in inches.
    """
    _, axes = new(height=row * len(values) + 1.2)
    colours = [BLUE if strongest in (None, name) else MUTED for name in values]
    bars = axes.barh(range(len(values)), values.values(), height=0.64, color=colours, xerr=xerr,
                     error_kw={"ecolor": INK, "elinewidth": 1.6, "capsize": 4.5})
    axes.bar_label(bars, [notes[name] for name in values], padding=8)
    name_rows(axes, values)
    axes.set_xlim(0, 1.2 * max(values.values()))
    return axes


def stacked_bars(axes, values, inside, at_end):
    """Draw a row of stacked bars for each of {row: {part: number}}; return where they end.

    `inside` and `at_end` write the label of a part and of a whole row.
    """
    ends = [0.0] * len(values)
    for part in next(iter(values.values())):
        sizes = [parts[part] for parts in values.values()]
        bars = axes.barh(range(len(values)), sizes, left=ends, height=0.6, label=part)
        axes.bar_label(bars, [inside(size) for size in sizes], color="white",
                       label_type="center", weight="bold", fontsize=10)
        ends = [end + size for end, size in zip(ends, sizes, strict=True)]
    axes.bar_label(bars, [at_end(end) for end in ends], padding=4)
    name_rows(axes, values)
    return ends


def name_rows(axes, names):
    """Name the rows of a horizontal bar chart, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    without_frame(axes)


def without_frame(axes):
    """Take grid, tick marks and the lines at the left and at the bottom away."""
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)


def box(axes, corner, size, text, colour, ink="white", **font):
    """Draw a text in a box with round corners, from its (x, y) and (width, height)."""
    (x, y), (width, height) = corner, size
    axes.add_patch(FancyBboxPatch(corner, width, height, color=colour, lw=0,
                                  boxstyle="round,pad=0,rounding_size=0.1"))
    axes.text(x + width / 2, y + height / 2, text, color=ink, ha="center", va="center", **font)


def arrow(axes, start, end, colour, **options):
    """Draw an arrow from one (x, y) to another."""
    axes.add_patch(FancyArrowPatch(start, end, color=colour, arrowstyle="-|>",
                                   mutation_scale=13, **options))


STAGES = {  # the way of a text, and what it is after each stage
    "text": "“Lovely room”", "tokens": "[CLS] lovely\nroom [SEP]",
    "embeddings": "one vector\nper token", "encoder": "the vectors,\nmixed in layers",
    "head": "one score\nper class", "loss": "one number:\nhow wrong",
}


@styled
def stages(*marked):
    """Draw the way of a text through the model, those of its stages marked that are named."""
    figure, axes = new(height=1.25, width=8.4)
    axes.set(xlim=(0, 12), ylim=(0.1, 1.85))
    axes.axis("off")
    for number, (stage, after) in enumerate(STAGES.items()):
        x, is_marked = 2 * number + 0.1, stage in marked
        box(axes, (x, 1.05), (1.55, 0.75), stage, BLUE if is_marked else PALE,
            "white" if is_marked else INK, fontsize=10, weight="bold" if is_marked else None)
        axes.text(x + 0.775, 0.85, after, ha="center", va="top", fontsize=8.5,
                  color=INK if is_marked else GREY)
        if number:
            arrow(axes, (x - 0.45, 1.42), (x, 1.42), GREY)
    show(figure, f"Six boxes in a row: {' → '.join(STAGES)}. Marked: {', '.join(marked)}.")


@styled
def loss_curves(curves, reference=None, title="Loss at every step", dashed="reference run"):
    """Draw runs over each other, {name: LossCurve}; faint each batch, strong the running mean.

    `reference` is drawn as a dashed line over them, by the name `dashed`.
    """
    ends = listed({n: f"ends at {curve.final_loss():.2f}" for n, curve in curves.items()})
    beside = f"; the {dashed} ends at {reference.final_loss():.2f}" if reference else ""
    _losses(curves, f"Line chart of the training loss by step: {ends}{beside}.", reference, dashed,
            title=title)


def _losses(curves, alt, reference=None, dashed="", handle=None, **labels):
    _, axes = new()
    if reference is not None:
        over_steps(axes, smoothed(reference.loss), color=INK, lw=2.6, ls=(0, (1, 1.4)),
                   label=dashed, zorder=3)
    for name, curve in curves.items():
        colour = over_steps(axes, smoothed(curve.loss), label=name).get_color()
        over_steps(axes, curve.loss, color=colour, alpha=0.25, lw=1)
        if curve.validation:
            looks = [(look["step"], look["loss"]) for look in curve.validation]
            axes.plot(*zip(*looks, strict=True), "o-", lw=1, color=colour, mec="white", ms=8,
                      label=f"{name}, validation" if len(curves) > 1 else "validation", zorder=4,
                      clip_on=False)
    mark_level(axes, LN_2, "guessing: ln 2")
    axes.margins(x=0.01)
    axes.set_ylim(0, None)
    return finish(axes, alt, handle, ylabel=LOSS,
                  xlabel=f"step (faint: each batch; strong: mean of {WINDOW} steps)", **labels)


class LiveLoss:
    """A picture of the loss that grows while a model trains, redrawn every `every` steps.

    A `reference` run, a `LossCurve`, is drawn over it as a dotted line.
    """

    def __init__(self, steps, every=21, reference=None):
        self.steps = steps
        self.every = every
        self.reference = reference
        self.handle = None

    @styled
    def __call__(self, curve):
        """Redraw the curve if it is time to."""
        step = len(curve.loss)
        if step % self.every and step != self.steps:
            return
        loss = smoothed(curve.loss)
        self.handle = _losses(
            {"training": curve}, reference=self.reference, dashed="reference run",
            handle=self.handle,
            alt=f"Line chart of the training loss, live, after step {step} of {self.steps}.",
            xlim=(0, self.steps + 1), ylim=(0, max(1.0, *loss)),
            title=f"Step {step} of {self.steps}: loss {loss[-1]:.2f}",
        )


@styled
def accuracy_bars(results, title, chance=0.5, seeds=None):
    """Draw one bar per model with its 95 % interval, {name: (accuracy, low, high)}.

    `seeds`, {name: accuracies}, are drawn as dots: those that a bar is the mean of.
    """
    means = {name: mean for name, (mean, _, _) in results.items()}
    notes = {name: f"{mean:.3f}" for name, mean in means.items()}
    errors = np.array([(mean - low, high - mean) for mean, low, high in results.values()])
    axes = bar_chart(means, notes, max(means, key=means.get), row=0.62, xerr=errors.T.clip(0))
    for row, name in enumerate(means):
        each = (seeds or {}).get(name, [])
        axes.plot(each, [row + 0.18] * len(each), "o", color="white", mec=INK, ms=5)
    axes.axvline(chance, color=GREY, lw=1.2, ls="--")
    dots = "; one dot per seed" if seeds else ""
    finish(axes, f"Bar chart of test accuracy: {listed(notes)}.", title=title, xlim=(0, 1.08),
           xlabel=f"test accuracy, with 95 % interval (dashed: chance{dots})")


@styled
def differences(comparisons, title):
    """Draw the difference of two models and its 95 % interval, a row each, {name: Paired}."""
    _, axes = new(height=0.42 * len(comparisons) + 1.2)
    for row, found in enumerate(comparisons.values()):
        low, high = (100 * bound for bound in found.interval)
        colour = BLUE if low > 0 or high < 0 else GREY
        axes.plot([low, high], [row, row], color=colour, lw=2.4)
        axes.plot(100 * found.difference, row, "o", color=colour, ms=7)
    axes.axvline(0, color=INK, lw=1, ls="--")
    name_rows(axes, comparisons)
    axes.grid(visible=True, axis="x")
    axes.figure.suptitle(title, x=0.01, ha="left")
    listing = listed({name: f"{100 * found.difference:+.1f} ({100 * found.interval[0]:+.1f} to "
                            f"{100 * found.interval[1]:+.1f})"
                      for name, found in comparisons.items()})
    finish(axes, f"Differences in points with their 95 % intervals: {listing}.",
           xlabel="difference in points, with 95 % interval (blue: without zero)")
