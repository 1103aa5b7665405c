"""The notebooks' pictures: one look, and alt text on every one of them.

Each function draws one figure and shows it. The colours are those of Okabe and Ito (2008),
which people with any colour vision can tell apart.
"""

import functools
import io

import matplotlib
import numpy as np
from IPython.display import Image, display
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch
from matplotlib.ticker import LogLocator

from helpers.curves import LN_2, smoothed

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8A8F98"
INK, PALE = "#24292F", "#E6E9ED"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, GREY)
WIDTH = 7.2  # inches; a notebook's text is about as wide

_STYLE = {
    "font.size": 11,
    "axes.titlesize": 12.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": PALE,
    "axes.axisbelow": True,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "legend.frameon": False,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
}


def styled(draw):
    """Make a drawing function draw in the notebooks' look, and leave every other plot alone."""

    @functools.wraps(draw)
    def in_style(*arguments, **options):
        with matplotlib.rc_context(_STYLE):
            return draw(*arguments, **options)

    return in_style


def new(height=3.4, rows=1):
    """Return a figure and its axes, one below the other; `height` in inches."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, 1)


def show(figure, alt, handle=None):
    """Show a figure with the text that says what is in it, for those who cannot see it.

    With the `handle` of an earlier `show`, the picture replaces that one. Returns the handle.
    """
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=150)
    width = round(figure.get_figwidth() * 96)
    image = Image(data=content.getvalue(), format="png", width=width, alt=alt)
    if handle is not None:
        handle.update(image)
        return handle
    return display(image, display_id=True)


@styled
def loss_curves(curves, reference=None, title="Loss at every step", dashed="reference run"):
    """Draw runs over each other, by name; faint each batch, strong the running mean.

    `curves` maps a name to a `LossCurve`; `reference` is drawn as a dashed line over them, by
    the name `dashed`.
    """
    figure, axes = new()
    _draw_losses(axes, curves, reference, dashed)
    axes.set_title(title)
    names = ", ".join(
        f"{name} ends at {curve.final_loss():.2f}" for name, curve in curves.items()
    )
    beside = f"; the {dashed} ends at {reference.final_loss():.2f}" if reference else ""
    show(figure, f"Line chart of the training loss by step: {names}{beside}.")


def _draw_losses(axes, curves, reference=None, dashed=""):
    if reference is not None:
        steps = range(1, len(reference.loss) + 1)
        axes.plot(steps, smoothed(reference.loss), color=INK, ls=(0, (1, 1.4)), lw=2.6,
                  label=dashed, zorder=3)
    for (name, curve), colour in zip(curves.items(), COLOURS, strict=False):
        steps = range(1, len(curve.loss) + 1)
        axes.plot(steps, curve.loss, color=colour, alpha=0.25, lw=1)
        axes.plot(steps, smoothed(curve.loss), color=colour, label=name)
        if curve.validation:
            axes.plot([v["step"] for v in curve.validation],
                      [v["loss"] for v in curve.validation],
                      "o-", lw=1, color=colour, mec="white", ms=8,
                      label=f"{name}, validation", zorder=4)
    _mark_level(axes, LN_2, "guessing: ln 2")
    axes.set(xlabel="step", ylabel="loss (cross-entropy)", ylim=(0, None))
    axes.margins(x=0.01)
    longest = max(len(text) for text in axes.get_legend_handles_labels()[1])
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17),
                ncols=max(1, min(4, 90 // (longest + 6))))


def _mark_level(axes, value, name, points=4):
    """Draw a dashed line at `value`, its name at the right, so many points above the line."""
    axes.axhline(value, color=GREY, lw=1.2, ls="--")
    axes.annotate(name, (1, value), xytext=(0, points), textcoords="offset points", ha="right",
                  color=GREY, xycoords=("axes fraction", "data"))


def _name_rows(axes, names):
    """Name the rows of a horizontal bar chart, the first on top, without grid and axis line."""
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


class LiveLoss:
    """A picture of the loss that grows while a model trains: call it with the curve.

    It redraws every `every` steps and at the last step, `steps`.
    """

    def __init__(self, steps, every=21):
        self.steps = steps
        self.every = every
        self.handle = None

    @styled
    def __call__(self, curve):
        """Redraw if it is time to."""
        step = len(curve.loss)
        if step % self.every and step != self.steps:
            return
        figure, axes = new()
        _draw_losses(axes, {"training": curve})
        axes.set(xlim=(0, self.steps + 1), ylim=(0, max(1.0, *smoothed(curve.loss))))
        axes.set_title(f"Step {step} of {self.steps}: loss {smoothed(curve.loss)[-1]:.2f}")
        alt = f"Line chart of the training loss, live, after step {step} of {self.steps}."
        self.handle = show(figure, alt, self.handle)


@styled
def accuracy_bars(results, title, chance=0.5, seeds=None):
    """Draw one bar a model with its 95 % interval.

    `results` maps a name to (accuracy, low, high), as shares; `seeds` may map it to the
    accuracies that the bar is the mean of, drawn as dots.
    """
    figure, axes = new(height=0.62 * len(results) + 1.2)
    names = list(results)
    best = max(results, key=lambda name: results[name][0])
    for row, (name, (accuracy, low, high)) in enumerate(results.items()):
        axes.barh(row, accuracy, height=0.62, color=BLUE if name == best else "#9DB7CC")
        axes.plot([low, high], [row, row], color=INK, lw=1.6, marker="|", ms=9)
        each = (seeds or {}).get(name, [])
        axes.plot(each, [row + 0.18] * len(each), "o", color="white", mec=INK, ms=5)
        axes.text(high + 0.012, row, f"{accuracy:.3f}", va="center", weight="bold")
    axes.axvline(chance, color=GREY, lw=1.2, ls="--")
    _name_rows(axes, names)
    dots = "; a dot a seed" if seeds else ""
    axes.set(xlim=(0, 1.06), xlabel=f"test accuracy, with 95 % interval (dashed: chance{dots})")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_title(title)
    listing = ", ".join(f"{name} {value[0]:.3f}" for name, value in results.items())
    show(figure, f"Bar chart of test accuracy: {listing}.")


@styled
def shares_right(groups, title):
    """Draw the share of right answers in each group with its size.

    `groups` maps a name to (right, texts); the worst group comes last.
    """
    ordered = sorted(groups.items(), key=lambda item: item[1][0] / item[1][1], reverse=True)
    figure, axes = new(height=0.42 * len(ordered) + 1.2)
    for row, (_, (right, n)) in enumerate(ordered):
        axes.barh(row, 1, height=0.66, color=PALE)
        axes.barh(row, right / n, height=0.66, color=BLUE)
        axes.text(1.012, row, f"{right} of {n}", va="center")
    _name_rows(axes, [name for name, _ in ordered])
    axes.spines["bottom"].set_visible(False)
    axes.set(xlim=(0, 1.14), xlabel="share of the texts that are right")
    axes.set_xticks([0, 0.5, 1])
    axes.set_title(title)
    listing = ", ".join(f"{name} {right} of {n}" for name, (right, n) in ordered)
    show(figure, f"Bar chart of right answers by group: {listing}.")


@styled
def parameter_bars(models):
    """Draw how many parameters stand in each part of each model.

    `models` maps a name to a dictionary from part to number of parameters.
    """
    figure, axes = new(height=0.85 * len(models) + 1.5)
    parts = list(next(iter(models.values())))
    for row, counts in enumerate(models.values()):
        start = 0
        for part, colour in zip(parts, COLOURS, strict=False):
            millions = counts[part] / 1e6
            axes.barh(row, millions, left=start, height=0.6, color=colour)
            if millions > 8:
                axes.text(start + millions / 2, row, f"{millions:.0f} M", color="white",
                          ha="center", va="center", weight="bold", fontsize=10)
            start += millions
        axes.text(start + 1, row, f"{start:.1f} M", va="center")
    _name_rows(axes, list(models))
    axes.set(xlabel="millions of parameters", xlim=(0, 1.14 * max(
        sum(counts.values()) for counts in models.values()) / 1e6))
    axes.legend([Patch(color=c) for c in COLOURS[: len(parts)]], parts, ncols=4,
                loc="upper center", bbox_to_anchor=(0.45, -0.28))
    axes.set_title("Where the parameters are")
    listing = "; ".join(
        f"{name}: " + ", ".join(f"{part} {count / 1e6:.1f} million"
                                for part, count in counts.items())
        for name, counts in models.items()
    )
    show(figure, f"Stacked bars of parameters. {listing}.")


@styled
def length_histogram(lengths, limits):
    """Draw how many texts have how many tokens, with lines at named limits.

    `limits` maps a label to a number of tokens.
    """
    figure, axes = new(height=3.0)
    axes.hist(lengths, bins=range(0, max(lengths) + 4, 3), color=BLUE, ec="white")
    top = axes.get_ylim()[1]
    for i, (label, limit) in enumerate(limits.items()):
        axes.axvline(limit, color=ORANGE, lw=1.6)
        axes.text(limit, top * (1.0 - 0.12 * i), f" {label}: {limit:.0f}", color=ORANGE, va="top")
    axes.set(xlabel="tokens in a review", ylabel="reviews", xlim=(0, None))
    axes.set_title("Most reviews are short")
    listing = ", ".join(f"{label} {limit:.0f}" for label, limit in limits.items())
    show(figure, f"Histogram of tokens per review, up to {max(lengths)}; marked: {listing}.")


@styled
def mask_grids(masks):
    """Draw two or more attention masks as grids: a row a text, a cell a token, padding pale.

    `masks` maps a title to a tensor of shape (texts, tokens).
    """
    longest = max(mask.shape[1] for mask in masks.values())
    figure, panels = new(height=0.9 + 1.55 * len(masks), rows=len(masks))
    alts = []
    for axes, (title, mask) in zip(panels, masks.items(), strict=True):
        padding = 1 - mask.float().mean().item()
        axes.pcolormesh(mask.flip(0).numpy(), cmap=_two_colours(), vmin=0, vmax=1,
                        ec="white", lw=0.3)
        axes.set(xlim=(0, longest), yticks=[], ylabel="texts")
        axes.grid(visible=False)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_title(f"{title}: {padding:.0%} padding", fontsize=11)
        alts.append(f"{title} {padding:.0%}")
    panels[-1].set_xlabel("position of the token")
    figure.legend([Patch(color=BLUE), Patch(color=PALE)], ["token", "padding"],
                  loc="outside lower right", ncols=2)
    show(figure, f"Grids of tokens and padding; share of padding: {', '.join(alts)}.")


def _two_colours():
    from matplotlib.colors import ListedColormap

    return ListedColormap([PALE, BLUE])


@styled
def times(seconds, title, label):
    """Draw one bar a variant; `seconds` maps a name to a measured time."""
    figure, axes = new(height=0.55 * len(seconds) + 1.2)
    fastest = min(seconds.values())
    for row, value in enumerate(seconds.values()):
        axes.barh(row, value, height=0.6, color=BLUE if value == fastest else "#9DB7CC")
        axes.text(value, row, f"  {value:.2g} s", va="center")
    _name_rows(axes, list(seconds))
    axes.set(xlabel=label, xlim=(0, 1.15 * max(seconds.values())))
    axes.set_title(title)
    listing = ", ".join(f"{name} {value:.2g} s" for name, value in seconds.items())
    show(figure, f"Bar chart of measured times: {listing}.")


@styled
def learning_rates(curve):
    """Draw the learning rate at every step of a run."""
    figure, axes = new(height=2.3)
    axes.plot(range(1, len(curve.learning_rate) + 1), curve.learning_rate, color=BLUE)
    axes.set(xlabel="step", ylabel="learning rate", ylim=(0, None))
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-5, -5))
    axes.set_title("Up for a tenth of the steps, then down to zero")
    show(figure, "Line chart of the learning rate: a short rise, then a straight fall to zero.")


@styled
def transfer_diagram():
    """Draw pretraining, feature extraction and fine-tuning beside each other."""
    figure, axes = new(height=3.5)
    axes.set(xlim=(0, 12.4), ylim=(0, 6.2))
    axes.axis("off")
    columns = (
        (0.2, "1  Pretraining", "masked words,\nmillions of texts", "word guesser", "new", "new"),
        (4.5, "2a  Feature extraction", "1,000 labelled reviews", "classifier", "kept", "new"),
        (8.8, "2b  Fine-tuning", "1,000 labelled reviews", "classifier", "tuned", "new"),
    )
    fill = {"new": ORANGE, "kept": GREY, "tuned": BLUE}
    note = {"new": "trained from zero", "kept": "frozen", "tuned": "trained further"}
    for x, title, data, head, encoder, head_state in columns:
        axes.text(x + 1.6, 5.85, title, ha="center", weight="bold", fontsize=11.5)
        _box(axes, x, 0.2, 0.95, data, PALE, INK)
        _box(axes, x, 1.75, 1.5, f"encoder\n{note[encoder]}", fill[encoder], "white")
        _box(axes, x, 3.85, 1.2, f"head: {head}\n{note[head_state]}", fill[head_state], "white")
        for low, high in ((1.15, 1.75), (3.25, 3.85)):
            axes.add_patch(FancyArrowPatch((x + 1.6, low), (x + 1.6, high), color=INK,
                                           arrowstyle="-|>", mutation_scale=13))
    for start, end in ((3.4, 4.5), (7.7, 8.8)):
        axes.add_patch(FancyArrowPatch((start, 2.5), (end, 2.5), color=GREY, lw=1.6,
                                       arrowstyle="-|>", mutation_scale=15))
        axes.text((start + end) / 2, 2.72, "weights", ha="center", color=GREY, fontsize=9)
    show(figure, "Three columns. Pretraining trains encoder and head on masked words. Feature "
         "extraction keeps that encoder frozen under a new head. Fine-tuning trains the "
         "encoder further together with the new head.")


def _box(axes, x, y, height, text, colour, ink):
    axes.add_patch(FancyBboxPatch((x, y), 3.2, height, boxstyle="round,pad=0,rounding_size=0.15",
                                  color=colour, lw=0))
    axes.text(x + 1.6, y + height / 2, text, ha="center", va="center", color=ink, fontsize=10)


@styled
def last_tokens(rows, title, pad):
    """Draw a padded batch, a row a text, the last real token of each marked as the one read.

    `rows` are lists of tokens of one length; those equal to `pad` at a row's end are padding.
    """
    figure, axes = new(height=0.62 * len(rows) + 0.9)
    longest = len(rows[0])
    ends = []
    for y, tokens in enumerate(rows):
        last = max(i for i, token in enumerate(tokens) if token != pad)
        ends.append(tokens[last])
        for x, token in enumerate(tokens):
            colour = ORANGE if x == last else PALE if x > last else "#CFE3F3"
            axes.add_patch(FancyBboxPatch((x + 0.05, y + 0.12), 0.9, 0.76, color=colour, lw=0,
                                          boxstyle="round,pad=0,rounding_size=0.08"))
            axes.text(x + 0.5, y + 0.5, "pad" if x > last else token.strip(), ha="center",
                      va="center", color="white" if x == last else GREY if x > last else INK,
                      weight="bold" if x == last else "normal", fontsize=min(10, 70 / longest),
                      family="monospace")
        axes.annotate("label", (longest + 0.55, y + 0.5), ha="left", va="center", weight="bold")
        axes.add_patch(FancyArrowPatch((last + 0.5, y + 0.9), (longest + 0.5, y + 0.55),
                                       color=ORANGE, arrowstyle="-|>", mutation_scale=11,
                                       connectionstyle="arc3,rad=0.08"))
    axes.set(xlim=(0, longest + 1.6), ylim=(len(rows) + 0.1, 0))
    axes.axis("off")
    axes.set_title(title)
    show(figure, f"A padded batch, one row a text. An arrow leads from the last real token of "
         f"each row to its label: {', '.join(end.strip() for end in ends)}.")


@styled
def attention_pair(patterns, title):
    """Draw attention grids side by side: a row a token that looks, a column one that is seen.

    `patterns` maps a name to (tokens, weights), the weights of shape (tokens, tokens).
    """
    figure = Figure(figsize=(WIDTH, 4.1), layout="constrained")
    alts = []
    for axes, (name, (tokens, weights)) in zip(
        figure.subplots(1, len(patterns)), patterns.items(), strict=True
    ):
        axes.imshow(weights, cmap=_pale_to_blue(), vmin=0, vmax=weights.max())
        places = range(len(tokens))
        axes.set_xticks(places, tokens, rotation=90, family="monospace", fontsize=9)
        axes.set_yticks(places, tokens, family="monospace", fontsize=9)
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_title(name, fontsize=11)
        ahead = float(np.triu(np.asarray(weights), 1).sum() / np.asarray(weights).sum())
        alts.append(f"in {name} {ahead:.0%} of the attention goes to later tokens")
    figure.suptitle(title, weight="bold", x=0.01, ha="left", fontsize=12.5)
    show(figure, f"Grids of attention, rows look at columns: {'; '.join(alts)}.")


@styled
def next_tokens(choices, title):
    """Draw what a model chooses its next token from, a panel a setting.

    `choices` maps a setting's name to a list of (token, probability).
    """
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    panels = figure.subplots(1, len(choices), sharex=True)
    most = max(len(tokens) for tokens in choices.values())
    for axes, (name, tokens) in zip(panels, choices.items(), strict=True):
        axes.barh(range(len(tokens)), [share for _, share in tokens], color=BLUE, height=0.66)
        _name_rows(axes, [repr(token)[1:-1] for token, _ in tokens])
        axes.set_ylim(most - 0.5, -0.6)
        axes.tick_params(axis="y", labelsize=9)
        axes.set_title(name, fontsize=11)
    figure.supxlabel("probability", fontsize=11)
    figure.suptitle(title, weight="bold", x=0.01, ha="left", fontsize=12.5)
    listing = "; ".join(
        f"{name}: " + ", ".join(f"{token.strip()} {share:.2f}" for token, share in tokens[:3])
        for name, tokens in choices.items()
    )
    show(figure, f"Bar charts of next tokens by setting, the likeliest first. {listing}.")


@styled
def confusion_matrix(labels, predictions, names):
    """Draw how many texts of each true class were given each class, with the numbers."""
    from sklearn.metrics import confusion_matrix as count

    counts = count(labels, predictions, labels=range(len(names)))
    figure = Figure(figsize=(3.9, 3.3), layout="constrained")
    axes = figure.subplots()
    axes.imshow(counts, cmap=_pale_to_blue(), vmin=0)
    for row, column in np.ndindex(counts.shape):
        dark = counts[row, column] > 0.5 * counts.max()
        axes.text(column, row, counts[row, column], ha="center", va="center", fontsize=15,
                  weight="bold", color="white" if dark else INK)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names, rotation=90, va="center")
    axes.set(xlabel="predicted", ylabel="true")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_title("Right on the diagonal")
    listing = "; ".join(
        f"of {counts[i].sum()} {name}, {counts[i, i]} right" for i, name in enumerate(names)
    )
    show(figure, f"Confusion matrix: {listing}.")


def _pale_to_blue():
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("pale to blue", [PALE, BLUE])


@styled
def sweep(results, chance=0.5):
    """Draw the outcome of runs that differ in their learning rate.

    `results` maps a learning rate to (loss at the end of the training, validation accuracy).
    """
    figure, (above, below) = new(height=4.6, rows=2)
    rates = list(results)
    losses, accuracies = zip(*results.values(), strict=True)
    best = max(rates, key=lambda rate: results[rate][1])
    above.plot(rates, accuracies, "o-", color=BLUE)
    above.plot(best, results[best][1], "o", ms=13, mfc="none", mec=INK, mew=1.6)
    _mark_level(above, chance, "chance", points=-13)
    above.set(xscale="log", ylabel="accuracy", ylim=(0.4, 1), xticklabels=[])
    above.set_title("Too small learns nothing, too large forgets everything")
    below.plot(rates, losses, "o-", color=ORANGE)
    _mark_level(below, LN_2, "guessing: ln 2")
    below.set(xscale="log", xlabel="learning rate", ylabel="final loss", ylim=(0, None))
    listing = ", ".join(f"{rate:.0e}: accuracy {accuracy:.2f}, loss {loss:.2f}"
                        for rate, (loss, accuracy) in results.items())
    show(figure, f"Two line charts by learning rate, validation accuracy and final training "
         f"loss. {listing}.")


@styled
def band(curves, title):
    """Draw the running mean of several runs that differ by luck, and the band they span.

    `curves` maps a name to a `LossCurve`; all have the same number of steps.
    """
    figure, axes = new()
    lines = [smoothed(curve.loss) for curve in curves.values()]
    steps = range(1, len(lines[0]) + 1)
    axes.fill_between(steps, np.min(lines, axis=0), np.max(lines, axis=0), color=BLUE, alpha=0.18,
                      lw=0)
    for line, name, colour in zip(lines, curves, COLOURS, strict=False):
        axes.plot(steps, line, color=colour, label=name, lw=1.6)
    axes.set(xlabel="step", ylabel="loss (cross-entropy)")
    axes.margins(x=0.01)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=4)
    axes.set_title(title)
    ends = ", ".join(f"{name} {line[-1]:.2f}" for name, line in zip(curves, lines, strict=True))
    show(figure, f"Line chart of training losses and the band between them; at the end: {ends}.")


@styled
def same_curve(curves, title):
    """Draw the losses of two runs step by step, the first as a line, the second as dots on it."""
    figure, axes = new()
    (first, line), (second, dots) = curves.items()
    axes.plot(range(1, len(line.loss) + 1), line.loss, color="#9DB7CC", lw=5, label=first)
    axes.plot(range(1, len(dots.loss) + 1), dots.loss, "o", color=INK, ms=5, label=second)
    axes.set(xlabel="step", ylabel="loss (cross-entropy)")
    axes.legend(loc="lower left")
    axes.set_title(title)
    show(figure, f"Losses by step: {first} ends at {line.loss[-1]:.2f}, {second} at "
                 f"{dots.loss[-1]:.2f}.")


@styled
def ladder(rates, title):
    """Draw how many texts a second each rung of a ladder reaches, and its gain over the last.

    `rates` maps a rung's name to texts a second, in the order of the rungs.
    """
    figure, axes = new(height=0.42 * len(rates) + 1.3)
    before, listing = None, []
    for row, (name, rate) in enumerate(rates.items()):
        axes.barh(row, rate, height=0.64, color=BLUE if row == len(rates) - 1 else "#9DB7CC")
        gain = "" if before is None else f"  ×{rate / before:.2f}"
        axes.text(rate, row, f"  {rate:.0f}{gain}", va="center")
        listing.append(f"{name} {rate:.0f}")
        before = rate
    _name_rows(axes, list(rates))
    axes.set(xlabel="reviews a second, and the gain over the row above",
             xlim=(0, 1.25 * max(rates.values())))
    axes.set_title(title)
    show(figure, f"Bar chart of reviews a second: {', '.join(listing)}.")


@styled
def roofline(roof, points, ceiling, title):
    """Draw the operations a second that trainings reach, below what the machine can do.

    `roof` maps a number of tokens in a batch to the rate of a matrix product with as many rows,
    `points` a training's name to (tokens in a batch, rate); `ceiling` is the rate of a large
    product. All rates are operations a second.
    """
    figure, axes = new(height=4.2)
    axes.fill_between(list(roof), [rate / 1e9 for rate in roof.values()], color=PALE, lw=0)
    axes.plot(list(roof), [rate / 1e9 for rate in roof.values()], color=GREY,
              label="one matrix product with so many rows")
    _mark_level(axes, ceiling / 1e9, "large matrices")
    for (name, (tokens, rate)), colour in zip(points.items(), COLOURS, strict=False):
        axes.plot(tokens, rate / 1e9, "o", color=colour, ms=9, mec="white",
                  label=f"{name}: {rate / ceiling:.0%}")
    axes.set(xscale="log", xlabel="tokens in a batch", ylabel="10⁹ operations a second",
             ylim=(0, None))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2)
    axes.set_title(title)
    listing = ", ".join(f"{name} {rate / ceiling:.0%}" for name, (_, rate) in points.items())
    show(figure, f"Rates below a roof, as shares of the rate of large matrices: {listing}.")


@styled
def accuracy_over_time(runs, goal, title):
    """Draw test accuracy over the seconds of a training, one line a recipe, time by powers of 10.

    `runs` maps a recipe to a list of (seconds, accuracy); `goal` is marked.
    """
    figure, axes = new(height=3.8)
    for (name, looks), colour in zip(runs.items(), COLOURS, strict=False):
        seconds, accuracies = zip(*looks, strict=True)
        axes.plot(seconds, accuracies, "o-", color=colour, label=name, ms=5)
    _mark_level(axes, goal, f"{goal:.2f}")
    axes.set(xscale="log", xlabel="seconds of training", ylabel="test accuracy", ylim=(0.45, 1))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=3)
    axes.set_title(title)
    listing = ", ".join(f"{name} {looks[-1][1]:.2f} after {looks[-1][0]:.0f} s"
                        for name, looks in runs.items())
    show(figure, f"Line chart of test accuracy over seconds of training: {listing}.")


@styled
def power_law(points, exponents, title, label):
    """Draw measured seconds over a quantity, both by powers of 10, with the fitted lines.

    `points` maps a name to a dictionary from quantity to seconds, `exponents` to the slope.
    """
    figure, axes = new(height=3.4)
    for (name, seconds), colour in zip(points.items(), COLOURS, strict=False):
        sizes = np.array(list(seconds))
        values = np.array(list(seconds.values()))
        middle = np.exp(np.mean(np.log(values) - exponents[name] * np.log(sizes)))
        axes.plot(sizes, values, "o", color=colour)
        axes.plot(sizes, middle * sizes ** exponents[name], color=colour, lw=1.4,
                  label=f"{name}: exponent {exponents[name]:.2f}")
    axes.set(xscale="log", yscale="log", xlabel=label, ylabel="seconds a step")
    ticks = sorted({size for seconds in points.values() for size in seconds})
    axes.set_xticks(ticks, [f"{size:,}" for size in ticks])
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend(loc="upper left")
    axes.set_title(title)
    listing = ", ".join(f"{name} {exponent:.2f}" for name, exponent in exponents.items())
    show(figure, f"Measured seconds and fitted power laws; exponents: {listing}.")


@styled
def efficiency(counts, shares, title="How much of its time a GPU computes"):
    """Draw the share of the time that is spent computing, by number of GPUs, one line a wire."""
    figure, axes = new(height=3.0)
    for (name, row), colour in zip(shares.items(), COLOURS, strict=False):
        axes.plot(counts, row, "o-", color=colour, label=name)
    axes.set(xscale="log", xlabel="GPUs", ylabel="share of the time", ylim=(0, 1.05))
    axes.set_xticks(counts, [str(n) for n in counts])
    axes.minorticks_off()
    axes.legend(loc="lower left")
    axes.set_title(title)
    listing = ", ".join(f"{name} {row[-1]:.0%} with {counts[-1]}" for name, row in shares.items())
    show(figure, f"Line chart of the share of time spent computing: {listing}.")
