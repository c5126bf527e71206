"""How close two 8-bit images are: one PSNR for every command."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from hpcmbal.errors import DataError

Bytes = npt.NDArray[np.uint8]
PEAK = 255.0
_ROWS = 256


def psnr_db(x: Bytes, x_hat: Bytes) -> float:
    """Peak signal-to-noise ratio over all pixels and channels together, in dB; infinite for equal images.

    Args:
        x: `[H, W, 3]` or `[H, W]` uint8.
        x_hat: The same shape.

    Raises:
        DataError: The images are not 8-bit, or not of one shape.
    """
    error = mean_squared_error(x, x_hat)
    return 10.0 * math.log10(PEAK**2 / error) if error else math.inf


def mean_squared_error(x: Bytes, x_hat: Bytes) -> float:
    """Over all pixels and channels together, in squared steps of 255.

    Summed in integers, so it depends on two images and on nothing else. Arguments and errors are those of `psnr_db`.
    """
    if x.dtype != np.uint8 or x_hat.dtype != np.uint8 or x.shape != x_hat.shape:
        raise DataError(
            f"PSNR compares 8-bit images of one size; found {x.dtype} of shape {x.shape} and {x_hat.dtype} of shape "
            f"{x_hat.shape}."
        )
    squared = 0
    for top in range(0, len(x), _ROWS):  # in parts: eight bytes for every sample of a large photo are too many
        difference = x[top : top + _ROWS].astype(np.int64) - x_hat[top : top + _ROWS]
        squared += int(np.sum(difference * difference))
    return squared / x.size
