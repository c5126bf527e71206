"""Windowed cross-attention that carries context from one coding step to the next."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpcmbal.core.model.blocks import conv1x1


class WindowCrossAttention(nn.Module):
    """Progressive context fusion (HPCM, section 3.3): the new context queries the previous one.

    ```
    context  [B, C, h, w] -> q --+
    previous [B, C, h, w] -> k, v --> softmax(q k / sqrt(d)) v, per window -> (+ projected context) -> next context
    ```

    The released form has `width == channels` and adds a projection `conv_out` of the context. Our own, narrower form
    projects the attention's output back with `conv_proj` and adds the context itself.

    Scores and softmax are written out, in the released network's order of operations: latents that lie within 1e-6 of a
    rounding boundary then fall on the same side as there.

    Args:
        channels: Channels of both contexts.
        width: Channels of queries, keys and values.
        heads: Number of heads; divides `width`.
        window: Side of the square windows in latents. Windows that stick out of the map attend only to what exists.
    """

    def __init__(self, channels: int, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.conv_q = conv1x1(channels, width)
        self.conv_k = conv1x1(channels, width)
        self.conv_v = conv1x1(channels, width)
        if width == channels:
            self.conv_out = conv1x1(channels, channels)
        else:
            self.conv_proj = conv1x1(width, channels)

    def forward(self, context: Tensor, previous: Tensor) -> Tensor:
        """The next context `[B, C, h, w]`, from this step's prediction and the context before it, shaped alike."""
        height, width = context.shape[-2:]
        tokens, previous_tokens = self._to_windows(context), self._to_windows(previous)
        q = self._to_heads(self.conv_q(tokens)).transpose(-1, -2)
        k = self._to_heads(self.conv_k(previous_tokens))
        v = self._to_heads(self.conv_v(previous_tokens)).transpose(-1, -2)
        scores = q @ k / math.sqrt(k.shape[2])
        mask = window_mask(height, width, self.window, context.device)
        if mask is not None:
            scores = scores.masked_fill(~mask.repeat(context.shape[0], 1)[:, None, None, :], -math.inf)
        fused = (scores.softmax(dim=-1) @ v).transpose(-1, -2).flatten(1, 2)
        fused = self._from_windows(fused, height, width)
        released = hasattr(self, "conv_out")
        out: Tensor = fused + self.conv_out(context) if released else context + self.conv_proj(fused)
        return out

    def _to_windows(self, x: Tensor) -> Tensor:
        """`[B, C, h, w]` to `[B * windows, C, window, window]`, zero-padded where a window sticks out."""
        batch, channels, height, width = x.shape
        side = self.window
        if height % side or width % side:
            x = F.pad(x, (0, -width % side, 0, -height % side))
        rows, columns = x.shape[-2] // side, x.shape[-1] // side
        x = x.reshape(batch, channels, rows, side, columns, side)
        return x.permute(0, 2, 4, 1, 3, 5).reshape(batch * rows * columns, channels, side, side)

    def _to_heads(self, x: Tensor) -> Tensor:
        """`[windows, C, window, window]` to `[windows, heads, C / heads, window^2]`."""
        return x.reshape(x.shape[0], self.heads, x.shape[1] // self.heads, -1)

    def _from_windows(self, x: Tensor, height: int, width: int) -> Tensor:
        """`[B * windows, C, window^2]` back to `[B, C, height, width]`, without the padding."""
        side = self.window
        rows, columns = -(-height // side), -(-width // side)
        x = x.reshape(-1, rows, columns, x.shape[1], side, side).permute(0, 3, 1, 4, 2, 5)
        return x.reshape(x.shape[0], x.shape[1], rows * side, columns * side)[:, :, :height, :width]


@lru_cache(maxsize=64)
def window_mask(height: int, width: int, window: int, device: torch.device) -> Tensor | None:
    """Which positions of each window lie inside the map: `[windows, window^2]` bool; None if windows tile exactly."""
    if height % window == 0 and width % window == 0:
        return None
    inside = F.pad(
        torch.ones(height, width, dtype=torch.bool, device=device), (0, -width % window, 0, -height % window)
    )
    rows, columns = inside.shape[0] // window, inside.shape[1] // window
    inside = inside.reshape(rows, window, columns, window).permute(0, 2, 1, 3)
    return inside.reshape(rows * columns, window * window)
