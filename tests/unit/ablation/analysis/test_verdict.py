"""Sentences say no more than the study can."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import numpy as np
import pytest

from hpcmbal.ablation.analysis.comparison import compare_arms
from hpcmbal.ablation.analysis.verdict import Verdict
from hpcmbal.ablation.run.records import RunRecord

Study = Callable[..., list[RunRecord]]

FOUR_LAMBDAS = (0.0018, 0.0067, 0.013, 0.025)


def verdict(records: list[RunRecord], arm: str = "a") -> Verdict:
    arms = list(dict.fromkeys(record.arm for record in records))
    return next(item.verdict for item in compare_arms(records, arms, "plain").comparisons if item.arm == arm)


@pytest.mark.parametrize(("effect", "finding"), [(-0.1, "better"), (0.1, "worse")])
@pytest.mark.parametrize(("lambdas", "metric"), [((0.01,), "J"), (FOUR_LAMBDAS, "BD-rate")])
def test_a_difference_is_named_with_its_interval(
    study: Study, effect: float, finding: str, lambdas: tuple[float, ...], metric: str
) -> None:
    found = verdict(study(np.random.default_rng(0), {"plain": 0.0, "a": effect}, seeds=5, lambdas=lambdas))
    assert found.finding == finding
    pattern = (
        rf"a is {finding} than plain: {metric} [−+][\d.]+ % \(95 % interval \S+ to \S+\), 5 seeds; p [=<] [\d.]+\."
    )
    assert re.fullmatch(pattern, found.sentence)


def test_no_difference_comes_with_what_could_have_been_seen(study: Study) -> None:
    found = verdict(study(np.random.default_rng(1), {"plain": 0.0, "a": 0.0}, seeds=3, lambdas=[0.01]))
    assert found.finding == "not distinguishable"
    assert "a is not distinguishable from plain at this size: J " in found.sentence
    assert f"A mean difference below {found.detectable:.2g} % cannot be told from chance here." in found.sentence


def test_several_arms_are_judged_together(study: Study) -> None:
    """The third of three seeds spoils one of the arms, so that its p lies between 0.025 and 0.05."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        records = study(rng, {"plain": 0.0, "a": -0.02, "b": 0.0}, seeds=3, lambdas=[0.01])
        found = verdict(records)
        if 0.03 < found.p_value < 0.05 < verdict(records, "b").p_value:
            break
    assert found.p_adjusted == pytest.approx(2 * found.p_value)
    assert found.finding == "not distinguishable"
    assert "after Holm's correction for 2 arms" in found.sentence
    assert "Its own interval leaves out 0, which among several arms happens too easily by chance." in found.sentence
    assert found.detectable_simultaneous > found.detectable
    assert verdict([record for record in records if record.arm != "b"]).finding == "better"


@pytest.mark.parametrize("lambdas", [(0.01,), FOUR_LAMBDAS])
def test_one_seed_is_no_verdict(study: Study, lambdas: tuple[float, ...]) -> None:
    found = verdict(study(np.random.default_rng(2), {"plain": 0.0, "a": -0.3}, seeds=1, lambdas=lambdas))
    assert (found.finding, found.p_value, found.detectable) == ("no verdict", None, None)
    assert re.search(r"cannot be judged against plain: .* one seed says nothing about chance", found.sentence)


def test_an_arm_that_changed_nothing(study: Study, noise: type) -> None:
    records = study(np.random.default_rng(3), {"plain": 0.0, "a": 0.0}, seeds=3, noise=noise(0.1, 0.0, 0.0))
    found = verdict(records)
    assert found.finding == "not distinguishable"
    assert "every pair of runs gave the same result. So the setting had no effect here." in found.sentence


def test_rounding_is_no_result_and_early_stopping_explains_equal_weights(study: Study, noise: type) -> None:
    records = study(np.random.default_rng(3), {"plain": 0.0, "a": 6e-8}, seeds=3, noise=noise(0.1, 0.0, 0.0))
    found = verdict(records)
    assert (found.finding, found.p_value) == ("not distinguishable", 1.0)
    early = [dataclasses.replace(record, stops_early=True) for record in records]
    assert "the same result. Early stopping kept the same weights." in verdict(early).sentence


def test_seeds_that_all_give_one_difference_are_no_replicates(study: Study, noise: type) -> None:
    records = study(np.random.default_rng(3), {"plain": 0.0, "a": -0.1}, seeds=3, noise=noise(0.0, 0.0, 0.0))
    found = verdict(records)
    assert (found.finding, found.p_value) == ("no verdict", None)
    assert "is the same in all 3 seeds, which therefore say nothing about chance" in found.sentence


def test_no_pair_is_no_verdict(study: Study) -> None:
    records = [
        dataclasses.replace(record, status="failed", reason="killed", samples=()) if record.arm == "a" else record
        for record in study(np.random.default_rng(4), {"plain": 0.0, "a": 0.0}, seeds=2)
    ]
    found = verdict(records)
    assert (found.finding, found.metric) == ("no verdict", None)
    assert "a cannot be compared with plain: no pair of runs has results." in found.sentence
    assert "Of its 4 runs, 4 gave no result" in found.sentence


def test_j_that_says_otherwise_is_mentioned(study: Study) -> None:
    """Half the rate at equal quality, but far from the point that lambda asks for."""
    records = []
    for record in study(np.random.default_rng(5), {"plain": 0.0, "a": -0.3}, seeds=4, lambdas=FOUR_LAMBDAS):
        (sample,) = record.samples
        worse = dataclasses.replace(sample, j=sample.j * 2) if record.arm == "a" else sample
        records.append(dataclasses.replace(record, samples=(worse,)))
    found = verdict(records)
    assert found.finding == "better"
    assert "J at the trained lambdas says otherwise (+" in found.sentence
