"""Classical codecs to compare with, run here through Pillow.

Each at its slowest sensible settings, in 4:4:4 where the format has it (WebP does not), over a range of qualities wide
enough to overlap with learned codecs. Versions, settings and qualities are part of `describe`, and so of every result.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from hpcmbal.errors import DataError, MissingExtraError, SettingsError
from hpcmbal.evaluation.codecs.image_codec import CodedImage, timed_round_trip
from hpcmbal.evaluation.codecs.quality_scale import QualityScale

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpcmbal.images.rgb_image import RgbImage


_PERCENT = QualityScale(0, 100)


@dataclass(frozen=True)
class PillowFormat:
    """How Pillow is to write one format.

    Attributes:
        format: Pillow's name of it.
        library: Name of the encoder's library for `PIL.features.version`; None for JPEG XL, which is a plug-in.
        qualities: The operating points.
        settings: Keyword arguments of `Image.save`, beside the quality.
        quality_scale: What the numbers of `qualities` mean.
        scale: Everything that may be asked for.
    """

    format: str
    library: str | None
    qualities: tuple[float, ...]
    settings: Mapping[str, object]
    quality_scale: str = "0..100, higher is better"
    scale: QualityScale = _PERCENT


_AVIF = PillowFormat(
    "AVIF",
    "avif",
    (2, 8, 18, 30, 42, 54, 66, 80),
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
)

PILLOW_FORMATS: Mapping[str, PillowFormat] = {
    "jpeg": PillowFormat(
        "JPEG", "jpg", (5, 10, 20, 35, 55, 75, 88, 95), {"subsampling": 0, "optimize": True, "progressive": True}
    ),
    "webp": PillowFormat("WEBP", "webp", (1, 8, 20, 40, 60, 78, 90, 97), {"method": 6}),
    "avif": _AVIF,
    "avif-slow": replace(_AVIF, settings={**_AVIF.settings, "speed": 0}),
    "jxl": PillowFormat("JXL", None, (2, 12, 25, 40, 58, 75, 87, 94), {"effort": 9, "num_threads": 1}),
    "jpeg2000": PillowFormat(
        "JPEG2000",
        "jpg_2000",
        (23, 25.5, 28, 30.5, 33, 36, 39, 42),
        {"irreversible": True, "mct": 1, "quality_mode": "dB"},
        "target PSNR in dB",
        QualityScale(15, 60, 0.25),
    ),
}
"""The anchors that Pillow runs, by the name on the command line."""


@dataclass(frozen=True)
class PillowAnchor:
    """One of `PILLOW_FORMATS` as an `ImageCodec`.

    Args:
        name: Key of `PILLOW_FORMATS`.
        qualities: Other operating points than the format's own.

    Raises:
        SettingsError: There is no such anchor, or this Pillow cannot write the format.
        MissingExtraError: JPEG XL without its plug-in.
    """

    name: str
    qualities: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Fill in the qualities, and find out now whether the format can be written."""
        if self.name not in PILLOW_FORMATS:
            raise SettingsError(f"No anchor '{self.name}'. Choose from: {', '.join(PILLOW_FORMATS)}.")
        if not self.qualities:
            object.__setattr__(self, "qualities", self._recipe.qualities)
        _register(self._recipe, self.name)

    @property
    def points(self) -> Sequence[str]:
        """The qualities, in words."""
        return [f"quality {quality:g}" for quality in self.qualities]

    @property
    def in_processes(self) -> bool:
        """Yes: all of them run on one thread."""
        return True

    @property
    def scale(self) -> QualityScale:
        """All qualities of the format."""
        return self._recipe.scale

    def describe(self) -> dict[str, object]:
        """Pillow, the library, the settings and the qualities."""
        import PIL

        recipe = self._recipe
        return {
            "codec": self.name,
            "encoder": f"Pillow {PIL.__version__}, {recipe.format} ({_library_version(recipe)})",
            "settings": dict(recipe.settings),
            "qualities": list(self.qualities),
            "quality_scale": recipe.quality_scale,
        }

    def code(self, image: RgbImage, point: int) -> CodedImage:
        """Write and read `image` in memory."""
        return self.code_at(image, self.qualities[point])

    def code_at(self, image: RgbImage, quality: float) -> CodedImage:
        """Write and read `image` at any quality, not only one of the points."""
        data = timed_round_trip(partial(self.encode, image, quality), _decode)
        if data.reconstruction.shape != image.shape:
            raise DataError(f"{self.name} returned a picture of another size: {data.reconstruction.shape}.")
        return data

    def encode(self, image: RgbImage, quality: float) -> bytes:
        """The file as bytes."""
        from PIL import Image

        recipe = self._recipe
        _register(recipe, self.name)  # again in worker processes
        level: dict[str, object] = {"quality": round(quality)}
        if recipe.format == "JPEG2000":
            level = {"quality_layers": [quality]}
        stream = io.BytesIO()
        with _whole_files(image.size):
            Image.fromarray(image).save(stream, recipe.format, **level, **recipe.settings)
        return stream.getvalue()

    @cached_property
    def _recipe(self) -> PillowFormat:
        return PILLOW_FORMATS[self.name]


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


def _register(recipe: PillowFormat, name: str) -> None:
    from PIL import Image, features

    if recipe.library is None:
        try:
            import pillow_jxl  # noqa: F401 -- importing it registers the format
        except ImportError as error:
            raise MissingExtraError(f"The anchor '{name}'", "jxl") from error
    elif features.version(recipe.library) is None:
        raise SettingsError(f"The anchor '{name}' needs a Pillow with {recipe.format}; this one was built without it.")
    Image.init()


def _library_version(recipe: PillowFormat) -> str:
    from importlib.metadata import version

    from PIL import features

    if recipe.library is None:
        return f"pillow-jxl-plugin {version('pillow-jxl-plugin')}"
    library = {"jpg": "libjpeg", "webp": "libwebp", "avif": "libavif", "jpg_2000": "OpenJPEG"}[recipe.library]
    if recipe.library == "jpg" and features.check_feature("libjpeg_turbo"):
        return f"libjpeg-turbo {features.version_feature('libjpeg_turbo')}"
    return f"{library} {features.version(recipe.library)}"
