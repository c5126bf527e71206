"""How close two 8-bit RGB images are: MS-SSIM; for PSNR see `images.psnr`.

Every number of an evaluation is about 8-bit images, as a viewer gets them: reconstructions are rounded before they are
measured, and PSNR is summed in integers, so a number depends on two images and on nothing else.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hpcmbal.errors import DataError
from hpcmbal.evaluation.image_tensor import image_tensor
from hpcmbal.images.psnr import PEAK
from hpcmbal.settings.choices import MS_SSIM_MIN_SIDE

if TYPE_CHECKING:
    from hpcmbal.images.rgb_image import RgbImage


def to_uint8(x_hat: npt.NDArray[np.float32] | npt.NDArray[np.float64]) -> RgbImage:
    """Round an image in [0, 1], any shape, to 8 bits; values outside are clipped.

    Half a step above a level goes up, never down: truncation would darken the image and cost up to 0.3 dB.

    >>> to_uint8(np.array([-0.2, 0.5 / 255 - 1e-6, 0.5 / 255 + 1e-6, 1.3]))
    array([  0,   0,   1, 255], dtype=uint8)
    """
    scaled = np.clip(np.asarray(x_hat, dtype=np.float64), 0.0, 1.0) * PEAK
    rounded: RgbImage = np.floor(scaled + 0.5).astype(np.uint8)
    return rounded


def ms_ssim(x: RgbImage, x_hat: RgbImage) -> float | None:
    """Multi-scale structural similarity, averaged over the channels, in [0, 1]; None if the images are too small.

    Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image quality assessment", 2003, with their five
    weights and an 11x11 Gaussian window of sigma 1.5, without padding. Below 161 pixels a side it is not defined.

    Args:
        x: `[H, W, 3]` uint8.
        x_hat: The same shape.

    Raises:
        DataError: The images are not 8-bit RGB of one size.
    """
    _check_pair(x, x_hat)
    if min(x.shape[:2]) < MS_SSIM_MIN_SIDE:
        return None
    from pytorch_msssim import ms_ssim as similarity

    return float(similarity(image_tensor(x) * PEAK, image_tensor(x_hat) * PEAK, data_range=PEAK))


def ms_ssim_db(linear: float | None) -> float | None:
    """MS-SSIM as -10 log10(1 - x), in which differences near 1 can be seen; infinite at 1.

    >>> ms_ssim_db(0.99)
    20.0
    """
    if linear is None:
        return None
    return round(-10.0 * math.log10(1.0 - linear), 12) if linear < 1.0 else math.inf


def _check_pair(x: RgbImage, x_hat: RgbImage) -> None:
    for image in (x, x_hat):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise DataError(
                f"Metrics compare 8-bit RGB images [height, width, 3]; found {image.dtype} of shape {image.shape}. "
                "Convert with `to_uint8` first."
            )
    if x.shape != x_hat.shape:
        raise DataError(
            f"Metrics compare images of one size; found {x.shape[1]}x{x.shape[0]} and {x_hat.shape[1]}x{x_hat.shape[0]}"
            " pixels. The codec returned a picture of another size than it was given."
        )
