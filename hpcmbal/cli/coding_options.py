"""Options that `compress` and `decompress` share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hpcmbal.errors import SettingsError
from hpcmbal.images.pixel_limit import DEFAULT_PIXEL_LIMIT, PIXEL_LIMIT_VARIABLE


class Device(StrEnum):
    """Where the network runs."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="File, or folder for several inputs; '-' is standard output.")
]
DeviceOption = Annotated[
    Device, typer.Option("--device", help="Where the network runs; auto takes a GPU if there is one.")
]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Files that are worked on at the same time.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Overwrite outputs that exist.")]
ModelDirs = Annotated[
    list[Path] | None,
    typer.Option("--model-dir", help="Folder with models to search first; may be repeated. Then HPCMBAL_MODEL_DIR."),
]
MaxPixels = Annotated[
    int,
    typer.Option(
        "--max-pixels",
        min=1,
        envvar=PIXEL_LIMIT_VARIABLE,
        help="Refuse pictures with more pixels (width times height).",
    ),
]
MAX_PIXELS = DEFAULT_PIXEL_LIMIT
EXTENSION = ".hpcm"


def resolve_device(device: Device) -> str:
    """The device's name for torch.

    Raises:
        SettingsError: CUDA was asked for and is not there.
    """
    import torch

    available = torch.cuda.is_available()
    if device is Device.CUDA and not available:
        raise SettingsError("--device cuda: torch finds no usable GPU. Use --device cpu.")
    return "cuda" if available and device is not Device.CPU else "cpu"
