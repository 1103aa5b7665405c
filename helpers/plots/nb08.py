"""The pictures of notebook 08: few labels, domains, what is forgotten, a planted signature."""

import numpy as np

from helpers import plots
from helpers.plots import GREY, INK, PALE_TO_BLUE

differences = plots.differences


@plots.styled
def curve(accuracies, title, chance=0.5, levels=()):
    """Draw accuracy by number of labels, {model: {labels: [accuracy of each draw]}}.

    A line joins the means, a small dot is a draw; `levels` are (accuracy, name) without labels.
    """
    _, axes = plots.new(height=4.2)
    said = []
    for name, by_count in accuracies.items():
        means = {count: float(np.mean(each)) for count, each in by_count.items()}
        line, = axes.plot(means.keys(), means.values(), "o-", label=name, mec="white", ms=7)
        for count, each in by_count.items():
            axes.plot([count] * len(each), each, ".", color=line.get_color(), ms=4, alpha=0.6)
        said.append(f"{name}: " + plots.listed({n: f"{m:.2f}" for n, m in means.items()}))
    for level, name in levels:
        _level_named_at_the_left(axes, level, name)
    plots.mark_level(axes, chance, "guessing")
    counts = sorted({count for by_count in accuracies.values() for count in by_count})
    axes.set_xscale("log")
    shown = [n for n in counts if n in (16, 32, 64, 200, 400, 800)] + [counts[-1]]
    axes.set_xticks(shown, shown)
    axes.set_xticks([], minor=True)
    plots.finish(axes, f"Accuracy by number of labels. {'. '.join(said)}.", title=title,
                 xlabel="labelled reviews (logarithmic); small dots: one draw each",
                 ylabel="accuracy on the test reviews")


@plots.styled
def matrix(shares, names, title):
    """Draw a grid of accuracies (domains, domains): learnt in the row, judged in the column."""
    figure, axes = plots.new(height=4.9)
    shares = np.asarray(shares)
    low, high = shares.min(), shares.max()
    axes.imshow(shares, cmap=PALE_TO_BLUE, vmin=low, vmax=high, aspect="auto")
    for row, column in np.ndindex(shares.shape):
        dark = shares[row, column] > (low + high) / 2
        axes.text(column, row, f"{shares[row, column]:.2f}"[1:], ha="center", va="center",
                  color="white" if dark else INK, fontsize=9.5,
                  weight="bold" if row == column else "normal")
    axes.set_xticks(range(len(names)), names, rotation=40, ha="left", fontsize=9.5)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(names)), names, fontsize=9.5)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.suptitle(title, x=0.01, ha="left")
    figure.supxlabel("learnt from the domain of the row, judged on that of the column",
                     fontsize=10.5)
    lines = "; ".join(f"{name}: " + ", ".join(f"{share:.2f}" for share in row)
                      for name, row in zip(names, shares, strict=True))
    plots.show(figure, f"A grid of accuracies, learnt in the row, judged on each domain in the "
                       f"order of the rows. {lines}.")


@plots.styled
def cosines(scores, same, title):
    """Draw how cosines of pairs are spread, {when: (pairs,)}, apart for those that are the same.

    `same` is (pairs,) of 0 and 1.
    """
    figure, rows = plots.new(height=1.5 * len(scores) + 1.3, rows=len(scores), sharex=True)
    same, said = np.asarray(same, bool), []
    ends = np.linspace(min(-0.1, *(np.min(each) for each in scores.values())), 1, 34)
    for axes, (name, each) in zip(np.atleast_1d(rows), scores.items(), strict=True):
        each = np.asarray(each)
        for of, which in (("the same question twice", same), ("two different ones", ~same)):
            axes.hist(each[which], bins=ends, alpha=0.7, label=of)
        axes.set_ylabel("pairs")
        axes.set_title(name, fontsize=10.5, weight="normal")
        axes.grid(visible=False)
        said.append(f"{name}: mean {each[same].mean():.2f} and {each[~same].mean():.2f}")
    figure.suptitle(title, x=0.01, ha="left")
    axes.set_xlabel("cosine of the two questions")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    plots.show(figure, "Histograms of the cosines of pairs that ask the same and that do not. "
                       f"{'; '.join(said)}.")


@plots.styled
def kept(learnt, held, title, before, alone):
    """Draw what is left of the first task over what is learnt of the second.

    `learnt` and `held` are {way: [accuracy of each seed]}, of the second and the first task;
    `before` is the first one's accuracy before the second, `alone` the second one's by itself.
    """
    _, axes = plots.new(height=4.2)
    said = []
    for (name, second), marker in zip(learnt.items(), "osD^vP*X", strict=False):
        line, = axes.plot(np.mean(second), np.mean(held[name]), marker, ms=10, mec="white",
                          label=name, ls="none")
        axes.plot(second, held[name], marker, ms=4, color=line.get_color(), alpha=0.5)
        said.append(f"{name} {np.mean(second):.2f} and {np.mean(held[name]):.2f}")
    _level_named_at_the_left(axes, before, "reviews, before the messages")
    axes.axvline(alone, color=GREY, lw=1.2, ls="--")
    axes.annotate("messages alone", (alone, 0.03), xycoords=("data", "axes fraction"),
                  xytext=(-5, 0), textcoords="offset points", color=GREY, ha="right")
    plots.finish(axes, "What is learnt of the second task and what is left of the first: "
                       f"{', '.join(said)}. Before it was {before:.2f}, and the second task by "
                       f"itself gives {alone:.2f}.", title=title,
                 xlabel="accuracy on the messages, learnt second (small: one seed each)",
                 ylabel="accuracy on the reviews")


@plots.styled
def planted(results, title):
    """Draw accuracy by how reliable a signature was, {model: {side: {share: accuracy}}}.

    Of several accuracies, or of marks of 0 and 1, the mean is drawn.
    """
    models = [*results]
    figure, row = plots.new(height=3.6, columns=len(models), sharey=True)
    said = []
    for axes, model in zip(np.atleast_1d(row), models, strict=True):
        for (side, by_share), style in zip(results[model].items(), ("o-", "s-", "o--"),
                                           strict=True):
            means = {share: float(np.mean(each)) for share, each in by_share.items()}
            axes.plot(means.keys(), means.values(), style, label=side, mec="white", ms=7)
            said.append(f"{model}, {side}: " + plots.listed(
                {f"{share} %": f"{a:.2f}" for share, a in means.items()}))
        axes.set_title(model, fontsize=10.5, weight="normal")
        axes.set_xticks([*means])
        axes.set_xlabel("% of signatures under praise")
    np.atleast_1d(row)[0].set_ylabel("accuracy on the test reviews")
    figure.suptitle(title, x=0.01, ha="left")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    plots.show(figure, f"Accuracy by the reliability of the signature. {'; '.join(said)}.")


def _level_named_at_the_left(axes, level, name):
    axes.axhline(level, color=GREY, lw=1.2, ls="--")
    axes.annotate(name, (0.01, level), xytext=(0, 4), textcoords="offset points", color=GREY,
                  xycoords=("axes fraction", "data"))
