"""Models of this package as image codecs: real files, or estimates from likelihoods."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from hpcmbal.codec.bitstream import read_container
from hpcmbal.codec.codec import compress, decompress
from hpcmbal.codec.codec_model import CodecModel
from hpcmbal.core.model import HPCM, LmbdaRange
from hpcmbal.core.model.schedule import SCALES
from hpcmbal.core.model.variants import QUALITY_MAX, QUALITY_MIN
from hpcmbal.errors import NumericalError, SettingsError
from hpcmbal.evaluation.codecs.image_codec import CodedImage, timed_round_trip
from hpcmbal.evaluation.metrics import to_uint8
from hpcmbal.model_files.store import find_model, load_model, read_header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcmbal.core.model import HPCM
    from hpcmbal.images.rgb_image import RgbImage

DEFAULT_QUALITIES = (1.0, 15.0, 29.0, 43.0, 57.0, 71.0, 85.0, 100.0)
"""Operating points of a variable-rate model, evenly over the log lmbda of its range."""


@dataclass(frozen=True)
class ModelPoint:
    """One operating point.

    Attributes:
        checkpoint: A model file, a checkpoint folder or a run's folder.
        quality: 1..100 for models with rate gains; None takes the lmbda that the model was trained with.
    """

    checkpoint: Path
    quality: float | None = None


def load(checkpoint: Path) -> tuple[HPCM, dict[str, Any]]:
    """A model in evaluation mode, and the loss settings that it was trained with (empty if it does not say).

    Raises:
        CheckpointError: See `hpcmbal.model_files.store.load_model`.
    """
    settings = read_header(find_model(checkpoint)).metadata.get("settings") or {}
    return load_model(checkpoint), settings.get("loss") or {}


def operating_points(checkpoint: Path, qualities: Sequence[float] = ()) -> list[ModelPoint]:
    """The points of one checkpoint: one for a fixed rate, several for a model that was trained for variable rate.

    Args:
        checkpoint: See `ModelPoint`.
        qualities: Asked for by the user; `DEFAULT_QUALITIES` if not.

    Raises:
        SettingsError: Qualities are asked of a model that has one rate, or are outside 1..100.
    """
    model, loss = load(checkpoint)
    variable = model.rate_gains is not None and bool(loss.get("variable_rate"))
    if qualities and not variable:
        raise SettingsError(
            f"{checkpoint}: the model was trained for one rate and has no qualities to choose from. Leave --quality "
            "out, or use a model trained with loss.variable_rate=true."
        )
    outside = [quality for quality in qualities if not 1 <= quality <= 100]
    if outside:
        raise SettingsError(f"--quality {outside[0]:g} is outside 1..100.")
    if not variable:
        return [ModelPoint(checkpoint)]
    return [ModelPoint(checkpoint, quality) for quality in qualities or DEFAULT_QUALITIES]


class ModelCodec:
    """Checkpoints as one curve.

    Args:
        name: The curve's name.
        points: At least one; each may be another checkpoint.
        device: Where to run.
        estimated: Take rates from likelihoods instead of writing and reading real files.
    """

    def __init__(
        self, name: str, points: Sequence[ModelPoint], device: str = "cpu", *, estimated: bool = False
    ) -> None:
        self.name = name
        self.estimated = estimated
        self._points = tuple(points)
        self._device = device

    @property
    def in_processes(self) -> bool:
        """On CPUs, where processes with one thread each use the cores better than one process with threads does."""
        return torch.device(self._device).type == "cpu"

    @property
    def points(self) -> Sequence[str]:
        """Checkpoint (by its weights) and quality, in words."""
        return [
            f"weights {self._hashes[point.checkpoint]}"
            + (f", quality {point.quality:g}" if point.quality is not None else "")
            for point in self._points
        ]

    def describe(self) -> dict[str, object]:
        """Variant, weights and method."""
        headers = {path: read_header(find_model(path)) for path in self._hashes}
        variants = ", ".join(dict.fromkeys(header.variant for header in headers.values()))
        return {
            "codec": "hpcm",
            "model": variants,
            "method": "estimate from likelihoods" if self.estimated else "real files",
            "device": self._device,
            "points": [
                {
                    "weights_sha256": self._hashes[point.checkpoint],
                    "quality": point.quality,
                    "step": headers[point.checkpoint].metadata.get("step"),
                }
                for point in self._points
            ],
        }

    def code(self, image: RgbImage, point: int) -> CodedImage:
        """Code `image` as a real file, or count the bits that its likelihoods ask for."""
        return self.code_at(image, self._points[point])

    def code_at(self, image: RgbImage, point: ModelPoint) -> CodedImage:
        """At any operating point of the checkpoints, not only one of the curve's."""
        digest = self._hashes[point.checkpoint]
        network, loss = _loaded(point.checkpoint, digest, self.name, self._device, self.estimated)
        if isinstance(network, nn.Module):
            return estimate(network, image, rate_parameter(point, loss, network.variant.lmbda_range))
        return code_file(network, image, rate_parameter(point, loss, network.network.variant.lmbda_range))

    @cached_property
    def _hashes(self) -> dict[Path, str]:
        return {point.checkpoint: _file_hash(find_model(point.checkpoint)) for point in self._points}


