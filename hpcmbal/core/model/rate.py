"""Variable rate in one model: channel gains on the latents, interpolated between levels."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hpcmbal.core.model.variants import LMBDA_MAX, LMBDA_MIN

QUALITY_MIN = 1.0
QUALITY_MAX = 100.0


def quality_to_lmbda(quality: float) -> float:
    """Map `quality` 1..100 linearly to log lmbda, 0.0018..0.0483."""
    position = (quality - QUALITY_MIN) / (QUALITY_MAX - QUALITY_MIN)
    lmbda: float = LMBDA_MIN * (LMBDA_MAX / LMBDA_MIN) ** position
    return lmbda


def lmbda_to_quality(lmbda: float) -> float:
    """The inverse of `quality_to_lmbda`."""
    position = math.log(lmbda / LMBDA_MIN) / math.log(LMBDA_MAX / LMBDA_MIN)
    return QUALITY_MIN + position * (QUALITY_MAX - QUALITY_MIN)


class RateGains(nn.Module):
    """Per-level channel gains for the encoder, inverse gains for the decoder (Cui et al., CVPR 2021, eq. 3 to 6).

    Levels are spaced evenly in log lmbda; between levels the gains are interpolated exponentially, that is, their
    logarithms linearly. They start where theory puts them: a quantisation step proportional to lmbda^-1/2, gain times
    inverse gain equal to one.

    Args:
        channels: Latent channels M.
        levels: Number of gain vectors, at least 2.
    """

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__()
        self.levels = levels
        half_span = 0.25 * math.log(LMBDA_MAX / LMBDA_MIN)
        start = torch.linspace(-half_span, half_span, levels)[:, None].repeat(1, channels)
        self.log_gain = nn.Parameter(start.clone())
        self.log_inverse_gain = nn.Parameter(-start)

    def forward(self, lmbda: Tensor | None) -> Tensor:
        """Gains `[B, M, 1, 1]` for rate parameters `[B]`; `[1, M, 1, 1]` at the middle of the range if None."""
        return self._interpolate(self.log_gain, lmbda)

    def inverse(self, lmbda: Tensor | None) -> Tensor:
        """Inverse gains for the decoder, shaped as those of `forward`."""
        return self._interpolate(self.log_inverse_gain, lmbda)

    def _interpolate(self, log_gain: Tensor, lmbda: Tensor | None) -> Tensor:
        if lmbda is None:
            lmbda = log_gain.new_tensor([math.sqrt(LMBDA_MIN * LMBDA_MAX)])
        span = math.log(LMBDA_MAX / LMBDA_MIN)
        position = (lmbda.to(log_gain).log() - math.log(LMBDA_MIN)) / span * (self.levels - 1)
        position = position.clamp(0, self.levels - 1)
        lower = position.detach().floor().clamp(max=self.levels - 2)
        fraction = (position - lower)[:, None]
        index = lower.long()
        return torch.lerp(log_gain[index], log_gain[index + 1], fraction).exp()[:, :, None, None]
