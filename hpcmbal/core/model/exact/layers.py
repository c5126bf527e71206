"""Counterparts of the network's layers that compute exactly, in grid steps (see `hpcmbal.core.model.exact.grid`).

All take and return float64 maps `[B, C, h, w]` of integers within the grid's limit, and change no argument.
`Pointwise.write` takes and fills maps of any floating-point type: whole maps are kept in float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpcmbal.core.model.blocks import PartialConv3x3, ResidualBlock
from hpcmbal.core.model.context import ContextPrior
from hpcmbal.core.model.exact.grid import quantise_layer, quantise_weights, settle_
from hpcmbal.core.model.row_stream import RowLayer
from hpcmbal.errors import NumericalError

SLOPE = 655 / 65536
"""Slope of LeakyReLU for negative features: 0.01 in 16 bits, so that the product is exact before it is rounded."""
CHUNK = 1024
"""Positions that go through pointwise layers at once: what lies between them stays in the cache."""


BLOCK = 1 << 17
"""Features of a depthwise convolution that are computed at once, for the same reason."""


class Pointwise(nn.Module):
    """1x1 convolution: one matrix product over channels."""

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: nn.Conv2d, name: str) -> None:
        super().__init__()
        weight, bias = quantise_layer(conv.weight.flatten(1), conv.bias, name)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, h, w]` to `[B, O, h, w]`."""
        return settle_(self.unrounded(x.flatten(2))).view(x.shape[0], -1, *x.shape[2:])

    def write(self, maps: Sequence[Tensor], out: Tensor) -> None:
        """As `forward` of `maps` `[1, C_i, h, w]` side by side in channels, into `out` `[1, O, h, w]`.

        Some positions at a time, so that `out` may be the one of `maps`.
        """
        sources, target = [part[0].flatten(1) for part in maps], out[0].flatten(1)
        outputs, inputs = self.weight.shape
        # The same memory for every chunk: the system would have to clear new pages each time.
        x, total = self.weight.new_empty(inputs * CHUNK), self.weight.new_empty(outputs * CHUNK)
        for start in range(0, target.shape[1], CHUNK):
            part = slice(start, start + CHUNK)
            count = target[:, part].shape[1]
            joined = x[: inputs * count].view(inputs, count)
            for rows, source in zip(joined.split([source.shape[0] for source in sources]), sources, strict=True):
                rows.copy_(source[:, part])
            product = torch.addmm(self.bias, self.weight, joined, out=total[: outputs * count].view(outputs, count))
            target[:, part] = settle_(product)

    def unrounded(self, x: Tensor) -> Tensor:
        """`[B, C, n]` to `[B, O, n]`, before rounding."""
        if x.shape[0] == 1:
            return torch.addmm(self.bias, self.weight, x[0])[None]
        return torch.baddbmm(self.bias, self.weight.expand(x.shape[0], -1, -1), x)


