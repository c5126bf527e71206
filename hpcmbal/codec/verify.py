"""How far a decoded picture is from its original."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def psnr_db(original: Pixels, decoded: Pixels) -> float:
    """PSNR in dB over all channels of pictures of the same shape; infinite if they are equal."""
    mse = mean_squared_error(original, decoded)
    return math.inf if not mse else 10 * math.log10(255**2 / mse)


def mean_squared_error(original: Pixels, decoded: Pixels) -> float:
    """Over all channels, in squared steps of 255."""
    return float(np.mean((original.astype(np.float32) - decoded.astype(np.float32)) ** 2, dtype=np.float64))
