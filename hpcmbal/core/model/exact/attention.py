"""Cross-attention that computes exactly, with a table for the exponential."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hpcmbal.core.entropy.fixed_point import exp_negative_table
from hpcmbal.core.entropy.tables import GRID_BITS
from hpcmbal.core.model.attention import WindowCrossAttention, window_mask
from hpcmbal.core.model.exact.grid import EXACT_LIMIT, LIMIT, settle_
from hpcmbal.core.model.exact.layers import Pointwise
from hpcmbal.errors import NumericalError

EXP_STEP_BITS = 10
"""The exponential's argument is rounded to 2^-10."""
EXP_VALUE_BITS = 20
"""Its values are integers in units of 2^-20."""
WINDOW_SCORES = 1 << 20
"""Scores computed at once: bounds the memory, and keeps the passes over them in the cache."""


class ExactAttention(WindowCrossAttention):
    """`WindowCrossAttention` in grid steps.

    Scores are exact integer sums. Their distance from the row's largest, divided by sqrt(d), is rounded to the table's
    argument; the weighted sum of values with the table's integers is exact, and one division by the sum of the weights,
    which IEEE 754 rounds correctly, comes before the grid.

    Args:
        attention: The trained layer; not changed.
        name: Its path in the model, for errors.
    """

    exponential: Tensor

    def __init__(self, attention: WindowCrossAttention, name: str) -> None:
        torch.nn.Module.__init__(self)
        self.heads = attention.heads
        self.window = attention.window
        head_channels = attention.conv_q.out_channels // attention.heads
        largest = max(head_channels * LIMIT**2, self.window**2 * LIMIT * (1 << EXP_VALUE_BITS))
        if largest > EXACT_LIMIT:
            raise NumericalError(
                f"{name}: {head_channels} channels a head and windows of {self.window} could sum to "
                f"2^{math.log2(largest):.1f}, more than the 2^53 that float64 adds exactly."
            )
        self.score_factor = 2.0 ** (EXP_STEP_BITS - 2 * GRID_BITS) / math.sqrt(head_channels)
        table = [*exp_negative_table(EXP_STEP_BITS, EXP_VALUE_BITS), 0]
        self.register_buffer("exponential", torch.tensor(table, dtype=torch.float64))
        for layer, convolution in attention.named_children():
            setattr(self, layer, Pointwise(convolution, f"{name}.{layer}"))  # type: ignore[arg-type]

    def forward(self, context: Tensor, previous: Tensor) -> Tensor:
        """The next context `[B, C, h, w]` from the new one and the previous one, of the same shape."""
        height, width = context.shape[-2:]
        q, k, v = (
            self._to_heads(self._to_windows(features))
            for features in (self.conv_q(context), self.conv_k(previous), self.conv_v(previous))
        )
        mask = window_mask(height, width, self.window, context.device)
        if mask is not None:
            mask = mask.repeat(context.shape[0], 1)[:, None, None, :]
        fused = torch.empty_like(q)
        windows = max(1, WINDOW_SCORES // (self.heads * self.window**4))
        for start in range(0, q.shape[0], windows):
            part = slice(start, start + windows)
            fused[part] = self._attend(q[part], k[part], v[part], None if mask is None else mask[part])
        fused = self._from_windows(fused.flatten(1, 2), height, width)
        if hasattr(self, "conv_out"):
            return settle_(fused + self.conv_out(context))
        return settle_(context + self.conv_proj(fused))

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """Queries, keys and values `[windows, heads, d, n]` to the attended values, of the same shape."""
        scores = q.transpose(-1, -2) @ k
        if mask is not None:
            scores.masked_fill_(~mask, -EXACT_LIMIT)
        distance = scores.neg_().sub_(scores.amin(dim=-1, keepdim=True))
        argument = distance.mul_(self.score_factor).round_().clamp_(max=self.exponential.numel() - 1)
        weights = self.exponential[argument.long()]
        total = weights.sum(dim=-1)[:, :, None, :]
        return settle_((v @ weights.transpose(-1, -2)).div_(total))
