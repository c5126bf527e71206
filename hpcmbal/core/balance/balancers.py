"""Balancers by name. A new one is a file with a class and a line here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hpcmbal.core.balance.balancer import Balancer, NoBalancer
from hpcmbal.core.balance.famo_balancer import build_famo
from hpcmbal.core.balance.jacobian_descent import build_torchjd
from hpcmbal.core.balance.qp_balancer import build_qp
from hpcmbal.errors import SettingsError

if TYPE_CHECKING:
    from hpcmbal.settings import BalancingSettings

BalancerFactory = Callable[["BalancingSettings", tuple[str, ...]], Balancer]


def _build_none(settings: BalancingSettings, task_names: tuple[str, ...]) -> Balancer:
    del settings, task_names
    return NoBalancer()


BALANCERS: dict[str, BalancerFactory] = {
    "none": _build_none,
    "linear": build_famo,
    "log1p": build_famo,
    "log": build_famo,
    "qp": build_qp,
    "torchjd": build_torchjd,
}


def build_balancer(settings: BalancingSettings, task_names: Sequence[str]) -> Balancer:
    """The balancer that `settings` name, for tasks of these names in this order.

    Raises:
        SettingsError: The name is unknown; or these tasks cannot be balanced so.
        MissingExtraError: The balancing needs a package that is not installed.
    """
    if settings.name not in BALANCERS:
        raise SettingsError(f"Unknown balancing '{settings.name}'. Choose one of: {', '.join(BALANCERS)}.")
    return BALANCERS[settings.name](settings, tuple(task_names))
