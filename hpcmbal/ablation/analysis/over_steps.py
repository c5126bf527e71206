"""How an arm's difference from the reference develops with the length of training, from runs with horizons.

Every seed gives a slope of its own: of the logarithmic difference on the decimal logarithm of steps, by least squares.
The horizons of one seed come from one training and depend on each other; seeds do not, and are the replicates here as
everywhere (`hpcmbal.ablation.analysis.statistics`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal, TypeAlias

from hpcmbal.ablation.analysis.bd_effect import bd_logs
from hpcmbal.ablation.analysis.effect import BD_RATE, Effect, J, Metric, effect_of_seeds, percent
from hpcmbal.ablation.analysis.pairs import Pair, Place, RunIndex, index_runs, pair_runs, unusable
from hpcmbal.ablation.analysis.statistics import Estimate, mean_by_seed, mean_estimate
from hpcmbal.ablation.analysis.wording import counted, interval_text, signed
from hpcmbal.ablation.run.records import RunRecord

Trend: TypeAlias = Literal["grows", "stays", "shrinks", "vanishes", "turns", "no difference", "unclear"]

Logs: TypeAlias = Mapping[int, float]
"""Difference of each seed, as the logarithm of a ratio."""

Runs: TypeAlias = Mapping[Place, RunRecord]
"""Of one arm at one horizon."""


@dataclass(frozen=True)
class EqualSteps:
    """How long the reference trains to be as good as an arm at a horizon.

    Attributes:
        steps: The fewest steps, between horizons on a logarithmic scale; the bound itself if there is one.
        bound: "more than" the last horizon or "at most" the first: nothing is known beyond them.
        low: Lower end of the 95 % interval over seeds; None if a seed is beyond a bound, or alone.
        high: Upper end.
    """

    steps: float
    bound: Literal["", "more than", "at most"] = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class AtHorizon:
    """An arm against the reference after so many steps, both cooled down.

    Attributes:
        steps: Before the cool-down.
        effect: None without any pair.
        equal: The reference's steps that give the same; None if its own curves cannot be compared.
    """

    steps: int
    effect: Effect | None
    equal: EqualSteps | None


@dataclass(frozen=True)
class OverSteps:
    """One arm's difference over steps.

    Attributes:
        arm: Its name.
        metric: BD-rate, if more than half of the seeds have one at every horizon; else J.
        points: By rising steps.
        slope: Change of the logarithmic difference for ten times as many steps; None with one horizon, or if no seed
            has results at all of them.
        trend: In a word.
        sentence: For people, with the arm's name.
    """

    arm: str
    metric: Metric
    points: tuple[AtHorizon, ...]
    slope: Estimate | None
    trend: Trend
    sentence: str


def effects_over_steps(records: Sequence[RunRecord], arms: Sequence[str], reference: str) -> tuple[OverSteps, ...]:
    """Every arm but the reference over the horizons of its runs; empty if they have none.

    Args:
        records: Of all runs at all horizons.
        arms: In the order of tables.
        reference: One of them.
    """
    horizons = sorted({record.horizon for record in records if record.horizon is not None})
    indices = {
        horizon: index_runs([record for record in records if record.horizon == horizon], arms) for horizon in horizons
    }
    lambdas = len({record.lmbda for record in records})
    return tuple(_arm(arm, reference, indices, lambdas) for arm in arms if arm != reference and horizons)


def _arm(arm: str, reference: str, indices: Mapping[int, RunIndex], lambdas: int) -> OverSteps:
    pairs = {horizon: pair_runs(index, arm, reference)[0] for horizon, index in indices.items()}
    metric = BD_RATE if all(_speaks(found, lambdas) for found in pairs.values()) else J
    logs = {horizon: _logs(metric, found, lambdas) for horizon, found in pairs.items()}
    own = {horizon: index[reference] for horizon, index in indices.items()}
    points = tuple(
        AtHorizon(
            horizon,
            effect_of_seeds(metric, found, len(pairs[horizon])) if found else None,
            _equal_steps(metric, own, horizon, found, lambdas),
        )
        for horizon, found in logs.items()
    )
    slope = _slope(logs)
    trend = _trend(points, slope)
    return OverSteps(arm, metric, points, slope, trend, _sentence(arm, reference, points, slope, trend))


def _speaks(pairs: Sequence[Pair], lambdas: int) -> bool:
    return len(bd_logs(pairs, lambdas).by_seed) * 2 > len({pair.seed for pair in pairs})


def _logs(metric: Metric, pairs: Sequence[Pair], lambdas: int) -> Logs:
    if metric is BD_RATE:
        return bd_logs(pairs, lambdas).by_seed
    found = [(pair.seed, metric.difference(pair)) for pair in pairs]
    return mean_by_seed((seed, value) for seed, value in found if value is not None)


def _slope(logs: Mapping[int, Logs]) -> Estimate | None:
    seeds = sorted(set.intersection(*(set(found) for found in logs.values())))
    if len(logs) < 2 or not seeds:
        return None
    x = [math.log10(horizon) for horizon in logs]
    centred = [value - fmean(x) for value in x]
    spread = math.fsum(value**2 for value in centred)
    return mean_estimate(
        [
            math.fsum(dx * found[seed] for dx, found in zip(centred, logs.values(), strict=True)) / spread
            for seed in seeds
        ]
    )


def _trend(points: Sequence[AtHorizon], slope: Estimate | None) -> Trend:
    """What the intervals allow to say: each horizon's, and that of the slope."""
    effects = [point.effect for point in points]
    if slope is None or slope.standard_error is None or effects[0] is None or effects[-1] is None:
        return "unclear"
    signs = [_sign(effect.low, effect.high) if effect is not None else 0 for effect in effects]
    direction = _sign(*(slope.interval() or (None, None)))
    if direction == 0:
        if signs[-1] != 0:
            return "stays"
        return "unclear" if any(signs) else "no difference"
    if signs[0] != 0 and direction != signs[0]:
        if signs[-1] == 0:
            return "vanishes"
        return "shrinks" if signs[-1] == signs[0] else "turns"
    return "grows" if signs[-1] == direction else "unclear"


