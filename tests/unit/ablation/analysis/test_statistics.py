"""Intervals over seeds, and the correction for several arms, against textbook values and other implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hpcmbal.ablation.analysis.statistics import holm, mean_by_seed, mean_estimate, simultaneous_confidence

VALUES = st.lists(st.floats(-1e3, 1e3).map(lambda value: round(value, 3)), min_size=2, max_size=9).filter(
    lambda values: len(set(values)) > 1
)


@given(values=VALUES, confidence=st.sampled_from([0.8, 0.95, 0.99]))
def test_interval_and_p_value_are_those_of_scipy(values: list[float], confidence: float) -> None:
    found, theirs = mean_estimate(values), stats.ttest_1samp(values, 0.0)
    ends = theirs.confidence_interval(confidence)
    assert found.interval(confidence) == pytest.approx((ends.low, ends.high), rel=1e-6, abs=1e-9)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)


@given(values=VALUES)
def test_the_interval_leaves_out_zero_exactly_when_the_test_rejects(values: list[float]) -> None:
    low, high = mean_estimate(values).interval(0.95)
    if abs(mean_estimate(values).p_value - 0.05) > 1e-9:
        assert (low > 0 or high < 0) == (mean_estimate(values).p_value < 0.05)


def test_one_value_says_nothing_about_its_spread() -> None:
    found = mean_estimate([3.0])
    assert (found.mean, found.interval(), found.half_width(), found.p_value) == (3.0, None, None, None)


def test_values_without_spread() -> None:
    assert mean_estimate([0.0, 0.0, 0.0]).p_value == 1.0
    assert mean_estimate([2.0, 2.0]).p_value is None


def test_seeds_weigh_alike_however_many_lambdas_they_have() -> None:
    assert mean_by_seed([(7, 2.0), (3, 1.0), (7, 4.0), (7, 6.0)]) == {3: 1.0, 7: 4.0}


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_at_least_as_strict_as_no_correction_and_at_most_as_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for raw, corrected in zip(p_values, adjusted, strict=True):
        assert raw <= corrected <= min(1.0, len(p_values) * raw)
    by_raw = sorted(range(len(p_values)), key=lambda index: p_values[index])
    assert [adjusted[index] for index in by_raw] == sorted(adjusted)


def test_holm_on_a_worked_example() -> None:
    """Sorted: 0.005, 0.01, 0.03, 0.04, times 4, 3, 2, 1, and never falling."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))


def test_all_intervals_hold_together_at_the_simultaneous_level() -> None:
    assert simultaneous_confidence(1) == pytest.approx(0.95)
    assert simultaneous_confidence(5) == pytest.approx(0.99)


@pytest.mark.parametrize("seeds", [3, 5])
def test_lambdas_are_no_replicates(seeds: int) -> None:
    """Differences of one seed resemble each other: only averaged inside seeds do intervals keep their promise."""
    rng = np.random.default_rng(seeds)
    lambdas, studies = 4, 1500
    by_seed = rng.normal(size=(studies, seeds, 1)) + 0.5 * rng.normal(size=(studies, seeds, lambdas))
    right = [mean_estimate(list(study.mean(axis=1))).interval() for study in by_seed]
    wrong = [mean_estimate(list(study.ravel())).interval() for study in by_seed]
    covers = [np.mean([low <= 0 <= high for low, high in intervals]) for intervals in (right, wrong)]
    assert covers[0] == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / studies))
    assert covers[1] < 0.85
