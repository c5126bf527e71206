"""What every decoding with Pillow needs: a guard against decompression bombs, the errors, upright images, 8 bits."""

from __future__ import annotations

import struct
import threading
import warnings
import zlib
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

DECODER_ERRORS = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    ImageCms.PyCMSError,
)
"""What Pillow's decoders raise on damaged files, as observed and as its fuzzers list.

MemoryError is not among them: the pixel limit has bounded what an honest decoder allocates.
"""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_guard_lock = threading.Lock()


def open_guarded(file: BinaryIO, formats: Sequence[str], pixel_limit: int) -> Image.Image:
    """Read the header of an image with Pillow's own pixel guard moved to `pixel_limit`.

    The guard is a global of Pillow's: one lock for all who move it, and it is put back.

    Args:
        file: Open for reading, and to stay open until the image is loaded.
        formats: Pillow's names of what may be read.
        pixel_limit: Largest number of pixels; some formats are refused only when they are loaded, so check the size.

    Raises:
        Image.DecompressionBombError: The header says more.
    """
    with _guard_lock, warnings.catch_warnings():
        # Pillow warns above its guard and refuses above twice the guard; only the refusal is wanted, at our limit.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        guard = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = (pixel_limit + 1) // 2
        try:
            return Image.open(file, formats=list(formats))
        finally:
            Image.MAX_IMAGE_PIXELS = guard


def turned_upright(image: Image.Image, orientation: int) -> Image.Image:
    """`image` by its EXIF orientation (EXIF 2.32, tag 0x0112); 1, and what is not defined, is upright already."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def lab_as_srgb(image: Image.Image) -> Image.Image:
    """An image of mode LAB as sRGB.

    Raises:
        ValueError: The colours could not be converted.
    """
    converted = ImageCms.profileToProfile(
        image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    if converted is None:
        raise ValueError("Lab colours could not be converted to sRGB")
    return converted


def deep_as_8_bits(image: Image.Image) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None]:
    """One channel of 16 bits, 32 bits or floats, scaled to 8 bits; and where it is transparent, if one value says so.

    Raises:
        ValueError: There are values outside 0..65535, or outside 0..1 for floats.
    """
    values = np.asarray(image)
    lowest, highest, full = float(values.min()), float(values.max()), 1.0 if image.mode == "F" else 65535.0
    # A NaN fails this comparison, as it should.
    if not (lowest >= 0 and highest <= full):
        raise ValueError(
            f"mode {image.mode} with values from {lowest:g} to {highest:g}; allowed are values from 0 to {full:g}"
        )
    gray: npt.NDArray[np.uint8] = np.rint(values.astype(np.float64) * (255.0 / full)).astype(np.uint8)
    transparent = image.info.get("transparency")
    return gray, values == transparent if isinstance(transparent, int) else None
