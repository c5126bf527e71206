"""Models of this package as image codecs: real files, or estimates from likelihoods."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from hpcmbal import __version__
from hpcmbal.codec.bitstream import read_container
from hpcmbal.codec.codec import compress, decompress
from hpcmbal.codec.codec_model import CodecModel
from hpcmbal.core.model import HPCM
from hpcmbal.core.model.estimate import check_finite, estimate
from hpcmbal.core.scales import SEGMENTS
from hpcmbal.errors import SettingsError
from hpcmbal.evaluation.codecs.image_codec import CodedImage, timed_round_trip
from hpcmbal.evaluation.file_hash import file_hash
from hpcmbal.evaluation.image_tensor import image_tensor
from hpcmbal.evaluation.metrics import to_uint8
from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.store import load_network, read_header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcmbal.images.rgb_image import RgbImage

DEFAULT_QUALITIES = (1.0, 15.0, 29.0, 43.0, 57.0, 71.0, 85.0, 100.0)
"""Operating points of a variable-rate model, evenly over the log lmbda of its range."""


@dataclass(frozen=True)
class ModelPoint:
    """One operating point.

    Attributes:
        checkpoint: A model file, a checkpoint folder or a run's folder.
        quality: 1..100 for models of variable rate, 50 if None; None for models of one rate.
    """

    checkpoint: Path
    quality: float | None = None


def operating_points(checkpoint: Path, qualities: Sequence[float] = ()) -> list[ModelPoint]:
    """The points of one checkpoint: one for a model of one rate, several for one of variable rate.

    Args:
        checkpoint: See `ModelPoint`.
        qualities: Asked for by the user; `DEFAULT_QUALITIES` if not.

    Raises:
        SettingsError: Qualities are asked of a model that has one rate, or are outside 1..100.
        CheckpointError: It is no model.
    """
    rates = read_header(find_model(checkpoint)).rates
    for quality in qualities:
        try:
            rates.lmbda_at(quality)
        except SettingsError as error:
            raise SettingsError(f"{checkpoint}: {error.args[0]}") from error  # as it is, for every reader's words
    if not rates.variable:
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
            "version": f"hpcmbal {__version__}, torch {torch.__version__}",
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
        model = _loaded(point.checkpoint, digest, self.name, self._device, self.estimated)
        if isinstance(model, HPCM):
            return estimate_image(model, image, point.quality)
        return code_file(model, image, point.quality)

    @cached_property
    def _hashes(self) -> dict[Path, str]:
        return {point.checkpoint: file_hash(find_model(point.checkpoint)) for point in self._points}


@lru_cache(maxsize=1)
def _loaded(checkpoint: Path, _digest: str, name: str, device: str, estimated: bool) -> CodecModel | HPCM:
    """What codes images, kept for the process: a codec is sent to worker processes anew with every image."""
    network = load_network(find_model(checkpoint))
    return network.to(device) if estimated else CodecModel(network, name, device)


def estimate_image(model: HPCM, image: RgbImage, quality: float | None = None) -> CodedImage:
    """Rates from likelihoods, of the padded image as it would be coded, and the reconstruction in 8 bits.

    Args:
        model: The network.
        image: `[H, W, 3]` uint8.
        quality: 1 to 100, 50 if None; None for models of one rate.

    Raises:
        NumericalError: The network returned NaN or infinity.
        SettingsError: The model does not have that quality.
    """
    x = image_tensor(image, next(model.parameters()).device)
    output = estimate(model, x, model.rates.lmbda_at(quality))
    check_finite(output, f"an image of {image.shape[1]}x{image.shape[0]} pixels")
    bits = {name: float(value[0]) for name, value in output["scale_bits"]._asdict().items()}
    x_hat = output["x_hat"][0].permute(1, 2, 0).float().cpu().numpy()
    scale_bytes = {name: value / 8 for name, value in bits.items()}
    return CodedImage(to_uint8(x_hat), sum(bits.values()) / 8, scale_bytes=scale_bytes)


def code_file(model: CodecModel, image: RgbImage, quality: float | None = None) -> CodedImage:
    """Through a file in memory, with its header and checksums, and its bytes by scale; see `estimate_image`."""
    data = b""

    def encode() -> bytes:
        nonlocal data
        data = compress(Image.fromarray(image), model, quality, mode="learned")
        return data

    coded = timed_round_trip(encode, lambda file: np.array(decompress(file, model=model).convert("RGB")))
    sizes = {name: len(segment.data) for name, segment in zip(SEGMENTS, read_container(data).segments, strict=True)}
    return replace(coded, scale_bytes=sizes)
