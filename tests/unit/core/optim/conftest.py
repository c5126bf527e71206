"""A small network with every kind of parameter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn


class EveryKind(nn.Module):
    """A network with every kind of parameter that HPCM has."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, stride=2, padding=1)
        self.pointwise = nn.Conv2d(8, 12, 1)
        self.depthwise = nn.Conv2d(12, 12, 3, padding=1, groups=12)
        self.up = nn.ConvTranspose2d(12, 3, 2, stride=2)
        self.modulation = nn.Parameter(torch.ones(1, 12, 1, 1))
        self.gains = nn.Parameter(torch.zeros(4, 12))
        self.frozen = nn.Parameter(torch.zeros(2, 2), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise(self.pointwise(self.stem(x)).relu() * self.modulation)
        out: Tensor = self.up(y * self.gains.mean(0)[:, None, None].exp())
        return out


@pytest.fixture
def network() -> Callable[[], nn.Module]:
    def make(seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        return EveryKind()

    return make
