"""Learning-rate schedules at their ends and between."""

from __future__ import annotations

import itertools

import pytest

from hpcmbal.settings import ScheduleSettings
from hpcmbal.training.schedule import decay_step, learning_rate_factor


def factors(total: int, **settings: object) -> list[float]:
    return [learning_rate_factor(ScheduleSettings(**settings), step, total) for step in range(total + 1)]


def test_wsd_is_constant_between_warm_up_and_decay_whatever_the_length() -> None:
    for total in (1000, 5000):
        course = factors(total, name="wsd", warmup_steps=10, decay_fraction=0.2, final_factor=0.01)
        assert course[:10] == [pytest.approx((step + 1) / 10) for step in range(10)]
        assert set(course[10 : int(0.8 * total) + 1]) == {1.0}
        decay = course[int(0.8 * total) :]
        assert all(later < earlier for earlier, later in itertools.pairwise(decay))
        assert course[-1] == pytest.approx(0.01)


def test_wsd_falls_as_one_minus_the_square_root_of_the_decay() -> None:
    course = factors(1000, name="wsd", warmup_steps=0, decay_fraction=0.4, final_factor=0.0)
    assert course[700] == pytest.approx(0.5)  # a quarter of the decay


def test_a_decay_with_its_own_start_falls_from_where_it_is_to_the_end() -> None:
    course = factors(100, name="wsd", warmup_steps=0, decay_start=60, decay_from=0.5, final_factor=0.1)
    assert set(course[:61]) == {0.5}
    assert course[70] == pytest.approx(0.1 + 0.4 * (1 - 0.5))  # a quarter of the decay
    assert course[100] == pytest.approx(0.1)


def test_the_stable_phase_needs_no_length() -> None:
    settings = ScheduleSettings(name="wsd", warmup_steps=10)
    assert learning_rate_factor(settings, 4, None) == 0.5
    assert learning_rate_factor(settings, 10**6, None) == 1.0


def test_the_decay_begins_where_the_rate_first_falls() -> None:
    settings = ScheduleSettings(name="wsd", warmup_steps=0, decay_fraction=0.3)
    begin = decay_step(settings, 1000)
    assert begin == 700
    assert learning_rate_factor(settings, 700, 1000) == 1.0 > learning_rate_factor(settings, 701, 1000)
    assert decay_step(settings, None) is None
    assert decay_step(ScheduleSettings(name="cosine"), 1000) is None
    assert decay_step(ScheduleSettings(name="wsd", decay_start=5), None) == 5


def test_cosine_is_half_way_in_the_middle() -> None:
    assert factors(100, name="cosine", warmup_steps=0, final_factor=0.0)[50] == pytest.approx(0.5)
