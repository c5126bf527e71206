"""Image files in the formats of the world: opened with our pixel limit, written by their extension."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from hpcmbal.errors import DataError, SettingsError
from hpcmbal.images.formats import FORMAT, source_formats
from hpcmbal.images.picture import Picture, image_of, picture_of
from hpcmbal.images.pillow_decoding import DECODER_ERRORS, open_guarded
from hpcmbal.images.training_image import DEFAULT_PIXEL_LIMIT


def read_picture(data: bytes, name: str, *, pixel_limit: int = DEFAULT_PIXEL_LIMIT) -> Picture:
    """Decode an image file to what the codec codes.

    Args:
        data: The file.
        name: What to call it in errors.
        pixel_limit: Largest number of pixels that is decoded.

    Raises:
        DataError: It is no image, damaged, animated, already an `.hpcm` file, or too large.
    """
    try:
        with _open(data, pixel_limit) as image:
            _check_size(image, pixel_limit)
            return picture_of(image)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    except UnidentifiedImageError as error:
        raise DataError(
            f"{name}: not an image in a format that can be read (such as PNG, JPEG, WebP, TIFF, AVIF)."
        ) from error
    except DECODER_ERRORS as error:
        raise DataError(f"{name}: cannot be decoded: {str(error) or type(error).__name__}.") from error


def write_picture(picture: Picture, extension: str) -> bytes:
    """Encode a picture as an image file, with its ICC profile and EXIF.

    Args:
        picture: What to write.
        extension: Decides the format, for example `.png`.

    Raises:
        SettingsError: No format that can be written has this extension.
        DataError: The format cannot hold the picture, for example JPEG and alpha.
    """
    Image.init()
    image_format = Image.registered_extensions().get(extension.lower())
    if image_format is None or image_format not in Image.SAVE or image_format == FORMAT:
        raise SettingsError(f"Images cannot be written as '{extension}'. Use .png, .tif, .webp, .jpg or the like.")
    options = {"icc_profile": picture.icc, "exif": picture.exif}
    out = io.BytesIO()
    try:
        image_of(picture).save(out, image_format, **{key: value for key, value in options.items() if value is not None})
    except DECODER_ERRORS as error:
        raise DataError(f"The picture cannot be written as {image_format}: {error}. Use .png.") from error
    return out.getvalue()


def read_file(path: Path) -> bytes:
    """The bytes of `path`.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}. Check the path and its permissions.") from error


def _check_size(image: Image.Image, pixel_limit: int) -> None:
    if image.width * image.height > pixel_limit:
        raise DataError(
            f"{image.width} x {image.height} pixels are more than the limit of {pixel_limit:,}. "
            "Raise --max-pixels if you trust the file."
        )


def _open(data: bytes, pixel_limit: int) -> Image.Image:
    try:
        return open_guarded(io.BytesIO(data), source_formats(), pixel_limit)
    except Image.DecompressionBombError as error:
        raise DataError(
            f"more pixels than the limit of {pixel_limit:,}. Raise --max-pixels if you trust the file."
        ) from error
