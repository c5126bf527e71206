"""Between Pillow's images and what the codec codes: 8-bit RGB or gray, and alpha, ICC, EXIF and XMP beside it."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageColor

from hpcmbal.errors import DataError, HpcmbalWarning, SettingsError, setting
from hpcmbal.images.eight_bits import EightBits, eight_bits, rgb16_transparency, sample_layout
from hpcmbal.images.guard import check_not_a_preview, check_single_picture, decoding
from hpcmbal.images.metadata import EXIF_KEYS, icc_profile_of, info_of, metadata_of, orientation_of, replaced
from hpcmbal.images.rgb_image import RgbImage

Bytes2d = npt.NDArray[np.uint8]

SAME_FORMAT = {"MPO": "JPEG"}
"""Names under which Pillow opens files of another format."""

WHITE = (255, 255, 255)


class PictureWarning(HpcmbalWarning):
    """Something about an image that a file cannot keep, such as bits beyond 8."""


@dataclass(frozen=True)
class Picture:
    """What the codec codes of an image.

    Attributes:
        pixels: `[height, width, 3]` uint8 RGB, or `[height, width]` uint8 for grayscale.
        alpha: `[height, width]` uint8, 255 opaque; None without transparency.
        icc: The ICC profile of `pixels`.
        exif: The EXIF block, starting with `Exif`, without its orientation, which was applied.
        xmp: The XMP packet, UTF-8, with an orientation of 1.
        source_format: Pillow's name of the format of the file that the picture came from, for example `JPEG`; None if
            it came from none, or it is not known.
        reduced: What of the image `pixels` do not keep exactly, such as "16 bits a channel"; empty if nothing.
    """

    pixels: Bytes2d
    alpha: Bytes2d | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    source_format: str | None = None
    reduced: str = ""

    @property
    def gray(self) -> bool:
        """Whether the image is grayscale."""
        return self.pixels.ndim == 2


def picture_of(image: Image.Image, **given: object) -> Picture:
    """What of `image` is coded, by the table in docs/format.md. The image stays as it is; it may get loaded.

    Args:
        image: Any image of one frame.
        given: `icc_profile`, `exif` (bytes or `Image.Exif`) or `xmp` in place of the image's own; empty or None for
            none. An orientation in `exif` is the one that is applied.

    Raises:
        DataError: The image is animated, a camera's raw file, cannot be decoded, has no pixels, or has values without
            an 8-bit meaning; or it is none of Pillow's.
    """
    if not isinstance(image, Image.Image):
        raise DataError(f"An image of Pillow is needed. Found {type(image).__name__}. Open files with PIL.Image.open.")
    check_single_picture(image)
    notes: list[str] = []
    loaded = _loaded(image)
    metadata = replaced(metadata_of(loaded.held, notes), given, notes)
    found = _pixels(loaded, metadata.orientation, metadata.icc, notes)
    source_format = SAME_FORMAT.get(image.format or "", image.format)
    for note in notes:
        warnings.warn(note, PictureWarning, stacklevel=2)
    return Picture(found.pixels, found.alpha, found.icc, metadata.exif, metadata.xmp, source_format, found.reduced)


def rgb_of(image: Image.Image) -> RgbImage:
    """`image` as training and evaluation take it: `[height, width, 3]` uint8, upright, over white where transparent.

    The pixels are those of `picture_of`; of an animation, those of the first frame.

    Raises:
        DataError: See `picture_of`.
    """
    return rgb_and_losses(image)[0]


def rgb_and_losses(image: Image.Image) -> tuple[RgbImage, str]:
    """`rgb_of`, and what of the image is not in it, such as "16 bits a channel, transparency"; empty if nothing.

    Raises:
        DataError: See `picture_of`.
    """
    loaded = _loaded(image)
    found = _pixels(loaded, orientation_of(loaded.held), icc_profile_of(loaded.held), [])
    transparent = found.alpha is not None and int(found.alpha.min()) < 255
    frames = getattr(image, "n_frames", 1)
    losses = [found.reduced, "transparency" if transparent else "", f"{frames} frames" if frames > 1 else ""]
    picture = flattened(Picture(found.pixels, found.alpha), WHITE)
    return rgb_pixels(picture), ", ".join(filter(None, losses))


def rgb_pixels(picture: Picture) -> RgbImage:
    """The colours `[height, width, 3]` of a picture, gray ones three times, whatever its alpha."""
    return np.repeat(picture.pixels[:, :, None], 3, axis=2) if picture.gray else picture.pixels


def image_of(picture: Picture) -> Image.Image:
    """The Pillow image of mode L, LA, RGB or RGBA, with ICC, EXIF and XMP in its `info`."""
    image = Image.fromarray(np.ascontiguousarray(picture.pixels))
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(np.ascontiguousarray(picture.alpha)))
    image.info.update(info_of(picture.icc, picture.exif, picture.xmp))
    image.format = picture.source_format
    return image


def colour_of(text: str) -> tuple[int, int, int]:
    """The colour of a background by its name or number.

    >>> colour_of("white"), colour_of("#ff8000")
    ((255, 255, 255), (255, 128, 0))

    Raises:
        SettingsError: There is no such colour, or it is not opaque.
    """
    try:
        red, green, blue, *alpha = ImageColor.getrgb(text)
    except ValueError as error:
        raise SettingsError(
            f"{setting('background', text)} is no colour. Give a name such as white, or numbers such as #204080."
        ) from error
    if alpha and alpha[0] != 255:
        raise SettingsError(f"{setting('background', text)} is not opaque. Give a colour without alpha.")
    return red, green, blue


def flattened(picture: Picture, background: tuple[int, int, int]) -> Picture:
    """`picture` without transparency: composited over `background`, which may turn a gray picture into a coloured one.

    Args:
        picture: Any.
        background: Red, green and blue, 0 to 255 each, in the picture's own colour space.
    """
    if picture.alpha is None:
        return picture
    gray = picture.gray and len(set(background)) == 1
    pixels = picture.pixels
    if picture.gray and not gray:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    # 16 bits hold it: the two products add up to 255 * 255 at most.
    colour = np.array(background[0] if gray else background, dtype=np.uint16)
    alpha = (picture.alpha if gray else picture.alpha[:, :, None]).astype(np.uint16)
    mixed = (pixels * alpha + colour * (255 - alpha) + 127) // 255
    return replace(picture, pixels=mixed.astype(np.uint8), alpha=None)


@dataclass(frozen=True)
class _Loaded:
    """An image with its pixels.

    Attributes:
        image: Whose pixels count.
        held: Whose `info` and `getexif()` count: the caller's image, unless what lies there was only found by loading.
        layout: How the file stores samples.
        png: The file, if it has to be read again.
    """

    image: Image.Image
    held: Image.Image
    layout: str
    png: bytes | None


def _loaded(image: Image.Image) -> _Loaded:
    check_not_a_preview(image)
    with decoding():
        png = _png_with_transparent_value(image)
        own = image if png is None else Image.open(io.BytesIO(png), formats=["PNG"])
        layout = sample_layout(own)
        own.load()
    if not own.width * own.height:
        raise DataError(f"The image has no pixels ({own.width} x {own.height}).")
    if own is image:
        return _Loaded(image, image, layout, None)
    own.info.update(image.info)
    return _Loaded(own, image if any(name in image.info for name in EXIF_KEYS) else own, layout, png)


def _pixels(loaded: _Loaded, orientation: int, icc: bytes | None, notes: list[str]) -> EightBits:
    with decoding():
        found = eight_bits(loaded.image, loaded.layout, orientation, icc, notes)
        colour = loaded.image.info.get("transparency")
        if loaded.png is not None and loaded.layout.startswith("RGB;16") and isinstance(colour, tuple):
            alpha = Image.fromarray(rgb16_transparency(loaded.png, colour))
            found = replace(found, alpha=eight_bits(alpha, "", orientation, None, []).pixels)
    return found


def _png_with_transparent_value(image: Image.Image) -> bytes | None:
    """The file of a PNG that is not loaded and has a transparent value; None for every other image.

    Its depth is needed to understand the value, and cannot be seen any more once the image is loaded. A copy is
    decoded and the caller's image left alone, so that the next call finds what this one found.
    """
    file = getattr(image, "fp", None)
    if image.format != "PNG" or "transparency" not in image.info or not getattr(image, "tile", None) or file is None:
        return None
    place = file.tell()
    try:
        file.seek(0)
        data: bytes = file.read()
    finally:
        file.seek(place)
    return data
