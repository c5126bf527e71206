"""Image files in the formats of the world: read under our pixel limit, written by their extension."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from hpcmbal.errors import DataError
from hpcmbal.images.file_bytes import read_file
from hpcmbal.images.guard import opened
from hpcmbal.images.picture import Picture, picture_of, rgb_and_losses, rgb_of
from hpcmbal.images.pixel_limit import pixel_limit_or_default
from hpcmbal.images.rgb_image import RgbImage


def read_picture(data: bytes, name: str, *, pixel_limit: int | None = None) -> Picture:
    """Decode an image file to what the codec codes.

    Args:
        data: The file.
        name: What to call it in errors.
        pixel_limit: Largest number of pixels that is decoded; see `pixel_limit_or_default`.

    Raises:
        DataError: It is no image, damaged, animated, a camera's raw file, already an `.hpcm` file, or too large.
    """
    with _opened_as(data, name, pixel_limit) as image:
        return picture_of(image)


def read_rgb(path: str | Path, *, pixel_limit: int | None = None) -> RgbImage:
    """Decode the image file `path` to 8-bit RGB: the pixels that would be compressed, over white where transparent.

    Args:
        path: The file; its content decides the format, not its extension. Of an animation, the first frame is taken.
        pixel_limit: Largest number of pixels that is decoded; see `pixel_limit_or_default`.

    Returns:
        `[height, width, 3]` uint8, contiguous and upright.

    Raises:
        DataError: The file is missing, no image, truncated, damaged, too large, or of a kind that has no 8-bit meaning.
    """
    with _opened_as(read_file(Path(path)), str(path), pixel_limit) as image:
        return rgb_of(image)


def read_rgb_and_losses(path: Path) -> tuple[RgbImage, str]:
    """`read_rgb`, and what of the image is not in it; see `rgb_and_losses`."""
    with _opened_as(read_file(path), str(path), None) as image:
        return rgb_and_losses(image)


@contextmanager
def _opened_as(data: bytes, name: str, pixel_limit: int | None) -> Iterator[Image.Image]:
    """The image in `data`; its errors begin with `name`."""
    limit = pixel_limit_or_default(pixel_limit)
    try:
        with opened(data, limit) as image:
            yield image
    except DataError as error:
        raise DataError(f"{name}: {str(error.args[0]).removeprefix('The image ').removeprefix('The file ')}") from error
