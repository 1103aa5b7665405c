"""How well numbers are predicted: correlation, mean absolute error, and how sure both are.

Also how a model that has learned them with mean 0 and standard deviation 1 answers on their scale.
"""
from dataclasses import dataclass

import numpy as np
import torch

from helpers.scores import DRAWS, middle, rounded


@dataclass(frozen=True)
class Scores:
    """The figures of predicted numbers on `n` texts, with 95 % intervals as (low, high).

    Correlations are None where one side is always the same. `mean` is that of the training texts
    and `mean_error` the mean absolute error of always answering it.
    """

    n: int
    pearson: float | None
    pearson_interval: tuple | None
    spearman: float | None
    spearman_interval: tuple | None
    error: float
    error_interval: tuple
    mean: float
    mean_error: float
    never_predicted = ()

    @property
    def varied(self):
        """Whether the answers differ."""
        return self.pearson is not None

    def figures(self):
        """Return the figures as metrics.json holds them, rounded to four digits."""
        return {
            "texts": self.n, "pearson": rounded(self.pearson),
            "pearson_interval_95": rounded(self.pearson_interval),
            "spearman": rounded(self.spearman),
            "spearman_interval_95": rounded(self.spearman_interval),
            "mean_absolute_error": round(self.error, 4),
            "mean_absolute_error_interval_95": rounded(self.error_interval),
            "baseline": {"answer": round(self.mean, 4),
                         "mean_absolute_error": round(self.mean_error, 4)},
        }

    def headlines(self):
        """Return a line with the main figure, where the table does not have it."""
        return []

    def warnings(self):
        """Return a line for everything that the correlation alone would hide."""
        if self.error_interval[1] < self.mean_error:
            return []
        return [f"Not shown to be better than always answering the mean, {self.mean:.3g}: that is "
                f"off by {self.mean_error:.3g} on average, and the interval of the mean error is "
                f"{self.error_interval[0]:.3g} to {self.error_interval[1]:.3g}."]

    def __str__(self):
        def line(what, value, interval):
            if value is None:
                return f"{what:<22} not defined: one side is always the same"
            low, high = interval
            return f"{what:<22} {value:>6.3g} (95 %: {low:.3g} to {high:.3g})"

        return "\n".join([
            line("correlation, Pearson", self.pearson, self.pearson_interval),
            line("by ranks, Spearman", self.spearman, self.spearman_interval),
            line("mean absolute error", self.error, self.error_interval),
            f"always {self.mean:.3g}, the mean: {self.mean_error:.3g}",
        ])


def scores(labels, predictions, seed=0, mean=None):
    """Return the `Scores` of predicted numbers for texts with these labels, both (texts,).

    `mean` is the baseline's answer; without it, the mean of `labels`. `seed` is the bootstrap's.
    """
    from scipy.stats import rankdata

    labels, predictions = np.asarray(labels, float), np.asarray(predictions, float)
    mean = float(labels.mean()) if mean is None else mean
    rows = np.random.default_rng(seed).integers(len(labels), size=(DRAWS, len(labels)))
    ranks = rankdata(labels), rankdata(predictions)
    return Scores(
        n=len(labels), pearson=correlation(labels, predictions),
        pearson_interval=_interval(labels, predictions, rows),
        spearman=correlation(*ranks), spearman_interval=_interval(*ranks, rows),
        error=float(np.abs(labels - predictions).mean()),
        error_interval=middle(np.abs(labels - predictions)[rows].mean(1)),
        mean=mean, mean_error=float(np.abs(labels - mean).mean()),
    )


def correlation(one, other):
    """Return Pearson's correlation of two arrays (n,), or None where one is always the same."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])


def _interval(one, other, rows):
    found = [correlation(one[drawn], other[drawn]) for drawn in rows]
    found = [value for value in found if value is not None]
    return middle(found) if found else None


def on_scale(model, task):
    """Let a model that has learned a `tasks.Number` answer on its scale, in place.

    Scale and shift go into the last linear layer; a head without biases, as GPT-2's, takes the
    scale alone, and the shift stands in the config as `number_shift`, which predict adds.
    """
    with torch.no_grad():
        head = _head(model)
        head.weight *= task.std
        if head.bias is not None:
            head.bias.mul_(task.std).add_(task.mean)
        else:
            model.config.number_shift = task.mean


def off_scale(model, task):
    """Undo `on_scale` for a model that is to go on learning, by the mean and std of a task."""
    with torch.no_grad():
        head = _head(model)
        head.weight /= task.std
        if head.bias is not None:
            head.bias.sub_(task.mean).div_(task.std)


def _head(model):
    """Return the last linear layer with one output."""
    return [module for module in model.modules()
            if isinstance(module, torch.nn.Linear) and module.out_features == 1][-1]
