"""The rates that a model was trained for: one, or a range of which `quality` 1 to 100 chooses.

Every model carries its `Rates` (`HPCM.rates`), every model file stores them, and they are part of a model's id. Whoever
wants to know at which lmbda a model codes asks `lmbda_at`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from hpcmbal.errors import SettingsError, setting
from hpcmbal.settings.choices import DEFAULT_QUALITY, QUALITY_MAX, QUALITY_MIN


@dataclass(frozen=True)
class LmbdaRange:
    """The rate parameters that a model of variable rate covers, and how `quality` 1 to 100 maps onto them.

    Attributes:
        low: lmbda of quality 1.
        high: lmbda of quality 100; between them log lmbda is linear in quality.

    Raises:
        SettingsError: Not 0 < low < high < infinity.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high < math.inf:
            raise SettingsError(
                f"A range of lambda needs two positive numbers, the smaller first. Found {self.low} and {self.high}."
            )

    def __str__(self) -> str:
        return f"lambda {self.low:g} to {self.high:g}"

    @property
    def variable(self) -> bool:
        """Whether a quality can be chosen: yes."""
        return True

    @property
    def middle(self) -> float:
        """The geometric mean of both ends, quality 50.5."""
        return math.sqrt(self.low * self.high)

    @property
    def log_span(self) -> float:
        """`log(high / low)`."""
        return math.log(self.high / self.low)

    def lmbda_at(self, quality: float | None = None) -> float:
        """The lmbda of `quality`, 1 to 100; of `DEFAULT_QUALITY` if None.

        Raises:
            SettingsError: The quality is out of range.
        """
        quality = DEFAULT_QUALITY if quality is None else quality
        if not QUALITY_MIN <= quality <= QUALITY_MAX:
            raise SettingsError(
                f"{setting('quality')} should be {QUALITY_MIN:g} to {QUALITY_MAX:g}. Found {quality:g}."
            )
        lmbda: float = self.low * (self.high / self.low) ** ((quality - QUALITY_MIN) / (QUALITY_MAX - QUALITY_MIN))
        return lmbda

    def quality_of(self, lmbda: float) -> float:
        """The quality whose lmbda this is; below 1 or above 100 outside of the range."""
        return QUALITY_MIN + math.log(lmbda / self.low) / self.log_span * (QUALITY_MAX - QUALITY_MIN)

    def spread(self, count: int) -> list[float]:
        """`count` lmbdas, at least 2, from the low end to the high one, evenly in log lmbda."""
        return [self.low * (self.high / self.low) ** (i / (count - 1)) for i in range(count)]


@dataclass(frozen=True)
class OneRate:
    """The single rate of a model.

    Attributes:
        lmbda: What it was trained with; None for released weights, which do not say.

    Raises:
        SettingsError: `lmbda` is not a positive number.
    """

    lmbda: float | None = None

    def __post_init__(self) -> None:
        if self.lmbda is not None and not 0 < self.lmbda < math.inf:
            raise SettingsError(f"A lambda is a positive number. Found {self.lmbda}.")

    def __str__(self) -> str:
        return "one rate" if self.lmbda is None else f"one rate, lambda {self.lmbda:g}"

    @property
    def variable(self) -> bool:
        """Whether a quality can be chosen: no."""
        return False

    def lmbda_at(self, quality: float | None = None) -> float | None:
        """The model's lmbda, if it is known.

        Raises:
            SettingsError: A quality was asked for.
        """
        if quality is not None:
            raise SettingsError(
                f"The model has {self}, so there is no quality to choose. Leave {setting('quality')} out, or take "
                "another model."
            )
        return self.lmbda

    def spread(self, count: int) -> list[float]:
        """Its lmbda alone, whatever the count; nothing if it is unknown."""
        del count
        return [] if self.lmbda is None else [self.lmbda]


Rates: TypeAlias = LmbdaRange | OneRate


def fit_rates(rates: Rates | None, span: LmbdaRange | None, model: str) -> Rates:
    """The rates of a network whose rate gains cover `span`: as given, else all that it can do.

    Args:
        rates: What was trained; None: everything that the gains cover.
        span: What the gains cover; None for a network without gains.
        model: The variant's name, for messages.

    Raises:
        SettingsError: The network cannot code at these rates.
    """
    if rates is None:
        return OneRate() if span is None else span
    if isinstance(rates, LmbdaRange):
        if span is None:
            raise SettingsError(f"{model} has no rate gains, so it has one rate. Found {rates}.")
        if rates.low < span.low or rates.high > span.high:
            raise SettingsError(f"{model} covers {span}. Found {rates}, of which its gains know only a part.")
    elif span is not None and rates.lmbda is None:
        raise SettingsError(f"{model} with one rate needs that rate's lambda: OneRate(lmbda).")
    return rates
