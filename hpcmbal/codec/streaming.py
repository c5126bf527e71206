"""`g_a` and `g_s` from the top of a picture to its bottom, in bands of rows: nothing is computed twice.

Every layer keeps the few rows of its input that the next band needs, so memory is bounded by the band and not by the
picture, and what comes out is what the whole picture at once would give. Tiles with a halo as wide as the network's
receptive field do half as much work again.

```
rows of pixels --> [conv 4x4 /2 | keeps 2 rows] --> [block 3x3 | keeps 2] --> ... --> rows of latents
```
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpcmbal.core.model import HPCM
from hpcmbal.core.model.blocks import PartialConv3x3, ResidualBlock
from hpcmbal.core.model.latent_codec import LATENT_STRIDE
from hpcmbal.core.model.row_stream import RowLayer, push_rows
from hpcmbal.errors import NumericalError

BAND_PIXELS = 1 << 18
"""Pixels of a band; at least one row of latents. Features of a band of this size stay near the processor."""

Pixels = npt.NDArray[np.uint8]


def row_layers(transform: nn.Module) -> Iterator[RowLayer]:
    """The layers of a transform in order.

    Raises:
        NumericalError: A layer of a kind that transforms do not have.
    """
    if isinstance(transform, ResidualBlock):
        yield RowLayer(_residual(transform), context=1)
    elif isinstance(transform, nn.Conv2d):
        if transform.kernel_size[0] == 4:
            yield RowLayer(_convolution(transform, (0, 1)), context=1, multiple=2)
        else:
            yield RowLayer(transform, multiple=transform.stride[0])
    elif isinstance(transform, nn.ConvTranspose2d):
        if transform.kernel_size[0] == 4:
            yield RowLayer(_transposed(transform, (3, 1)), context=1)
        else:
            yield RowLayer(transform)
    else:
        children = list(transform.children())
        if not children:
            raise NumericalError(f"A transform with a {type(transform).__name__} cannot be computed in bands.")
        for child in children:
            yield from row_layers(child)


def _convolution(conv: nn.Conv2d, padding: tuple[int, int]) -> Callable[[Tensor], Tensor]:
    return lambda rows: F.conv2d(rows, conv.weight, conv.bias, conv.stride, padding)


def _transposed(conv: nn.ConvTranspose2d, padding: tuple[int, int]) -> Callable[[Tensor], Tensor]:
    # The rows of the output that belong to the context are cut off by the padding: 3 instead of 1.
    return lambda rows: F.conv_transpose2d(rows, conv.weight, conv.bias, conv.stride, padding)


def _residual(block: ResidualBlock) -> Callable[[Tensor], Tensor]:
    mixing, *pointwise = block.branch
    if not isinstance(mixing, PartialConv3x3):
        raise NumericalError(f"A transform with a {type(mixing).__name__} cannot be computed in bands.")
    convolve = _convolution(mixing.pconv, (0, 1))
    expand, activation, project = pointwise
    if not (isinstance(expand, nn.Conv2d) and isinstance(project, nn.Conv2d)):
        raise NumericalError("A block other than mixing, 1x1, activation, 1x1 cannot be computed in bands.")

    def compute(rows: Tensor) -> Tensor:
        active, _ = rows.split(mixing.split_sizes, dim=1)
        middle = rows[:, :, 1:-1]
        x = torch.cat((convolve(active), middle[:, mixing.split_sizes[0] :]), dim=1)
        return _pointwise(project, activation(_pointwise(expand, x))).add_(middle)

    return compute


def _pointwise(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """A 1x1 convolution as the matrix product that it is: its sums do not depend on the number of threads."""
    return F.linear(x.permute(0, 2, 3, 1), conv.weight[:, :, 0, 0], conv.bias).permute(0, 3, 1, 2)


def encoder_transform(g_a: nn.Module, precision: str = "auto") -> nn.Module:
    """A copy of `g_a` for pixels 0 to 255, in the layout and precision that are fastest here.

    The encoder may round as it likes: decoders only see whole numbers. In bfloat16 the features' error is a
    twentieth of the quantisation's, and pixels, whole numbers up to 255, are exact in it.

    Args:
        g_a: The analysis transform of a model; not changed.
        precision: "auto" computes in bfloat16 where the processor multiplies it, "float32" never.
    """
    transform = copy.deepcopy(g_a).requires_grad_(requires_grad=False)
    stem = next(layer for layer in transform.modules() if isinstance(layer, nn.Conv2d))
    stem.weight.div_(255)
    return transform.to(encoder_dtype(precision, stem.weight.device)).to(memory_format=torch.channels_last)


def encoder_dtype(precision: str, device: torch.device) -> torch.dtype:
    """In what an encoder multiplies: bfloat16 for "auto" on a processor that multiplies it, else float32."""
    fast = precision == "auto" and device.type == "cpu" and multiplies_bfloat16()
    return torch.bfloat16 if fast else torch.float32


def multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for products in bfloat16; without them it would be slower."""
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # not in older releases of torch
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


