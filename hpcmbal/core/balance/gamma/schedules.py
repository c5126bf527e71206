"""Gamma multipliers as pure functions of the fraction of training done. A new one is a function and a line here."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

from hpcmbal.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

Triple = tuple[float, float, float]
"""One value for each of the scales s1, s2, s3."""


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
    if not 0 <= fraction <= 1:
        raise SettingsError(f"The fraction of training done should be between 0 and 1. Found {fraction}.")
    return SCHEDULES[strategy](fraction)
