"""All arms of a study against its reference, from the records of its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpcmbal.ablation.analysis.bd_effect import BdEffect, bd_effect
from hpcmbal.ablation.analysis.effect import METRICS, Effect, J, Metric, paired_effect
from hpcmbal.ablation.analysis.over_steps import OverSteps, effects_over_steps
from hpcmbal.ablation.analysis.pairs import LeftOut, Pair, Place, RunIndex, index_runs, pair_runs, places, unusable
from hpcmbal.ablation.analysis.statistics import Estimate, mean_estimate
from hpcmbal.ablation.analysis.verdict import Evidence, Verdict, judge
from hpcmbal.ablation.run.records import RunRecord
from hpcmbal.errors import DataError

METHOD = "paired t over seeds"
"""How intervals and p-values are made, for tables; docs/ablation-statistics.md has the whole of it."""


@dataclass(frozen=True)
class LambdaEffects:
    """Differences at one lambda, by key of the metric; metrics without any pair are left out."""

    lmbda: float
    effects: Mapping[str, Effect]


@dataclass(frozen=True)
class ArmComparison:
    """One arm against the reference.

    Attributes:
        arm: Its name.
        verdict: What the study says about it.
        effects: Differences over all lambdas and seeds, by key of the metric.
        by_lmbda: The same at each lambda alone: for looking at, without correction for how many there are.
        bd: BD-rates.
        pairs: Runs that were compared.
        left_out: Places at which they could not be.
    """

    arm: str
    verdict: Verdict
    effects: Mapping[str, Effect]
    by_lmbda: tuple[LambdaEffects, ...]
    bd: BdEffect
    pairs: int
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class ArmMeans:
    """What an arm achieved at one lambda: means over its usable runs, one a seed, by key of the metric.

    Attributes:
        arm: Its name.
        lmbda: Where.
        means: With the t interval over seeds, which here holds all that seeds differ in: it is wider than the interval
            of a paired difference, and overlapping ones do not mean that arms are equal.
        values: What the means are of, in the order of `seeds`; a metric that some run lacks is shorter.
        seeds: Of the runs, ascending.
    """

    arm: str
    lmbda: float
    means: Mapping[str, Estimate]
    values: Mapping[str, tuple[float, ...]]
    seeds: tuple[int, ...]

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return len(self.seeds)


@dataclass(frozen=True)
class StudyComparison:
    """What a study found.

    Attributes:
        arms: In the study's order, the reference among them.
        reference: What the others are compared with.
        lambdas: At which there are runs, ascending.
        seeds: With which there are runs, ascending.
        comparisons: One for each arm but the reference.
        means: One for each arm and lambda with usable runs.
        failed: Runs without a result, once each.
        images: How many the runs were evaluated on.
        steps: How long they trained; more than one number if arms or lambdas differ.
        notes: What a reader should know about the whole.
        horizon: Steps before the cool-down of all of the above, the longest; None in a study without horizons.
        over_steps: The arms over all horizons; empty without.
    """

    arms: tuple[str, ...]
    reference: str
    lambdas: tuple[float, ...]
    seeds: tuple[int, ...]
    comparisons: tuple[ArmComparison, ...]
    means: tuple[ArmMeans, ...]
    failed: tuple[LeftOut, ...]
    images: int
    steps: tuple[int, ...]
    notes: tuple[str, ...]
    horizon: int | None = None
    over_steps: tuple[OverSteps, ...] = ()


def compare_arms(records: Sequence[RunRecord], arms: Sequence[str], reference: str) -> StudyComparison:
    """Compare every arm with the reference, paired by seed and lambda; verdicts are about the longest horizon.

    Args:
        records: Of all runs, in any order; those of other arms are ignored.
        arms: Names in the order of tables, each once.
        reference: One of them.

    Raises:
        DataError: There are no records, an arm is named twice, the reference is not among the arms, or a run is there
            twice.
    """
    if len(set(arms)) != len(arms) or reference not in arms:
        raise DataError(
            f"Cannot compare arms {', '.join(arms) or '(none)'} with reference '{reference}': every arm must be named "
            "once, and the reference must be one of them."
        )
    horizon = max((record.horizon for record in records if record.horizon is not None), default=None)
    index = index_runs([record for record in records if record.horizon == horizon], arms)
    found = places(index)
    if not found:
        raise DataError(f"Nothing to compare: none of the {len(records)} records belongs to {', '.join(arms)}.")
    lambdas = tuple(sorted({lmbda for lmbda, _ in found}))
    others = [arm for arm in arms if arm != reference]
    paired = {arm: pair_runs(index, arm, reference) for arm in others}
    evidence = [_evidence(index, arm, *paired[arm], len(lambdas)) for arm in others]
    usable = [run for runs in index.values() for run in runs.values() if unusable(run) is None]
    return StudyComparison(
        arms=tuple(arms),
        reference=reference,
        lambdas=lambdas,
        seeds=tuple(sorted({seed for _, seed in found})),
        comparisons=tuple(
            _arm_comparison(item, verdict, *paired[item.arm])
            for item, verdict in zip(evidence, judge(evidence, reference), strict=True)
        ),
        means=tuple(_means(index, arms, lambdas)),
        failed=_failed(index, arms, found),
        images=max((len(run.samples) for run in usable), default=0),
        steps=tuple(sorted({run.steps for run in usable})),
        notes=tuple(_notes(paired, evidence, usable)),
        horizon=horizon,
        over_steps=effects_over_steps(records, arms, reference),
    )


def _evidence(
    index: RunIndex, arm: str, pairs: tuple[Pair, ...], left_out: tuple[LeftOut, ...], lambdas: int
) -> Evidence:
    failed = sum(unusable(index[arm].get(place)) is not None for place in places(index))
    j, bd = paired_effect(J, pairs), bd_effect(pairs, lambdas)
    early = any(run.stops_early for pair in pairs for run in (pair.arm, pair.reference))
    return Evidence(arm, j, bd, len(pairs), len(left_out), failed, len(pairs) + len(left_out), early)


def _arm_comparison(
    evidence: Evidence, verdict: Verdict, pairs: tuple[Pair, ...], left_out: tuple[LeftOut, ...]
) -> ArmComparison:
    lambdas = sorted({pair.lmbda for pair in pairs})
    return ArmComparison(
        arm=evidence.arm,
        verdict=verdict,
        effects=_effects(pairs),
        by_lmbda=tuple(
            LambdaEffects(lmbda, _effects([pair for pair in pairs if pair.lmbda == lmbda])) for lmbda in lambdas
        ),
        bd=evidence.bd,
        pairs=len(pairs),
        left_out=left_out,
    )


def _effects(pairs: Sequence[Pair]) -> dict[str, Effect]:
    effects = {metric.key: paired_effect(metric, pairs) for metric in METRICS}
    return {key: effect for key, effect in effects.items() if effect is not None}


def _means(index: RunIndex, arms: Sequence[str], lambdas: Sequence[float]) -> list[ArmMeans]:
    means = []
    for arm in arms:
        for lmbda in lambdas:
            runs = [run for (where, _), run in sorted(index[arm].items()) if where == lmbda and unusable(run) is None]
            if runs:
                values = {metric.key: _values(metric, runs) for metric in METRICS}
                found = {key: mean_estimate(column) for key, column in values.items() if column}
                means.append(ArmMeans(arm, lmbda, found, values, tuple(run.seed for run in runs)))
    return means


def _values(metric: Metric, runs: Sequence[RunRecord]) -> tuple[float, ...]:
    return tuple(value for run in runs if (value := metric.value(run)) is not None)


def _failed(index: RunIndex, arms: Sequence[str], found: Sequence[Place]) -> tuple[LeftOut, ...]:
    reasons = [(arm, place, unusable(index[arm].get(place))) for arm in arms for place in found]
    return tuple(LeftOut(arm, *place, reason) for arm, place, reason in reasons if reason is not None)


def _notes(
    paired: Mapping[str, tuple[tuple[Pair, ...], tuple[LeftOut, ...]]],
    evidence: Sequence[Evidence],
    usable: Sequence[RunRecord],
) -> list[str]:
    notes = []
    early = list(dict.fromkeys(run.arm for run in usable if run.stops_early))
    if early:
        notes.append(
            f"Early stopping chose the weights of {', '.join(early)} by the evaluation images, which favours "
            "them: they have the best of their validations, other arms the weights after the last step."
        )
    seeds = max((item.j.estimate.replicates for item in evidence if item.j), default=0)
    if seeds == 1:
        notes.append("One seed: differences are shown, but nothing can be said about chance. Three seeds are a start.")
    elif 2 <= seeds <= 3:
        factor = {2: "12.7", 3: "4.3"}[seeds]
        notes.append(f"{seeds} seeds: intervals reach {factor} standard errors to either side and are wide.")
    for arm, (pairs, _) in paired.items():
        counts = {seed: sum(pair.seed == seed for pair in pairs) for seed in {pair.seed for pair in pairs}}
        if len(set(counts.values())) > 1:
            notes.append(
                f"{arm}: seeds are averages over different numbers of lambdas ({min(counts.values())} to "
                f"{max(counts.values())}), because runs are missing."
            )
    return notes
