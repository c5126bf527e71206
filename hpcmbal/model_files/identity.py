"""The name of a model: two models with the same id decode the same files."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hpcmbal.core.model.rates import LmbdaRange, Rates
from hpcmbal.core.model.variants import Variant

if TYPE_CHECKING:
    from hpcmbal.core.model.hpcm import HPCM

MODEL_ID_BYTES = 8

DECODING_PREFIXES = (
    "adaptive_params_list.",
    "attn_",
    "context_net.",
    "g_s.",
    "h_s.",
    "means_hyper",
    "rate_gains.log_inverse_gain",
    "scales_hyper",
    "y_spatial_prior_",
)
"""What decoding needs, by the start of its name in the state dict; the rest serves the encoder alone."""

_RATES_NAME = "lmbda_range"


def model_id(model: HPCM) -> bytes:
    """The id of a network; see `id_of`."""
    return id_of(model.variant, model.rates, model.state_dict())


def id_of(variant: Variant, rates: Rates, weights: Mapping[str, Tensor]) -> bytes:
    """First 8 bytes of the SHA-256 of the variant's name, all weights that matter for decoding, and the rates.

    Hashed are, in ascending order of their names (as bytes): the name in UTF-8, a zero byte, and the values as float32,
    little-endian, in row-major order. The variant's name and a zero byte come first. Where the variant has rate gains
    and the rates are not all that these cover, there follow `lmbda_range`, a zero byte, and both ends of the rates
    (equal ends for one rate) as little-endian float64.
    """
    digest = hashlib.sha256(variant.name.encode() + b"\0")
    for name, value in sorted(weights.items()):
        if name.startswith(DECODING_PREFIXES):
            values = value.detach().to("cpu", torch.float32).contiguous().numpy()
            digest.update(name.encode() + b"\0" + values.astype("<f4").tobytes())
    if variant.gains_range not in {None, rates}:
        ends = (rates.low, rates.high) if isinstance(rates, LmbdaRange) else (rates.lmbda, rates.lmbda)
        digest.update(_RATES_NAME.encode() + b"\0" + struct.pack("<dd", *ends))
    return digest.digest()[:MODEL_ID_BYTES]
