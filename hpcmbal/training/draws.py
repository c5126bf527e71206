"""Random numbers of a sample, as pure functions of (seed, sample): nothing to save, nothing a resume could shift."""

from __future__ import annotations

import math

import numpy as np

from hpcmbal.core.model.rates import LmbdaRange
from hpcmbal.settings import TrainSettings
from hpcmbal.training.rates import trained_rates

_NOISE_STREAM = 1
_LMBDA_STREAM = 2


def noise_seed(seed: int, sample_id: int) -> int:
    """Seed of the quantisation noise of one sample, 32 bits."""
    return int(np.random.SeedSequence([seed, _NOISE_STREAM, sample_id]).generate_state(1)[0])


def draw_lmbda(settings: TrainSettings, sample_id: int) -> float:
    """Lmbda of one sample: fixed, or log-uniform in the range if the rate is variable."""
    rates = trained_rates(settings)
    if not isinstance(rates, LmbdaRange):
        return settings.loss.lmbda
    seed = np.random.SeedSequence([settings.training.seed, _LMBDA_STREAM, sample_id])
    return math.exp(np.random.default_rng(seed).uniform(math.log(rates.low), math.log(rates.high)))
