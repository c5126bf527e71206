"""Learning rates of their own for some of an optimiser's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


def apply_learning_rate_factors(optimizer: torch.optim.Optimizer, factors: Mapping[nn.Parameter, float]) -> None:
    """Split every parameter group by factor and multiply the learning rates; everything else of a group stays.

    Args:
        optimizer: Before its first step; its groups are replaced.
        factors: By parameter; 1 where none is given.
    """
    groups: list[dict[str, Any]] = []
    for group in optimizer.param_groups:
        by_factor: dict[float, list[nn.Parameter]] = {}
        for parameter in group["params"]:
            by_factor.setdefault(factors.get(parameter, 1.0), []).append(parameter)
        groups += [{**group, "params": own, "lr": group["lr"] * factor} for factor, own in by_factor.items()]
    optimizer.param_groups[:] = groups
