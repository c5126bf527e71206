"""What a model file says about itself, and how that is written into the header of a safetensors file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hpcmbal.core.model.rates import LmbdaRange, OneRate, Rates, fit_rates
from hpcmbal.core.model.variants import VARIANTS, Variant, get_variant
from hpcmbal.errors import CheckpointError, SettingsError

MODEL_FORMAT = "hpcmbal-model-1"
MODEL_ID_KEY = "model_id"
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class ModelHeader:
    """What a model file says about itself.

    Attributes:
        variant: Name of the `Variant`.
        rates: What the model was trained for.
        metadata: Whatever was stored beside it (settings, step, results); JSON values.
        model_id: The id that the file claims, 8 bytes; None if it was written before ids were stored.
    """

    variant: str
    rates: Rates
    metadata: dict[str, Any] = field(default_factory=dict)
    model_id: bytes | None = None


def write_header(header: ModelHeader) -> dict[str, str]:
    """The entries of the safetensors header."""
    rates = header.rates
    stored = {"low": rates.low, "high": rates.high} if isinstance(rates, LmbdaRange) else {"lmbda": rates.lmbda}
    entries = {
        "format": MODEL_FORMAT,
        "variant": header.variant,
        "rates": json.dumps(stored),
        "metadata": json.dumps(header.metadata, sort_keys=True),
    }
    return entries if header.model_id is None else {**entries, MODEL_ID_KEY: header.model_id.hex()}


def parse_header(entries: Mapping[str, str], source: str) -> ModelHeader:
    """Check and read what `write_header` wrote, now or in an earlier version.

    Args:
        entries: Of the safetensors header; from anywhere.
        source: What to call the file in messages.

    Raises:
        CheckpointError: The file is of another kind or version, or its header means nothing.
    """
    found = entries.get("format")
    if found != MODEL_FORMAT:
        raise CheckpointError(
            f"{source} is no model file of this package: it has format {found!r}, and this version reads "
            f"{MODEL_FORMAT!r}. Released .pth.tar files are turned into one by `hpcmbal import-checkpoint`."
        )
    name = entries.get("variant", "")
    if name not in VARIANTS:
        raise CheckpointError(
            f"{source} holds a model of the unknown variant {name[:80]!r}; known are: {', '.join(VARIANTS)}. It may be "
            "of a newer version of this package."
        )
    metadata = _json_object(entries, "metadata", source)
    try:
        rates = _rates(get_variant(name), entries, metadata, source)
    except SettingsError as error:
        raise CheckpointError(f"{source} says of its rates what cannot be: {error}") from error
    claimed = entries.get(MODEL_ID_KEY, metadata.get(MODEL_ID_KEY))
    known = isinstance(claimed, str) and _ID.fullmatch(claimed)
    return ModelHeader(name, rates, metadata, bytes.fromhex(str(claimed)) if known else None)


def _rates(variant: Variant, entries: Mapping[str, str], metadata: Mapping[str, Any], source: str) -> Rates:
    span = variant.gains_range
    if "rates" not in entries:
        return fit_rates(_rates_of_settings(variant, metadata), span, variant.name)
    stored = _json_object(entries, "rates", source)
    if "low" in stored:
        return fit_rates(LmbdaRange(_number(stored, "low"), _number(stored, "high")), span, variant.name)
    lmbda = None if stored.get("lmbda") is None else _number(stored, "lmbda")
    return fit_rates(OneRate(lmbda), span, variant.name)


def _rates_of_settings(variant: Variant, metadata: Mapping[str, Any]) -> Rates | None:
    """The rates of a file that was written before files said them: from the settings of its training, if it has any."""
    settings = metadata.get("settings")
    loss = settings.get("loss") if isinstance(settings, dict) else None
    if not isinstance(loss, dict) or not isinstance(loss.get("variable_rate"), bool):
        return None
    if not loss["variable_rate"]:
        return OneRate(_number(loss, "lmbda"))
    ends = (loss.get("lmbda_min") or variant.lmbda_range.low, loss.get("lmbda_max") or variant.lmbda_range.high)
    return LmbdaRange(*(_number({"lmbda": end}, "lmbda") for end in ends))


def _number(values: Mapping[str, Any], key: str) -> float:
    value = values.get(key)
    if not isinstance(value, float | int) or isinstance(value, bool):
        raise SettingsError(f"'{key}' should be a number. Found {str(value)[:40]!r}.")
    try:
        return float(value)
    except OverflowError:
        raise SettingsError(f"'{key}' should be a number that floating point holds. Found an integer beyond.") from None


def _json_object(entries: Mapping[str, str], key: str, source: str) -> dict[str, Any]:
    """A JSON object among the header's entries; one that is missing is empty."""
    try:
        value = json.loads(entries.get(key, "{}"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{source} is damaged: '{key}' in its header is no JSON ({str(error)[:80]}).") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{source} is damaged: '{key}' in its header should be a JSON object.")
    return value
