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
