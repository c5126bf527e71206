"""`g_a` and `g_s` in horizontal strips, so that memory is bounded by the strip and not by the image.

A strip is computed together with a halo of rows above and below, as many as the transform's receptive field reaches;
the halo's output is thrown away. What remains is what the whole image gives.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hpcmbal.core.model import HPCM
from hpcmbal.core.model.latent_codec import LATENT_STRIDE

STRIP_PIXELS = 1 << 20
"""Pixels of a strip without its halo; at least one row of latents."""

Pixels = npt.NDArray[np.uint8]


def analysis_halo(g_a: nn.Module) -> int:
    """Rows of pixels that an analysis transform reaches beyond a strip; a multiple of the latents' stride."""
    halo, stride = 0, 1
    for layer in g_a.modules():
        if isinstance(layer, nn.Conv2d):
            halo += (layer.kernel_size[0] - 1) * stride
            stride *= layer.stride[0]
    return math.ceil(halo / LATENT_STRIDE) * LATENT_STRIDE


def synthesis_halo(g_s: nn.Module) -> int:
    """Rows of latents that a synthesis transform reaches beyond a strip."""
    halo, stride = 0.0, 1
    for layer in g_s.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            halo += (layer.kernel_size[0] - 1) / stride
        if isinstance(layer, nn.ConvTranspose2d):
            stride *= layer.stride[0]
    return math.ceil(halo)


@torch.no_grad()
def analyse(model: HPCM, pixels: Pixels, lmbda: Tensor | None, strip_pixels: int = STRIP_PIXELS) -> Tensor:
    """Latents `[1, M, h, w]` of `pixels` `[H, W, 3]` or `[H, W]` uint8, padded to the variant's multiple."""
    height, width = (_padded(side, model.variant.pad_multiple) for side in pixels.shape[:2])
    halo, rows = analysis_halo(model.g_a), _strip_rows(width, strip_pixels)
    strips = []
    for start in range(0, height, rows):
        stop = min(height, start + rows)
        above, below = min(halo, start), min(halo, height - stop)
        y = model.analyse(_image_rows(pixels, start - above, stop + below, width, model), lmbda)
        first = above // LATENT_STRIDE
        strips.append(y[:, :, first : first + (stop - start) // LATENT_STRIDE])
    return torch.cat(strips, dim=2)


@torch.no_grad()
def synthesise(
    model: HPCM, y_hat: Tensor, size: tuple[int, int], lmbda: Tensor | None, strip_pixels: int = STRIP_PIXELS
) -> Pixels:
    """Pixels `[H, W, 3]` uint8 of `y_hat` `[1, M, h, w]`; `size` is (height, width) without the padding."""
    height, width = size
    halo, rows = synthesis_halo(model.g_s), _strip_rows(y_hat.shape[3] * LATENT_STRIDE, strip_pixels) // LATENT_STRIDE
    out = np.empty((height, width, 3), dtype=np.uint8)
    dtype = next(model.g_s.parameters()).dtype
    for start in range(0, -(-height // LATENT_STRIDE), rows):
        above = min(halo, start)
        x = model.synthesise(y_hat[:, :, start - above : start + rows + halo].to(dtype), lmbda)
        x = x[0, :, above * LATENT_STRIDE :, :width].clamp(0, 1).mul(255).round_().to(torch.uint8)
        top = start * LATENT_STRIDE
        bottom = min(height, top + rows * LATENT_STRIDE)
        out[top:bottom] = x[:, : bottom - top].permute(1, 2, 0).cpu().numpy()
    return out


def _padded(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def _strip_rows(width: int, strip_pixels: int) -> int:
    """Rows of a strip: a multiple of the latents' stride."""
    return max(1, strip_pixels // (width * LATENT_STRIDE)) * LATENT_STRIDE


def _image_rows(pixels: Pixels, start: int, stop: int, width: int, model: HPCM) -> Tensor:
    """Rows of the image as `[1, 3, rows, width]` in [0, 1], the border repeated where they lie outside."""
    rows = np.arange(start, stop).clip(max=pixels.shape[0] - 1)
    columns = np.arange(width).clip(max=pixels.shape[1] - 1)
    part = pixels[rows][:, columns]
    part = np.repeat(part[None], 3, axis=0) if part.ndim == 2 else part.transpose(2, 0, 1)
    parameter = next(model.g_a.parameters())
    return torch.from_numpy(np.ascontiguousarray(part)).to(parameter.device).to(parameter.dtype)[None] / 255
