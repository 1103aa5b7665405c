"""The pictures of notebook 09: names in a text, its way to labels, scores, kinds of mistakes."""

import functools
import html
import re
import textwrap

import numpy as np
from matplotlib.patches import Patch, Rectangle

from helpers import plots, widgets
from helpers.curves import WINDOW, smoothed
from helpers.entities import mistakes
from helpers.plots import BLUE, GREY, INK, MUTED, PALE

SHADES = ("#CBEBDD", "#CFE3F3", "#FBE0CC", "#F3DCE8", "#F6EFBE", "#E3E5E8")  # of types, in turn
LINE = 84  # characters of the widest line of a picture
CHARACTER = 0.602  # the width of a character of a monospaced font, in its size


def shades(types):
    """Return the colour of each type, {type: colour}."""
    return {kind: SHADES[i % len(SHADES)] for i, kind in enumerate(types)}


@plots.styled
def marked(sentences, types, title):
    """Draw sentences with their entities shaded in the colour of their type."""
    lines = [(sentence, start, end) for sentence in sentences
             for start, end in _lines(sentence.text)]
    figure, axes = plots.new(height=0.3 * len(lines) + 1.0, width=8.4)
    axes.set(xlim=(0, LINE), ylim=(len(lines), 0))
    axes.axis("off")
    figure.suptitle(title, x=0.01, ha="left")
    figure.legend([Patch(color=colour) for colour in shades(types).values()], types,
                  loc="outside lower left", ncols=len(types))
    figure.draw_without_rendering()  # lays out, so that the width is known
    size = 72 * axes.get_window_extent().width / figure.dpi / (LINE * CHARACTER)
    for row, (sentence, start, end) in enumerate(lines):
        for word in re.finditer(r"\S+", sentence.text[start:end]):
            axes.text(word.start(), row + 0.5, word[0], family="monospace", fontsize=size,
                      va="center", in_layout=False)
        for entity in sentence.entities:
            left, right = max(entity.start, start), min(entity.end, end)
            if left < right:
                axes.add_patch(Rectangle(
                    (left - start, row + 0.08), right - left, 0.84, lw=0,
                    color=shades(types)[entity.type], zorder=0))
    plots.show(figure, f"Sentences with shaded names: {' '.join(map(str, sentences))}")


def _lines(text):
    """Return (start, end) of the lines that a text is cut into, none longer than LINE."""
    found, done = [], 0
    for line in textwrap.wrap(text, LINE, break_on_hyphens=False):
        start = text.index(line, done)
        done = start + len(line)
        found.append((start, done))
    return found


@plots.styled
def way(sentence, tokens, offsets, words, tags, labels, types):
    """Draw a sentence on its way: words, their tags, the tokens, their offsets and labels.

    `tokens`, `offsets` and `labels` are those of each token, special ones included; `words` are
    (start, end), each with one of `tags`.
    """
    figure, axes = plots.new(height=2.9, width=9.4)
    axes.set(xlim=(-1.3, len(tokens)), ylim=(5, 0))
    axes.axis("off")
    for row, name in enumerate(("words", "tags", "tokens", "offsets", "labels")):
        axes.text(-0.15, row + 0.5, name, ha="right", va="center", color=GREY, fontsize=9.5)
    for (start, end), tag in zip(words, tags, strict=True):
        own = [i for i, (left, right) in enumerate(offsets) if left < end and start < right]
        if own:
            colour = PALE if tag == "O" else shades(types)[tag[2:]]
            _cell(axes, 0, own[0], len(own), sentence.text[start:end], colour, weight="bold")
            _cell(axes, 1, own[0], len(own), tag.replace("-", "-\n") if len(own) == 1 else tag,
                  colour)
    for i, (token, (start, end), label) in enumerate(zip(tokens, offsets, labels, strict=True)):
        special = start == end
        _cell(axes, 2, i, 1, token, "white" if special else MUTED, weight="bold")
        _cell(axes, 3, i, 1, "–" if special else f"{start}–{end}", "white", ink=GREY)
        _cell(axes, 4, i, 1, f"{label}".replace("-", "−"), PALE if label < 0 else BLUE,
              ink=GREY if label < 0 else "white", weight="bold")
    listing = "; ".join(f"{token} {label}" for token, label in zip(tokens, labels, strict=True))
    plots.show(figure, f"The sentence “{sentence.text}” in five rows: words, their tags, tokens, "
                       f"offsets, labels. Tokens and labels: {listing}.")


def _cell(axes, row, column, width, text, colour, ink=INK, **font):
    axes.add_patch(Rectangle((column + 0.04, row + 0.08), width - 0.08, 0.84, color=colour, lw=0))
    size = min(9, 11 * width / max(0.1, max(map(len, text.split("\n"))) * 0.17))
    axes.text(column + width / 2, row + 0.5, text, ha="center", va="center_baseline", color=ink,
              fontsize=max(6.4, size), linespacing=1, **font)