def _sign(low: float | None, high: float | None) -> int:
    """Of an interval: 0 if it holds 0, or is not known."""
    if low is None or high is None or low <= 0 <= high:
        return 0
    return 1 if low > 0 else -1


_MEANING: Mapping[Trend, str] = {
    "grows": "the difference from {reference} grows with steps",
    "stays": "the difference from {reference} stays: no change with steps can be shown",
    "shrinks": "the difference from {reference} shrinks with steps, and is still there at the last horizon",
    "vanishes": "the difference from {reference} vanishes: it shrinks with steps until none can be shown",
    "turns": "the difference from {reference} turns into its opposite",
    "no difference": "no difference from {reference} can be shown at any horizon, nor any change with steps",
    "unclear": "whether the difference from {reference} grows, stays or vanishes cannot be told at this size",
}


def _sentence(arm: str, reference: str, points: Sequence[AtHorizon], slope: Estimate | None, trend: Trend) -> str:
    parts = [
        f"{interval_text(point.effect)} at {point.steps:,} steps"
        for point in (points[0], points[-1])
        if point.effect is not None
    ]
    effect = next((point.effect for point in points if point.effect is not None), None)
    numbers = f": {effect.metric.label} {', '.join(parts)}" if effect is not None else ""
    change = f"; {slope_text(slope)}" if slope is not None else ""
    return f"{arm}: {_MEANING[trend].format(reference=reference)}{numbers}{change}."


def slope_text(slope: Estimate) -> str:
    """A slope for people: "+2.90 % for each tenfold of steps (95 % interval +1.02 to +4.81, 3 seeds)"."""
    ends = slope.interval()
    seeds = counted(slope.replicates, "seed")
    interval = (
        f"95 % interval {signed(percent(ends[0]))} to {signed(percent(ends[1]))}, {seeds}" if ends else "one seed"
    )
    return f"{signed(percent(slope.mean))} % for each tenfold of steps ({interval})"


def equal_text(equal: EqualSteps | None) -> str:
    """Steps for people: "4,120 (3,300 to 5,150)", "more than 10,000", or a dash."""
    if equal is None:
        return "–"
    text = f"{equal.bound} {equal.steps:,.0f}".strip()
    return text if equal.low is None or equal.high is None else f"{text} ({equal.low:,.0f} to {equal.high:,.0f})"


def _equal_steps(
    metric: Metric, runs: Mapping[int, Runs], horizon: int, arm_logs: Logs, lambdas: int
) -> EqualSteps | None:
    """Where the reference's own curve over steps, against its result at `horizon`, meets the arm's.

    Args:
        metric: To compare in.
        runs: Of the reference, by horizon.
        horizon: Of the arm's result.
        arm_logs: The arm against the reference there.
        lambdas: How many the study has.
    """
    own = {other: _logs(metric, _own_pairs(found, runs[horizon]), lambdas) for other, found in runs.items()}
    own[horizon] = dict.fromkeys(arm_logs, 0.0)
    known = {other: found for other, found in own.items() if set(found) >= set(arm_logs)}
    if not arm_logs or len(known) < 2:
        return None
    by_seed = {
        seed: _crossing({other: found[seed] for other, found in known.items()}, arm_logs[seed]) for seed in arm_logs
    }
    mean = _crossing(
        {other: fmean(found[seed] for seed in arm_logs) for other, found in known.items()}, fmean(arm_logs.values())
    )
    if mean.bound or any(found.bound for found in by_seed.values()):
        return mean
    steps = mean_estimate([math.log(found.steps) for found in by_seed.values()])
    low, high = (math.exp(end) for end in steps.interval() or (math.nan, math.nan))
    if math.isnan(low):
        return EqualSteps(math.exp(steps.mean))
    return EqualSteps(math.exp(steps.mean), low=low, high=high)


def _own_pairs(runs: Runs, others: Runs) -> list[Pair]:
    """Runs of the reference at two horizons, by lambda and seed."""
    return [
        Pair(run, others[place])
        for place, run in runs.items()
        if place in others and unusable(run) is None and unusable(others[place]) is None
    ]


def _crossing(curve: Mapping[int, float], target: float) -> EqualSteps:
    """The fewest steps at which `curve` (lower is better, by rising steps) is at or below `target`."""
    ordered = sorted(curve.items())
    if ordered[0][1] <= target:
        return EqualSteps(ordered[0][0], "at most")
    for (steps, value), (later, lower) in itertools.pairwise(ordered):
        if lower <= target:
            share = (value - target) / (value - lower)
            return EqualSteps(math.exp(math.log(steps) + share * math.log(later / steps)))
    return EqualSteps(ordered[-1][0], "more than")
