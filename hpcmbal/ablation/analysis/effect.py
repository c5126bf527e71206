"""The difference of an arm from the reference in one metric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hpcmbal.ablation.analysis.pairs import Pair
from hpcmbal.ablation.analysis.statistics import CONFIDENCE, Estimate, mean_by_seed, mean_estimate
from hpcmbal.ablation.run.records import RunRecord


@dataclass(frozen=True)
class Metric:
    """Something in which arms are compared.

    Attributes:
        key: Field of `RunRecord`, and name in files.
        label: For headings.
        unit: Of differences.
        relative: Differences are logarithms of ratios, shown in percent. J of different lambdas lies on different
            scales (it grows with lambda), so that a mean of plain differences would be about the largest lambda only;
            a ratio weighs every lambda alike, and its logarithm is the same both ways round.
        digits: Decimals of absolute values.
    """

    key: str
    label: str
    unit: str
    relative: bool
    digits: int

    def value(self, record: RunRecord) -> float | None:
        """What a run achieved; None if it was not measured."""
        found = getattr(record, self.key)
        return None if found is None else float(found)

    def difference(self, pair: Pair) -> float | None:
        """On the scale of analysis: log ratio or plain difference, arm against reference."""
        mine, other = self.value(pair.arm), self.value(pair.reference)
        if mine is None or other is None:
            return None
        if not self.relative:
            return mine - other
        return math.log(mine / other) if mine > 0 and other > 0 else None

    def shown(self, difference: float) -> float:
        """From the scale of analysis to `unit`."""
        return percent(difference) if self.relative else difference


ROUNDING = 1e-5
"""A thousandth of a percent, and a hundred-thousandth of a decibel."""

J = Metric("j", "J", "%", relative=True, digits=4)
BPP = Metric("bpp", "bpp", "%", relative=True, digits=4)
PSNR_DB = Metric("psnr_db", "PSNR dB", "dB", relative=False, digits=3)
SECONDS = Metric("seconds_per_step", "s/step", "%", relative=True, digits=4)
BD_RATE = Metric("bd_rate", "BD-rate", "%", relative=True, digits=2)
"""Not in a record: it belongs to all runs of a seed together (`bd_effect`)."""

METRICS = (J, BPP, PSNR_DB, SECONDS)


@dataclass(frozen=True)
class Effect:
    """Mean difference over seeds; `mean`, `low`, `high` and `by_seed` are in the metric's unit.

    Attributes:
        metric: What differs.
        estimate: On the scale of analysis.
        by_seed: Every seed's own difference, the average over its lambdas.
        pairs: How many pairs of runs are in it.
    """

    metric: Metric
    estimate: Estimate
    by_seed: tuple[tuple[int, float], ...]
    pairs: int

    @property
    def mean(self) -> float:
        """Of relative metrics the geometric mean of ratios, in percent."""
        return self.metric.shown(self.estimate.mean)

    @property
    def low(self) -> float | None:
        """Lower end of the 95 % interval; None with one seed."""
        return self._end(0)

    @property
    def high(self) -> float | None:
        """Upper end of the 95 % interval; None with one seed."""
        return self._end(1)

    def detectable(self, confidence: float = CONFIDENCE) -> float | None:
        """Half-width of the interval in the metric's unit: mean differences that are smaller do not count."""
        half = self.estimate.half_width(confidence)
        return None if half is None else self.metric.shown(half)

    def _end(self, side: int) -> float | None:
        ends = self.estimate.interval()
        return None if ends is None else self.metric.shown(ends[side])


def paired_effect(metric: Metric, pairs: Iterable[Pair]) -> Effect | None:
    """Difference over all pairs in which both runs have the metric, averaged inside seeds first; None without any."""
    found = [(pair.seed, metric.difference(pair)) for pair in pairs]
    differences = [(seed, value) for seed, value in found if value is not None]
    return effect_of_seeds(metric, mean_by_seed(differences), len(differences)) if differences else None


def effect_of_seeds(metric: Metric, by_seed: Mapping[int, float], pairs: int) -> Effect:
    """Effect from one difference for each seed, on the scale of analysis; at least one.

    Differences below `ROUNDING` are 0: the same weights give them, evaluated in another order.
    """
    by_seed = {seed: 0.0 if abs(value) < ROUNDING else value for seed, value in by_seed.items()}
    shown = tuple((seed, metric.shown(value)) for seed, value in by_seed.items())
    return Effect(metric, mean_estimate(list(by_seed.values())), shown, pairs)


def percent(log_ratio: float) -> float:
    """A logarithm of a ratio as a difference in percent; infinite if it is beyond any number.

    >>> round(percent(math.log(1.1)), 6)
    10.0
    """
    try:
        return 100 * math.expm1(log_ratio)
    except OverflowError:
        return math.inf
