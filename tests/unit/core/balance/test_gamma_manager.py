"""The gamma manager: initial values, strategies, and the memory of the adaptive one."""

from __future__ import annotations

import json
import random

import pytest

from hpcmbal.core.balance.adaptive_gamma import adaptive_limits
from hpcmbal.core.balance.gamma import STRATEGIES, ScaleGammaManager
from hpcmbal.errors import NumericalError, SettingsError

INITIAL = (0.008, 0.006, 0.004)


def settled(epoch: int) -> float:
    return 1 + 1e-3 * (epoch % 2)


def jumping(epoch: int) -> float:
    return 1 + 0.5 * (epoch % 2)


def drifting(epoch: int) -> float:
    return 1 + 0.08 * (epoch % 2)


@pytest.mark.parametrize(
    ("strategy", "halfway"),
    [
        ("fixed", (0.008, 0.006, 0.004)),
        ("linear", (0.006, 0.0045, 0.003)),
        ("cosine", (0.006, 0.0045, 0.003)),
        ("hierarchical", (0.0072, 0.0066, 0.004)),
        ("adaptive", (0.008, 0.006, 0.004)),
    ],
)
def test_gammas_halfway_through_a_training(strategy, halfway):
    manager = ScaleGammaManager(INITIAL, strategy)
    manager.set_progress(0.5)
    assert manager.gammas == pytest.approx(halfway)


def test_adaptive_waits_for_its_window_then_looks_at_each_scale_by_itself():
    manager = ScaleGammaManager(INITIAL, "adaptive")
    for epoch in range(49):
        manager.set_progress(epoch / 100, (settled(epoch), drifting(epoch), jumping(epoch)))
    assert manager.multipliers == (1, 1, 1)
    manager.set_progress(0.5, (settled(49), drifting(49), jumping(49)))
    assert manager.multipliers == pytest.approx((0.95, 1, 1.02))


def test_adaptive_stays_within_half_and_one_and_a_half():
    manager = ScaleGammaManager(INITIAL, "adaptive", window=2)
    for epoch in range(200):
        manager.set_progress(0.1, (settled(epoch), drifting(epoch), jumping(epoch)))
    assert manager.multipliers == (0.5, 1.0, 1.5)


@pytest.mark.parametrize("epochs", [0, 49, 50, 55, 80, 5000])
def test_adaptive_reaches_its_limits_and_no_further(epochs):
    manager = ScaleGammaManager(INITIAL, "adaptive")
    for epoch in range(min(epochs, 200)):
        manager.set_progress(0.1, (settled(epoch), 1.0, jumping(epoch)))
    low, _, high = manager.multipliers
    assert (low, high) == pytest.approx(adaptive_limits(epochs))


def test_adaptive_takes_a_constant_loss_of_zero_for_settled():
    manager = ScaleGammaManager(INITIAL, "adaptive", window=2)
    for _ in range(2):
        manager.set_progress(0.1, (0.0, 0.0, 0.0))
    assert manager.multipliers == pytest.approx((0.95,) * 3)


def test_adaptive_names_the_scale_whose_loss_is_not_finite():
    manager = ScaleGammaManager(INITIAL, "adaptive")
    with pytest.raises(NumericalError, match="scale s2 is nan"):
        manager.set_progress(0.1, (1.0, float("nan"), 1.0))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_state_round_trips_through_json_and_continues_exactly(strategy):
    rng = random.Random(7)
    losses = [tuple(rng.uniform(1, 1 + 0.3 * rng.random()) for _ in range(3)) for _ in range(160)]
    whole, first = ScaleGammaManager(INITIAL, strategy), ScaleGammaManager(INITIAL, strategy)
    resumed = ScaleGammaManager((1, 1, 1), strategy)
    first.set_initial((0.1, 0.2, 0.3))
    whole.set_initial((0.1, 0.2, 0.3))
    for epoch, triple in enumerate(losses):
        whole.set_progress(epoch / 160, triple)
        if epoch < 70:
            first.set_progress(epoch / 160, triple)
        elif epoch == 70:
            resumed.load_state_dict(json.loads(json.dumps(first.state_dict())))
            assert resumed.gammas == first.gammas
        if epoch >= 70:
            resumed.set_progress(epoch / 160, triple)
    assert resumed.gammas == whole.gammas


@pytest.mark.parametrize("gammas", [(0.1, 0.2), (0.1, 0.2, -0.1), (0.1, float("nan"), 0.1), (0.1, 0.2, float("inf"))])
def test_gammas_that_mean_nothing_are_refused(gammas):
    with pytest.raises(SettingsError, match="three finite numbers of at least 0"):
        ScaleGammaManager(gammas)


def test_unknown_strategies_are_refused_with_the_list():
    with pytest.raises(SettingsError, match=r"'cosin'.*adaptive"):
        ScaleGammaManager(INITIAL, "cosin")


def test_progress_outside_the_training_is_refused():
    with pytest.raises(SettingsError, match="between 0 and 1"):
        ScaleGammaManager(INITIAL).set_progress(1.5)
