"""The rates that a training trains for."""

from __future__ import annotations

from hpcmbal.core.model.rates import LmbdaRange, OneRate, Rates
from hpcmbal.settings import TrainSettings


def trained_rates(settings: TrainSettings) -> Rates:
    """One lambda, or the range that lambdas are drawn from."""
    return LmbdaRange(*settings.lmbda_range) if settings.loss.variable_rate else OneRate(settings.loss.lmbda)
