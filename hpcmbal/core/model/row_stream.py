"""Chains of layers that take a picture's rows from top to bottom, so that only a few of them are in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class RowLayer:
    """One layer, given its input some rows at a time; for one picture.

    Attributes:
        compute: From rows `[1, C, context + n + context, w]` to the output of the n rows in the middle.
        context: Rows above and below that a row's output depends on; zeros beyond the picture.
        multiple: n is a multiple of this.
        kept: Rows that the next call needs.
    """

    compute: Callable[[Tensor], Tensor]
    context: int = 0
    multiple: int = 1
    kept: Tensor | None = None

    def push(self, rows: Tensor, *, last: bool) -> Tensor | None:
        """Take the next rows `[1, C, n, w]` and return the output that is complete, or None if there is none yet."""
        if self.context or self.kept is not None:
            margin = rows.new_zeros((1, rows.shape[1], self.context, rows.shape[3]))
            above = margin if self.kept is None else self.kept
            rows = _stack((above, rows, margin) if last else (above, rows), layout=_layout(rows))
        count = (rows.shape[2] - 2 * self.context) // self.multiple * self.multiple
        if count <= 0:
            self.kept = rows
            return None
        self.kept = rows[:, :, count:].clone() if rows.shape[2] > count else None
        return self.compute(rows[:, :, : count + 2 * self.context])


def _layout(rows: Tensor) -> torch.memory_format:
    return torch.channels_last if rows.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format


def _stack(parts: tuple[Tensor, ...], layout: torch.memory_format) -> Tensor:
    """Rows below one another. `torch.cat` alone guesses the layout, which every later layer would convert."""
    batch, channels, _, width = parts[0].shape
    rows = sum(part.shape[2] for part in parts)
    out = torch.empty(
        (batch, channels, rows, width), dtype=parts[0].dtype, device=parts[0].device, memory_format=layout
    )
    return torch.cat(parts, dim=2, out=out)


def push_rows(layers: Sequence[RowLayer], rows: Tensor, *, last: bool) -> Tensor | None:
    """The output of a chain that `rows` complete, beyond what it returned before; None if there is none."""
    current: Tensor | None = rows
    for layer in layers:
        if current is None:
            return None
        current = layer.push(current, last=last)
    return current
