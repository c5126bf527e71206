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
            margin = _zeros(rows, self.context)
            above = margin if self.kept is None else self.kept
            rows = torch.cat((above, rows, margin) if last else (above, rows), dim=2)
        count = (rows.shape[2] - 2 * self.context) // self.multiple * self.multiple
        if count <= 0:
            self.kept = rows
            return None
        self.kept = rows[:, :, count:].clone() if rows.shape[2] > count else None
        return self.compute(rows[:, :, : count + 2 * self.context])


def _zeros(like: Tensor, rows: int) -> Tensor:
    """Rows of zeros in the memory layout of `like` `[1, C, n, w]`; another one would spread to every layer."""
    layout = torch.channels_last if like.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    return torch.zeros_like(like[:, :, :1]).expand(-1, -1, rows, -1).contiguous(memory_format=layout)


def push_rows(layers: Sequence[RowLayer], rows: Tensor, *, last: bool) -> Tensor | None:
    """The output of a chain that `rows` complete, beyond what it returned before; None if there is none."""
    current: Tensor | None = rows
    for layer in layers:
        if current is None:
            return None
        current = layer.push(current, last=last)
    return current
