"""Multiply-accumulate operations of a network, counted by torch's own counter rather than by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from hpcmbal.core.model.context import predicted_means
from hpcmbal.core.model.hpcm import HPCM
from hpcmbal.core.model.variants import Variant

COUNTED_SIDE = 256
"""Side of the image at which operations are counted; a multiple of every variant's padding."""


@dataclass(frozen=True)
class Complexity:
    """Cost of a network.

    Attributes:
        parameters: Number of trainable parameters.
        encode_parameters: Of those that encoding reads: all but `g_s`.
        decode_parameters: Of those that decoding reads: all but `g_a` and `h_a`.
        encode_macs_per_pixel: Of `g_a`, `h_a`, `h_s` and the context walk.
        decode_macs_per_pixel: Of `h_s`, the context walk and `g_s`.
        forward_macs_per_pixel: Of one forward pass in training, where `h_s` and the walk run once.
    """

    parameters: int
    encode_parameters: int
    decode_parameters: int
    encode_macs_per_pixel: float
    decode_macs_per_pixel: float
    forward_macs_per_pixel: float


def complexity(variant: Variant) -> Complexity:
    """Count on the meta device, which computes shapes and no values."""
    with torch.device("meta"):
        model = HPCM(variant).eval()
        x = torch.empty(1, 3, COUNTED_SIDE, COUNTED_SIDE)
    analysis, y = _count(model.analyse, x)
    hyper_analysis, z = _count(model.h_a, y)
    hyper_synthesis, params = _count(model.h_s, z)
    context, y_hat = _count(model.walk, params, predicted_means)
    synthesis, _ = _count(model.synthesise, y_hat)
    encode = analysis + hyper_analysis + hyper_synthesis + context
    decode = hyper_synthesis + context + synthesis
    parameters, encode_only, decode_only = (
        sum(parameter.numel() for part in parts for parameter in part.parameters())
        for parts in ([model], [model.g_a, model.h_a], [model.g_s])
    )
    return Complexity(
        parameters, parameters - decode_only, parameters - encode_only, encode, decode, encode + synthesis
    )


@torch.no_grad()
def _count(function: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    with FlopCounterMode(display=False) as counter:
        result = function(*arguments)
    return counter.get_total_flops() / 2 / COUNTED_SIDE**2, result