@lru_cache(maxsize=1)
def _loaded(
    checkpoint: Path, _digest: str, name: str, device: str, estimated: bool
) -> tuple[CodecModel | HPCM, dict[str, Any]]:
    """What codes images, kept for the process: a codec is sent to worker processes anew with every image."""
    model, loss = load(checkpoint)
    return model.to(device) if estimated else CodecModel(model, name, device), loss


def rate_parameter(point: ModelPoint, loss: dict[str, Any], lmbda_range: LmbdaRange) -> float | None:
    """The lmbda at which to run: that of the quality, else that of the training; None if neither is known."""
    if point.quality is not None:
        return lmbda_range.at_quality(point.quality)
    lmbda = loss.get("lmbda")
    return None if lmbda is None else float(lmbda)


def estimate(model: HPCM, image: RgbImage, lmbda: float | None) -> CodedImage:
    """Rates from likelihoods, of the padded image as it would be coded, and the reconstruction.

    Raises:
        NumericalError: The network returned NaN or infinity.
    """
    x = image_tensor(image, next(model.parameters()).device)
    rate = None if lmbda is None or model.rate_gains is None else x.new_tensor([lmbda])
    with torch.inference_mode():
        output = model(x, rate)
    bits = {name: float(value[0]) for name, value in output["scale_bits"]._asdict().items()}
    x_hat = output["x_hat"][0].permute(1, 2, 0).float().cpu().numpy()
    total = sum(bits.values())
    if not (total < float("inf") and bool(torch.isfinite(output["x_hat"]).all())):
        raise NumericalError(
            f"The model gave NaN or infinity for an image of {image.shape[1]}x{image.shape[0]} pixels. Its training "
            "diverged: evaluate an earlier checkpoint."
        )
    return CodedImage(to_uint8(x_hat), total / 8, scale_bytes={name: value / 8 for name, value in bits.items()})


def code_file(model: CodecModel, image: RgbImage, lmbda: float | None) -> CodedImage:
    """Through a file in memory, with its header and checksums, and its bytes by scale."""
    quality = None
    if model.variable_rate and lmbda is not None:
        quality = min(max(model.network.variant.lmbda_range.quality_of(lmbda), QUALITY_MIN), QUALITY_MAX)
    data = b""

    def encode() -> bytes:
        nonlocal data
        data = compress(Image.fromarray(image), model, quality)
        return data

    coded = timed_round_trip(encode, lambda file: np.array(decompress(file, model=model).convert("RGB")))
    sizes = {
        name: len(segment.data) for name, segment in zip(("z", *SCALES), read_container(data).segments, strict=True)
    }
    return replace(coded, scale_bytes=sizes)


def image_tensor(image: RgbImage, device: torch.device) -> torch.Tensor:
    """`[1, 3, H, W]` float32 in [0, 1] of an 8-bit image."""
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None].to(device, torch.float32) / 255.0


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
