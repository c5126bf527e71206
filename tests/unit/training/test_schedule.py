"""Learning-rate schedules at their ends and between."""

from __future__ import annotations

import itertools

import pytest

from hpcmbal.settings import ScheduleSettings
from hpcmbal.training.schedule import learning_rate_factor


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


def test_cosine_is_half_way_in_the_middle() -> None:
    assert factors(100, name="cosine", warmup_steps=0, final_factor=0.0)[50] == pytest.approx(0.5)
