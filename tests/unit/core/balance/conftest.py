"""Small problems with known gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn


@pytest.fixture
def quadratic_tasks() -> Callable[..., tuple[nn.Parameter, Callable[[], Tensor]]]:
    def make(count: int, *, size: int = 12, seed: int = 0) -> tuple[nn.Parameter, Callable[[], Tensor]]:
        """A parameter and a function that gives `count` positive task losses of it, float64."""
        generator = torch.Generator().manual_seed(seed)
        targets = torch.randn(count, size, generator=generator, dtype=torch.float64)
        curvature = torch.rand(count, size, generator=generator, dtype=torch.float64) + 0.1
        offset = torch.rand(count, generator=generator, dtype=torch.float64) + 0.1
        parameter = nn.Parameter(torch.randn(size, generator=generator, dtype=torch.float64))

        def losses() -> Tensor:
            return (curvature * (parameter - targets).square()).sum(1) + offset

        return parameter, losses

    return make
