"""`g_a` and `g_s` in tiles, so that memory is bounded by the tile and not by the image.

A tile is computed together with a halo on every side, as wide as the transform's receptive field reaches; the halo's
output is thrown away. What remains is what the whole image gives. Tiles are close to square: the halo's share of the
work then does not grow with the image, as it would in strips of its whole width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hpcmbal.core.model import HPCM
from hpcmbal.core.model.latent_codec import LATENT_STRIDE

TILE_PIXELS = 1024 * 1024
"""Pixels of a tile without its halo; at least one latent. With nano's halo of 112 this size does 1.5 times the work of
the whole image at once; smaller tiles do more, larger ones need more memory."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Span:
    """A part of one side of the latents: `start` to `stop`, computed with its halo, `outer_start` to `outer_stop`."""

    start: int
    stop: int
    outer_start: int
    outer_stop: int

    @property
    def kept(self) -> slice:
        """What to keep of the computed part."""
        return slice(self.start - self.outer_start, self.stop - self.outer_start)


def spans(length: int, part: int, halo: int) -> Iterator[Span]:
    """Cut a side of `length` latents into parts of equal size, at most `part` each."""
    part = math.ceil(length / math.ceil(length / part))
    for start in range(0, length, part):
        stop = min(length, start + part)
        yield Span(start, stop, max(0, start - halo), min(length, stop + halo))


def tile_shape(width: int, tile_pixels: int) -> tuple[int, int]:
    """Height and width of a tile in latents; square, but higher where the image, `width` latents, is narrower."""
    latents = max(1, tile_pixels // LATENT_STRIDE**2)
    columns = min(width, math.isqrt(latents))
    return latents // columns, columns


def analysis_halo(g_a: nn.Module) -> int:
    """Pixels that an analysis transform reaches beyond a tile; a multiple of the latents' stride."""
    halo, stride = 0, 1
    for layer in g_a.modules():
        if isinstance(layer, nn.Conv2d):
            halo += (layer.kernel_size[0] - 1) * stride
            stride *= layer.stride[0]
    return math.ceil(halo / LATENT_STRIDE) * LATENT_STRIDE


def synthesis_halo(g_s: nn.Module) -> int:
    """Latents that a synthesis transform reaches beyond a tile."""
    halo, stride = 0.0, 1
    for layer in g_s.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            halo += (layer.kernel_size[0] - 1) / stride
        if isinstance(layer, nn.ConvTranspose2d):
            stride *= layer.stride[0]
    return math.ceil(halo)


@torch.no_grad()
def analyse(model: HPCM, pixels: Pixels, lmbda: Tensor | None, tile_pixels: int = TILE_PIXELS) -> Tensor:
    """Latents `[1, M, h, w]` of `pixels` `[H, W, 3]` or `[H, W]` uint8, padded to the variant's multiple."""
    height, width = (_padded(side, model.variant.pad_multiple) // LATENT_STRIDE for side in pixels.shape[:2])
    halo = analysis_halo(model.g_a) // LATENT_STRIDE
    rows, columns = tile_shape(width, tile_pixels)
    bands = []
    for down in spans(height, rows, halo):
        tiles = []
        for across in spans(width, columns, halo):
            y = model.analyse(_image_tile(pixels, down, across, model), lmbda)
            tiles.append(y[:, :, down.kept, across.kept])
        bands.append(torch.cat(tiles, dim=3))
    return torch.cat(bands, dim=2)


@torch.no_grad()
def synthesise(
    model: HPCM, y_hat: Tensor, size: tuple[int, int], lmbda: Tensor | None, tile_pixels: int = TILE_PIXELS
) -> Pixels:
    """Pixels `[H, W, 3]` uint8 of `y_hat` `[1, M, h, w]`; `size` is (height, width) without the padding."""
    out = np.empty((*size, 3), dtype=np.uint8)
    height, width = y_hat.shape[2:]
    halo = synthesis_halo(model.g_s)
    rows, columns = tile_shape(width, tile_pixels)
    dtype = next(model.g_s.parameters()).dtype
    for down in spans(height, rows, halo):
        for across in spans(width, columns, halo):
            part = y_hat[:, :, down.outer_start : down.outer_stop, across.outer_start : across.outer_stop]
            x = model.synthesise(part.to(dtype), lmbda)[0, :, _in_pixels(down.kept), _in_pixels(across.kept)]
            x = x.clamp(0, 1).mul(255).round_().to(torch.uint8).permute(1, 2, 0).cpu()
            target = out[_in_pixels(slice(down.start, down.stop)), _in_pixels(slice(across.start, across.stop))]
            target[...] = x[: target.shape[0], : target.shape[1]].numpy()  # without the padding
    return out


def _padded(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def _in_pixels(latents: slice) -> slice:
    return slice(latents.start * LATENT_STRIDE, latents.stop * LATENT_STRIDE)


def _image_tile(pixels: Pixels, down: Span, across: Span, model: HPCM) -> Tensor:
    """A part of the image as `[1, 3, rows, columns]` in [0, 1], the border repeated where it lies outside."""
    rows, columns = (
        np.arange(span.outer_start * LATENT_STRIDE, span.outer_stop * LATENT_STRIDE).clip(max=side - 1)
        for span, side in zip((down, across), pixels.shape[:2], strict=True)
    )
    part = pixels[rows[:, None], columns]
    part = np.repeat(part[None], 3, axis=0) if part.ndim == 2 else part.transpose(2, 0, 1)
    parameter = next(model.g_a.parameters())
    return torch.from_numpy(np.ascontiguousarray(part)).to(parameter.device).to(parameter.dtype)[None] / 255
