"""What may be weights: a network's entries in floating point, all of them finite in float32."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hpcmbal.core.model.hpcm import HPCM, RATES_ENTRY
from hpcmbal.errors import CheckpointError

_LARGEST_REPEATED = 1 << 28
"""Values of an entry that may repeat fewer stored ones, a gibibyte; no network has an entry as large."""
_SHOWN = 8
"""Entries of each kind that a message lists; the rest is counted."""


def checked_weights(entries: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """The entries in float32, on the CPU.

    Args:
        entries: Tensors from anywhere.
        source: What to call the file in messages.

    Raises:
        CheckpointError: An entry is no plain tensor in memory (sparse, quantised, nested, meta, or few values that
            are repeated), is of integers, booleans or complex numbers, or holds a value that is not finite in float32.
    """
    strange = {name: kind for name, tensor in entries.items() if (kind := _strange_kind(tensor))}
    if strange:
        listing = listed([f"{name} ({kind})" for name, kind in sorted(strange.items())])
        raise CheckpointError(f"{source} holds what cannot be weights: {listing}. Weights are plain tensors of floats.")
    weights, broken = {}, []
    for name, tensor in entries.items():
        value = tensor.detach()
        weights[name] = value if name == RATES_ENTRY else value.to("cpu", torch.float32).contiguous()
        if not bool(weights[name].isfinite().all()):
            broken.append(name)
    if broken:
        raise CheckpointError(
            f"{source} holds values that are not finite in float32: {listed(sorted(broken))}. The file is damaged, or "
            "its training diverged: get it again, or take an earlier checkpoint."
        )
    return weights


def load_weights(model: HPCM, weights: Mapping[str, Tensor], source: str) -> None:
    """Put `weights` into `model`, which may be on the meta device.

    Raises:
        CheckpointError: They do not fit; the message lists what is missing, unexpected and misshapen.
    """
    own = model.state_dict()
    problems = [f"missing {name}" for name in own if name not in weights]
    problems += [f"unexpected {name}" for name in weights if name not in own]
    problems += [
        f"{name} has shape {list(weights[name].shape)}, not {list(tensor.shape)}"
        for name, tensor in own.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    if problems:
        raise CheckpointError(f"{source} does not fit {model.variant.name}: {listed(problems)}.")
    model.load_state_dict(dict(weights), assign=any(tensor.is_meta for tensor in own.values()))


def listed(names: list[str] | tuple[str, ...]) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _strange_kind(tensor: Tensor) -> str:
    """What keeps a tensor from being weights, in a word; empty if nothing does."""
    if tensor.is_nested:
        return "nested"
    if tensor.is_quantized:
        return "quantised"
    if tensor.layout != torch.strided:
        return str(tensor.layout).removeprefix("torch.")
    if tensor.is_meta:
        return "without values"
    if not tensor.is_floating_point():
        return str(tensor.dtype).removeprefix("torch.")
    # A few bytes that are repeated by a stride of 0 may claim terabytes.
    stored = tensor.untyped_storage().nbytes() // tensor.element_size()
    return "repeated" if stored < tensor.numel() > _LARGEST_REPEATED else ""
