"""Names that settings offer are those that the core and the trainer implement."""

from __future__ import annotations

from hpcmbal.core.balance import BALANCERS
from hpcmbal.core.balance.gamma import STRATEGIES
from hpcmbal.core.model import VARIANTS
from hpcmbal.core.optim import OPTIMIZERS
from hpcmbal.settings import choices
from hpcmbal.training.schedule import SCHEDULES
from hpcmbal.training.trackers import TRACKERS


def test_models() -> None:
    assert set(choices.MODELS) == set(VARIANTS)
    ranges = {name: v.lmbda_range for name, v in VARIANTS.items() if v.rate_levels}
    assert {name: (span.low, span.high) for name, span in ranges.items()} == choices.LMBDA_RANGES


def test_optimizers() -> None:
    assert set(choices.OPTIMIZERS) == set(OPTIMIZERS)


def test_balancers() -> None:
    assert set(choices.BALANCERS) == set(BALANCERS)


def test_gamma_strategies() -> None:
    assert set(choices.GAMMA_STRATEGIES) == set(STRATEGIES)


def test_schedules_and_trackers() -> None:
    assert set(choices.SCHEDULES) == set(SCHEDULES)
    assert set(choices.TRACKERS) == {"none", *TRACKERS}
