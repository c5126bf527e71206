"""Random numbers of a sample, as pure functions of (seed, sample): nothing to save, nothing a resume could shift."""

from __future__ import annotations

import math

import numpy as np

from hpcmbal.settings import TrainSettings

_NOISE_STREAM = 1
_LMBDA_STREAM = 2


def noise_seed(seed: int, sample_id: int) -> int:
    """Seed of the quantisation noise of one sample, 32 bits."""
    return int(np.random.SeedSequence([seed, _NOISE_STREAM, sample_id]).generate_state(1)[0])


def draw_lmbda(settings: TrainSettings, sample_id: int) -> float:
    """Lmbda of one sample: fixed, or log-uniform in the range if the rate is variable."""
    if not settings.loss.variable_rate:
        return settings.loss.lmbda
    seed = np.random.SeedSequence([settings.training.seed, _LMBDA_STREAM, sample_id])
    low, high = settings.lmbda_range
    return math.exp(np.random.default_rng(seed).uniform(math.log(low), math.log(high)))
