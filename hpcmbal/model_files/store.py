"""Models as files: weights in safetensors, with what they are as JSON in the same file's header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hpcmbal.atomic_file import replacement, write_by_path
from hpcmbal.core.model.hpcm import HPCM
from hpcmbal.core.model.variants import get_variant
from hpcmbal.errors import CheckpointError

MODEL_FORMAT = "hpcmbal-model-1"
MODEL_FILE = "model.safetensors"
CHECKPOINTS = "checkpoints"
"""Folder of a run that holds its checkpoints, one folder each, named so that sorting by name is sorting by step."""


@dataclass(frozen=True)
class ModelHeader:
    """What a model file says about itself.

    Attributes:
        variant: Name of the `Variant`.
        metadata: Whatever was stored beside it (settings, step, results); JSON values.
    """

    variant: str
    metadata: dict[str, Any]


def save_model(
    path: Path, variant: str, state_dict: Mapping[str, Tensor], metadata: Mapping[str, Any] | None = None
) -> None:
    """Write a model file, all of it or nothing (`atomic_file`).

    Raises:
        CheckpointError: It cannot be written. What was at `path` before is untouched.
    """
    header = {"format": MODEL_FORMAT, "variant": variant, "metadata": json.dumps(dict(metadata or {}), sort_keys=True)}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state_dict.items()}
    try:
        write_by_path(path, lambda partial: save_file(tensors, partial, metadata=header))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"Cannot write the model {path}: {error}. Free some space or choose another place."
        ) from error


def export_state_dict(model: Path, path: Path) -> ModelHeader:
    """Write the weights at `model` (see `find_model`) as a plain PyTorch state dict, all of it or nothing.

    Returns:
        What the model file says about itself.

    Raises:
        CheckpointError: The model cannot be read, or `path` cannot be written; what was there before is untouched.
    """
    file = find_model(model)
    header, weights = read_header(file), read_weights(file)
    try:
        with replacement(path) as target:
            torch.save(weights, target)
    except (OSError, RuntimeError) as error:  # torch reports a short write as a RuntimeError
        raise CheckpointError(f"Cannot write {path}: {error}. Free some space or choose another --output.") from error
    return header


def find_model(path: Path) -> Path:
    """The model file that `path` means: itself, the one in a checkpoint folder, or a run's newest.

    Raises:
        CheckpointError: There is none.
    """
    if path.is_file():
        return path
    if (path / MODEL_FILE).is_file():
        return path / MODEL_FILE
    found = sorted((path / CHECKPOINTS).glob(f"step-*/{MODEL_FILE}"))
    if found:
        return found[-1]
    what = "holds no checkpoint" if path.is_dir() else "does not exist"
    raise CheckpointError(f"{path} {what}. Give a model file (.safetensors), a checkpoint folder, or a run's folder.")


def read_header(path: Path) -> ModelHeader:
    """What the model file says about itself, without reading its weights.

    Raises:
        CheckpointError: It is not a model file of this package.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            header = stored.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} is not a model file: {error}. Released .pth.tar files are turned into one by "
            "`hpcmbal import-checkpoint`."
        ) from error
    if header.get("format") != MODEL_FORMAT:
        raise CheckpointError(f"{path} has format {header.get('format')!r}; this version reads {MODEL_FORMAT!r}.")
    return ModelHeader(header["variant"], json.loads(header["metadata"]))


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a model file, on the CPU.

    Raises:
        CheckpointError: The file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            return {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged: {error}.") from error


def load_model(path: Path, *, variant: str | None = None) -> HPCM:
    """The network stored at `path` (see `find_model`), in evaluation mode on the CPU.

    Args:
        path: A model file, a checkpoint folder or a run's folder.
        variant: Refuse a model of another variant.

    Raises:
        CheckpointError: There is none, it is damaged, or of another variant.
    """
    file = find_model(Path(path))
    header = read_header(file)
    if variant is not None and header.variant != variant:
        raise CheckpointError(f"{file} holds {header.variant}, not {variant}. Use --model-name {header.variant}.")
    with torch.device("meta"):
        model = HPCM(get_variant(header.variant))
    load_weights(model, read_weights(file), str(file))
    return model.eval()


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
        shown = "; ".join(problems[:8]) + (f"; and {len(problems) - 8} more" if len(problems) > 8 else "")
        raise CheckpointError(f"{source} does not fit {model.variant.name}: {shown}.")
    model.load_state_dict(dict(weights), assign=any(tensor.is_meta for tensor in own.values()))
