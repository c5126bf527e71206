"""Models as files: weights in safetensors, with what they are as JSON in the same file's header."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hpcmbal.atomic_file import replacement, write_by_path
from hpcmbal.core.model.hpcm import HPCM, rates_entry
from hpcmbal.core.model.rates import Rates, fit_rates
from hpcmbal.core.model.variants import get_variant
from hpcmbal.errors import CheckpointError, setting
from hpcmbal.model_files.header import ModelHeader, parse_header, write_header
from hpcmbal.model_files.identity import id_of
from hpcmbal.model_files.weights import checked_weights, load_weights

MODEL_FILE = "model.safetensors"
CHECKPOINTS = "checkpoints"
"""Folder of a run that holds its checkpoints, one folder each, named so that sorting by name is sorting by step."""


def save_model(
    path: Path,
    variant: str,
    state_dict: Mapping[str, Tensor],
    metadata: Mapping[str, Any] | None = None,
    *,
    rates: Rates | None = None,
) -> bytes:
    """Write a model file, all of it or nothing (`atomic_file`).

    Args:
        path: The file.
        variant: Name of the `Variant`.
        state_dict: Of the network.
        metadata: Whatever else a user of the file should know; JSON values.
        rates: What the model was trained for (`HPCM.rates`); all that the variant can do if not given.

    Returns:
        The model's id.

    Raises:
        CheckpointError: It cannot be written. What was at `path` before is untouched.
        SettingsError: There is no such variant, or it cannot have these rates.
    """
    kind = get_variant(variant)
    rates = fit_rates(rates, kind.gains_range, variant)
    identity = id_of(kind, rates, state_dict)
    header = write_header(ModelHeader(variant, rates, dict(metadata or {}), identity))
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state_dict.items()}
    try:
        write_by_path(path, lambda partial: _save(tensors, partial, header))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"Cannot write the model {path}: {error}. Free some space or choose another place."
        ) from error
    return identity


def export_state_dict(model: Path, path: Path) -> ModelHeader:
    """Write the weights of a model file as a plain PyTorch state dict, all of it or nothing.

    Where the model's rates are not all that its variant can do, an entry says them (`RATES_ENTRY`).

    Returns:
        What the model file says about itself.

    Raises:
        CheckpointError: The model cannot be read, or `path` cannot be written; what was there before is untouched.
    """
    header, network = read_header(model), load_network(model)
    weights = {**network.state_dict(), **rates_entry(network)}
    try:
        with replacement(path) as target:
            torch.save(weights, target)
    except (OSError, RuntimeError) as error:  # torch reports a short write as a RuntimeError
        remedy = f"Free some space or choose another {setting('output')}."
        raise CheckpointError(f"Cannot write {path}: {error}. {remedy}") from error
    return header


def read_header(path: Path) -> ModelHeader:
    """What the model file says about itself, without reading its weights.

    Raises:
        CheckpointError: It is not a model file of this package.
    """
    try:
        with _utf8_name(path) as name, safe_open(name, framework="pt") as stored:
            entries = stored.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} is not a model file: {error}. Released .pth.tar files are turned into one by "
            "`hpcmbal import-checkpoint`."
        ) from error
    return parse_header(entries, str(path))


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights of a model file: float32, finite, on the CPU.

    Raises:
        CheckpointError: The file is damaged, or holds what cannot be weights.
    """
    try:
        with _utf8_name(path) as name, safe_open(name, framework="pt") as stored:
            tensors = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged: {error}.") from error
    return checked_weights(tensors, str(path))


def load_network(path: Path) -> HPCM:
    """The network in a model file, in evaluation mode on the CPU; for other names of models see `find_model`.

    Raises:
        CheckpointError: The file is damaged, or holds what cannot be weights of its variant.
    """
    header = read_header(path)
    with torch.device("meta"):
        model = HPCM(header.variant, header.rates)
    load_weights(model, read_weights(path), str(path))
    return model.eval()


def _save(tensors: dict[str, Tensor], path: Path, header: dict[str, str]) -> None:
    with _utf8_name(path) as name:
        save_file(tensors, name, metadata=header)


@contextmanager
def _utf8_name(path: Path) -> Iterator[Path]:
    """A name of a file that safetensors takes, which are those in UTF-8: its own, or one by way of a link."""
    if _is_utf8(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, "model")
        if _is_utf8(Path(path.name)):  # the folder, so that the file may be replaced
            link.symlink_to(path.parent.absolute())
            yield link / path.name
        else:
            link.symlink_to(path.absolute())
            yield link


def _is_utf8(path: Path) -> bool:
    try:
        os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
