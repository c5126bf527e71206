"""The probability tables of format version 1: one per scale, the same integers on every machine.

The scale of a symbol is one of 64 between 0.12 and 64, spaced evenly in its logarithm. Its table covers the symbols
-m .. m and, last, an escape for everything beyond. All tables are universal constants: they do not depend on a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache
from itertools import pairwise
from math import isqrt

import numpy as np
import numpy.typing as npt

from hpcmbal.core.entropy.fixed_point import FRACTION_BITS, ONE, half_mass

GRID_BITS = 10
"""Scales and means are multiples of 2^-10."""
SCALE_COUNT = 64
SCALE_LOWEST = Decimal("0.12")
SCALE_HIGHEST = Decimal(64)
PRECISION = 24
"""Frequencies of a table add up to 2^24."""
TAIL_BITS = 20
"""A table ends where less than 2^-20 of the mass lies beyond."""


@dataclass(frozen=True)
class FrequencyTable:
    """Frequencies of the symbols `-half_width .. half_width` and of the escape (last); positive, sum 2^24."""

    half_width: int
    frequencies: tuple[int, ...]

    @property
    def escape(self) -> int:
        """Position of the escape in `frequencies`."""
        return 2 * self.half_width + 1


@lru_cache(maxsize=1)
def scale_grid() -> tuple[int, ...]:
    """The 64 scales in units of 2^-10, ascending: 0.12 * (64 / 0.12)^(k / 63), rounded."""
    context = Context(prec=50)
    ratio = context.divide(SCALE_HIGHEST, SCALE_LOWEST)
    scales = []
    for k in range(SCALE_COUNT):
        power = context.power(ratio, context.divide(Decimal(k), Decimal(SCALE_COUNT - 1)))
        scaled = context.multiply(context.multiply(SCALE_LOWEST, power), Decimal(1 << GRID_BITS))
        scales.append(int(scaled.to_integral_value()))
    return tuple(scales)


@lru_cache(maxsize=1)
def scale_thresholds() -> tuple[int, ...]:
    """The 63 thresholds in units of 2^-10: a scale belongs to table k, the number of thresholds below or equal to it.

    They are the geometric means of neighbouring scales, rounded up.
    """
    return tuple(isqrt(low * high - 1) + 1 for low, high in pairwise(scale_grid()))


def scale_indices(scales: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Table of each scale; `scales` in units of 2^-10, of any shape. Exact: it only compares."""
    return np.searchsorted(np.asarray(scale_thresholds(), dtype=np.float64), scales, side="right").astype(np.uint8)


@lru_cache(maxsize=1)
def frequency_tables() -> tuple[FrequencyTable, ...]:
    """The 64 tables, in the order of `scale_grid`. Takes about a tenth of a second the first time."""
    return tuple(_frequency_table(scale) for scale in scale_grid())


def _frequency_table(scale: int) -> FrequencyTable:
    """Table for `scale` (in units of 2^-10).

    Every symbol gets 1 plus its share, rounded down, of the 2^24 minus the number of symbols; what remains goes to 0.
    """
    half_step = 1 << (GRID_BITS - 1)
    within = [half_mass(half_step, scale)]
    while ONE - within[-1] >= ONE >> TAIL_BITS:
        within.append(half_mass((2 * len(within) + 1) * half_step, scale))
    half_width = len(within) - 1
    free = (1 << PRECISION) - (2 * half_width + 2)
    side = [1 + ((outer - inner) * free >> (FRACTION_BITS + 1)) for inner, outer in pairwise(within)]
    escape = 1 + ((ONE - within[-1]) * free >> FRACTION_BITS)
    centre = (1 << PRECISION) - 2 * sum(side) - escape
    return FrequencyTable(half_width, (*reversed(side), centre, *side, escape))
