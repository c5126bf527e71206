"""Which device a network runs on, and how not to wait for it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hpcmbal.errors import SettingsError, setting


def choose_device(wanted: str, local_rank: int = 0) -> torch.device:
    """The device that `wanted` means: `auto` is CUDA if there is one; `cuda` is the process's own CUDA device.

    Raises:
        SettingsError: There is no such device.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device("cuda", local_rank) if wanted == "cuda" else torch.device(wanted)
    except RuntimeError as error:
        raise SettingsError(f"{setting('device', wanted)} is none; use auto, cpu, cuda or cuda:N.") from error
    if device.type == "cuda":
        _check_cuda(device, wanted)
    return device


def _check_cuda(device: torch.device, wanted: str) -> None:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    given = setting("device", wanted)
    if count == 0:
        raise SettingsError(f"{given}: no CUDA device was found; use {setting('device', 'cpu')} or auto.")
    if device.index >= count:
        found = "only cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        raise SettingsError(f"{given}: there is no {device}; found {found}. Use one of those, cpu or auto.")


def readable(tensor: Tensor) -> bool:
    """Whether the host may read the tensor's values without waiting for a device: it is on the CPU."""
    return tensor.device.type == "cpu"


def sent(values: Sequence[float], device: torch.device) -> Tensor:
    """Numbers as a float32 tensor on a device; to CUDA from page-locked memory, so that the host does not wait."""
    tensor = torch.tensor(values, dtype=torch.float32)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
