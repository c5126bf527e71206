"""One sentence for each arm: better, worse, or not distinguishable at this size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hpcmbal.ablation.analysis.bd_effect import BdEffect
from hpcmbal.ablation.analysis.effect import BD_RATE, Effect, J
from hpcmbal.ablation.analysis.statistics import CONFIDENCE, holm, simultaneous_confidence
from hpcmbal.ablation.analysis.wording import counted, interval_text, p_text, signed, size_text

Finding: TypeAlias = Literal["better", "worse", "not distinguishable", "no verdict"]


@dataclass(frozen=True)
class Evidence:
    """What is known of one arm.

    Attributes:
        arm: Its name.
        j: Difference in J.
        bd: BD-rates.
        pairs: Pairs of runs that were compared.
        left_out: Places at which they could not be.
        failed: The arm's own runs without a result.
        runs: The arm's runs that should have had one.
        stops_early: Early stopping chose its weights, or those of the reference.
    """

    arm: str
    j: Effect | None
    bd: BdEffect
    pairs: int
    left_out: int
    failed: int
    runs: int
    stops_early: bool = False


@dataclass(frozen=True)
class Verdict:
    """What the study says about an arm.

    Attributes:
        finding: In a word; both metrics of verdicts are better when smaller.
        metric: Key of the metric that decided, BD-rate or J; None without any pair.
        p_value: Of the paired t test; None without replicates.
        p_adjusted: After Holm's correction for all arms of the study.
        detectable: Half-width of the 95 % interval in percent: a smaller mean difference does not count.
        detectable_simultaneous: The same when the study's arms are judged together (Bonferroni); a difference beyond it
            counts whatever the other arms show.
        sentence: For people, with the arm's name.
    """

    finding: Finding
    metric: str | None
    p_value: float | None
    p_adjusted: float | None
    detectable: float | None
    detectable_simultaneous: float | None
    sentence: str


def primary_effect(evidence: Evidence) -> Effect | None:
    """The metric that decides: BD-rate if it speaks for most seeds, else J.

    BD-rate compares whole curves; J at the trained lambdas also changes if an arm lands elsewhere on the same curve.
    But if as many seeds were refused as not, those that remain are no sample of all, and J speaks for every seed. The
    choice looks at how much was measured, never at what.
    """
    bd, j = evidence.bd.effect, evidence.j
    if bd is None or bd.estimate.replicates <= len(evidence.bd.refused):
        return j
    if bd.estimate.replicates == 1 and j is not None and j.estimate.replicates > 1:
        return j
    return bd


def judge(evidence: Sequence[Evidence], reference: str) -> tuple[Verdict, ...]:
    """Verdicts on all arms of a study, with at most 5 % chance of calling even one wrongly better or worse (Holm)."""
    effects = [primary_effect(item) for item in evidence]
    p_values = [None if effect is None else effect.estimate.p_value for effect in effects]
    adjusted = iter(holm([p for p in p_values if p is not None]))
    tests = sum(p is not None for p in p_values)
    return tuple(
        _verdict(item, effect, None if p is None else next(adjusted), tests, reference)
        for item, effect, p in zip(evidence, effects, p_values, strict=True)
    )


def _verdict(
    evidence: Evidence, effect: Effect | None, p_adjusted: float | None, tests: int, reference: str
) -> Verdict:
    finding = _finding(effect, p_adjusted)
    together = simultaneous_confidence(tests)
    sentence = _sentence(evidence, effect, finding, p_adjusted=p_adjusted, tests=tests, reference=reference)
    remarks = _remarks(evidence, effect, finding)
    return Verdict(
        finding=finding,
        metric=None if effect is None else effect.metric.key,
        p_value=None if effect is None else effect.estimate.p_value,
        p_adjusted=p_adjusted,
        detectable=None if effect is None else effect.detectable(),
        detectable_simultaneous=None if effect is None else effect.detectable(together),
        sentence=" ".join([sentence, *remarks]),
    )


def _finding(effect: Effect | None, p_adjusted: float | None) -> Finding:
    if effect is None or p_adjusted is None:
        return "no verdict"
    if p_adjusted > 1 - CONFIDENCE:
        return "not distinguishable"
    return "better" if effect.estimate.mean < 0 else "worse"


def _sentence(
    evidence: Evidence,
    effect: Effect | None,
    finding: Finding,
    *,
    p_adjusted: float | None,
    tests: int,
    reference: str,
) -> str:
    arm = evidence.arm
    if effect is None:
        return f"{arm} cannot be compared with {reference}: no pair of runs has results."
    if p_adjusted is None and effect.estimate.replicates > 1:
        return (
            f"{arm} cannot be judged against {reference}: {effect.metric.label} {signed(effect.mean)} % is the same in "
            f"all {effect.estimate.replicates} seeds, which therefore say nothing about chance."
        )
    if p_adjusted is None:
        return (
            f"{arm} cannot be judged against {reference}: {effect.metric.label} {signed(effect.mean)} % comes from one "
            "seed, and one seed says nothing about chance. Run at least three seeds."
        )
    if all(value == 0 for _, value in effect.by_seed):
        return f"{arm} is not distinguishable from {reference}: every pair of runs gave the same result. " + (
            "Early stopping kept the same weights." if evidence.stops_early else "So the setting had no effect here."
        )
    numbers = f"{effect.metric.label} {interval_text(effect)}, {effect.estimate.replicates} seeds"
    holm_text = f"{p_text(p_adjusted)} after Holm's correction for {tests} arms" if tests > 1 else p_text(p_adjusted)
    if finding != "not distinguishable":
        return f"{arm} is {finding} than {reference}: {numbers}; {holm_text}."
    return (
        f"{arm} is not distinguishable from {reference} at this size: {numbers}; {holm_text}. "
        f"{_blind_spot(effect, tests)}"
    )


def _blind_spot(effect: Effect, tests: int) -> str:
    alone, together = effect.detectable(), effect.detectable(simultaneous_confidence(tests))
    if alone is None or together is None:
        return ""
    text = f"A mean difference below {size_text(alone)} cannot be told from chance here"
    return f"{text} ({size_text(together)} when {tests} arms are judged together)." if tests > 1 else f"{text}."


def _remarks(evidence: Evidence, effect: Effect | None, finding: Finding) -> list[str]:
    remarks = []
    if finding == "not distinguishable" and effect is not None and _leaves_out_zero(effect):
        remarks.append("Its own interval leaves out 0, which among several arms happens too easily by chance.")
    if evidence.failed:
        remarks.append(
            f"Of its {counted(evidence.runs, 'run')}, {evidence.failed} gave no result: this is about those that did."
        )
    elif evidence.left_out and effect is not None:
        remarks.append(f"Of its {counted(evidence.runs, 'run')}, {evidence.left_out} had no partner in the reference.")
    if evidence.bd.refused and effect is not None:
        instead = ", so J decides" if effect.metric is J else ""
        remarks.append(f"BD-rate was refused for {counted(len(evidence.bd.refused), 'seed')}{instead}.")
    if effect is not None and effect.metric is BD_RATE and evidence.j is not None and _contradicts(evidence.j, finding):
        remarks.append(
            f"J at the trained lambdas says otherwise ({interval_text(evidence.j)}): the arm has moved along its curve."
        )
    return remarks


def _contradicts(j: Effect, finding: Finding) -> bool:
    """Whether the 95 % interval of J lies on the other side of 0 than the finding."""
    if not _leaves_out_zero(j):
        return False
    return (finding == "better" and j.mean > 0) or (finding == "worse" and j.mean < 0)


def _leaves_out_zero(effect: Effect) -> bool:
    return effect.low is not None and effect.high is not None and (effect.low > 0 or effect.high < 0)
