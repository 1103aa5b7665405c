"""The picture of a report on texts: their classes, labels or numbers by split, and lengths."""

import math

from helpers import plots, tables
from helpers.plots import GREY, MUTED, ORANGE

CLASSES = 8  # that are drawn
SHOWN = {"class": "classes'", "labels": "labels'", "number": "ranges'"}


@plots.styled
def data_report(report):
    """Draw the classes of each split as shares, and the lengths with the cut marked.

    `report` is what `texts.report` returns. Of many classes the largest are drawn.
    """
    rows = min(len(report.counts["train"]), CLASSES)
    upper = 0.9 + 0.18 * rows * len(report.counts)  # inches
    figure, (bars, histogram) = plots.new(height=upper + 2.6, rows=2,
                                          gridspec_kw={"height_ratios": [upper, 2.6]})
    shown = _classes(bars, report)
    cut = _lengths(histogram, report)
    plots.show(figure, f"Two panels. Bars of the {SHOWN[report.kind]} shares by split: {shown}. "
                       f"Histogram of tokens a text: {cut}, the longest has {report.longest}.")


def percent(share):
    """Return a share in per cent, one below 1 % or just below 100 % with a digit more."""
    return f"{share:.1%}" if 0 < share < 0.01 or 0.99 < share < 1 else f"{share:.0%}"


def _classes(axes, report):
    train = report.counts["train"]
    largest = sorted(train, key=train.get, reverse=True)[:CLASSES]
    names = [c for c in train if c in largest]
    height = 0.8 / len(report.counts)
    for place, (split, counts) in enumerate(report.counts.items()):
        total = max(1, report.sizes[split])
        drawn = axes.barh([row + place * height for row in range(len(names))],
                          [counts[c] / total for c in names], height=0.9 * height,
                          label=f"{split}: {total:,}")
        axes.bar_label(drawn, [f"{counts[c]:,}" for c in names], padding=4, fontsize=9)
    plots.name_rows(axes, names)
    axes.set_yticks([row + 0.4 - height / 2 for row in range(len(names))],
                    [tables.short(c, 26) for c in names])
    share = train[report.majority] / report.sizes["train"]
    what = "labels" if report.kind == "labels" else "classes"
    more = f", the {len(names)} largest of {len(train)} {what}" if len(names) < len(train) else ""
    axes.set(xlabel="share of the split's texts (numbers: texts)" + more, xlim=(0, None))
    axes.margins(x=0.12)
    called = f", “{report.majority}”," if len(report.majority) <= 12 else ""
    largest = {"class": f"The largest class{called} has",
               "labels": f"The most frequent label{called} is that of",
               "number": f"The fullest range{called} has"}[report.kind]
    axes.set_title(f"{largest} {share:.0%} of the training texts", fontsize=11)
    axes.figure.legend(loc="outside upper right", ncols=len(report.counts), fontsize=9)
    return "; ".join(
        f"{tables.short(c, 26)} " + ", ".join(
            f"{counts[c]} in {split}" for split, counts in report.counts.items())
        for c in names)


def _lengths(axes, report):
    most = max(*report.lengths, report.max_length)
    # A few giants would press all the others into one bar.
    end = min(most, max(2 * sorted(report.lengths)[math.ceil(0.99 * len(report.lengths)) - 1],
                        report.max_length + 8))
    width = max(1, math.ceil(end / 40))  # of a bar, in tokens
    lengths = [min(length, end) for length in report.lengths]
    axes.hist(lengths, bins=range(0, end + 2 * width, width), color=MUTED, ec="white",
              align="left")
    axes.axvline(report.max_length, color=ORANGE, lw=1.6)
    right = report.max_length > 0.6 * end
    axes.annotate(f"cut at {report.max_length}", (report.max_length, 1), color=ORANGE, va="top",
                  xytext=(-5 if right else 5, 0), textcoords="offset points",
                  ha="right" if right else "left", xycoords=axes.get_xaxis_transform(),
                  bbox={"color": "white", "pad": 1})
    if end < most:
        axes.annotate("and longer", (1, 0), xycoords="axes fraction", xytext=(0, 14),
                      textcoords="offset points", ha="right", color=GREY)
    read = "read in windows" if report.keep == "windows" else "cut"
    cut = (f"{percent(report.cut)} of the texts are longer than {report.max_length} tokens "
           f"and are {read}" if report.cut else
           f"No text is longer than {report.max_length} tokens")
    sample = f" (a sample of {len(report.lengths):,})" if report.sampled else ""
    axes.set(xlabel="tokens in a text, with those that the tokenizer adds" + sample,
             ylabel="texts", xlim=(0, None))
    axes.set_title(cut, fontsize=11)
    return cut
