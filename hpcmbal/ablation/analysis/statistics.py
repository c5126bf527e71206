"""Means over seeds, their intervals, and tests that stay honest when several arms are tried.

Seeds are the replicates. A seed decides about initial weights, batches and quantisation noise, and all arms of a study
share them: the difference of two arms at one seed is free of what the seed does to both. Runs of one seed at several
lambdas see the same batches, so their differences are correlated; counting each as a replicate would make intervals
too narrow. They are averaged inside the seed first, and the t distribution has (seeds - 1) degrees of freedom.

Why t and no bootstrap: with three to five values, percentiles of resamples cover far less than they promise (three
values give ten different resamples), and a permutation test of three pairs cannot fall below p = 0.25. The t interval
covers exactly if differences are normal, and holds up well where they are symmetric. Its price is honest too: two seeds
give 12.7 standard errors to either side, three 4.3, five 2.8.

Student, "The probable error of a mean", Biometrika 6, 1908; Holm, "A simple sequentially rejective multiple test
procedure", Scandinavian Journal of Statistics 6, 1979.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
"""Of every interval; 1 minus it is the chance of at least one false verdict in a study."""


ROUNDING = 1e-9
"""Relative differences between replicates that are those of arithmetic."""


@dataclass(frozen=True)
class Estimate:
    """A mean over independent replicates, and how well it is known.

    Attributes:
        mean: Of the replicates.
        standard_error: Of the mean; None with one replicate, or where all are one value other than 0 (up to rounding):
            they say nothing about their own spread.
        replicates: How many there were, at least 1.
    """

    mean: float
    standard_error: float | None
    replicates: int

    def half_width(self, confidence: float = CONFIDENCE) -> float | None:
        """Half the width of the t interval: a mean that is no further from 0 cannot be told from 0."""
        if self.standard_error is None:
            return None
        return _t_quantile((1 + confidence) / 2, self.replicates - 1) * self.standard_error

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Lower and upper end of the t interval; None without a standard error."""
        half = self.half_width(confidence)
        return None if half is None else (self.mean - half, self.mean + half)

    @property
    def p_value(self) -> float | None:
        """Two-sided, of the hypothesis that the true mean is 0; None without a standard error."""
        if self.standard_error is None:
            return None
        if self.standard_error == 0:
            return 1.0
        return _t_tails(self.mean / self.standard_error, self.replicates - 1)


def mean_estimate(values: Sequence[float]) -> Estimate:
    """Mean and standard error of independent values, at least one.

    >>> found = mean_estimate([1.0, 2.0, 3.0])
    >>> found.mean, [round(end, 3) for end in found.interval()]
    (2.0, [-0.484, 4.484])
    >>> mean_estimate([1.0]).interval() is None, mean_estimate([0.1, 0.1, 0.1]).p_value is None
    (True, True)
    """
    count = len(values)
    mean = math.fsum(values) / count
    alike = max(values) - min(values) <= ROUNDING * abs(mean)
    if count == 1 or (alike and mean != 0):
        return Estimate(mean, None, count)
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return Estimate(mean, math.sqrt(variance / count), count)


def mean_by_seed(differences: Iterable[tuple[int, float]]) -> dict[int, float]:
    """Average the differences of each seed: from pairs (seed, difference), one for each lambda, to one value a seed.

    >>> mean_by_seed([(0, 1.0), (1, 4.0), (0, 3.0)])
    {0: 2.0, 1: 4.0}
    """
    collected: defaultdict[int, list[float]] = defaultdict(list)
    for seed, difference in differences:
        collected[seed].append(difference)
    return {seed: math.fsum(values) / len(values) for seed, values in sorted(collected.items())}


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values: calling those below a level true is wrong even once with at most that probability.

    Holds however the tests depend on each other, which matters here: all arms share one reference.

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return tuple(adjusted)


def simultaneous_confidence(tests: int) -> float:
    """Level of each of `tests` intervals so that all hold together (Bonferroni): what Holm's first step asks for."""
    return 1 - (1 - CONFIDENCE) / max(tests, 1)


def _t_quantile(probability: float, degrees: int) -> float:
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    return float(stdtrit(degrees, probability))


def _t_tails(t: float, degrees: int) -> float:
    from scipy.special import stdtr

    return float(2 * stdtr(degrees, -abs(t)))
