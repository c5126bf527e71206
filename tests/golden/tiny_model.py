"""A tiny model whose weights are functions of their names: golden files outlive changes of `hpcm-nano`."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch

from hpcmbal.core.model import HPCM, Variant
from hpcmbal.core.model.variants import ContextSize, Stage

LATENT_CHANNELS = 16
STAGES = (Stage(8, 0), Stage(8, 1), Stage(16, 1), Stage(LATENT_CHANNELS, 0))


def tiny_variant(*, rate_levels: int = 4, attention_width: int = 8) -> Variant:
    """Every kind of layer that the larger variants have, in about 40,000 weights."""
    return Variant(
        name="golden-tiny",
        latent_channels=LATENT_CHANNELS,
        hyper_channels=8,
        analysis=STAGES,
        synthesis=STAGES,
        hyper_width=8,
        hyper_blocks=(1, 1),
        context=ContextSize(
            width=16, coarse_blocks=(1, 1, 1), fine_blocks=(1, 1, 0), attention_width=attention_width, attention_heads=2
        ),
        mlp_ratio=2,
        rate_levels=rate_levels,
    )


def tiny_model(variant: Variant | None = None) -> HPCM:
    """The model in evaluation mode; weights uniform in +-gain / sqrt(fan-in), from SHAKE-256 of their names."""
    model = HPCM(variant or tiny_variant()).eval()
    for name, parameter in model.named_parameters():
        if not name.startswith("rate_gains"):
            parameter.data = _weights(name, tuple(parameter.shape))
    return model


def _weights(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    count = math.prod(shape)
    words = np.frombuffer(hashlib.shake_256(name.encode()).digest(4 * count), dtype="<u4")
    uniform = (words / 2**31 - 1).reshape(shape)
    if name == "scales_hyper":
        values = 0.6 + 0.4 * uniform
    elif name.startswith("adaptive_params_list"):
        values = 1 + 0.1 * uniform
    elif name.startswith("g_a") and len(shape) == 4:
        values = 2.4 * uniform / math.sqrt(math.prod(shape[1:]))
    elif len(shape) == 4:
        values = 0.9 * uniform / math.sqrt(math.prod(shape[1:]))
    else:
        values = 0.3 * uniform
    if shape == (2 * LATENT_CHANNELS,):
        values[:LATENT_CHANNELS] += 1.5  # the half of the channels that predicts scales
    return torch.from_numpy(values.astype(np.float32))
