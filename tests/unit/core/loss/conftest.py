"""Model outputs made of random numbers: the losses only read reconstructions and bits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from hpcmbal.core.model import ModelOutput
from hpcmbal.core.model.hpcm import ScaleBits

Case = tuple[ModelOutput, torch.Tensor, torch.Tensor]


@pytest.fixture
def make_case() -> Callable[..., Case]:
    def make(height: int = 37, width: int = 50, *, batch: int = 3, seed: int = 0, noise: float = 0.1) -> Case:
        """(output, images, lmbda per image), float64, everything with a graph."""
        generator = torch.Generator().manual_seed(seed)

        def rand(*shape: int) -> torch.Tensor:
            return torch.rand(*shape, generator=generator, dtype=torch.float64)

        x = rand(batch, 3, height, width)
        x_hat = (x + noise * (rand(batch, 3, height, width) - 0.3)).requires_grad_()
        bits = ScaleBits(*(10 ** (4 * rand(batch)) for _ in range(4)))
        for part in bits:
            part.requires_grad_()
        output: ModelOutput = {"x_hat": x_hat, "likelihoods": {"y": x, "z": x}, "scale_bits": bits}
        return output, x, 0.0018 + 0.05 * rand(batch)

    return make
