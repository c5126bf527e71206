"""Balancers of the task losses, and the gamma schedules that pull their weights back to neutral.

Names are imported when they are asked for: the balancers bring torch, which drawing the schedules does without.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpcmbal.core.balance.balancer import Balancer, NoBalancer
    from hpcmbal.core.balance.balancers import BALANCERS, build_balancer
    from hpcmbal.core.balance.famo_balancer import FamoBalancer, LostLambdaWarning
    from hpcmbal.core.balance.hierarchical_balanced import HierarchicalBalanced
    from hpcmbal.core.balance.jacobian_descent import JacobianDescentBalancer
    from hpcmbal.core.balance.qp_balancer import QPBalancer
    from hpcmbal.core.balance.task_layout import TaskLayout

__all__ = [
    "BALANCERS",
    "Balancer",
    "FamoBalancer",
    "HierarchicalBalanced",
    "JacobianDescentBalancer",
    "LostLambdaWarning",
    "NoBalancer",
    "QPBalancer",
    "TaskLayout",
    "build_balancer",
]

_HOMES = {
    "BALANCERS": "balancers",
    "Balancer": "balancer",
    "FamoBalancer": "famo_balancer",
    "HierarchicalBalanced": "hierarchical_balanced",
    "JacobianDescentBalancer": "jacobian_descent",
    "LostLambdaWarning": "famo_balancer",
    "NoBalancer": "balancer",
    "QPBalancer": "qp_balancer",
    "TaskLayout": "task_layout",
    "build_balancer": "balancers",
}
"""The module of each name."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
