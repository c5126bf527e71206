"""Pictures written as image files: what the format cannot hold is refused or told, never dropped in silence.

What a format holds is found out by writing a small picture of the same kind and reading it back, so that the answer is
that of this Pillow and not that of a table.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from hpcmbal.errors import DataError, SettingsError, setting
from hpcmbal.images.formats import source_formats
from hpcmbal.images.guard import decoding, opened
from hpcmbal.images.metadata import exif_of, icc_profile_of, loaded_exif, writable_exif, xmp_of
from hpcmbal.images.picture import Picture, PictureWarning, colour_of, flattened, image_of

_LOSSY = frozenset({"JPEG", "WEBP", "AVIF", "MPO"})
_COMMON = (".png", ".jpg", ".webp", ".avif", ".tif")
_XMP_TAG = 0x02BC
_PROBE_SIDE = 16
_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def write_picture(
    picture: Picture, extension: str, *, quality: int | None = None, background: str | None = None
) -> bytes:
    """Encode a picture as an image file, with its ICC profile, EXIF and XMP.

    A `PictureWarning` tells of metadata that the format does not hold, and of colours that it reduces to a palette.

    Args:
        picture: What to write.
        extension: Decides the format, for example `.png`.
        quality: 1 to 100, for lossy formats; each format's own default if None.
        background: The colour to put behind a transparent picture; see `colour_of`.

    Raises:
        SettingsError: No format that can be written and read again has this extension, or there is no such colour.
        DataError: The format cannot hold the picture: its size, its transparency, or an ICC profile that large.
    """
    image_format, notes = _format_of(extension), list[str]()
    picture = _in_usable_colours(picture, image_format, background, notes)
    if background is not None:
        picture = flattened(picture, colour_of(background))
    picture = _with_alpha_that_fits(picture, image_format)
    options = _options(picture, image_format, notes)
    if quality is not None and image_format in _LOSSY:
        options["quality"] = quality
    data = _encoded(picture, image_format, options)
    _check_read_back(data, picture, image_format, notes)
    for note in notes:
        warnings.warn(note, PictureWarning, stacklevel=2)
    return data


def writable_extensions() -> tuple[str, ...]:
    """Extensions, with their dot, of the formats in which pictures can be written; the common ones first."""
    Image.init()
    formats = set(Image.SAVE) & set(source_formats())
    known = {extension for extension, name in Image.registered_extensions().items() if name in formats}
    return (*(extension for extension in _COMMON if extension in known), *sorted(known.difference(_COMMON)))


def _format_of(extension: str) -> str:
    Image.init()
    name = Image.registered_extensions().get(extension.lower())
    if name is None or name not in Image.SAVE or name not in source_formats():
        raise SettingsError(f"Images cannot be written as '{extension}'. Use .png, .tif, .webp, .jpg or the like.")
    return name


def _in_usable_colours(picture: Picture, image_format: str, background: str | None, notes: list[str]) -> Picture:
    """The picture itself; in sRGB if its profile is one of gray and the file will hold RGB, where it means nothing."""
    if not picture.gray or picture.icc is None or picture.icc[16:20] != b"GRAY":
        return picture
    colour = colour_of(background) if background is not None and picture.alpha is not None else (0, 0, 0)
    if len(set(colour)) == 1 and _holds_gray(image_format):
        return picture
    notes.append(f"The gray ICC profile means nothing in {image_format} with RGB; gray is converted to sRGB.")
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(picture.icc))
        image = ImageCms.profileToProfile(
            Image.fromarray(picture.pixels), profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):  # a profile that nobody vouches for
        return replace(picture, icc=None)
    return replace(picture, pixels=np.asarray(image), icc=None)


def _holds_gray(image_format: str) -> bool:
    probe = _probe(Picture(np.zeros((1, 1), np.uint8)))
    data = _encoded(probe, image_format, {})
    with decoding(), opened(data, probe.pixels.size) as image:
        return image.mode in ("1", "L", "LA", "P", "I;16")


def _probe(picture: Picture) -> Picture:
    """A small picture of the same kind, with values of alpha between opaque and transparent."""
    ramp = np.linspace(0, 255, _PROBE_SIDE).astype(np.uint8)
    plane = np.repeat(ramp[None], _PROBE_SIDE, axis=0)
    pixels = plane if picture.gray else np.repeat(plane[:, :, None], 3, axis=2)
    return Picture(pixels, None if picture.alpha is None else plane)


def _with_alpha_that_fits(picture: Picture, image_format: str) -> Picture:
    """The picture itself; without its alpha if the format has none and there is nothing to see through.

    Raises:
        DataError: Transparency would be lost.
    """
    if picture.alpha is None:
        return picture
    held = _alpha_levels(_probe(picture), image_format)
    lowest = int(picture.alpha.min())
    if not held and lowest == 255:
        return replace(picture, alpha=None)
    soft = bool(((picture.alpha > 0) & (picture.alpha < 255)).any())
    if not held or (soft and held == 1):
        what = "partly transparent pixels" if held else "transparent pixels"
        raise DataError(
            f"The picture cannot be written as {image_format}, which has no {what}. Flatten it with "
            f"{setting('background', 'COLOUR')}, or use .png."
        )
    return picture


def _alpha_levels(probe: Picture, image_format: str) -> int:
    """0 if the format drops alpha, 1 if it only knows opaque and transparent, 2 if it holds values between."""
    try:
        data = _encoded(probe, image_format, {})
        with decoding(), opened(data, probe.pixels.size) as image:
            image.load()
            if not image.has_transparency_data:
                return 0
            alpha = np.asarray(image.convert("RGBA"))[..., 3]
    except DataError:
        return 0
    return 2 if ((alpha > 32) & (alpha < 223)).any() else 1


def _options(picture: Picture, image_format: str, notes: list[str]) -> dict[str, Any]:
    """Arguments of `Image.save` for the metadata that the format holds; the rest is told in `notes`.

    Raises:
        DataError: The format has ICC profiles, but cannot hold this one: without it, colours would be others.
    """
    probe = _probe(picture)
    options: dict[str, Any] = {}
    lost = []
    for name, value in (("ICC profile", picture.icc), ("EXIF", picture.exif), ("XMP", picture.xmp)):
        if value is None:
            continue
        try:
            with decoding():
                option = _option(name, value, image_format, options, notes)
        except DataError:  # from a file that nobody vouches for; no format can hold it
            lost.append(name)
            continue
        if _is_held(probe, name, value, image_format, option):
            options = {**options, **option}
        elif name == "ICC profile" and _is_held(probe, name, _PROFILE, image_format, {"icc_profile": _PROFILE}):
            raise DataError(
                f"The picture's ICC profile of {len(value):,} bytes is more than {image_format} can hold so that it is "
                "read again. Use .tif."
            )
        else:
            lost.append(name)
    if lost:
        *others, last = lost
        names = f"{', '.join(others)} and {last}" if others else last
        notes.append(f"{image_format} cannot hold the picture's {names}; left out.")
    return options


def _option(name: str, value: bytes, image_format: str, others: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """What `Image.save` has to be given for one piece of metadata, beside `others`."""
    if name == "ICC profile":
        return {"icc_profile": value}
    if image_format == "TIFF":
        # All of TIFF's metadata are tags of one directory, which Pillow writes anew.
        exif = others.get("exif") or Image.Exif()
        if name == "EXIF":
            exif = _exif_of_tiff(writable_exif(loaded_exif(value), notes), notes)
        else:
            exif[_XMP_TAG] = value
        return {"exif": exif}
    if name == "EXIF":
        return {"exif": value}
    if image_format == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", value.decode("utf-8", errors="replace"))
        return {"pnginfo": text}
    return {"xmp": value}


def _exif_of_tiff(exif: Image.Exif, notes: list[str]) -> Image.Exif:
    """EXIF as Pillow's TIFF writer takes it: of directories inside of it, it finds those of a block that was read."""
    inner = exif.get(ExifTags.IFD.Exif)
    if isinstance(inner, dict) and inner.pop(int(ExifTags.IFD.Interop), None) is not None:
        notes.append("TIFF cannot hold the picture's EXIF entries on interoperability; left out.")
    return loaded_exif(exif.tobytes())


