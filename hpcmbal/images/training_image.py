"""Decoding of one image file, in any mode that Pillow knows, to 8-bit RGB.

How a mode becomes RGB, always:

- grayscale and bilevel: the three channels are equal;
- palette: looked up;
- alpha, in any form (channel, palette entry, transparent colour): composited over white;
- CMYK, YCbCr, HSV: Pillow's plain conversion, without colour management (an ICC profile is ignored); Lab: to sRGB;
- 16 bits: scaled by 255 / 65535 and rounded, never clipped (colour PNGs: Pillow keeps the high byte);
- 32-bit integers must hold 16-bit values, floats values from 0 to 1; both are scaled, anything else is refused;
- the EXIF orientation is applied; of an animation or a multi-page file, the first frame is used.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from hpcmbal.errors import DataError
from hpcmbal.images.formats import source_formats
from hpcmbal.images.pillow_decoding import DECODER_ERRORS, deep_as_8_bits, lab_as_srgb, open_guarded, turned_upright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hpcmbal.images.rgb_image import RgbImage

DEFAULT_PIXEL_LIMIT = 178_956_970
"""Where Pillow, too, takes a file for a decompression bomb: 512 MiB of RGB."""


def read_rgb(path: str | Path, *, pixel_limit: int = DEFAULT_PIXEL_LIMIT) -> RgbImage:
    """Decode the image file `path` to 8-bit RGB, by the rules in the module's description.

    Args:
        path: The file; its content decides the format, not its extension.
        pixel_limit: The largest number of pixels (width * height) that is decoded.

    Returns:
        `[height, width, 3]` uint8, contiguous and upright.

    Raises:
        DataError: The file is missing, no image, truncated, damaged, too large, or of a kind that has no 8-bit meaning.
    """
    try:
        with _open(Path(path), pixel_limit) as image:
            _check_size(image, path, pixel_limit)
            image.load()
            return _as_rgb(_upright(image))
    except UnidentifiedImageError as error:
        raise DataError(
            f"{path}: not an image: its content is in no format that can be read "
            "(such as PNG, JPEG, WebP, TIFF, AVIF). Remove it from the folder, or convert it."
        ) from error
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise DataError(f"{path}: cannot be opened: {error.strerror}. Check the path and its permissions.") from error
    except DECODER_ERRORS as error:
        raise DataError(
            f"{path}: cannot be decoded: {str(error) or type(error).__name__}. "
            "Replace it by an intact copy, or remove it."
        ) from error


@contextmanager
def _open(path: Path, pixel_limit: int) -> Iterator[Image.Image]:
    """Read the header of `path` with Pillow's guard against decompression bombs moved to `pixel_limit`."""
    # Opened here, because Pillow leaves a file open that it refuses by its guard.
    with path.open("rb") as file, _header(file, path, pixel_limit) as image:
        yield image


def _header(file: BinaryIO, path: Path, pixel_limit: int) -> Image.Image:
    try:
        return open_guarded(file, source_formats(), pixel_limit)
    except Image.DecompressionBombError as error:
        raise DataError(_too_large(path, "too many", pixel_limit)) from error


def _check_size(image: Image.Image, path: str | Path, pixel_limit: int) -> None:
    pixels = image.width * image.height
    if pixels == 0:
        raise ValueError(f"the image has no pixels ({image.width}x{image.height})")
    if pixels > pixel_limit:
        raise DataError(_too_large(path, f"{image.width}x{image.height}", pixel_limit))


def _too_large(path: str | Path, found: str, pixel_limit: int) -> str:
    return (
        f"{path}: too large: found {found} pixels, allowed are {pixel_limit:,}. "
        "Scale the image down, or raise the pixel limit if the file can be trusted."
    )


def _upright(image: Image.Image) -> Image.Image:
    # Only now, after loading: some decoders (TIFF, AVIF) turn the image themselves and then drop the tag.
    return turned_upright(image, image.getexif().get(ExifTags.Base.Orientation, 1))


def _as_rgb(image: Image.Image) -> RgbImage:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _gray_as_rgb(image)
    if image.has_transparency_data:
        image = _over_white(image)
    elif image.mode == "LAB":
        image = lab_as_srgb(image)
    return np.array(image.convert("RGB"), dtype=np.uint8)


def _over_white(image: Image.Image) -> Image.Image:
    # Premultiplied modes have no direct way to RGBA.
    image = image.convert({"La": "LA", "RGBa": "RGBA"}.get(image.mode, image.mode)).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def _gray_as_rgb(image: Image.Image) -> RgbImage:
    gray, transparent = deep_as_8_bits(image)
    if transparent is not None:
        gray[transparent] = 255
    return np.repeat(gray[:, :, None], 3, axis=2)