class Depthwise3x3(nn.Module):
    """Depthwise 3x3 convolution: nine shifted multiply-adds over rows that are padded once."""

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: nn.Conv2d, name: str) -> None:
        super().__init__()
        weight, bias = quantise_layer(conv.weight.flatten(1), conv.bias, name)
        self.register_buffer("weight", weight.t()[:, :, None].contiguous())
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, h, w]` to the same, some channels at a time."""
        return self.middle(F.pad(x, (0, 0, 1, 1)))

    def middle(self, x: Tensor) -> Tensor:
        """The rows of the output but the first and the last, which have no neighbours: `[B, C, h + 2, w]` to h rows."""
        batch, channels, rows, width = x.shape
        out = x.new_empty(batch, channels, rows - 2, width)
        count = max(1, BLOCK // (rows * width))
        for start in range(0, channels, count):
            self._convolve(x[:, start : start + count], start, out[:, start : start + count])
        return out

    def _convolve(self, x: Tensor, first: int, out: Tensor) -> None:
        """Convolve the channels `x`, of which the first is number `first`, into `out`."""
        batch, channels, rows, width = x.shape
        height = rows - 2
        part = slice(first, first + channels)
        # Rows of width + 2 in one line: a shift in the picture is a shift in the line. One more row holds the overhang.
        row = width + 2
        line = F.pad(x, (1, 1, 0, 1)).view(batch, channels, (height + 3) * row)
        length = height * row
        total = self.bias[part].expand(batch, channels, length).clone()
        for tap, weight in enumerate(self.weight):
            start = tap // 3 * row + tap % 3
            total.addcmul_(line[..., start : start + length], weight[part])
        out.copy_(settle_(total).view(batch, channels, height, row)[..., :width])


class Partial3x3(nn.Module):
    """3x3 convolution over the first channels; the others pass through."""

    def __init__(self, layer: PartialConv3x3, name: str) -> None:
        super().__init__()
        self.split_sizes = layer.split_sizes
        # The taps of a channel lie side by side in the flattened weights, as `unfold` lays out its columns.
        self.taps = Pointwise(layer.pconv, name)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, h, w]` to the same."""
        active, idle = x.split(self.split_sizes, dim=1)
        columns = F.unfold(active, kernel_size=3, padding=1)
        mixed = settle_(self.taps.unrounded(columns)).view_as(active)
        return torch.cat((mixed, idle), dim=1)


class Upsample2x2(nn.Module):
    """Transposed convolution with kernel and stride 2: each position becomes a 2x2 cell."""

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: nn.ConvTranspose2d, name: str) -> None:
        super().__init__()
        cells = conv.weight.permute(1, 2, 3, 0).flatten(0, 2)
        bias = None if conv.bias is None else conv.bias.repeat_interleave(4)
        weight, bias = quantise_layer(cells, bias, name)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, h, w]` to `[B, O, 2h, 2w]`, some rows at a time."""
        batch, _, height, width = x.shape
        out = x.new_empty(batch, self.weight.shape[0] // 4, 2 * height, 2 * width)
        count = max(1, CHUNK // width)
        for start in range(0, height, count):
            rows = x[:, :, start : start + count]
            cells = settle_(torch.matmul(self.weight, rows.flatten(2)).add_(self.bias))
            cells = cells.view(batch, -1, 2, 2, rows.shape[2], width).permute(0, 1, 4, 2, 5, 3)
            target = out[:, :, 2 * start : 2 * (start + rows.shape[2])]
            target.view(batch, -1, rows.shape[2], 2, width, 2).copy_(cells)
        return out


class Residual(nn.Module):
    """`x + project(LeakyReLU(expand(mixing(x))))`, a part of the positions at a time; the sum is rounded once."""

    def __init__(self, block: ResidualBlock, name: str) -> None:
        super().__init__()
        mixing, expand, activation, project = block.branch
        if not (
            isinstance(expand, nn.Conv2d) and isinstance(activation, nn.LeakyReLU) and isinstance(project, nn.Conv2d)
        ):
            raise NumericalError(f"{name}: a block other than mixing, 1x1, LeakyReLU, 1x1 has no counterpart.")
        self.mixing = exact_layer(mixing, f"{name}.branch.0")
        self.expand = Pointwise(expand, f"{name}.branch.1")
        self.project = Pointwise(project, f"{name}.branch.3")

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, h, w]` to the same."""
        return self._transform(self.mixing(x), x)

    def middle(self, x: Tensor) -> Tensor:
        """The rows of the output but the first and the last, for depthwise mixing."""
        if not isinstance(self.mixing, Depthwise3x3):
            raise NumericalError(f"A block with {type(self.mixing).__name__} mixing cannot be computed by rows.")
        return self._transform(self.mixing.middle(x), x[:, :, 1:-1])

    def _transform(self, mixed: Tensor, x: Tensor) -> Tensor:
        """What follows the mixing, `[B, C, h, w]`, added to the block's input `x` of the same shape."""
        mixed, kept = mixed.flatten(2), x.flatten(2)
        out = torch.empty_like(kept)
        for start in range(0, kept.shape[2], CHUNK):
            part = slice(start, start + CHUNK)
            hidden = settle_(F.leaky_relu_(self.expand.unrounded(mixed[..., part]), SLOPE))
            out[..., part] = settle_(self.project.unrounded(hidden).add_(kept[..., part]))
        return out.view(x.shape)


class Prior(nn.Module):
    """`ContextPrior`: its two branches with the step's modulation between them."""

    def __init__(self, branch_1: nn.Module, branch_2: nn.Module) -> None:
        super().__init__()
        self.branch_1 = branch_1
        self.branch_2 = branch_2

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        """`[B, W, h, w]` and the step's modulation `[1, W, 1, 1]` to scales and means `[B, 2M, h, w]`."""
        out: Tensor = self.branch_2(settle_(self.branch_1(x) * modulation))
        return out


def row_layers(layers: Iterable[nn.Module]) -> Iterator[RowLayer]:
    """Layers of a branch of `Prior`, to be given rows from top to bottom; for one map."""
    for layer in layers:
        yield RowLayer(layer.middle, context=1) if isinstance(layer, Residual) else RowLayer(layer)


class LayerKind(NamedTuple):
    """What decides which exact layer stands for a convolution."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    depthwise: bool


def exact_layer(layer: nn.Module, name: str) -> nn.Module:
    """The exact counterpart of a layer of `h_s` or of the context network, with all that it contains.

    Args:
        layer: The trained layer; not changed.
        name: Its path in the model, for errors.

    Raises:
        NumericalError: The layer has no exact counterpart, or breaks the bit budget.
    """
    match layer:
        case nn.Sequential():
            return nn.Sequential(*(exact_layer(child, f"{name}.{key}") for key, child in layer.named_children()))
        case ResidualBlock():
            return Residual(layer, name)
        case ContextPrior():
            return Prior(*(exact_layer(child, f"{name}.{key}") for key, child in layer.named_children()))
        case PartialConv3x3():
            return Partial3x3(layer, name)
        case nn.Conv2d() | nn.ConvTranspose2d():
            return _exact_convolution(layer, name)
        case _:
            raise NumericalError(f"{name}: {type(layer).__name__} has no counterpart in the exact path.")


def _exact_convolution(layer: nn.Conv2d | nn.ConvTranspose2d, name: str) -> nn.Module:
    kind = LayerKind(layer.kernel_size, layer.stride, layer.groups == layer.in_channels > 1)
    match layer, kind:
        case nn.ConvTranspose2d(), LayerKind((2, 2), (2, 2), False):
            return Upsample2x2(layer, name)
        case nn.Conv2d(), LayerKind((1, 1), (1, 1), False):
            return Pointwise(layer, name)
        case nn.Conv2d(), LayerKind((3, 3), (1, 1), True):
            return Depthwise3x3(layer, name)
        case _:
            raise NumericalError(f"{name}: a {type(layer).__name__} with {kind} has no counterpart in the exact path.")


def exact_modulation(modulation: Tensor, name: str) -> Tensor:
    """A step's modulation `[1, W, 1, 1]` with 14 significant bits; times a feature, 37 bits."""
    return quantise_weights(modulation, name)[0]
