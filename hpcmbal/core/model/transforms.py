"""Analysis and synthesis transforms (`g_a`, `g_s`) and their hyper counterparts (`h_a`, `h_s`)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial

from torch import Tensor, nn

from hpcmbal.core.model.blocks import PartialConvBlock, downsample, upsample
from hpcmbal.core.model.variants import Variant

IMAGE_CHANNELS = 3


class Branch(nn.Module):
    """A chain of layers under the attribute `branch`, as the released state dicts name it."""

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.branch = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Run the chain."""
        out: Tensor = self.branch(x)
        return out


def analysis_transform(variant: Variant) -> nn.Module:
    """`g_a`: image `[B, 3, H, W]` in [0, 1] to latents `[B, M, H/16, W/16]`; H and W multiples of 16."""
    resample: list[nn.Module] = []
    channels = IMAGE_CHANNELS
    for level, stage in enumerate(variant.analysis):
        kernel = variant.stem_kernel if level == 0 else 2
        resample.append(downsample(channels, stage.channels, kernel))
        channels = stage.channels
    blocks = [_blocks(variant, stage.channels, stage.blocks) for stage in variant.analysis]
    if variant.staged_names:
        named: OrderedDict[str, nn.Module] = OrderedDict()
        for level, (layer, chain) in enumerate(zip(resample, blocks, strict=True), start=1):
            named[f"g_a_down{level}"] = layer
            named[f"g_a_chunk{level}"] = nn.Sequential(*chain)
        return nn.Sequential(named)
    return Branch(layer for down, chain in zip(resample, blocks, strict=True) for layer in (down, *chain))


def synthesis_transform(variant: Variant) -> nn.Module:
    """`g_s`: latents `[B, M, H/16, W/16]` to an image `[B, 3, H, W]`, not clamped."""
    stages = variant.synthesis
    outputs = (IMAGE_CHANNELS, *(stage.channels for stage in stages[:-1]))
    kernels = (variant.stem_kernel, 2, 2, 2)
    levels = [
        (_blocks(variant, stage.channels, stage.blocks), upsample(stage.channels, out, kernel))
        for stage, out, kernel in zip(stages, outputs, kernels, strict=True)
    ]
    if variant.staged_names:
        named: OrderedDict[str, nn.Module] = OrderedDict()
        for level in range(len(levels), 0, -1):
            chain, layer = levels[level - 1]
            named[f"g_s_chunk{level}"] = nn.Sequential(*chain)
            named[f"g_s_up{level}"] = layer
        return nn.Sequential(named)
    return Branch(layer for chain, up in reversed(levels) for layer in (*chain, up))


def hyper_analysis(variant: Variant) -> nn.Module:
    """`h_a`: latents `[B, M, h, w]` to side information `[B, N, h/4, w/4]`."""
    outer, inner = variant.hyper_blocks
    width = variant.hyper_width
    return _chain(variant)(
        (
            *_blocks(variant, variant.latent_channels, outer),
            downsample(variant.latent_channels, width),
            *_blocks(variant, width, inner),
            downsample(width, variant.hyper_channels),
        )
    )


def hyper_synthesis(variant: Variant) -> nn.Module:
    """`h_s`: side information `[B, N, h/4, w/4]` to prior parameters `[B, 2M, h, w]`, scales before means."""
    outer, inner = variant.hyper_blocks
    width = variant.hyper_width
    out_channels = 2 * variant.latent_channels
    return _chain(variant)(
        (
            upsample(variant.hyper_channels, width),
            *_blocks(variant, width, inner),
            upsample(width, out_channels),
            *_blocks(variant, out_channels, outer),
        )
    )


def _blocks(variant: Variant, channels: int, count: int) -> list[nn.Module]:
    block = partial(PartialConvBlock, partial_ratio=variant.partial_ratio, mlp_ratio=variant.mlp_ratio)
    return [block(channels) for _ in range(count)]


def _chain(variant: Variant) -> Callable[[Iterable[nn.Module]], nn.Module]:
    return _plain_chain if variant.staged_names else Branch


def _plain_chain(layers: Iterable[nn.Module]) -> nn.Sequential:
    return nn.Sequential(*layers)
