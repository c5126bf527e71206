"""Splits the error image into orthogonal bands of scale, whose energies add up to the whole (Parseval)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

COARSE_BLOCK = 4
MIDDLE_BLOCK = 2


def block_average(image: Tensor, side: int) -> Tensor:
    """Replace every pixel by the mean of its `side` x `side` block: an orthogonal projection.

    Blocks that stick out at the right or bottom average over the pixels that exist, so the projection stays
    orthogonal for images of any size.

    Args:
        image: `[B, C, H, W]`.
        side: Side of the blocks in pixels.

    Returns:
        `[B, C, H, W]`, constant in every block.
    """
    height, width = image.shape[-2:]
    means = F.avg_pool2d(image, side, ceil_mode=True, count_include_pad=False)
    rows, columns = means.shape[-2:]
    spread = means[..., :, None, :, None].expand(-1, -1, rows, side, columns, side)
    return spread.reshape(*means.shape[:2], rows * side, columns * side)[..., :height, :width]


def coarse_and_detail(error: Tensor) -> Tensor:
    """Mean squared error of each image in the coarse band (4x4 block means) and in the rest.

    Both are sums of squares, so neither can fall below zero, and they add up to the mean squared error.

    Args:
        error: `x_hat - x`, `[B, C, H, W]`.

    Returns:
        `[B, 2]`, graph attached.
    """
    coarse = block_average(error, COARSE_BLOCK)
    return torch.stack((energy(coarse), energy(error - coarse)), dim=1)


@torch.no_grad()
def fine_energy(error: Tensor) -> Tensor:
    """Mean squared error of each image inside 2x2 blocks `[B]`: the part of the detail that belongs to s3."""
    return energy(error - block_average(error, MIDDLE_BLOCK))


def energy(image: Tensor) -> Tensor:
    """Mean square of each image, `[B, C, H, W]` to `[B]`."""
    return image.square().mean(dim=(1, 2, 3))
