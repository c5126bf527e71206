"""The name of a model's weights: two models with the same id decode the same files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

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


def model_id(model: HPCM) -> bytes:
    """First 8 bytes of the SHA-256 of the variant's name and of all weights that matter for decoding.

    Hashed are, in ascending order of their names (as bytes): the name in UTF-8, a zero byte, and the values as float32,
    little-endian, in row-major order. The variant's name and a zero byte come first.
    """
    digest = hashlib.sha256(model.variant.name.encode() + b"\0")
    for name, value in sorted(model.state_dict().items()):
        if name.startswith(DECODING_PREFIXES):
            values = value.detach().to("cpu", torch.float32).contiguous().numpy()
            digest.update(name.encode() + b"\0" + values.astype("<f4").tobytes())
    return digest.digest()[:MODEL_ID_BYTES]