def _is_held(probe: Picture, name: str, value: bytes, image_format: str, option: dict[str, Any]) -> bool:
    """Whether a small file with this piece of metadata can be written, read, and has it."""
    try:
        with opened(_encoded(probe, image_format, option), probe.pixels.size) as image, decoding():
            if name == "ICC profile":
                return icc_profile_of(image) == value
            return (xmp_of(image) if name == "XMP" else exif_of(image, [])) is not None
    except DataError:
        return False


def _encoded(picture: Picture, image_format: str, options: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    image = image_of(replace(picture, icc=None, exif=None, xmp=None))
    try:
        with decoding():
            image.save(out, image_format, **options)
    except DataError as error:
        raise DataError(f"The picture cannot be written as {image_format}: {error.__cause__}. Use .png.") from error
    return out.getvalue()


def _check_read_back(data: bytes, picture: Picture, image_format: str, notes: list[str]) -> None:
    """What was written is what is read, by the header."""
    height, width = picture.pixels.shape[:2]
    with opened(data, max(2 * height * width, 2**24)) as image:
        if image.size != (width, height):
            raise DataError(
                f"The picture cannot be written as {image_format}: of {width} x {height} pixels, "
                f"{image.width} x {image.height} would be left. Use .png."
            )
        if image.mode in ("P", "PA", "1"):
            notes.append(f"{image_format} holds a palette of few colours; the picture's are reduced to it.")
