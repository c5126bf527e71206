"""Names that settings offer are those that the core and the trainer implement."""

from __future__ import annotations

from hpcmbal.core.gamma.manager import STRATEGIES
from hpcmbal.core.model import LMBDA_MAX, LMBDA_MIN, VARIANTS
from hpcmbal.core.optim import BALANCERS, OPTIMIZERS
from hpcmbal.settings import choices
from hpcmbal.settings.run import RELEASED_LMBDA_RANGE
from hpcmbal.training.schedule import SCHEDULES
from hpcmbal.training.trackers import TRACKERS


def test_models() -> None:
    assert set(choices.MODELS) == set(VARIANTS)
    assert set(choices.VARIABLE_RATE_MODELS) == {name for name, variant in VARIANTS.items() if variant.rate_levels}
    assert RELEASED_LMBDA_RANGE == (LMBDA_MIN, LMBDA_MAX)


def test_optimizers() -> None:
    assert set(choices.OPTIMIZERS) == set(OPTIMIZERS)


def test_balancers() -> None:
    assert set(choices.BALANCERS) == set(BALANCERS)


def test_gamma_strategies() -> None:
    assert set(choices.GAMMA_STRATEGIES) == set(STRATEGIES)


def test_schedules_and_trackers() -> None:
    assert set(choices.SCHEDULES) == set(SCHEDULES)
    assert set(choices.TRACKERS) == {"none", *TRACKERS}
