"""The picture of notebook 04: which class the texts of each class were given."""

from sklearn.metrics import ConfusionMatrixDisplay

from helpers import plots


@plots.styled
def confusion_matrix(labels, predictions, names):
    """Draw how many texts of each true class were given each class, with the numbers."""
    figure, axes = plots.new(height=3.3, width=3.9)
    counts = ConfusionMatrixDisplay.from_predictions(
        labels, predictions, labels=range(len(names)), display_labels=names, ax=axes,
        cmap=plots.PALE_TO_BLUE, colorbar=False, text_kw={"size": 15, "weight": "bold"},
    ).confusion_matrix
    plots.without_frame(axes)
    axes.set(xlabel="predicted", ylabel="true",
             title=f"{counts.trace()} of {counts.sum()} right (diagonal)")
    rows = [f"of {counts[i].sum()} {name}, {counts[i, i]} right" for i, name in enumerate(names)]
    plots.show(figure, f"Confusion matrix: {'; '.join(rows)}.")
