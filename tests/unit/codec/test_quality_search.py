"""The search finds what trying every quality would find, with few trials."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcmbal.codec.quality_search import Goal, search_quality

values = st.lists(st.floats(0.1, 1e6), min_size=1, max_size=60).map(sorted)


def expected(curve: list[float], goal: Goal) -> int | None:
    met = [number for number, value in enumerate(curve) if goal.met_by(value)]
    if not met:
        return None
    return max(met) if goal.at_most else min(met)


@given(values, st.floats(0.05, 2e6), st.booleans())
def test_it_finds_what_trying_every_quality_finds(curve: list[float], bound: float, at_most: bool) -> None:
    goal = Goal(bound, at_most)
    found = search_quality(curve.__getitem__, len(curve) - 1, goal)
    best = expected(curve, goal)
    assert found.met == (best is not None)
    if best is not None:
        assert curve[found.number] == curve[best]
        assert found.number == best
    else:
        assert found.number in found.measured  # the end that comes closest, so that it can be told
        assert found.number == (0 if at_most else len(curve) - 1)


@pytest.mark.parametrize("bound", [2_100, 9_000, 50_000, 51_000, 200_000, 700_000])
@pytest.mark.parametrize("bend", [0.0, 0.4, -0.4])
def test_sizes_of_a_real_curve_take_few_trials(bound: float, bend: float) -> None:
    """log size against quality is nearly a line."""

    def size(number: int) -> float:
        share = number / 25_344
        return round(math.exp(7.6 + 6 * share + bend * math.sin(math.pi * share)))

    found = search_quality(size, 25_344, Goal(bound, at_most=True, tolerance=0.005, resolution=32))
    assert found.met
    assert 0.994 * bound <= size(found.number) <= bound
    assert len(found.measured) <= 6


@pytest.mark.parametrize("bound", [27.1, 33.3, 41.9])
def test_psnr_of_a_real_curve_takes_few_trials(bound: float) -> None:
    def psnr(number: int) -> float:
        share = number / 25_344
        return 26 + 14 * share + 3 * share**2

    found = search_quality(psnr, 25_344, Goal(bound, at_most=False, tolerance=0.02, resolution=32))
    assert bound <= psnr(found.number) <= bound + 0.021
    assert len(found.measured) <= 6


@pytest.mark.slow
@given(st.lists(st.floats(1, 100), min_size=300, max_size=300), st.floats(1, 100), st.booleans())
def test_any_values_end_the_search_within_twice_a_bisection(curve: list[float], bound: float, at_most: bool) -> None:
    found = search_quality(curve.__getitem__, 299, Goal(bound, at_most))
    assert len(found.measured) <= 2 * math.ceil(math.log2(300)) + 2
    assert not found.met or Goal(bound, at_most).met_by(curve[found.number])


def test_steps_of_equal_size_do_not_stop_it() -> None:
    found = search_quality(lambda number: 100.0 if number < 7 else 500.0, 99, Goal(300, at_most=True))
    assert (found.number, found.met) == (6, True)