@torch.no_grad()
def analyse(transform: nn.Module, pixels: Pixels, multiple: int, band_pixels: int = BAND_PIXELS) -> Tensor:
    """What `g_a` makes of a picture, before any gain.

    Args:
        transform: The model's `encoder_transform`.
        pixels: `[H, W, 3]` or `[H, W]` uint8.
        multiple: To which the sides are padded.
        band_pixels: Size of a band; at least a row of latents.

    Returns:
        `[1, M, h, w]` float32.
    """
    height, width = (_padded(side, multiple) for side in pixels.shape[:2])
    layers = list(row_layers(transform))
    step = _band(width // LATENT_STRIDE, band_pixels) * LATENT_STRIDE
    parameter = next(transform.parameters())
    done = []
    for start in range(0, height, step):
        rows = torch.from_numpy(_rows(pixels, start, min(height, start + step), width))
        x = rows.to(parameter.device, parameter.dtype)[None].permute(0, 3, 1, 2)
        y = push_rows(layers, x, last=start + step >= height)
        if y is not None:
            done.append(y.float())
    return torch.cat(done, dim=2).contiguous()


@torch.no_grad()
def synthesise(
    model: HPCM, y_hat: Tensor, size: tuple[int, int], lmbda: Tensor | None, band_pixels: int = BAND_PIXELS
) -> Pixels:
    """Pixels `[H, W, 3]` uint8 of `y_hat` `[1, M, h, w]`; `size` is (height, width) without the padding."""
    out = np.empty((*size, 3), dtype=np.uint8)
    height, width = y_hat.shape[2:]
    layers = list(row_layers(model.g_s))
    step, row = _band(width, band_pixels), 0
    dtype = next(model.g_s.parameters()).dtype
    for start in range(0, height, step):
        part = model.unscale(y_hat[:, :, start : start + step].to(dtype), lmbda)
        part = part.contiguous(memory_format=torch.channels_last)
        x = push_rows(layers, part, last=start + step >= height)
        if x is None:
            continue
        rows = x[0].mul_(255).round_().clamp_(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        target = out[row : row + rows.shape[0]]
        target[...] = rows[: target.shape[0], : size[1]]
        row += rows.shape[0]
    return out


def _band(width: int, band_pixels: int) -> int:
    """Rows of latents in a band of a picture that is `width` latents wide."""
    return max(1, band_pixels // (LATENT_STRIDE**2 * width))


def _padded(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def _rows(pixels: Pixels, start: int, stop: int, width: int) -> Pixels:
    """Rows `[stop - start, width, 3]` of a picture whose last row and column are repeated beyond it."""
    rows = pixels[np.arange(start, stop).clip(max=pixels.shape[0] - 1)]
    if rows.ndim == 2:
        rows = np.repeat(rows[..., None], 3, axis=2)
    missing = width - rows.shape[1]
    return np.pad(rows, ((0, 0), (0, missing), (0, 0)), mode="edge") if missing else np.ascontiguousarray(rows)
