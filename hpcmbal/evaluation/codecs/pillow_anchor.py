"""Classical codecs to compare with, run here through Pillow.

Each at its slowest sensible settings, in 4:4:4 where the format has it (WebP does not), over a range of qualities wide
enough to overlap with learned codecs. Versions, settings and qualities are part of `describe`, and so of every result.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from hpcmbal.errors import DataError, MissingExtraError, SettingsError
from hpcmbal.evaluation.codecs.image_codec import CodedImage, timed_round_trip
from hpcmbal.evaluation.codecs.quality_anchor import QualityAnchor
from hpcmbal.evaluation.codecs.quality_scale import QualityScale

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpcmbal.images.rgb_image import RgbImage


@dataclass(frozen=True)
class PillowAnchor(QualityAnchor):
    """A format as Pillow is to write it.

    Attributes:
        format: Pillow's name of it.
        library: Name of the encoder's library for `PIL.features.version`; None for JPEG XL, which is a plug-in.
        settings: Keyword arguments of `Image.save`, beside the quality.
        quality_scale: What the numbers of `qualities` mean.
    """

    format: str
    library: str | None
    settings: Mapping[str, object]
    quality_scale: str = "0..100, higher is better"

    def check(self) -> None:
        """Register the format; see `QualityAnchor`."""
        from PIL import Image, features

        if self.library is None:
            try:
                import pillow_jxl  # noqa: F401 -- importing it registers the format
            except ImportError as error:
                raise MissingExtraError(f"The anchor '{self.name}'", "jxl") from error
        elif features.version(self.library) is None:
            raise SettingsError(
                f"The anchor '{self.name}' needs a Pillow with {self.format}; this one was built without it."
            )
        Image.init()

    def describe(self) -> dict[str, object]:
        """Pillow, the library, the settings and the qualities."""
        import PIL

        return {
            "codec": self.name,
            "encoder": f"Pillow {PIL.__version__}, {self.format} ({_library_version(self.library)})",
            "settings": dict(self.settings),
            "qualities": list(self.qualities),
            "quality_scale": self.quality_scale,
        }

    def code_at(self, image: RgbImage, quality: float) -> CodedImage:
        """Write and read `image` in memory."""
        data = timed_round_trip(partial(self.encode, image, quality), _decode)
        if data.reconstruction.shape != image.shape:
            raise DataError(f"{self.name} returned a picture of another size: {data.reconstruction.shape}.")
        return data

    def encode(self, image: RgbImage, quality: float) -> bytes:
        """The file as bytes."""
        from PIL import Image

        self.check()  # again in worker processes, where it registers the format
        level: dict[str, object] = {"quality": round(quality)}
        if self.format == "JPEG2000":
            level = {"quality_layers": [quality]}
        stream = io.BytesIO()
        with _whole_files(image.size):
            Image.fromarray(image).save(stream, self.format, **level, **self.settings)
        return stream.getvalue()


_AVIF = PillowAnchor(
    "AVIF",
    "avif",
    # One thread and no tiles: tiles would cost rate. Speed 2 saves another 0.6 % of the bytes for three times the time.
    # Tuned for PSNR, which it is compared in: left to itself, libavif tunes for looks and loses 0.3 to 0.8 dB.
    {
        "subsampling": "4:4:4",
        "speed": 4,
        "max_threads": 1,
        "autotiling": False,
        "range": "full",
        "advanced": {"tune": "psnr"},
    },
    name="avif",
    qualities=(2, 8, 18, 30, 42, 54, 66, 80),
)

PILLOW_ANCHORS = (
    PillowAnchor(
        "JPEG",
        "jpg",
        {"subsampling": 0, "optimize": True, "progressive": True},
        name="jpeg",
        qualities=(5, 10, 20, 35, 55, 75, 88, 95),
    ),
    PillowAnchor("WEBP", "webp", {"method": 6}, name="webp", qualities=(1, 8, 20, 40, 60, 78, 90, 97)),
    _AVIF,
    replace(_AVIF, name="avif-slow", settings={**_AVIF.settings, "speed": 0}),
    PillowAnchor("JXL", None, {"effort": 9, "num_threads": 1}, name="jxl", qualities=(2, 12, 25, 40, 58, 75, 87, 94)),
    PillowAnchor(
        "JPEG2000",
        "jpg_2000",
        {"irreversible": True, "mct": 1, "quality_mode": "dB"},
        "target PSNR in dB",
        name="jpeg2000",
        qualities=(23, 25.5, 28, 30.5, 33, 36, 39, 42),
        scale=QualityScale(15, 60, 0.25),
    ),
)


@contextmanager
def _whole_files(samples: int) -> Iterator[None]:
    """Give Pillow's writers a buffer for the whole file of a picture with so many samples.

    Progressive and optimised JPEG has to fit at once, and Pillow counts on one byte a pixel: noise needs more.
    """
    from PIL import ImageFile

    before = ImageFile.MAXBLOCK
    ImageFile.MAXBLOCK = max(before, 2 * samples + (1 << 16))
    try:
        yield
    finally:
        ImageFile.MAXBLOCK = before


def _decode(data: bytes) -> RgbImage:
    import numpy as np

    from hpcmbal.images.guard import decoding, opened

    # It has the size of an image that was let in.
    with opened(data, 2**31) as image, decoding():
        pixels: RgbImage = np.asarray(image.convert("RGB"))
    return pixels


def _library_version(name: str | None) -> str:
    from importlib.metadata import version

    from PIL import features

    if name is None:
        return f"pillow-jxl-plugin {version('pillow-jxl-plugin')}"
    library = {"jpg": "libjpeg", "webp": "libwebp", "avif": "libavif", "jpg_2000": "OpenJPEG"}[name]
    if name == "jpg" and features.check_feature("libjpeg_turbo"):
        return f"libjpeg-turbo {features.version_feature('libjpeg_turbo')}"
    return f"{library} {features.version(name)}"
