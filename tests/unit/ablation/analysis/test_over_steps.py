"""Differences over steps, on a toy problem whose truth is known: leads that vanish, stay, grow, or never were."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from hpcmbal.ablation.analysis.comparison import StudyComparison, compare_arms
from hpcmbal.ablation.analysis.over_steps import EqualSteps, OverSteps, equal_text
from hpcmbal.ablation.run.records import RunRecord

HORIZONS = (1000, 3000, 10000)
LAMBDAS = (0.0035, 0.0067, 0.013, 0.025)
LEARNING = -0.2
"""Change of log J of every arm for ten times as many steps; BD-rate changes by twice that."""

Build = Callable[..., list[RunRecord]]


@pytest.fixture
def curves(study: Build, noise: type) -> Callable[..., list[RunRecord]]:
    """Records at all horizons: log J of an arm is off the reference's by `leads[arm](horizon)`."""

    def build(
        leads: Mapping[str, Callable[[int], float]], *, seeds: int = 4, seed: int = 0, run_noise: float = 0.001
    ) -> list[RunRecord]:
        rng = np.random.default_rng(seed)
        records = []
        for horizon in HORIZONS:
            learnt = LEARNING * math.log10(horizon / HORIZONS[0])
            effects = {"plain": learnt, **{arm: learnt + lead(horizon) for arm, lead in leads.items()}}
            quiet = noise(shared=0.0, seed=run_noise, run=run_noise)
            found = study(rng, effects, seeds=seeds, lambdas=LAMBDAS, noise=quiet)
            records += [dataclasses.replace(r, horizon=horizon, steps=horizon * 11 // 10) for r in found]
        return records

    return build


def over(records: list[RunRecord], *arms: str) -> dict[str, OverSteps]:
    return {item.arm: item for item in compared(records, *arms).over_steps}


def compared(records: list[RunRecord], *arms: str) -> StudyComparison:
    return compare_arms(records, ["plain", *arms], "plain")


def fading(horizon: int) -> float:
    """A lead of 3 % in J at the first horizon, a hundredth of it at each tenfold of steps."""
    return -0.03 * (HORIZONS[0] / horizon) ** 2


LEADS: dict[str, Callable[[int], float]] = {
    "starter": fading,
    "lasting": lambda horizon: -0.03,
    "growing": lambda horizon: -0.01 - 0.02 * math.log10(horizon / 1000),
    "twin": lambda horizon: 0.0,
    "turning": lambda horizon: -0.03 + 0.06 * math.log10(horizon / 1000),
    "halving": lambda horizon: -0.06 + 0.03 * math.log10(horizon / 1000),
}


@pytest.mark.parametrize(
    ("arm", "trend", "words"),
    [
        ("starter", "vanishes", "the difference from plain vanishes"),
        ("lasting", "stays", "the difference from plain stays: no change with steps can be shown"),
        ("growing", "grows", "the difference from plain grows with steps"),
        ("turning", "turns", "turns into its opposite"),
        ("halving", "shrinks", "shrinks with steps, and is still there"),
    ],
)
def test_what_becomes_of_a_lead_is_told_as_it_is(
    curves: Callable[..., list[RunRecord]], arm: str, trend: str, words: str
) -> None:
    found = over(curves({arm: LEADS[arm]}), arm)[arm]
    assert found.trend == trend
    assert found.sentence.startswith(f"{arm}: ")
    assert words in found.sentence
    assert "at 1,000 steps" in found.sentence
    assert "at 10,000 steps" in found.sentence
    assert "for each tenfold of steps (95 % interval" in found.sentence


@pytest.mark.slow
def test_arms_that_do_nothing_are_seldom_said_to_change(curves: Callable[..., list[RunRecord]]) -> None:
    """Two intervals of 95 % are looked at, of the first and the last horizon, and one of the slope."""
    trends = [over(curves({"twin": LEADS["twin"]}, seed=seed, seeds=3), "twin")["twin"].trend for seed in range(200)]
    assert trends.count("no difference") > 160
    assert sum(trend in ("grows", "vanishes", "shrinks", "turns") for trend in trends) < 20


@pytest.mark.slow
def test_slopes_cover_the_truth_as_often_as_they_promise(curves: Callable[..., list[RunRecord]]) -> None:
    covered = 0
    for seed in range(200):
        slope = over(curves({"growing": LEADS["growing"]}, seed=seed, seeds=3), "growing")["growing"].slope
        assert slope is not None
        low, high = slope.interval() or (0.0, 0.0)
        covered += low <= 2 * -0.02 <= high
    assert 180 <= covered <= 198


def test_bands_are_of_bd_rate_where_there_are_curves_and_of_j_where_there_are_none(
    curves: Callable[..., list[RunRecord]],
) -> None:
    records = curves({"lasting": LEADS["lasting"]})
    found = over(records, "lasting")["lasting"]
    assert found.metric.key == "bd_rate"
    assert [point.effect.mean for point in found.points if point.effect] == pytest.approx(
        [100 * math.expm1(-0.06)] * 3, abs=0.5
    )
    few = [record for record in records if record.lmbda < 0.01]
    assert over(few, "lasting")["lasting"].metric.key == "j"


def test_the_reference_s_steps_that_give_the_same_are_found_between_horizons(
    curves: Callable[..., list[RunRecord]],
) -> None:
    """A lead of 0.03 in log J is what the reference learns in 10^(0.03 / 0.2) = 1.41 times as many steps."""
    points = over(curves({"lasting": LEADS["lasting"]}), "lasting")["lasting"].points
    for point in points[:2]:
        assert point.equal is not None
        assert not point.equal.bound
        assert point.equal.steps == pytest.approx(1.41 * point.steps, rel=0.05)
        assert point.equal.low is not None
        assert point.equal.high is not None
        assert point.equal.low < 1.41 * point.steps < point.equal.high
    assert points[2].equal == EqualSteps(10000, "more than")
    slow = over(curves({"slow": lambda horizon: 0.05}), "slow")["slow"].points
    assert slow[0].equal is not None
    assert slow[1].equal is not None
    assert slow[1].equal.steps < 3000


def test_a_worse_arm_needs_fewer_steps_of_the_reference_than_were_measured() -> None:
    assert equal_text(EqualSteps(1000, "at most")) == "at most 1,000"
    assert equal_text(EqualSteps(4120.4, low=3300, high=5150)) == "4,120 (3,300 to 5,150)"
    assert equal_text(None) == "–"


def test_one_seed_says_nothing_about_trends(curves: Callable[..., list[RunRecord]]) -> None:
    found = over(curves({"starter": fading}, seeds=1), "starter")["starter"]
    assert found.trend == "unclear"
    assert "cannot be told at this size" in found.sentence
    assert "one seed" in found.sentence


def test_verdicts_are_about_the_longest_horizon(curves: Callable[..., list[RunRecord]]) -> None:
    found = compared(curves({"starter": fading, "lasting": LEADS["lasting"]}), "starter", "lasting")
    assert found.horizon == 10000
    assert found.steps == (11000,)
    assert [item.verdict.finding for item in found.comparisons] == ["not distinguishable", "better"]


def test_a_failed_horizon_leaves_the_others(curves: Callable[..., list[RunRecord]]) -> None:
    records = [
        dataclasses.replace(record, status="failed", reason="diverged", samples=())
        if (record.arm, record.horizon) == ("lasting", 10000)
        else record
        for record in curves({"lasting": LEADS["lasting"]})
    ]
    found = compared(records, "lasting")
    (item,) = found.over_steps
    assert [point.effect is None for point in item.points] == [False, False, True]
    assert item.trend == "unclear"
    assert {run.reason for run in found.failed} == {"diverged"}


def test_studies_without_horizons_have_nothing_over_steps(study: Build) -> None:
    records = study(np.random.default_rng(0), {"plain": 0.0, "a": 0.1}, seeds=2)
    assert compared(records, "a").over_steps == ()
