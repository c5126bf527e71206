"""Runs of two arms at the same seed and lambda, and why some are missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from hpcmbal.ablation.run.records import RunRecord
from hpcmbal.errors import DataError

Place: TypeAlias = tuple[float, int]
"""(lambda, seed): where arms are compared."""

RunIndex: TypeAlias = Mapping[str, Mapping[Place, RunRecord]]
"""Every run by its arm and place."""


@dataclass(frozen=True)
class Pair:
    """Two usable runs that differ in their arm only."""

    arm: RunRecord
    reference: RunRecord

    @property
    def seed(self) -> int:
        """The seed that both runs have."""
        return self.arm.seed

    @property
    def lmbda(self) -> float:
        """The lambda that both runs have."""
        return self.arm.lmbda


@dataclass(frozen=True)
class LeftOut:
    """A run that cannot be compared.

    Attributes:
        arm: Its arm.
        lmbda: Its lambda.
        seed: Its seed.
        reason: Why: how it failed, or that there is no such run.
    """

    arm: str
    lmbda: float
    seed: int
    reason: str


def index_runs(records: Iterable[RunRecord], arms: Sequence[str]) -> dict[str, dict[Place, RunRecord]]:
    """Runs by arm and place; runs of arms that were not asked for are ignored.

    Raises:
        DataError: Two records of one arm have the same lambda and seed: a run would be counted twice.
    """
    index: dict[str, dict[Place, RunRecord]] = {arm: {} for arm in arms}
    for record in records:
        if record.arm not in index:
            continue
        place = (record.lmbda, record.seed)
        earlier = index[record.arm].setdefault(place, record)
        if earlier is not record:
            raise DataError(
                f"Two records of arm '{record.arm}' at lambda {record.lmbda:g}, seed {record.seed}: '{earlier.folder}' "
                f"and '{record.folder}'. A run counts once: give one of them."
            )
    return index


def places(index: RunIndex) -> tuple[Place, ...]:
    """Every place at which some arm has a record, in order."""
    return tuple(sorted({place for runs in index.values() for place in runs}))


def pair_runs(index: RunIndex, arm: str, reference: str) -> tuple[tuple[Pair, ...], tuple[LeftOut, ...]]:
    """Pairs of usable runs, and the places without a pair; if both runs are unusable, with the arm's own reason."""
    pairs, left_out = [], []
    for place in places(index):
        mine, other = index[arm].get(place), index[reference].get(place)
        reason = unusable(mine)
        if reason is None and unusable(other) is not None:
            reason = f"reference: {unusable(other)}"
        if reason is None and mine is not None and other is not None:
            reason = _incomparable(mine, other)
            if reason is None:
                pairs.append(Pair(mine, other))
        if reason is not None:
            left_out.append(LeftOut(arm, *place, reason))
    return tuple(pairs), tuple(left_out)


def unusable(record: RunRecord | None) -> str | None:
    """Why a run has no result, or None if it has one."""
    if record is None:
        return "no such run"
    if record.status == "failed":
        return record.reason or "failed, no reason recorded"
    if not record.samples:
        return "not evaluated: the record has no samples"
    # Differences are taken of logarithms.
    broken = [name for name in ("j", "bpp") if not 0 < float(getattr(record, name)) < math.inf]
    broken += [] if math.isfinite(record.psnr_db) else ["psnr_db"]
    return f"not finite or not positive: {', '.join(broken)}" if broken else None


def _incomparable(mine: RunRecord, other: RunRecord) -> str | None:
    images = [{sample.name for sample in record.samples} for record in (mine, other)]
    if images[0] != images[1]:
        return f"evaluated on other images than the reference ({len(images[0] ^ images[1])} are not in both)"
    if mine.steps != other.steps and not (mine.stops_early or other.stops_early):
        return f"{mine.steps} steps against {other.steps} of the reference"
    return None
