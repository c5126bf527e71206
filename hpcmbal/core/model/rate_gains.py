"""Variable rate in one model: channel gains on the latents, interpolated between levels."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hpcmbal.core.model.rates import LmbdaRange


class RateGains(nn.Module):
    """Per-level channel gains for the encoder, inverse gains for the decoder (Cui et al., CVPR 2021, eq. 3 to 6).

    Levels are spaced evenly in log lmbda; between levels the gains are interpolated exponentially, that is, their
    logarithms linearly. They start where theory puts them: a quantisation step proportional to lmbda^-1/2, gain times
    inverse gain equal to one.

    Args:
        channels: Latent channels M.
        levels: Number of gain vectors, at least 2.
        lmbda_range: What they span; beyond it the gains of its ends hold.
    """

    def __init__(self, channels: int, levels: int, lmbda_range: LmbdaRange) -> None:
        super().__init__()
        self.levels = levels
        self.lmbda_range = lmbda_range
        half_span = 0.25 * lmbda_range.log_span
        # Computed on the CPU: on the meta device, where models are built that are about to be loaded, arithmetic brings
        # torch's decompositions and sympy, which takes longer than to code a photograph.
        start = torch.linspace(-half_span, half_span, levels, device="cpu")[:, None].repeat(1, channels).numpy()
        self.log_gain = nn.Parameter(torch.tensor(start))
        self.log_inverse_gain = nn.Parameter(torch.tensor(-start))

    def forward(self, lmbda: Tensor) -> Tensor:
        """Gains `[B, M, 1, 1]` for rate parameters `[B]`."""
        return self._interpolate(self.log_gain, lmbda)

    def inverse(self, lmbda: Tensor) -> Tensor:
        """Inverse gains for the decoder, shaped as those of `forward`."""
        return self._interpolate(self.log_inverse_gain, lmbda)

    def _interpolate(self, log_gain: Tensor, lmbda: Tensor) -> Tensor:
        from_low = lmbda.to(log_gain).log() - math.log(self.lmbda_range.low)
        position = from_low / self.lmbda_range.log_span * (self.levels - 1)
        position = position.clamp(0, self.levels - 1)
        lower = position.detach().floor().clamp(max=self.levels - 2)
        fraction = (position - lower)[:, None]
        index = lower.long()
        return torch.lerp(log_gain[index], log_gain[index + 1], fraction).exp()[:, :, None, None]
