"""Gammas: how strongly the task weights are pulled back to neutral, per scale and over a training. Needs no torch."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from hpcmbal.core.balance.adaptive_gamma import WINDOW_EPOCHS, AdaptiveMultipliers
from hpcmbal.core.scales import Triple
from hpcmbal.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Phase(NamedTuple):
    """A named part of the training, from `start` to `end` as fractions of it."""

    name: str
    start: float
    end: float


PHASES = (
    Phase("warm-up", 0.0, 0.1),
    Phase("progressive", 0.1, 0.5),
    Phase("refinement", 0.5, 5 / 6),
    Phase("fine-tuning", 5 / 6, 1.0),
)
"""Epochs 0, 300, 1500, 2500, 3000 of the 3000-epoch recipe, as fractions, so that they suit a training of any
length."""

_HIERARCHICAL_KNOTS: tuple[tuple[float, Triple], ...] = (
    (0.0, (1.0, 0.8, 0.6)),
    (0.1, (1.2, 0.8, 0.6)),
    (0.5, (0.9, 1.1, 1.0)),
    (5 / 6, (0.7, 0.8, 1.1)),
    (1.0, (0.5, 0.5, 1.3)),
)


def fixed(fraction: float) -> Triple:
    """No change."""
    del fraction
    return (1.0, 1.0, 1.0)


def linear(fraction: float) -> Triple:
    """From 1 to 1/2 in a straight line."""
    value = 1 - 0.5 * fraction
    return (value, value, value)


def cosine(fraction: float) -> Triple:
    """From 1 to 1/2 along half a cosine."""
    value = 0.75 + 0.25 * math.cos(math.pi * fraction)
    return (value, value, value)


def hierarchical(fraction: float) -> Triple:
    """Each scale on its own course, linear between the borders of `PHASES`."""
    for (left, start), (right, end) in itertools.pairwise(_HIERARCHICAL_KNOTS):
        if fraction <= right:
            t = (fraction - left) / (right - left)
            s1, s2, s3 = (a + t * (b - a) for a, b in zip(start, end, strict=True))
            return (s1, s2, s3)
    return _HIERARCHICAL_KNOTS[-1][1]


SCHEDULES: dict[str, Callable[[float], Triple]] = {
    "fixed": fixed,
    "linear": linear,
    "cosine": cosine,
    "hierarchical": hierarchical,
}
"""Strategies that are pure functions of the fraction of training done. A new one is a function and a line here."""

ADAPTIVE = "adaptive"
STRATEGIES = (*SCHEDULES, ADAPTIVE)


def schedule_multipliers(strategy: str, fraction: float) -> Triple:
    """Multipliers of the initial gammas of s1, s2 and s3 when `fraction` of the training is done.

    Args:
        strategy: A key of `SCHEDULES`.
        fraction: 0 to 1.

    Raises:
        SettingsError: The strategy is unknown or the fraction is outside [0, 1].

    >>> schedule_multipliers("linear", 0.5)
    (0.75, 0.75, 0.75)
    """
    if strategy not in SCHEDULES:
        raise SettingsError(f"Unknown gamma schedule '{strategy}'. Choose one of: {', '.join(SCHEDULES)}.")
    return SCHEDULES[strategy](checked_fraction(fraction))


class ScaleGammaManager:
    """Gives the gammas of s1, s2 and s3 at the present point of the training: initial values times multipliers.

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
        self.fraction = checked_fraction(fraction)
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


def checked_fraction(fraction: float) -> float:
    """A fraction of the training.

    Raises:
        SettingsError: Not within [0, 1].
    """
    if not 0 <= fraction <= 1:
        raise SettingsError(f"The fraction of training done should be between 0 and 1. Found {fraction}.")
    return fraction
