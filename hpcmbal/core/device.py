"""Which device a network runs on."""

from __future__ import annotations

import torch

from hpcmbal.errors import SettingsError, setting


def choose_device(wanted: str, local_rank: int = 0) -> torch.device:
    """The device that `wanted` means: `auto` is CUDA if there is one; `cuda` is the process's own CUDA device.

    Raises:
        SettingsError: There is no such CUDA device.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device("cuda", local_rank) if wanted == "cuda" else torch.device(wanted)
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
