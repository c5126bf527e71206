"""Gamma schedules against the table of the design, and as functions of the fraction alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcmbal.core.balance.gamma import PHASES, SCHEDULES, schedule_multipliers
from hpcmbal.errors import SettingsError


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        (0, (1.0, 0.8, 0.6)),
        (0.1, (1.2, 0.8, 0.6)),
        (0.3, (1.05, 0.95, 0.8)),
        (0.5, (0.9, 1.1, 1.0)),
        (5 / 6, (0.7, 0.8, 1.1)),
        (1, (0.5, 0.5, 1.3)),
    ],
)
def test_hierarchical_follows_the_table(fraction, expected):
    assert schedule_multipliers("hierarchical", fraction) == pytest.approx(expected)


@pytest.mark.parametrize("strategy", ["linear", "cosine"])
def test_linear_and_cosine_fall_from_one_to_half_through_three_quarters(strategy):
    values = [schedule_multipliers(strategy, fraction)[0] for fraction in (0, 0.5, 1)]
    assert values == pytest.approx([1, 0.75, 0.5])


@pytest.mark.parametrize("strategy", SCHEDULES)
@given(fraction=st.floats(0, 1), step=st.floats(0, 1e-6))
def test_schedules_are_continuous_and_bounded(strategy, fraction, step):
    here, there = (schedule_multipliers(strategy, min(f, 1)) for f in (fraction, fraction + step))
    assert all(0.5 - 1e-9 <= value <= 1.3 + 1e-9 for value in here)
    assert here == pytest.approx(there, abs=1e-5)


@pytest.mark.parametrize("strategy", ["linear", "cosine"])
@given(fractions=st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_linear_and_cosine_never_rise(strategy, fractions):
    early, late = (schedule_multipliers(strategy, fraction)[0] for fraction in sorted(fractions))
    assert late <= early


def test_phases_tile_the_training():
    assert [phase.end for phase in PHASES[:-1]] == [phase.start for phase in PHASES[1:]]
    assert (PHASES[0].start, PHASES[-1].end) == (0, 1)


@pytest.mark.parametrize("fraction", [-0.01, 1.01, float("nan")])
def test_fractions_outside_the_training_are_refused(fraction):
    with pytest.raises(SettingsError, match=f"between 0 and 1. Found {fraction}"):
        schedule_multipliers("linear", fraction)


def test_unknown_schedules_are_refused_with_the_list():
    with pytest.raises(SettingsError, match=r"'exponential'.*fixed, linear, cosine, hierarchical"):
        schedule_multipliers("exponential", 0.5)
