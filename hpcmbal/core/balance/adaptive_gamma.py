"""Gamma multipliers that follow the losses: the one strategy with a memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from hpcmbal.core.scales import SCALES, Triple
from hpcmbal.errors import NumericalError

if TYPE_CHECKING:
    from collections.abc import Sequence

WINDOW_EPOCHS = 50
SETTLED = 0.01
UNSETTLED = 0.05
"""Coefficients of variation below which a scale's loss counts as settled, and above which as unsettled."""
SETTLED_FACTOR = 0.95
UNSETTLED_FACTOR = 1.02
LOWEST = 0.5
HIGHEST = 1.5


class AdaptiveMultipliers:
    """Loosens the pull on scales whose loss has settled, tightens it on those whose loss jumps.

    After every epoch, once `window` epochs are known, the coefficient of variation (standard deviation over mean) of a
    scale's last `window` losses decides: below 0.01 its multiplier is multiplied by 0.95, above 0.05 by 1.02, and it
    stays within [0.5, 1.5].

    Args:
        window: Number of epochs to look back.
    """

    def __init__(self, window: int = WINDOW_EPOCHS) -> None:
        self.window = window
        self.values: Triple = (1.0, 1.0, 1.0)
        self._history: list[Triple] = []

    def observe(self, scale_losses: Sequence[float]) -> None:
        """Take the losses of s1, s2 and s3 of one more epoch into account.

        Raises:
            NumericalError: A loss is not finite; the message names the scale.
        """
        s1, s2, s3 = scale_losses
        for name, loss in zip(SCALES, scale_losses, strict=True):
            if not math.isfinite(loss):
                raise NumericalError(
                    f"The epoch's loss of scale {name} is {loss}: adaptive gamma needs finite losses. "
                    "Lower the learning rate or resume from an earlier checkpoint."
                )
        self._history = [*self._history, (s1, s2, s3)][-self.window :]
        if len(self._history) == self.window:
            scales = zip(*self._history, strict=True)
            a, b, c = (_adapt(value, losses) for value, losses in zip(self.values, scales, strict=True))
            self.values = (a, b, c)

    def state_dict(self) -> dict[str, Any]:
        """Multipliers and the remembered losses."""
        return {"values": list(self.values), "history": [list(losses) for losses in self._history]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        a, b, c = state["values"]
        self.values = (a, b, c)
        self._history = [(float(s1), float(s2), float(s3)) for s1, s2, s3 in state["history"]]


def adaptive_limits(epochs: int) -> tuple[float, float]:
    """Lowest and highest multiplier that any losses can lead to within `epochs` epochs."""
    changes = max(0, epochs - WINDOW_EPOCHS + 1)
    return max(LOWEST, SETTLED_FACTOR**changes), min(HIGHEST, UNSETTLED_FACTOR ** min(changes, 1000))


def _adapt(value: float, losses: Sequence[float]) -> float:
    variation = coefficient_of_variation(losses)
    if variation < SETTLED:
        value *= SETTLED_FACTOR
    elif variation > UNSETTLED:
        value *= UNSETTLED_FACTOR
    return min(max(value, LOWEST), HIGHEST)


def coefficient_of_variation(values: Sequence[float]) -> float:
    """Population standard deviation over the mean's magnitude; 0 for constant values, zero included."""
    mean = math.fsum(values) / len(values)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
    return deviation / abs(mean) if deviation else 0.0
