"""The picture of notebook 12: which classes are taken for which."""

import numpy as np
from matplotlib.patches import Rectangle

from helpers import plots, tables
from helpers.plots import INK, ORANGE, PALE_TO_BLUE


@plots.styled
def confusion(matrix, names):
    """Draw a confusion matrix, (classes, classes) counts with the true class by row.

    The pair that is most often confused is framed, and named in the title.
    """
    matrix, names = np.array(matrix), [tables.short(name, 14) for name in names]
    share = matrix / matrix.sum(1, keepdims=True).clip(1)
    wrong = matrix * (1 - np.eye(len(matrix), dtype=int))
    true, taken = np.unravel_index(wrong.argmax(), wrong.shape)
    _, axes = plots.new(height=0.48 * len(names) + 1.7, width=6.6)
    axes.imshow(share, cmap=PALE_TO_BLUE, vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            axes.text(column, row, count, ha="center", va="center", weight="bold",
                      color="white" if share[row, column] > 0.45 else INK)
    title = "No text is taken for another class"
    if wrong.any():
        axes.add_patch(Rectangle((taken - 0.5, true - 0.5), 1, 1, fill=False, ec=ORANGE,
                                 lw=2.5))
        title = (f"Most often confused: {wrong[true, taken]} of {matrix[true].sum()} "
                 f"“{names[true]}” taken for “{names[taken]}”")
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    plots.without_frame(axes)
    axes.figure.suptitle(title, x=0.01, ha="left")
    right = plots.listed({name: f"{matrix[i, i]} of {matrix[i].sum()}"
                          for i, name in enumerate(names)})
    plots.finish(axes, f"Confusion matrix of {len(names)} classes. Right: {right}. {title}.",
                 xlabel="predicted (colour: share of the row)", ylabel="true")
