"""Gather and scatter along the last dimension by indices without repeats."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Take(torch.autograd.Function):
    """`index_select` whose gradient is written, not added: the indices are unique, and adding is many times slower."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.length = source.shape[-1]
        return source.index_select(-1, index)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        (grad,) = grads
        return grad.new_zeros(*grad.shape[:-1], ctx.length).index_copy_(-1, index, grad), None


def take(source: Tensor, index: Tensor) -> Tensor:
    """`source[..., index]` for unique indices; `source` `[..., n]`, `index` `[m]` int64."""
    out: Tensor = _Take.apply(source, index)
    return out


def put(target: Tensor, index: Tensor, values: Tensor) -> Tensor:
    """A copy of `target` `[..., n]` with `values` `[..., m]` at the unique positions `index` `[m]`."""
    return target.index_copy(-1, index, values)
