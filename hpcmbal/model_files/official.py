"""Released HPCM weights: read as data, matched entry by entry with a variant, in the form of our state dicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from hpcmbal.core.entropy.generalized_gaussian import GeneralizedGaussian
from hpcmbal.core.model.hpcm import CODER_TABLES, HPCM, RATES_ENTRY, rates_of_entries
from hpcmbal.core.model.rates import Rates, fit_rates
from hpcmbal.core.model.variants import VARIANTS, get_variant
from hpcmbal.errors import CheckpointError, SettingsError
from hpcmbal.model_files.torch_file import read_torch_file
from hpcmbal.model_files.weights import checked_weights, listed

if TYPE_CHECKING:
    from pathlib import Path

_PARALLEL_PREFIX = "module."
_NESTED_KEY = "state_dict"
_CONSTANTS = (
    "entropy_estimation.beta",
    "entropy_estimation.scale_lower_bound.bound",
    "entropy_estimation.likelihood_lower_bound.bound",
)
"""Entries that hold constants of the network and no weights; a file may leave them out."""


class OfficialWeights(NamedTuple):
    """Weights that fit a variant.

    Attributes:
        model_name: Public name of the variant.
        state_dict: Every entry of `HPCM(variant).state_dict()`, floating point in float32, coder tables empty.
        parameters: Number of values in the variant's parameters.
        rates: What they were trained for.
    """

    model_name: str
    state_dict: dict[str, Tensor]
    parameters: int
    rates: Rates


class Mismatch(NamedTuple):
    """How a file's entries differ from those of a variant; all three sorted."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]

    @property
    def total(self) -> int:
        """How many entries differ; 0 if the file fits."""
        return sum(map(len, self))


def import_official(path: Path, model_name: str | None = None) -> OfficialWeights:
    """Read a released checkpoint and check that it is all of a variant, and nothing else.

    Tables of the released arithmetic coder are ignored, whatever their size; constants of the network may be missing.

    Args:
        path: A `.pth.tar` file: a state dict, or one under the key "state_dict"; names may start with `module.`.
        model_name: The variant. If not given, the one that the entries belong to.

    Raises:
        CheckpointError: The file cannot be read, is no state dict, holds what cannot be weights (see
            `checked_weights`), or does not fit; the message lists missing, unexpected and misshapen entries.
        SettingsError: `model_name` is unknown.
    """
    entries = checked_weights(read_entries(path), str(path))
    rates = _rates(entries, path)
    entries.pop(RATES_ENTRY, None)
    name = get_variant(model_name).name if model_name is not None else closest_variant(entries)
    model = _skeleton(name)
    mismatch = compare(entries, model)
    if mismatch.total:
        hint = "" if model_name is not None else " (the closest variant)"
        raise CheckpointError(f"{path} does not fit {name}{hint}: {_describe(mismatch)}.")
    state_dict = {key: _converted(entries, key, like) for key, like in model.state_dict().items()}
    try:
        rates = fit_rates(rates, model.variant.gains_range, name)
    except SettingsError as error:
        raise CheckpointError(f"{path} says of its rates what cannot be: {error}") from error
    return OfficialWeights(name, state_dict, sum(parameter.numel() for parameter in model.parameters()), rates)


def read_entries(path: Path) -> dict[str, Tensor]:
    """The named tensors of a released checkpoint, without wrappers, prefixes and coder tables.

    Raises:
        CheckpointError: The file cannot be read or holds something else.
    """
    content = read_torch_file(path)
    if isinstance(content, Mapping) and isinstance(content.get(_NESTED_KEY), Mapping):
        content = content[_NESTED_KEY]
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"{path} holds no state dict; expected named tensors, or those under '{_NESTED_KEY}'.")
    entries = {}
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f"{path} holds '{key}' of type {type(value).__name__}; a state dict has names and tensors only."
            )
        name = key.removeprefix(_PARALLEL_PREFIX)
        if name in entries:
            raise CheckpointError(f"{path} holds '{name}' twice, with and without '{_PARALLEL_PREFIX}'.")
        entries[name] = value
    return {name: value for name, value in entries.items() if name not in CODER_TABLES}


def closest_variant(entries: Mapping[str, Tensor]) -> str:
    """Name of the variant whose entries differ least from `entries`."""
    return min(VARIANTS, key=lambda name: compare(entries, _skeleton(name)).total)


def compare(entries: Mapping[str, Tensor], model: HPCM) -> Mismatch:
    """Compare names and shapes with those of `model`, coder tables aside."""
    expected = {key: value.shape for key, value in model.state_dict().items() if key not in CODER_TABLES}
    common = expected.keys() & entries.keys()
    return Mismatch(
        missing=tuple(sorted(expected.keys() - entries.keys() - set(_CONSTANTS))),
        unexpected=tuple(sorted(entries.keys() - expected.keys())),
        misshapen=tuple(
            f"{key} {list(entries[key].shape)} instead of {list(expected[key])}"
            for key in sorted(common)
            if entries[key].shape != expected[key]
        ),
    )


def _rates(entries: Mapping[str, Tensor], path: Path) -> Rates | None:
    try:
        return rates_of_entries(entries)
    except SettingsError as error:
        raise CheckpointError(f"{path} says of its rates what cannot be: {error}") from error


def _skeleton(name: str) -> HPCM:
    """The variant's network without memory for its weights."""
    with torch.device("meta"):
        return HPCM(get_variant(name))


def _converted(entries: Mapping[str, Tensor], key: str, like: Tensor) -> Tensor:
    if key in CODER_TABLES:
        return torch.empty(0)
    if key in _CONSTANTS and key not in entries:
        constants: dict[str, Tensor] = GeneralizedGaussian(released=True).state_dict()
        return constants[key.removeprefix("entropy_estimation.")]
    return entries[key].to(like.dtype, copy=True).contiguous()


def _describe(mismatch: Mismatch) -> str:
    parts = [f"{len(keys)} {kind}: {listed(keys)}" for kind, keys in mismatch._asdict().items() if keys]
    return "; ".join(parts)
