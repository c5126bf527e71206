"""BD-rate of an arm against the reference: one for each seed, from that seed's runs at all lambdas."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from hpcmbal.ablation.analysis.effect import BD_RATE, Effect, effect_of_seeds
from hpcmbal.ablation.analysis.pairs import Pair
from hpcmbal.ablation.analysis.wording import counted
from hpcmbal.ablation.run.records import RunRecord
from hpcmbal.evaluation.curves.bd_rate import MIN_POINTS, ComparisonRefusedError, compare_curves
from hpcmbal.evaluation.curves.curve import BPP, PSNR, Curve

_SAME_IMAGES = {"image_set": {"name": "evaluation images"}}
"""Pairs were made of runs with the same images."""


@dataclass(frozen=True)
class Refusal:
    """A seed whose two curves cannot be compared, and why."""

    seed: int
    reason: str


@dataclass(frozen=True)
class BdEffect:
    """BD-rates over seeds.

    Attributes:
        effect: None if no seed gave one.
        refused: Seeds without one.
        unavailable: Why the study cannot have any, "" if it can.
        notes: What a reader should know.
    """

    effect: Effect | None
    refused: tuple[Refusal, ...] = ()
    unavailable: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class BdLogs:
    """BD-rates of one arm, one for each seed.

    Attributes:
        by_seed: Logarithms of rate ratios.
        pairs: Pairs of runs in them.
        refused: Seeds without one.
        notes: What a reader should know.
    """

    by_seed: dict[int, float]
    pairs: int
    refused: tuple[Refusal, ...]
    notes: tuple[str, ...]


def bd_effect(pairs: Sequence[Pair], lambdas: int) -> BdEffect:
    """BD-rate in PSNR for each seed, then their mean over seeds.

    A BD-rate is an average of log rate differences turned into percent. It is turned back before the mean is taken, as
    for J, so that arm and reference can change places.

    Args:
        pairs: Of one arm.
        lambdas: How many the study has.
    """
    if lambdas < MIN_POINTS:
        return BdEffect(None, unavailable=f"{counted(lambdas, 'lambda')}, {MIN_POINTS} are needed")
    found = bd_logs(pairs, lambdas)
    effect = effect_of_seeds(BD_RATE, found.by_seed, found.pairs) if found.by_seed else None
    return BdEffect(effect, found.refused, notes=found.notes)


def bd_logs(pairs: Sequence[Pair], lambdas: int) -> BdLogs:
    """The BD-rate of each seed, or why it has none; arguments as of `bd_effect`."""
    by_seed: defaultdict[int, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_seed[pair.seed].append(pair)
    logs: dict[int, float] = {}
    refused, notes = [], []
    for seed, members in sorted(by_seed.items()):
        if len(members) < MIN_POINTS:
            reason = f"results of both arms at {len(members)} of {lambdas} lambdas, {MIN_POINTS} are needed"
            refused.append(Refusal(seed, reason))
            continue
        reference, arm = (_curve(name, [getattr(pair, name) for pair in members]) for name in ("reference", "arm"))
        try:
            found = compare_curves(reference, arm)
        except ComparisonRefusedError as error:
            refused.append(Refusal(seed, str(error).partition(" refused: ")[2]))
            continue
        logs[seed] = math.log1p(found.bd_rate_percent / 100)
        notes += [f"seed {seed}: {note}" for note in found.notes]
    used = sum(len(by_seed[seed]) for seed in logs)
    return BdLogs(logs, used, tuple(refused), tuple(notes))


def _curve(name: str, runs: Sequence[RunRecord]) -> Curve:
    ordered = sorted(runs, key=lambda run: run.lmbda)
    points = {BPP: tuple(run.bpp for run in ordered), PSNR: tuple(run.psnr_db for run in ordered)}
    return Curve(name, points, meta=_SAME_IMAGES)
