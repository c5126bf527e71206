"""The gammas of the three scales over a training: initial values times a strategy's multipliers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from hpcmbal.core.balance.gamma.adaptive import WINDOW_EPOCHS, AdaptiveMultipliers
from hpcmbal.core.balance.gamma.schedules import SCHEDULES, Triple, schedule_multipliers
from hpcmbal.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

ADAPTIVE = "adaptive"
STRATEGIES = (*SCHEDULES, ADAPTIVE)


class ScaleGammaManager:
    """Gives the gammas of s1, s2 and s3 at the present point of the training.

    Args:
        initial: Gammas of s1, s2, s3 before any schedule, finite and not negative.
        strategy: One of `STRATEGIES`.
        window: Epochs that `adaptive` looks back.

    Raises:
        SettingsError: The strategy is unknown or a gamma is negative or not finite.

    >>> manager = ScaleGammaManager((0.008, 0.006, 0.004), "cosine")
    >>> manager.set_progress(1.0)
    >>> manager.gammas
    (0.004, 0.003, 0.002)
    """

    def __init__(self, initial: Sequence[float], strategy: str = "fixed", *, window: int = WINDOW_EPOCHS) -> None:
        if strategy not in STRATEGIES:
            raise SettingsError(f"Unknown gamma strategy '{strategy}'. Choose one of: {', '.join(STRATEGIES)}.")
        self.strategy = strategy
        self.fraction = 0.0
        self.initial = checked_gammas(initial)
        self._adaptive = AdaptiveMultipliers(window)

    @property
    def multipliers(self) -> Triple:
        """Present multipliers of the initial gammas."""
        if self.strategy == ADAPTIVE:
            return self._adaptive.values
        return schedule_multipliers(self.strategy, self.fraction)

    @property
    def gammas(self) -> Triple:
        """Present gammas of s1, s2, s3."""
        s1, s2, s3 = (gamma * factor for gamma, factor in zip(self.initial, self.multipliers, strict=True))
        return (s1, s2, s3)

    def set_initial(self, initial: Sequence[float]) -> None:
        """Replace the initial gammas; schedule and memory go on.

        Raises:
            SettingsError: Not three finite numbers that are at least 0.
        """
        self.initial = checked_gammas(initial)

    def set_progress(self, fraction: float, scale_losses: Sequence[float] | None = None) -> None:
        """Move to another point of the training.

        Args:
            fraction: Fraction of the training done, 0 to 1.
            scale_losses: At the end of an epoch, its mean losses of s1, s2, s3; only `adaptive` reads them.

        Raises:
            SettingsError: The fraction is outside [0, 1].
            NumericalError: A loss is not finite.
        """
        if not 0 <= fraction <= 1:
            raise SettingsError(f"The fraction of training done should be between 0 and 1. Found {fraction}.")
        self.fraction = fraction
        if scale_losses is not None and self.strategy == ADAPTIVE:
            self._adaptive.observe(scale_losses)

    def state_dict(self) -> dict[str, Any]:
        """Progress, initial gammas and the memory of `adaptive`; all plain numbers and lists."""
        return {"fraction": self.fraction, "initial": list(self.initial), "adaptive": self._adaptive.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.fraction = state["fraction"]
        self.initial = checked_gammas(state["initial"])
        self._adaptive.load_state_dict(state["adaptive"])


def checked_gammas(values: Sequence[float]) -> Triple:
    """Three gammas as a tuple.

    Raises:
        SettingsError: Not three finite numbers that are at least 0.
    """
    if len(values) != 3 or not all(math.isfinite(value) and value >= 0 for value in values):
        raise SettingsError(f"Gammas should be three finite numbers of at least 0 (s1, s2, s3). Found {list(values)}.")
    s1, s2, s3 = (float(value) for value in values)
    return (s1, s2, s3)
