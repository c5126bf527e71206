"""One image through a model, rates estimated from likelihoods: a look at what a checkpoint does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from hpcmbal.core.model import HPCM
from hpcmbal.evaluation.codecs.model_codec import estimate_image
from hpcmbal.images.psnr import psnr_db

if TYPE_CHECKING:
    from hpcmbal.images.rgb_image import RgbImage


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


def reconstruct(model: HPCM, pixels: RgbImage, quality: float | None = None) -> Reconstruction:
    """Code and decode `pixels` `[H, W, 3]` in memory.

    Args:
        model: The network.
        pixels: RGB, 8 bits.
        quality: 1 to 100 for a model of variable rate, 50 if None.

    Raises:
        SettingsError: The model does not have that quality.
        NumericalError: The network gave NaN or infinity.
    """
    coded = estimate_image(model, pixels, quality)
    bpp = 8 * coded.file_bytes / (pixels.shape[0] * pixels.shape[1])
    decoded = coded.reconstruction
    return Reconstruction(Image.fromarray(pixels), Image.fromarray(decoded), bpp, psnr_db(pixels, decoded))
