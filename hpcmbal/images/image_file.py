"""Image files in the formats of the world: opened with our pixel limit, written by their extension."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageColor, UnidentifiedImageError

from hpcmbal.errors import DataError, SettingsError, setting
from hpcmbal.images.formats import FORMAT, source_formats
from hpcmbal.images.picture import Picture, image_of, picture_of
from hpcmbal.images.pillow_decoding import DECODER_ERRORS, open_guarded
from hpcmbal.images.training_image import DEFAULT_PIXEL_LIMIT

_LOSSY = frozenset({"JPEG", "WEBP", "AVIF", "MPO"})
_COMMON = (".png", ".jpg", ".webp", ".avif", ".tif")


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
        raise DataError(f"{name}: {error.args[0]}") from error
    except UnidentifiedImageError as error:
        raise DataError(
            f"{name}: not an image in a format that can be read (such as PNG, JPEG, WebP, TIFF, AVIF)."
        ) from error
    except DECODER_ERRORS as error:
        raise DataError(f"{name}: cannot be decoded: {str(error) or type(error).__name__}.") from error


def write_picture(
    picture: Picture, extension: str, *, quality: int | None = None, background: str | None = None
) -> bytes:
    """Encode a picture as an image file, with its ICC profile and EXIF.

    Args:
        picture: What to write.
        extension: Decides the format, for example `.png`.
        quality: 1 to 100, for lossy formats; each format's own default if None.
        background: A colour, as Pillow names them, to put behind a transparent picture.

    Raises:
        SettingsError: No format that can be written has this extension.
        DataError: The format cannot hold the picture, for example JPEG and alpha.
    """
    Image.init()
    image_format = Image.registered_extensions().get(extension.lower())
    if image_format is None or image_format not in Image.SAVE or image_format == FORMAT:
        raise SettingsError(f"Images cannot be written as '{extension}'. Use .png, .tif, .webp, .jpg or the like.")
    options = {"icc_profile": picture.icc, "exif": picture.exif, "quality": quality if image_format in _LOSSY else None}
    image = image_of(picture)
    if background is not None and picture.alpha is not None:
        image = _over(image, background)
    out = io.BytesIO()
    try:
        image.save(out, image_format, **{key: value for key, value in options.items() if value is not None})
    except DECODER_ERRORS as error:
        raise DataError(f"The picture cannot be written as {image_format}: {error}. Use .png.") from error
    return out.getvalue()


def writable_extensions() -> tuple[str, ...]:
    """Extensions, with their dot, of the formats in which pictures can be written; the common ones first."""
    Image.init()
    formats = set(Image.SAVE) - {FORMAT}
    known = {extension for extension, name in Image.registered_extensions().items() if name in formats}
    return (*(extension for extension in _COMMON if extension in known), *sorted(known.difference(_COMMON)))


def format_of(data: bytes) -> str | None:
    """The name of the format of an image file by its first bytes; None if it is none that can be read."""
    try:
        with _open(data, DEFAULT_PIXEL_LIMIT) as image:
            return image.format
    except (DataError, *DECODER_ERRORS):
        return None


def check_colour(colour: str) -> None:
    """Refuse a colour that Pillow does not know.

    Raises:
        SettingsError: It is no colour's name or number.
    """
    try:
        ImageColor.getrgb(colour)
    except ValueError as error:
        raise SettingsError(
            f"{setting('background', colour)} is no colour. Give a name such as white, or numbers such as #204080."
        ) from error


def _over(image: Image.Image, background: str) -> Image.Image:
    check_colour(background)
    colour = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, background), colour).convert(
        "L" if image.mode == "LA" and _is_gray(background) else "RGB"
    )


def _is_gray(colour: str) -> bool:
    return len(set(ImageColor.getrgb(colour)[:3])) == 1


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
            f"Raise {setting('max_pixels')} if you trust the file."
        )


def _open(data: bytes, pixel_limit: int) -> Image.Image:
    try:
        return open_guarded(io.BytesIO(data), source_formats(), pixel_limit)
    except Image.DecompressionBombError as error:
        raise DataError(
            f"more pixels than the limit of {pixel_limit:,}. Raise {setting('max_pixels')} if you trust the file."
        ) from error
