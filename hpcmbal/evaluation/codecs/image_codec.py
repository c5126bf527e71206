"""What an evaluation needs from a codec, and what it measures about one image."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from hpcmbal.core.scales import SEGMENTS
from hpcmbal.evaluation.curves.curve import BPP, MS_SSIM, MS_SSIM_DB, PSNR
from hpcmbal.evaluation.metrics import ms_ssim, ms_ssim_db
from hpcmbal.images.psnr import psnr_db

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpcmbal.evaluation.codecs.quality_scale import QualityScale
    from hpcmbal.evaluation.extra_metrics import ExtraMetrics
    from hpcmbal.images.rgb_image import RgbImage

Sample: TypeAlias = "dict[str, float | None]"
"""What was measured about one image at one point, by the keys of `Curve.results`."""

ENCODE_SECONDS, DECODE_SECONDS, FILE_BYTES, BPP_STRINGS = "encoding_time", "decoding_time", "file_bytes", "bpp-strings"
SCALE_KEYS = {name: f"bytes_{name}" for name in SEGMENTS}
"""Bytes by what they describe, for the models of this package; the rest of a file is its header and checksums."""


@dataclass(frozen=True)
class CodedImage:
    """One image, there and back.

    Attributes:
        reconstruction: `[H, W, 3]` uint8.
        file_bytes: Size of the whole file; of an estimate, possibly a fraction.
        encode_seconds: None if nothing was encoded.
        decode_seconds: None if nothing was decoded.
        scale_bytes: Entropy-coded bytes by scale (`z`, `s1`, `s2`, `s3`); empty for codecs without scales.
    """

    reconstruction: RgbImage
    file_bytes: float
    encode_seconds: float | None = None
    decode_seconds: float | None = None
    scale_bytes: Mapping[str, float] = field(default_factory=dict)


class ImageCodec(Protocol):
    """A codec with a list of operating points, each of which becomes one point of a curve."""

    @property
    def name(self) -> str:
        """The curve's name."""
        ...

    @property
    def points(self) -> Sequence[str]:
        """What distinguishes the operating points, such as `quality 50`."""
        ...

    @property
    def in_processes(self) -> bool:
        """Whether it is small enough to be sent to worker processes, and runs on one thread there."""
        ...

    def describe(self) -> dict[str, object]:
        """Versions and settings, as JSON: equal descriptions promise equal numbers."""
        ...

    def code(self, image: RgbImage, point: int) -> CodedImage:
        """Encode and decode `image` `[H, W, 3]` uint8 at operating point number `point`."""
        ...


@runtime_checkable
class AdjustableCodec(Protocol):
    """A codec that can be asked for any quality, not only those of its points."""

    @property
    def scale(self) -> QualityScale:
        """All its qualities."""
        ...

    @property
    def qualities(self) -> tuple[float, ...]:
        """Those of its points."""
        ...

    def code_at(self, image: RgbImage, quality: float) -> CodedImage:
        """Encode and decode `image`."""
        ...


def measure(codec: ImageCodec, image: RgbImage, point: int, extra: ExtraMetrics | None = None) -> Sample:
    """Code one image and measure rate, quality and time, and the metrics of `extra`."""
    return measure_coded(image, codec.code(image, point), extra)


def measure_coded(image: RgbImage, coded: CodedImage, extra: ExtraMetrics | None = None) -> Sample:
    """Rate, quality and time of an image that was coded, and the metrics of `extra`."""
    pixels = image.shape[0] * image.shape[1]
    similarity = ms_ssim(image, coded.reconstruction)
    sample: Sample = {
        BPP: coded.file_bytes * 8 / pixels,
        PSNR: psnr_db(image, coded.reconstruction),
        MS_SSIM: similarity,
        MS_SSIM_DB: ms_ssim_db(similarity),
        ENCODE_SECONDS: coded.encode_seconds,
        DECODE_SECONDS: coded.decode_seconds,
        FILE_BYTES: coded.file_bytes,
    }
    if coded.scale_bytes:
        sample[BPP_STRINGS] = sum(coded.scale_bytes.values()) * 8 / pixels
        sample |= {SCALE_KEYS[name]: size for name, size in coded.scale_bytes.items()}
    if extra is not None:
        sample |= {name: extra.measure(name, image, coded.reconstruction) for name in extra.names}
    return sample


def timed_round_trip(encode: Callable[[], bytes], decode: Callable[[bytes], RgbImage]) -> CodedImage:
    """Encode to a file in memory and decode it, with the time of each."""
    start = time.perf_counter()
    data = encode()
    encoded = time.perf_counter()
    reconstruction = decode(data)
    decoded = time.perf_counter()
    return CodedImage(reconstruction, len(data), encoded - start, decoded - encoded)
