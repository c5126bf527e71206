"""The fixed-point grid on which the exact path computes, and the bit budget that makes it exact.

Feature maps hold integers in units of 2^-10, clamped to +-2^23 (that is +-2^13 in value): layers compute on float64
tensors, and whole maps are kept in float32, which holds integers up to 2^24. Weights hold 14 significant bits. Float64
adds and multiplies integers below 2^53 without rounding, so a layer whose largest possible sum stays below that gives
the same result in any order of summation: with any number of threads, any kernel, with or without fused multiply-add,
on any device.
"""

from __future__ import annotations

import math

from torch import Tensor

from hpcmbal.core.entropy.tables import GRID_BITS
from hpcmbal.errors import NumericalError

GRID_STEPS = 1 << GRID_BITS
"""Grid steps in 1."""
LIMIT = float(1 << (13 + GRID_BITS))
"""Largest magnitude of a feature, in grid steps."""
WEIGHT_BITS = 14
EXACT_LIMIT = float(1 << 53)
"""Integers up to here are exact in float64."""


def settle_(x: Tensor) -> Tensor:
    """Round to the grid (half to even) and clamp, in place."""
    return x.round_().clamp_(-LIMIT, LIMIT)


def to_grid(x: Tensor) -> Tensor:
    """Real values on the grid, in grid steps, float64."""
    return settle_(x.detach().double() * GRID_STEPS)


def quantise_weights(weights: Tensor, name: str) -> tuple[Tensor, float]:
    """Weights with 14 significant bits, in a step for the whole tensor that is a power of two.

    Args:
        weights: Any shape.
        name: What the weights are, for the error.

    Returns:
        The weights as float64 multiples of the step, and the step.

    Raises:
        NumericalError: A weight is not finite, or too small or large for a step.
    """
    largest = float(weights.detach().abs().max()) if weights.numel() else 0.0
    if not math.isfinite(largest):
        raise NumericalError(
            f"{name} holds weights that are not finite. The model is broken; train or download it again."
        )
    exponent = math.frexp(largest)[1]
    if abs(exponent) > 64:
        raise NumericalError(f"{name} holds weights up to {largest:g}; the exact path allows magnitudes 2^-64 to 2^64.")
    step = 2.0 ** (exponent - WEIGHT_BITS)
    return (weights.detach().double() / step).round_() * step, step


def quantise_layer(weight: Tensor, bias: Tensor | None, name: str) -> tuple[Tensor, Tensor]:
    """Weights `[O, K]` and bias `[O]` of a linear map over features in grid steps, with their bit budget checked.

    Returns:
        Weights `[O, K]` and bias `[O, 1]` in grid steps, float64, both multiples of one step.

    Raises:
        NumericalError: An output could leave the integers that float64 holds: the layer is too wide for the exact path.
    """
    quantised, step = quantise_weights(weight, name)
    if bias is None:
        offset = quantised.new_zeros(quantised.shape[0])
    else:
        offset = (bias.detach().double() * (GRID_STEPS / step)).round_() * step
    largest = float(((quantised.abs().sum(1) * LIMIT + offset.abs()) / step).max())
    if not largest <= EXACT_LIMIT:
        raise NumericalError(
            f"{name} could sum to 2^{math.log2(largest):.1f}, more than the 2^53 that float64 adds exactly. "
            "The exact path needs narrower layers or smaller weights."
        )
    return quantised, offset[:, None]
