"""A model ready to code files: its network, its exact path and its id."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from hpcmbal.codec.header import RATE_STEPS
from hpcmbal.codec.streaming import encoder_transform
from hpcmbal.core.device import choose_device
from hpcmbal.core.model import HPCM
from hpcmbal.core.model.exact import ExactNetwork
from hpcmbal.core.model.rates import Rates
from hpcmbal.errors import BitstreamError, CheckpointError, NumericalError
from hpcmbal.model_files.find import find_by_id, find_model, missing_model, pass_over
from hpcmbal.model_files.identity import model_id
from hpcmbal.model_files.store import MODEL_FILE, load_network
from hpcmbal.settings.choices import DEFAULT_QUALITY

_CACHED_MODELS = 4
_LOADING = threading.Lock()
"""Held while a model is loaded: threads that ask for it meanwhile wait, and do not load it again."""


class CodecModel:
    """A trained network with what coding files needs beside it.

    Args:
        network: The trained network; put into evaluation mode and moved to `device`.
        name: What to call it in reports.
        device: Where it runs.

    Raises:
        NumericalError: The network breaks the exact path's bit budget.
    """

    def __init__(self, network: HPCM, name: str, device: str | torch.device = "cpu") -> None:
        self.name = name
        self.device = choose_device(str(device))
        self.model_id = model_id(network)
        self.network = network.eval().to(self.device).to(memory_format=torch.channels_last)
        self.exact = ExactNetwork(network).to(self.device)
        self._encoders: dict[str, nn.Module] = {}

    def encoder(self, precision: str) -> nn.Module:
        """The analysis transform in the precision that `encoder_transform` describes; made once."""
        if precision not in self._encoders:
            self._encoders[precision] = encoder_transform(self.network.g_a, precision)
        return self._encoders[precision]

    @property
    def rates(self) -> Rates:
        """What the model was trained for."""
        return self.network.rates

    @property
    def variable_rate(self) -> bool:
        """Whether one model serves every quality."""
        return self.rates.variable

    def rate_of(self, quality: float | None) -> int:
        """The header's rate field for `quality` 1 to 100 (None: 50); 0 for a model of one rate.

        Raises:
            SettingsError: The quality is out of range, or was given for a model of one rate.
        """
        self.rates.lmbda_at(quality)  # refuses what it does not have
        return round((DEFAULT_QUALITY if quality is None else quality) * RATE_STEPS) if self.variable_rate else 0

    def lmbda_of(self, rate: int) -> Tensor | None:
        """The rate parameter `[1]` for the header's rate field; None for a model of one rate.

        Raises:
            BitstreamError: The file was not written by a model of this kind.
        """
        if self.variable_rate != (rate > 0):
            kind = "a variable" if self.variable_rate else "a fixed"
            raise BitstreamError(
                f"The file's rate field is {rate}, which does not suit {self.name}, a model of {kind} rate."
            )
        if not rate:
            return None
        return torch.tensor([self.rates.lmbda_at(rate / RATE_STEPS)], device=self.device)


def load_codec_model(
    model: str | Path | None = None, *, model_dirs: Sequence[str | Path] = (), device: str = "cpu"
) -> CodecModel:
    """Load a model by any of its names; see `hpcmbal.model_files.find`.

    The last few models stay in memory, shared by all threads; a file that changed is read again.

    Args:
        model: A packaged model's name, a model file, the folder of a checkpoint or run, or an id; None: the default.
        model_dirs: Where to look for ids first.
        device: Where the network runs.

    Raises:
        CheckpointError: There is no such model, or it cannot be read.
    """
    return _load(find_model(model, model_dirs), device)


def find_codec_model(wanted: bytes, model_dirs: Sequence[str | Path] = (), *, device: str = "cpu") -> CodecModel:
    """The model whose id a file names: in `model_dirs`, then HPCMBAL_MODEL_DIR, then among the packaged ones.

    Files there that cannot be used are passed over with a `ModelFileWarning`.

    Raises:
        CheckpointError: It is nowhere; the message names the id and the places.
    """
    for path in find_by_id(wanted, model_dirs):
        try:
            model = _load(path, device)
        except (CheckpointError, NumericalError, OSError) as error:
            pass_over(path, error)
            continue
        if model.model_id == wanted:
            return model
        pass_over(path, f"it says that its id is {wanted.hex()}, but its weights have the id {model.model_id.hex()}.")
    raise missing_model(wanted, model_dirs, "wrote this file")


def _load(path: Path, device: str) -> CodecModel:
    status = path.stat()
    with _LOADING:
        return _load_cached(path.resolve(), device, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=_CACHED_MODELS)
def _load_cached(path: Path, device: str, modified_ns: int, size_bytes: int) -> CodecModel:
    del modified_ns, size_bytes  # parts of the key: another file has other ones
    network = load_network(path)
    name = path.stem if path.name != MODEL_FILE else network.variant.name
    return CodecModel(network, name, device)
