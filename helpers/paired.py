"""Two models on the same texts, compared text by text."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Paired:
    """How many of `n` texts only the first of two models gets right, and how many the second."""

    only_first: int
    only_second: int
    n: int

    @property
    def difference(self):
        """The accuracy of the second model minus that of the first."""
        return (self.only_second - self.only_first) / self.n

    @property
    def interval(self):
        """The 95 % interval of the difference, as (low, high).

        Agresti, A. and Min, Y. (2005), "Simple improved confidence intervals for comparing
        matched proportions", Statistics in Medicine 24: half a text is added to each count.
        """
        first, second, n = self.only_first + 0.5, self.only_second + 0.5, self.n + 2
        middle = (second - first) / n
        half = 1.96 * math.sqrt(first + second - (second - first) ** 2 / n) / n
        return middle - half, middle + half

    @property
    def p_value(self):
        """How often chance alone parts the texts at least as unevenly: McNemar's exact test.

        McNemar, Q. (1947), "Note on the sampling error of the difference between correlated
        proportions or percentages", Psychometrika 12.
        """
        from scipy.stats import binomtest

        apart = self.only_first + self.only_second
        return float(binomtest(self.only_second, apart).pvalue) if apart else 1.0

    def __str__(self):
        low, high = (100 * bound for bound in self.interval)
        return (f"{100 * self.difference:+.1f} points (95 %: {low:+.1f} to {high:+.1f}; right "
                f"alone {self.only_second} times against {self.only_first}, "
                f"p = {self.p_value:.2g})")


def compare(first, second, labels):
    """Return the `Paired` comparison of two models' predictions, all of shape (texts,)."""
    pairs = [(a == y, b == y) for a, b, y in zip(first, second, labels, strict=True)]
    return Paired(pairs.count((True, False)), pairs.count((False, True)), len(pairs))


@dataclass(frozen=True)
class OverSeeds:
    """The difference in accuracy of two models that were trained several times.

    `by_seed` are the differences of each training, `interval` is (low, high) at 95 %.
    """

    by_seed: tuple
    interval: tuple

    @property
    def difference(self):
        """The mean accuracy of the second model minus that of the first."""
        return sum(self.by_seed) / len(self.by_seed)

    def __str__(self):
        low, high = (100 * bound for bound in self.interval)
        ahead = sum(difference > 0 for difference in self.by_seed)
        return (f"{100 * self.difference:+.1f} points (95 %: {low:+.1f} to {high:+.1f}; ahead in "
                f"{ahead} of {len(self.by_seed)} trainings)")


def compare_seeds(first, second, labels, draws=4000):
    """Return the `OverSeeds` comparison of two models' predictions, both (seeds, texts).

    Row by row both models were trained with one seed, on the same reviews. A text that is hard
    is hard in every row, so the answers of the rows are not independent: the interval is a
    bootstrap that draws both anew, seeds and texts. Owen, A. B. (2007), "The pigeonhole
    bootstrap", Annals of Applied Statistics 1.
    """
    import numpy as np

    labels = np.asarray(labels)
    ahead = ((np.asarray(second) == labels).astype(float)
             - (np.asarray(first) == labels).astype(float))  # (seeds, texts): 1, 0 or -1
    random, (seeds, texts) = np.random.default_rng(0), ahead.shape
    seed_counts = random.multinomial(seeds, [1 / seeds] * seeds, size=draws)
    text_counts = random.multinomial(texts, [1 / texts] * texts, size=draws)
    means = ((seed_counts @ ahead) * text_counts).sum(1) / ahead.size
    low, high = np.quantile(means, [0.025, 0.975])
    return OverSeeds(tuple(ahead.mean(1).tolist()), (float(low), float(high)))