@plots.styled
def f1_bars(scores, title):
    """Draw strict F1 with its 95 % interval, {way to find names: {test set: Scores}}."""
    sets = [*next(iter(scores.values()))]
    _, axes = plots.new(height=0.34 * len(scores) * len(sets) + 1.5)
    thick = 0.8 / len(sets)
    for place, name in enumerate(sets):
        values = [of[name] for of in scores.values()]
        rows = np.arange(len(values)) + (place - (len(sets) - 1) / 2) * thick
        errors = np.array([(s.f1 - s.interval[0], s.interval[1] - s.f1) for s in values]).T
        bars = axes.barh(rows, [s.f1 for s in values], thick * 0.92, label=name,
                         color=(BLUE, MUTED)[place % 2], xerr=errors.clip(0),
                         error_kw={"ecolor": INK, "elinewidth": 1.3, "capsize": 3})
        axes.bar_label(bars, [f"{s.f1:.2f}" for s in values], padding=6, fontsize=9.5)
    plots.name_rows(axes, scores)
    said = "; ".join(f"{way}: " + plots.listed({n: f"{s.f1:.3f}" for n, s in of.items()})
                     for way, of in scores.items())
    plots.finish(axes, f"Bar chart of strict F1: {said}.", title=title, xlim=(0, 1.08),
                 xlabel="strict F1 by entity, with 95 % interval")


@plots.styled
def kinds(scores, title):
    """Draw how many mistakes of each kind were made, by the type of the name, from `Scores`.

    What was invented counts for the type that it was given.
    """
    counts = {of.name: dict.fromkeys(mistakes.KINDS, 0) for of in scores.by_type}
    for mistake in scores.mistakes:
        counts[(mistake.true or mistake.predicted).type][mistake.kind] += 1
    _, axes = plots.new(height=0.5 * len(counts) + 1.5)
    most = max(sum(each.values()) for each in counts.values())
    plots.stacked_bars(axes, counts, inside=lambda n: f"{n:.0f}" if n > most / 25 else "",
                       at_end=lambda n: f"{n:.0f}")
    said = "; ".join(f"{kind}: {plots.listed(each)}" for kind, each in counts.items())
    plots.finish(axes, f"Stacked bars of mistakes. {said}.", title=title, xlabel="mistakes",
                 xlim=(0, 1.08 * max(1, most)))


@plots.styled
def loss(curve, reference, guessing):
    """Draw the loss of a training over the reference run's, if there is one.

    `guessing` is the loss of giving every token the shares of the tags.
    """
    _, axes = plots.new()
    if reference is not None:
        plots.over_steps(axes, smoothed(reference.loss), color=INK, lw=2.6, ls=(0, (1, 1.4)),
                         label="reference run", zorder=3)
    plots.over_steps(axes, smoothed(curve.loss), color=BLUE, label="training")
    plots.over_steps(axes, curve.loss, color=BLUE, alpha=0.25, lw=1)
    plots.mark_level(axes, guessing, f"the shares of the labels: {guessing:.2f}")
    axes.margins(x=0.01)
    plots.finish(axes, f"Line chart of the training loss over {len(curve.loss)} steps: from "
                       f"{curve.loss[0]:.2f} to {curve.final_loss():.2f} at the end.",
                 ylabel="loss (cross-entropy per token)", ylim=(0, None),
                 title=f"The loss ends at {curve.final_loss():.2f}",
                 xlabel=f"step (faint: each batch; strong: mean of {WINDOW} steps)")


def explorer(find, text, types):
    """Return a text field and, below it, its text with the names shaded that `find` sees in it.

    `find` takes a list of texts and returns for each a list of (`Entity`, probability).
    """
    return widgets.typed(functools.partial(_found_html, find, tuple(types)), text)


def _found_html(find, types, text):
    return entities_html(text, find([text])[0], types)


def entities_html(text, found, types):
    """Return HTML of a text, its entities shaded, each with its type and its probability."""
    parts, done = [], 0
    for entity, probability in found:
        name = html.escape(text[entity.start : entity.end])
        parts += [html.escape(text[done : entity.start]),
                  f'<mark style="background:{shades(types)[entity.type]};color:{INK};padding:2px '
                  f'5px;border-radius:5px">{name} <small style="opacity:.7">'
                  f"{html.escape(entity.type)} {probability:.2f}</small></mark>"]
        done = entity.end
    text = "".join([*parts, html.escape(text[done:])])
    return f'<div style="line-height:2;max-width:62em">{text}</div>'
