"""The pictures of notebook 00: guesses while a model learns, and accuracy by number of labels."""

import statistics

import numpy as np
from matplotlib.ticker import NullLocator

from helpers import plots
from helpers.plots import INK, PALE_TO_BLUE


@plots.styled
def guesses(sentence, milestones, columns=6):
    """Draw the five best guesses for a sentence's [MASK], a column for each recorded step.

    `milestones` are dictionaries with `step`, `guesses`, {sentence: [(piece, probability)]}, and
    the share `reviews["top5"]` of hidden pieces that were among the five best guesses; the last
    `columns` of them are drawn, and the first one.
    """
    chosen = milestones if len(milestones) <= columns else [
        milestones[0], *milestones[-(columns - 1):]]
    _, axes = plots.new(height=2.9, width=8.2)
    surest = max(p for look in chosen for _, p in look["guesses"][sentence])
    for x, look in enumerate(chosen):
        for y, (piece, probability) in enumerate(look["guesses"][sentence]):
            strength = probability / surest
            plots.box(axes, (x + 0.04, y + 0.08), (0.92, 0.84),
                      f"{piece}  {_percent(probability)}", PALE_TO_BLUE(strength),
                      "white" if strength > 0.45 else INK, fontsize=9.5)
    axes.set_xticks(np.arange(len(chosen)) + 0.5,
                    [f"{look['step']:,}\n{look['reviews']['top5']:.0%}" for look in chosen])
    axes.set(yticks=[], xlim=(0, len(chosen)), ylim=(5, 0))
    plots.without_frame(axes)
    said = "; ".join(f"step {look['step']:,} ({look['reviews']['top5']:.0%}): "
                     + plots.listed({p: f"{s:.0%}" for p, s in look["guesses"][sentence]})
                     for look in chosen)
    plots.finish(axes, f"The five best guesses for “{sentence}” by {said}.",
                 xlabel="steps of training, and how often a hidden word was among the five",
                 title=f"“{sentence}”: the five best guesses")


def _percent(share):
    return f"{share:.0%}" if share >= 0.005 else "<1%"


@plots.styled
def learning_curve(accuracies, chance=0.5):
    """Draw accuracy over the number of labels, {model: {count: [accuracy of each seed]}}.

    The line is the mean of the seeds, which are dots; its colour is the model's.
    """
    _, axes = plots.new(height=3.9)
    means = {name: {n: statistics.mean(each) for n, each in row.items()}
             for name, row in accuracies.items()}
    for name, row in sorted(means.items(), key=lambda item: -max(item[1].values())):
        line, = axes.plot(row.keys(), row.values(), label=name)
        for count, each in accuracies[name].items():
            axes.plot([count] * len(each), each, "o", color=line.get_color(), ms=3.5, alpha=0.5)
    counts = sorted({n for row in means.values() for n in row})
    axes.set_xscale("log")
    axes.set_xticks(counts, [f"{n:,}" for n in counts])
    axes.xaxis.set_minor_locator(NullLocator())
    plots.mark_level(axes, chance, "chance")
    best = {name: f"{row[max(row)]:.3f} with {max(row):,}" for name, row in means.items()}
    plots.finish(axes, f"Lines of test accuracy over the number of labels: {plots.listed(best)}.",
                 xlabel="labelled reviews to learn from (dots: one seed each; lines: their mean)",
                 ylabel="test accuracy", title=_worth(means))


def _worth(means):
    """Say how many labels pretraining saves, as far as the data show it."""
    tuned, scratch = means["fine-tuned"], means["from scratch"]
    most = max(scratch)
    best = round(max(scratch.values()), 2)  # as it is printed
    enough = [n for n, accuracy in tuned.items() if round(accuracy, 2) >= best]
    if not enough or min(enough) >= most:
        return "Accuracy by the number of labels"
    return f"Fine-tuned on {min(enough):,} reviews: as good as from scratch on {most:,}"
