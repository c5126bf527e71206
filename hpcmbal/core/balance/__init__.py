"""Balancers of the task losses, and the gamma schedules that pull their weights back to neutral.

Names are imported when they are asked for: the balancers bring torch, which drawing the schedules does without.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpcmbal.core.balance.balancer import BALANCERS, Balancer, NoBalancer, build_balancer
    from hpcmbal.core.balance.famo import FamoBalancer, LostLambdaWarning
    from hpcmbal.core.balance.gamma import ScaleGammaManager
    from hpcmbal.core.balance.hierarchical_balanced import HierarchicalBalanced
    from hpcmbal.core.balance.jacobian_descent import JacobianDescentBalancer
    from hpcmbal.core.balance.qp import QPBalancer
    from hpcmbal.core.balance.step import BalancedStep
    from hpcmbal.core.balance.weighting import TaskLayout

__all__ = [
    "BALANCERS",
    "BalancedStep",
    "Balancer",
    "FamoBalancer",
    "HierarchicalBalanced",
    "JacobianDescentBalancer",
    "LostLambdaWarning",
    "NoBalancer",
    "QPBalancer",
    "ScaleGammaManager",
    "TaskLayout",
    "build_balancer",
]

_HOMES = {
    "BALANCERS": "balancer",
    "BalancedStep": "step",
    "Balancer": "balancer",
    "FamoBalancer": "famo",
    "HierarchicalBalanced": "hierarchical_balanced",
    "JacobianDescentBalancer": "jacobian_descent",
    "LostLambdaWarning": "famo",
    "NoBalancer": "balancer",
    "QPBalancer": "qp",
    "ScaleGammaManager": "gamma",
    "TaskLayout": "weighting",
    "build_balancer": "balancer",
}
"""The module of each name."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
