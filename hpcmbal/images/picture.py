"""Between Pillow's image modes and what the codec codes: 8-bit RGB or gray, and alpha, ICC and EXIF beside it."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageCms

from hpcmbal.errors import DataError, HpcmbalWarning
from hpcmbal.images.pillow_decoding import DECODER_ERRORS, deep_as_8_bits, lab_as_srgb, turned_upright

Bytes2d = npt.NDArray[np.uint8]

SINGLE_PICTURE_FORMATS = frozenset({"MPO"})
"""Formats whose further frames are previews and gain maps of the first, not an animation."""

SAME_FORMAT = {"MPO": "JPEG"}
"""Names under which Pillow opens files of another format."""


class PictureWarning(HpcmbalWarning):
    """Something about an image that the format cannot keep, such as bits beyond 8."""


@dataclass(frozen=True)
class Picture:
    """What the codec codes of an image.

    Attributes:
        pixels: `[height, width, 3]` uint8 RGB, or `[height, width]` uint8 for grayscale.
        alpha: `[height, width]` uint8, 255 opaque; None without transparency.
        icc: The ICC profile of `pixels`.
        exif: The EXIF block, starting with `Exif`, without its orientation, which was applied.
        xmp: The XMP packet, UTF-8.
        source_format: Pillow's name of the format of the file that the picture came from, for example `JPEG`; None if
            it came from none, or it is not known.
    """

    pixels: Bytes2d
    alpha: Bytes2d | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    source_format: str | None = None

    @property
    def gray(self) -> bool:
        """Whether the image is grayscale."""
        return self.pixels.ndim == 2


def picture_of(image: Image.Image) -> Picture:
    """What of `image` is coded.

    Orientation is applied; palettes are looked up; CMYK, YCbCr, HSV and Lab become RGB (CMYK by its ICC profile if
    it has a usable one); 16 bits are reduced to 8 with a warning; ICC and EXIF are kept.

    Raises:
        DataError: The image is animated, cannot be decoded, has no pixels, or has values without an 8-bit meaning.
    """
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in SINGLE_PICTURE_FORMATS:
        raise DataError(
            f"The image has {frames} frames or pages; a file holds one. Extract the one that you want first."
        )
    try:
        deep = _has_deep_colour(image)
        image.load()
        if not image.width * image.height:
            raise DataError(f"The image has no pixels ({image.width} x {image.height}).")
        if deep:
            _warn_about_depth()
        icc = image.info.get("icc_profile")
        upright, exif = _upright(image)
        picture = _convert(upright, icc if isinstance(icc, bytes) and icc else None, exif)
        return replace(picture, source_format=SAME_FORMAT.get(image.format or "", image.format))
    except DECODER_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"The image cannot be decoded: {reason}. Replace it by an intact copy.") from error


def image_of(picture: Picture) -> Image.Image:
    """The Pillow image of mode L, LA, RGB or RGBA, with ICC and EXIF in its `info`."""
    image = Image.fromarray(np.ascontiguousarray(picture.pixels))
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(np.ascontiguousarray(picture.alpha)))
    if picture.icc is not None:
        image.info["icc_profile"] = picture.icc
    if picture.exif is not None:
        image.info["exif"] = picture.exif
    return image


def _has_deep_colour(image: Image.Image) -> bool:
    """Whether a colour image holds 16 bits, of which Pillow hands out the upper 8. Only visible before loading."""
    tiles = getattr(image, "tile", None) or []
    return image.mode in ("RGB", "RGBA", "LA") and any("16" in str(tile[3]) for tile in tiles)


def _warn_about_depth() -> None:
    warnings.warn("The image has 16 bits a channel; they are reduced to 8.", PictureWarning, stacklevel=4)


def _upright(image: Image.Image) -> tuple[Image.Image, bytes | None]:
    raw = image.info.get("exif")
    raw = raw if isinstance(raw, bytes) and raw else None
    try:
        exif = image.getexif()
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        if orientation != 1:
            exif.pop(ExifTags.Base.Orientation, None)
            raw = exif.tobytes() if len(exif) else None
    except DECODER_ERRORS:
        warnings.warn("The EXIF data is damaged and is left out.", PictureWarning, stacklevel=4)
        return image, None
    return turned_upright(image, orientation), raw


def _convert(image: Image.Image, icc: bytes | None, exif: bytes | None) -> Picture:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        _warn_about_depth()
        pixels, transparent = deep_as_8_bits(image)
        return Picture(
            pixels, None if transparent is None else np.where(transparent, 0, 255).astype(np.uint8), icc, exif
        )
    if image.mode == "CMYK":
        return Picture(np.array(_cmyk_as_rgb(image, icc)), None, None, exif)
    if image.mode == "LAB":
        image, icc = lab_as_srgb(image), None
    gray = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        # Premultiplied modes have no direct way to the others.
        image = image.convert({"La": "LA", "RGBa": "RGBA"}.get(image.mode, image.mode)).convert(
            "LA" if gray else "RGBA"
        )
        values = np.array(image)
        return Picture(values[..., 0] if gray else values[..., :3], values[..., -1], icc, exif)
    return Picture(np.array(image.convert("L" if gray else "RGB")), None, icc, exif)


def _cmyk_as_rgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    if icc is not None:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            return converted
        warnings.warn(
            "The CMYK image's ICC profile is not usable; colours are converted without it.",
            PictureWarning,
            stacklevel=5,
        )
    return image.convert("RGB")
