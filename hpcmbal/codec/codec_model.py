"""A model ready to code files: its network, its exact path and its id."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from hpcmbal.codec.bitstream import RATE_STEPS
from hpcmbal.core.model import HPCM
from hpcmbal.core.model.exact import ExactNetwork
from hpcmbal.errors import BitstreamError, CheckpointError, SettingsError
from hpcmbal.model_files.identity import model_id
from hpcmbal.model_files.store import MODEL_FILE, find_model, load_model, read_header

DEFAULT_MODEL = "hpcm-nano"
DEFAULT_QUALITY = 50.0
MODEL_DIR_VARIABLE = "HPCMBAL_MODEL_DIR"
PACKAGED_MODELS = Path(__file__).resolve().parent.parent / "models"
"""Models that come with the package, one `NAME.safetensors` each; older ones stay, for the files that they wrote."""
MODEL_ID_KEY = "model_id"
"""Key of a model file's metadata that holds the id in hexadecimal; saves reading the weights while searching."""
_CACHED_MODELS = 4


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
        self.device = torch.device(device)
        self.model_id = model_id(network)
        self.network = network.eval().to(self.device)
        self.exact = ExactNetwork(network).to(self.device)

    @property
    def variable_rate(self) -> bool:
        """Whether one model serves every quality."""
        return self.network.rate_gains is not None

    def rate_of(self, quality: float | None) -> int:
        """The header's rate field for `quality` 1 to 100 (None: 50); 0 for a model of one rate.

        Raises:
            SettingsError: The quality is out of range, or was given for a model of one rate.
        """
        if not self.variable_rate:
            if quality is not None:
                raise SettingsError(
                    f"Model {self.name} has one fixed rate. Leave --quality out, or choose another --model."
                )
            return 0
        quality = DEFAULT_QUALITY if quality is None else quality
        if not 1 <= quality <= 100:
            raise SettingsError(f"--quality should be 1 to 100. Found {quality:g}.")
        return round(quality * RATE_STEPS)

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
        return torch.tensor([self.network.variant.lmbda_range.at_quality(rate / RATE_STEPS)], device=self.device)


def load_codec_model(name_or_path: str | Path | None = None, *, device: str = "cpu") -> CodecModel:
    """Load a model: the packaged default, a packaged one by name, or a model file, checkpoint folder or run by path.

    The last few models stay in memory; a file that changed is read again.

    Raises:
        CheckpointError: There is no such model, or it cannot be read.
    """
    name = str(name_or_path or DEFAULT_MODEL)
    if packaged := packaged_model(name):
        return _load(packaged, device)
    if name_or_path is None or not Path(name).exists():
        known = ", ".join(sorted(path.stem for path in PACKAGED_MODELS.glob("*.safetensors"))) or "none"
        raise CheckpointError(
            f"There is no model '{name}': packaged are: {known}; and no file or folder has this name. "
            "Give the path of a model file, a checkpoint or a run with --model."
        )
    return _load(find_model(Path(name)), device)


def packaged_model(name: str) -> Path | None:
    """The file of the model of this name that comes with the package, if there is one."""
    path = PACKAGED_MODELS / f"{name}.safetensors"
    return path if path.is_file() else None


def find_codec_model(wanted: bytes, model_dirs: Sequence[str | Path] = (), *, device: str = "cpu") -> CodecModel:
    """The model whose id a file names: in `model_dirs`, then HPCMBAL_MODEL_DIR, then among the packaged ones.

    Raises:
        CheckpointError: It is nowhere; the message names the id and the places.
    """
    places = [*map(Path, model_dirs), *_environment_dirs(), PACKAGED_MODELS]
    for place in places:
        for path in _model_files(place):
            stored_id = read_header(path).metadata.get(MODEL_ID_KEY)
            if stored_id is None or stored_id == wanted.hex():
                model = _load(path, device)
                if model.model_id == wanted:
                    return model
    raise CheckpointError(
        f"The model with id {wanted.hex()}, which wrote this file, was not found. Searched: "
        f"{', '.join(map(str, places))}. Give the folder of the model's file with --model-dir or {MODEL_DIR_VARIABLE}."
    )


def _environment_dirs() -> list[Path]:
    return [Path(part) for part in os.environ.get(MODEL_DIR_VARIABLE, "").split(os.pathsep) if part]


def _model_files(place: Path) -> Iterator[Path]:
    """Model files in a folder, in its checkpoint folders, and the newest of a run."""
    yield from sorted(place.glob("*.safetensors"))
    yield from sorted(place.glob(f"*/{MODEL_FILE}"))
    yield from sorted(place.glob(f"checkpoints/*/{MODEL_FILE}"), reverse=True)


def _load(path: Path, device: str) -> CodecModel:
    status = path.stat()
    return _load_cached(path.resolve(), device, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=_CACHED_MODELS)
def _load_cached(path: Path, device: str, modified_ns: int, size_bytes: int) -> CodecModel:
    del modified_ns, size_bytes  # parts of the key: another file has other ones
    network = load_model(path)
    name = path.stem if path.name != MODEL_FILE else network.variant.name
    return CodecModel(network, name, device)
