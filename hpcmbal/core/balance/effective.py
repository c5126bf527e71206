"""Remembers the effective weights of the last step, and what they mean, for the logs."""

from __future__ import annotations

import torch
from torch import Tensor

from hpcmbal.core.balance.task_layout import TaskLayout
from hpcmbal.core.balance.weighting import lmbda_ratio
from hpcmbal.core.scales import SCALES


class EffectiveWeights:
    """The weights that the last step's gradients were added up with, beside its losses. Not part of any state.

    Values stay on their device until they are asked for.

    Args:
        layout: The tasks.
    """

    def __init__(self, layout: TaskLayout) -> None:
        self.layout = layout
        self._weights: Tensor | None = None
        self._losses: Tensor | None = None

    def remember(self, weights: Tensor, losses: Tensor) -> None:
        """Keep the effective weights `[K]` and losses `[K]` of a step."""
        self._weights, self._losses = weights.detach().double(), losses.detach().double()

    def contributions(self) -> dict[str, float]:
        """Share of each scale in the balanced objective, the sum of `a L` over its tasks; they sum to one.

        Empty before the first step and for tasks without scales.
        """
        if self._weights is None or self._losses is None or self.layout.scales is None:
            return {}
        parts = self._weights * self._losses
        parts = parts / parts.sum().clamp_min(torch.finfo(parts.dtype).tiny)
        scales = torch.tensor(self.layout.scales, device=parts.device)
        totals = torch.zeros(len(SCALES), dtype=parts.dtype, device=parts.device).index_add(0, scales, parts)
        return dict(zip(SCALES, totals.tolist(), strict=True))

    def metrics(self) -> dict[str, float]:
        """The last step's `effective_weights/<task>`, `scale_contrib/<scale>` and `lmbda_eff_ratio`.

        The ratio times lmbda is the effective lmbda.
        """
        if self._weights is None or self._losses is None:
            return {}
        names = [f"effective_weights/{name}" for name in self.layout.names]
        values = dict(zip(names, self._weights.tolist(), strict=True))
        values |= {f"scale_contrib/{scale}": share for scale, share in self.contributions().items()}
        return values | {"lmbda_eff_ratio": lmbda_ratio(self._weights, self._losses, self.layout).item()}
