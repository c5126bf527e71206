"""`export_onnx`: a folder of ONNX files and one of arrays, from which other runtimes code pictures."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import torch

from hpcmbal.atomic_file import write_bytes
from hpcmbal.errors import CheckpointError, MissingExtraError
from hpcmbal.interop.onnx.coding_data import coding_data
from hpcmbal.interop.onnx.networks import Part, network_parts
from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.store import load_network
from hpcmbal.output_checks import check_outputs
from hpcmbal.settings.weights import OnnxSettings

OPSET = 17
DATA_FILE = "coding.npz"


def export_onnx(settings: OnnxSettings) -> list[Path]:
    """Write a model's networks as ONNX files with dynamic height and width, in float32, and `coding.npz` beside them.

    Returns:
        The files.

    Raises:
        MissingExtraError: The package onnx is not installed.
        CheckpointError: The model cannot be read, or has cross-attention, whose windows have no ONNX form yet.
        DataError: An output exists.
    """
    try:
        import onnx  # noqa: F401 (torch's exporter needs it)
    except ImportError:
        raise MissingExtraError("Export to ONNX", "onnx") from None
    model_file = find_model(settings.model)
    model = load_network(model_file)
    if model.variant.context.attention_width is not None:
        raise CheckpointError(
            f"{model.variant.name} has cross-attention, which cannot be exported yet. Export a model without it, "
            "such as hpcm-nano or hpcm-base-phi."
        )
    parts = list(network_parts(model))
    files = [settings.output / f"{part.name}.onnx" for part in parts]
    check_outputs([*files, settings.output / DATA_FILE], [model_file], force=settings.force)
    for part, file in zip(parts, files, strict=True):
        write_bytes(file, _graph(part))
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **coding_data(model))
    write_bytes(settings.output / DATA_FILE, arrays.getvalue())
    return [*files, settings.output / DATA_FILE]


def _graph(part: Part) -> bytes:
    """The ONNX file of a part, with the axes of space named after their tensor."""
    graph = io.BytesIO()
    names = [*(name for name in part.inputs if name != "lmbda"), *part.outputs]
    with torch.no_grad(), warnings.catch_warnings():
        # torch announces another exporter, which needs more packages, and warns of sizes that it traces as numbers.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            part.network.eval(),
            tuple(part.inputs.values()),
            graph,  # type: ignore[arg-type]  # this exporter writes into streams as well
            input_names=list(part.inputs),
            output_names=list(part.outputs),
            dynamic_axes={name: {2: f"{name}_height", 3: f"{name}_width"} for name in names},
            opset_version=OPSET,
            dynamo=False,
        )
    return graph.getvalue()
