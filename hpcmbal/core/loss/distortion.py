"""Distortion of each image as the papers weight it, split into a coarse and a detail part."""

from __future__ import annotations

import torch
from pytorch_msssim import ms_ssim
from torch import Tensor

from hpcmbal.errors import SettingsError, setting
from hpcmbal.settings.choices import MS_SSIM_MIN_PATCH, MS_SSIM_MIN_SIDE

PEAK = 255
"""lmbda of the MSE models refers to pixel values 0..255."""
_SHARE_FLOOR = 1e-12
"""Added to both energies before a share is taken of them, so that a perfect image has shares; 1e-12 is -120 dB."""


def check_image_size(metric: str, height: int, width: int) -> None:
    """Raise if `metric` is not defined on images of this size.

    Raises:
        SettingsError: MS-SSIM of an image with a side below 161 pixels. No other window or number of levels is taken
            instead: the value would not be comparable with published ones.
    """
    if metric == "ms-ssim" and min(height, width) < MS_SSIM_MIN_SIDE:
        raise SettingsError(
            f"MS-SSIM needs images of at least {MS_SSIM_MIN_SIDE} pixels a side; found {width}x{height}. "
            f"Use a larger crop ({setting('data.patch_size', MS_SSIM_MIN_PATCH)}) or the metric 'mse'."
        )


def distortion_parts(metric: str, x_hat: Tensor, x: Tensor, bands: Tensor) -> tuple[Tensor, Tensor | None]:
    """Distortion of each image in the coarse band and in the detail band.

    `mse`: `255^2` times the energy of each band; lmbda is one of the papers' 0.0018 ... 0.0483.

    `ms-ssim`: `D = 1 - MS-SSIM`, without another factor, as in Minnen et al. (2018) and CompressAI; lmbda is one of
    their 2.40, 4.58, 8.73, 16.64, 31.73, 60.50. MS-SSIM is not a sum over bands, so D is split by the bands' shares
    of the squared error, `D e_i / (e_1 + e_2)`, and gradients go through the shares: with `D = e_1 + e_2` this is
    exactly the split of MSE.

    Args:
        metric: Which distortion.
        x_hat: Reconstructions `[B, 3, H, W]`, not clamped.
        x: Images `[B, 3, H, W]` in [0, 1].
        bands: Mean squared error of each band `[B, 2]`.

    Returns:
        The parts `[B, 2]`, and MS-SSIM `[B]` where it was computed.

    Raises:
        SettingsError: MS-SSIM of images that are too small.
    """
    if metric == "mse":
        return PEAK**2 * bands, None
    check_image_size(metric, x.shape[-2], x.shape[-1])
    similarity: Tensor = ms_ssim(x_hat, x, data_range=1.0, size_average=False)
    floored = bands + _SHARE_FLOOR
    return (1 - similarity)[:, None] * floored / floored.sum(1, keepdim=True), similarity.detach()


@torch.no_grad()
def psnr_db_of_mse(mse: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of pixels in [0, 1] in dB, at most 100, from their mean squared error; any shape."""
    return -10 * mse.clamp_min(1e-10).log10()
