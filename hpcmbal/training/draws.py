"""Random numbers of a sample, as pure functions of (seed, sample): nothing to save, nothing a resume could shift."""

from __future__ import annotations

import math

import numpy as np

from hpcmbal.settings import LossSettings

_NOISE_STREAM = 1
_LMBDA_STREAM = 2


def noise_seed(seed: int, sample_id: int) -> int:
    """Seed of the quantisation noise of one sample, 32 bits."""
    return int(np.random.SeedSequence([seed, _NOISE_STREAM, sample_id]).generate_state(1)[0])


def draw_lmbda(settings: LossSettings, seed: int, sample_id: int) -> float:
    """Lmbda of one sample: fixed, or log-uniform in the range if the rate is variable."""
    if not settings.variable_rate:
        return settings.lmbda
    generator = np.random.default_rng(np.random.SeedSequence([seed, _LMBDA_STREAM, sample_id]))
    return math.exp(generator.uniform(math.log(settings.lmbda_min), math.log(settings.lmbda_max)))
