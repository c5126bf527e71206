"""A lower bound through which gradients find their way back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _LowerBound(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bound: Tensor) -> Tensor:
        ctx.save_for_backward(x, bound)
        return torch.maximum(x, bound)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        x, bound = ctx.saved_tensors
        (grad,) = grads
        return grad * ((x >= bound) | (grad < 0)), None


class LowerBound(nn.Module):
    """`max(x, bound)`; below the bound, only gradients that lead upwards pass.

    The same as CompressAI's operator of this name, down to the buffer in state dicts; importing CompressAI for it would
    take two thirds of the time in which a codec starts.

    Args:
        bound: The smallest output.
    """

    bound: Tensor

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.register_buffer("bound", torch.tensor([float(bound)]))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same."""
        out: Tensor = _LowerBound.apply(x, self.bound)
        return out
