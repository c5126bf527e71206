"""Multi-scale structural similarity of 8-bit RGB images, as fast as one thread can.

Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image quality assessment", 2003. An evaluation
measures it for every image at every point of every codec: so the windows are applied as products with band matrices,
which takes less than half the time of convolutions.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import avg_pool2d

if TYPE_CHECKING:
    from hpcmbal.data.image_source import RgbImage

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW, SIGMA = 11, 1.5
PEAK = 255.0
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2

_BLOCK = 32
"""Outputs of one product: fewer lose time between products, more lose it on the zeros outside the band."""


def multi_scale_similarity(x: RgbImage, x_hat: RgbImage) -> float:
    """Mean over the channels of the product over five scales, in [0, 1].

    Windows stay inside the image; a side of odd length is padded with zeros before it is halved, as `pytorch_msssim`
    (and so CompressAI) does it.

    Args:
        x: `[H, W, 3]` uint8, both sides longer than 160.
        x_hat: The same shape.
    """
    first, second = (torch.from_numpy(image.transpose(2, 0, 1).copy()).to(torch.float32) for image in (x, x_hat))
    similarity = torch.ones(first.shape[0])
    for scale, weight in enumerate(SCALE_WEIGHTS):
        last = scale == len(SCALE_WEIGHTS) - 1
        similarity = similarity * _similarity(first, second, luminance=last).clamp(min=0.0) ** weight
        if not last:
            first, second = _halved(first), _halved(second)
    return float(similarity.mean())


def _similarity(first: torch.Tensor, second: torch.Tensor, *, luminance: bool) -> torch.Tensor:
    """`[C]`: mean over the windows of contrast and structure, and of luminance where it is asked for."""
    maps = _blurred(torch.cat([first, second, first * first, second * second, first * second]))
    mean_1, mean_2, square_1, square_2, product = maps.chunk(5)
    both, squares = mean_1 * mean_2, mean_1 * mean_1 + mean_2 * mean_2
    found = (2 * (product - both) + C2) / (square_1 + square_2 - squares + C2)
    if luminance:
        found = found * (2 * both + C1) / (squares + C1)
    return found.mean(dim=(1, 2))


def _halved(image: torch.Tensor) -> torch.Tensor:
    return avg_pool2d(image[None], 2, padding=[side % 2 for side in image.shape[1:]])[0]


def _blurred(maps: torch.Tensor) -> torch.Tensor:
    """`[N, H, W]` to `[N, H - 10, W - 10]`: the Gaussian window at every place where it fits."""
    return _blurred_columns(_blurred_columns(maps.transpose(1, 2)).transpose(1, 2))


def _blurred_columns(maps: torch.Tensor) -> torch.Tensor:
    length = maps.shape[1] - WINDOW + 1
    blocks = [
        torch.matmul(_band(min(_BLOCK, length - start)), maps[:, start : start + _BLOCK + WINDOW - 1])
        for start in range(0, length, _BLOCK)
    ]
    return torch.cat(blocks, dim=1)


@functools.cache
def _band(rows: int) -> torch.Tensor:
    """`[rows, rows + 10]`: every row is the window, one place further."""
    offsets = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    band = torch.zeros(rows, rows + WINDOW - 1)
    for row in range(rows):
        band[row, row : row + WINDOW] = window / window.sum()
    return band
