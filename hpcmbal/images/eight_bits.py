"""Any image mode of Pillow as 8-bit RGB or gray pixels, upright, and alpha beside them."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

Bytes2d = npt.NDArray[np.uint8]

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF 2.32, tag 0x0112: what makes an image of that orientation upright."""

_CONVERTED = {"CMYK": "CMYK colours", "LAB": "Lab colours", "HSV": "HSV colours"}
"""What modes hold that become RGB by rounding."""

_LOW_BITS = {"L;2": 85, "L;4": 17}
"""How Pillow hands out gray of fewer than 8 bits, and by what it multiplies the values."""


@dataclass(frozen=True)
class EightBits:
    """Pixels and what belongs to them.

    Attributes:
        pixels: `[height, width, 3]` uint8 RGB, or `[height, width]` uint8 for grayscale.
        alpha: `[height, width]` uint8, 255 opaque; None without transparency.
        icc: The profile of `pixels`; None where the colours were converted to sRGB.
        reduced: What of the image 8-bit RGB or gray cannot keep exactly; empty if nothing.
    """

    pixels: Bytes2d
    alpha: Bytes2d | None
    icc: bytes | None
    reduced: str = ""


def sample_layout(image: Image.Image) -> str:
    """How the file stores samples, in Pillow's words, such as `L;4` or `RGB;16B`; empty once the image is loaded."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return ""
    arguments = tiles[0][3]
    layout, *rest = arguments if isinstance(arguments, tuple) else (arguments,)
    if tiles[0][0] == "ppm" and rest and isinstance(rest[0], int) and rest[0] > 255:
        return f"{layout};16B"
    return layout if isinstance(layout, str) else ""


def eight_bits(image: Image.Image, layout: str, orientation: int, icc: bytes | None, notes: list[str]) -> EightBits:
    """A loaded image as 8-bit RGB or gray.

    Palettes are looked up; CMYK becomes sRGB by its ICC profile, or plainly if it has no usable one; YCbCr, HSV and Lab
    become RGB; 16 bits, 32-bit integers with 16-bit values and floats from 0 to 1 are scaled and rounded.

    Args:
        image: Loaded; is not changed.
        layout: From `sample_layout`, before it was loaded; empty if that is not known.
        orientation: By which it is turned.
        icc: Its ICC profile.
        notes: Gets a sentence on what 8 bits cannot keep.

    Raises:
        ValueError: There are values without an 8-bit meaning.
    """
    reduced = _reduced(image.mode, layout)
    if reduced:
        how = "converted to RGB" if image.mode in _CONVERTED else "reduced to 8 bits"
        notes.append(f"The image has {reduced}; they are {how}.")
    turn = _TURNS.get(orientation)
    found = _upright(image if turn is None else image.transpose(turn), layout, icc, notes)
    return replace(found, reduced=reduced)


def _is_deep(mode: str) -> bool:
    return mode in ("I", "F") or mode.startswith("I;16")


def _reduced(mode: str, layout: str) -> str:
    if mode == "F":
        return "floating-point values"
    # Of a colour image with 16 bits, Pillow hands out the upper 8. BGR;16 is 5, 6 and 5 bits.
    if _is_deep(mode) or (";16" in layout and not layout.startswith("BGR")):
        return "16 bits a channel"
    return _CONVERTED.get(mode, "")


def _upright(image: Image.Image, layout: str, icc: bytes | None, notes: list[str]) -> EightBits:
    if _is_deep(image.mode):
        gray, transparent = _deep_as_8_bits(image)
        return EightBits(gray, None if transparent is None else _opaque_but(transparent), icc)
    if image.mode == "CMYK":
        return EightBits(np.array(_cmyk_as_rgb(image, icc, notes)), None, None)
    if image.mode == "LAB":
        image, icc = _lab_as_srgb(image), None
    gray_mode = image.mode in ("1", "L", "LA", "La")
    alpha = _transparent_value(image, layout)
    if alpha is None and image.has_transparency_data:
        # Premultiplied modes have no direct way to the others.
        straight = image.convert({"La": "LA", "RGBa": "RGBA"}.get(image.mode, image.mode))
        values = np.array(straight.convert("LA" if gray_mode else "RGBA"))
        return EightBits(np.ascontiguousarray(values[..., 0] if gray_mode else values[..., :3]), values[..., -1], icc)
    return EightBits(np.array(image.convert("L" if gray_mode else "RGB")), alpha, icc)


def rgb16_transparency(data: bytes, colour: tuple[int, ...]) -> Bytes2d:
    """Alpha of a PNG of 16-bit RGB in which one colour is transparent: compared in all 16 bits, as the format wants.

    Pillow hands out the upper bytes. Its layout for the other byte order gives the lower ones of the same file.
    """
    halves = []
    for layout in ("RGB;16B", "RGB;16L"):
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            any_image = cast("Any", image)
            any_image.tile = [(*tile[:3], layout) for tile in any_image.tile]
            halves.append(np.asarray(image).astype(np.uint16))
    return _opaque_but((halves[0] * 256 + halves[1] == np.array(colour, dtype=np.uint16)).all(axis=2))


def _transparent_value(image: Image.Image, layout: str) -> Bytes2d | None:
    """Alpha of an image in which one gray value or one RGB colour is transparent; None if that is not its kind."""
    value = image.info.get("transparency")
    if isinstance(value, int) and image.mode in ("1", "L"):
        pixels = np.asarray(image.convert("L"))
        if image.mode == "1":
            return _opaque_but(pixels == (255 if value else 0))
        return _opaque_but(pixels == value * _gray_step(pixels, value, layout))
    if isinstance(value, tuple) and len(value) == 3 and image.mode == "RGB":
        upper = np.array(value) >> (8 if max(value) > 255 else 0)
        return _opaque_but((np.asarray(image) == upper).all(axis=2))
    return None


def _gray_step(pixels: Bytes2d, value: int, layout: str) -> int:
    """What Pillow multiplied gray values by. The transparent value it leaves as the file has it.

    Of an image that was loaded before it came here, the depth is known only by what the values can be.
    """
    if layout:
        return _LOW_BITS.get(layout, 1)
    used = set(np.unique(pixels).tolist())
    for step in sorted(_LOW_BITS.values(), reverse=True):
        if value <= 255 // step and value not in used and all(found % step == 0 for found in used):
            return step
    return 1


def _opaque_but(transparent: npt.NDArray[np.bool_]) -> Bytes2d:
    return np.where(transparent, 0, 255).astype(np.uint8)


def _deep_as_8_bits(image: Image.Image) -> tuple[Bytes2d, npt.NDArray[np.bool_] | None]:
    values = np.asarray(image)
    lowest, highest, full = float(values.min()), float(values.max()), 1.0 if image.mode == "F" else 65535.0
    # A NaN fails this comparison, as it should.
    if not (lowest >= 0 and highest <= full):
        raise ValueError(
            f"mode {image.mode} with values from {lowest:g} to {highest:g}; allowed are values from 0 to {full:g}"
        )
    gray: Bytes2d = np.rint(values.astype(np.float64) * (255.0 / full)).astype(np.uint8)
    transparent = image.info.get("transparency")
    return gray, values == transparent if isinstance(transparent, int) else None


def _cmyk_as_rgb(image: Image.Image, icc: bytes | None, notes: list[str]) -> Image.Image:
    if icc is not None:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            return converted
        notes.append("The CMYK image's ICC profile is not usable; colours are converted without it.")
    return image.convert("RGB")


def _lab_as_srgb(image: Image.Image) -> Image.Image:
    converted = ImageCms.profileToProfile(
        image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    if converted is None:
        raise ValueError("Lab colours could not be converted to sRGB")
    return converted
