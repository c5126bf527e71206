"""One image through a model, rates estimated from likelihoods: a look at what a checkpoint does."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from hpcmbal.core.model import HPCM
from hpcmbal.errors import SettingsError


@dataclass(frozen=True)
class Reconstruction:
    """An image and what the decoder would show.

    Attributes:
        original: The image.
        image: Its reconstruction, rounded to 8 bits.
        bpp: Bits per pixel, estimated from the likelihoods of all symbols.
        psnr_db: PSNR of the 8-bit images, over all pixels and channels.
    """

    original: Image.Image
    image: Image.Image
    bpp: float
    psnr_db: float


@torch.no_grad()
def reconstruct(model: HPCM, pixels: npt.NDArray[np.uint8], quality: float | None = None) -> Reconstruction:
    """Code and decode `pixels` `[H, W, 3]` in memory.

    Args:
        model: In evaluation mode.
        pixels: RGB, 8 bits.
        quality: 1 to 100 for a variable-rate model; its middle if None.

    Raises:
        SettingsError: A quality was asked of a model that has one rate.
    """
    if quality is not None and model.rate_gains is None:
        raise SettingsError(f"{model.variant.name} has one rate: --quality has no effect on it. Leave it out.")
    device = model.means_hyper.device
    x = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)).to(device)[None] / 255
    lmbda = None if quality is None else x.new_tensor([model.variant.lmbda_range.at_quality(quality)])
    output = model(x, lmbda)
    decoded = (output["x_hat"][0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    error = float(np.mean((decoded.astype(np.float64) - pixels) ** 2))
    psnr_db = 10 * math.log10(255**2 / error) if error else math.inf
    bpp = output["scale_bits"].total().item() / (pixels.shape[0] * pixels.shape[1])
    return Reconstruction(Image.fromarray(pixels), Image.fromarray(decoded), bpp, psnr_db)
