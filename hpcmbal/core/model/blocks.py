"""Convolutional building blocks of HPCM. Attribute names follow the released state dict."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def conv1x1(in_channels: int, out_channels: int) -> nn.Conv2d:
    """Pointwise convolution: a matrix product over channels."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=1)


def downsample(in_channels: int, out_channels: int, kernel_size: int = 2) -> nn.Conv2d:
    """Strided convolution that halves height and width; `kernel_size` 2 (no overlap) or 4 (overlapping by 1)."""
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride=2, padding=(kernel_size - 2) // 2)


def upsample(in_channels: int, out_channels: int, kernel_size: int = 2) -> nn.ConvTranspose2d:
    """Transposed convolution that doubles height and width; the counterpart of `downsample`."""
    return nn.ConvTranspose2d(in_channels, out_channels, kernel_size, stride=2, padding=(kernel_size - 2) // 2)


class PartialConv3x3(nn.Module):
    """3x3 convolution over the first `active_channels` channels; the others pass through (FasterNet, CVPR 2023)."""

    def __init__(self, channels: int, active_channels: int) -> None:
        super().__init__()
        self.split_sizes = [active_channels, channels - active_channels]
        self.pconv = nn.Conv2d(active_channels, active_channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, H, W]` to the same shape."""
        active, idle = x.split(self.split_sizes, dim=1)
        return torch.cat((self.pconv(active), idle), dim=1)


class ResidualBlock(nn.Module):
    """`x + expand -> LeakyReLU -> project` behind a cheap spatial mixing layer; shape is preserved."""

    def __init__(self, mixing: nn.Module, channels: int, mlp_ratio: int) -> None:
        super().__init__()
        hidden = channels * mlp_ratio
        self.branch = nn.Sequential(
            mixing, conv1x1(channels, hidden), nn.LeakyReLU(inplace=True), conv1x1(hidden, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, H, W]` to the same shape."""
        out: Tensor = x + self.branch(x)
        return out


class PartialConvBlock(ResidualBlock):
    """Block of the transforms: partial 3x3 convolution, then a pointwise MLP. `[B, C, H, W]` to the same."""

    def __init__(self, channels: int, *, partial_ratio: int = 4, mlp_ratio: int = 4) -> None:
        super().__init__(PartialConv3x3(channels, channels // partial_ratio), channels, mlp_ratio)


class DepthwiseBlock(ResidualBlock):
    """Block of the context network: depthwise 3x3 convolution, then a pointwise MLP. `[B, C, H, W]` to the same."""

    def __init__(self, channels: int, *, mlp_ratio: int = 2) -> None:
        super().__init__(nn.Conv2d(channels, channels, 3, padding=1, groups=channels), channels, mlp_ratio)
