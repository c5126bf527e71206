"""Opening and decoding image files that nobody vouches for: size, format, and errors of any decoder."""

from __future__ import annotations

import io
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from hpcmbal.errors import DataError, HpcmbalError
from hpcmbal.images.formats import READ_KINDS, SIGNATURE, file_kind, source_formats
from hpcmbal.images.pixel_limit import pixel_limit_error

SINGLE_PICTURE_FORMATS = frozenset({"MPO", "PSD"})
"""Formats whose further frames are previews, gain maps or layers of the first, not an animation."""

_NEW_SUBFILE_TYPE, _DNG_VERSION = 0x00FE, 0xC612
_REDUCED = 1
_CANON_RAW = b"CR"

_PIXELS_IN_BOMB = re.compile(r"\((\d+) pixels\)")

_guard_lock = threading.Lock()
_limits_in_use: list[int] = []
_guard_of_others: list[int | None] = []


@contextmanager
def decoding() -> Iterator[None]:
    """Whatever a decoder raises in this block means a damaged picture.

    Pillow's decoders raise errors of every kind on damaged files, assertions among them, and new releases new ones: a
    list of kinds was never complete. This is the one place of the package that catches them all.

    Raises:
        DataError: Something was raised that is not an error of this package.
    """
    try:
        yield
    except HpcmbalError:
        raise
    except Exception as error:
        raise DataError(
            f"The image cannot be decoded: {str(error) or type(error).__name__}. Replace it by an intact copy, or "
            "remove it."
        ) from error


@contextmanager
def opened(data: bytes, pixel_limit: int, formats: tuple[str, ...] | None = None) -> Iterator[Image.Image]:
    """The image in `data`, its header read; it may be decoded within the block, where Pillow's own guard is ours.

    Args:
        data: A file.
        pixel_limit: Largest width times height.
        formats: Pillow's names of what it may be; `source_formats()` if None.

    Raises:
        DataError: It is no picture in a format that is read, has no or too many pixels, or is a camera's raw file.
    """
    check_no_result(data)
    with _pillow_guard(pixel_limit), _opened(data, pixel_limit, formats or source_formats()) as image:
        check_size(image, pixel_limit)
        if image.format == "TIFF" and data[8:10] == _CANON_RAW:
            raise DataError(_raw_file_error())
        yield image
        check_size(image, pixel_limit)


def check_no_result(start: bytes) -> None:
    """Raise `DataError` for a file, by its first bytes, that is the result of a compression."""
    if start.startswith(SIGNATURE):
        raise DataError("The file is an .hpcm file already, a result and no original. `hpcmbal decompress` decodes it.")


def check_size(image: Image.Image, pixel_limit: int) -> None:
    """Raise `DataError` unless there are 1 to `pixel_limit` pixels."""
    if not image.width * image.height:
        raise DataError(f"The image has no pixels ({image.width} x {image.height}).")
    if image.width * image.height > pixel_limit:
        raise DataError(pixel_limit_error(f"{image.width} x {image.height}", pixel_limit))


def check_single_picture(image: Image.Image) -> None:
    """Raise `DataError` if the file holds an animation or several pages."""
    with decoding():
        frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in SINGLE_PICTURE_FORMATS:
        raise DataError(
            f"The image has {frames} frames or pages; a file holds one. Extract the one that you want first."
        )


def check_not_a_preview(image: Image.Image) -> None:
    """Raise `DataError` if the first page is the small preview of a camera's raw file, which Pillow cannot develop.

    TIFF 6.0, NewSubfileType, bit 0: a reduced-resolution version of another image in the file; DNG 1.7, DNGVersion.
    """
    with decoding():
        tags = getattr(image, "tag_v2", None) or {}
        preview = bool(int(tags.get(_NEW_SUBFILE_TYPE) or 0) & _REDUCED) or _DNG_VERSION in tags
    if preview:
        raise DataError(_raw_file_error())


def _raw_file_error() -> str:
    return (
        "The image is a small preview in front of the real one, as in camera raw files (DNG, NEF, ARW, CR2), which "
        "cannot be developed here. Develop it first, with darktable or RawTherapee for example, and take the TIFF or "
        "PNG that they write."
    )


@contextmanager
def _opened(data: bytes, pixel_limit: int, formats: tuple[str, ...]) -> Iterator[Image.Image]:
    try:
        # Pillow warns above its number and refuses above twice the number; `check_size` refuses in between.
        with decoding(), _guard_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=formats)
    except DataError as error:
        if isinstance(error.__cause__, UnidentifiedImageError):
            kind = file_kind(data)
            if kind in READ_KINDS:
                raise DataError(
                    f"The file begins as {kind}, but is damaged, or of a rare kind that cannot be read. Replace it by "
                    "an intact copy, or convert it."
                ) from error
            raise DataError(
                "not an image in a format that can be read (such as PNG, JPEG, WebP, TIFF, AVIF): the file is "
                f"{kind}. Convert it, or remove it."
            ) from error
        if isinstance(error.__cause__, Image.DecompressionBombError):
            count = _PIXELS_IN_BOMB.search(str(error.__cause__))
            raise DataError(pixel_limit_error(f"{int(count[1]):,}" if count else "more", pixel_limit)) from error
        raise
    with image:
        yield image


@contextmanager
def _pillow_guard(pixel_limit: int) -> Iterator[None]:
    """Pillow's guard against decompression bombs at our limit, while at least one block like this is open.

    The guard is a global of Pillow's, asked when a header is read and again by some decoders. It refuses at twice its
    number, so that pictures inside of pictures (ICO, ICNS) are bounded too; the image's own size is checked by us.
    """
    with _guard_lock:
        if not _limits_in_use:
            _guard_of_others.append(Image.MAX_IMAGE_PIXELS)
        _limits_in_use.append(pixel_limit)
        Image.MAX_IMAGE_PIXELS = max(_limits_in_use)
    try:
        yield
    finally:
        with _guard_lock:
            _limits_in_use.remove(pixel_limit)
            Image.MAX_IMAGE_PIXELS = max(_limits_in_use) if _limits_in_use else _guard_of_others.pop()
