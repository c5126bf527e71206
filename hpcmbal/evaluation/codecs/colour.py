"""RGB images as the frames that video codecs take, and back: in float, with the matrix named.

BT.709 (Rec. ITU-R BT.709-6, item 3), full range, 10 bits. In 4:4:4 the way there and back is exact for every 8-bit
image; in 4:2:0 chroma is halved and doubled by Lanczos filters of three lobes, centred on the samples, which keeps more
than boxes, triangles or cubics.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from hpcmbal.errors import HpcmbalError
from hpcmbal.images.rgb_image import RgbImage

Chroma: TypeAlias = Literal["4:4:4", "4:2:0"]

KR, KB = 0.2126, 0.0722
"""Weights of red and blue in luma; green has the rest."""
PEAK = 1023.0
MATRIX = "BT.709, full range, 10 bits, from and to RGB in float"
MULTIPLE, SMALLEST = 8, 64
"""Sides of frames are multiples of the one and at least the other, which every codec here takes."""

_Plane: TypeAlias = npt.NDArray[np.float64]


def frame_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the frame that holds an image; borders are repeated, and cut off after decoding."""
    return _padded(width), _padded(height)


def to_frame(image: RgbImage, chroma: Chroma) -> bytes:
    """A raw frame: planes Y, Cb, Cr as 16-bit little-endian words that hold 10 bits.

    Args:
        image: `[H, W, 3]` uint8.
        chroma: Sampling of Cb and Cr.
    """
    height, width = image.shape[:2]
    frame_width, frame_height = frame_size(width, height)
    padding = ((0, frame_height - height), (0, frame_width - width), (0, 0))
    red, green, blue = np.moveaxis(np.pad(image, padding, mode="edge").astype(np.float64) / 255, 2, 0)
    y = KR * red + (1 - KR - KB) * green + KB * blue
    cb, cr = (blue - y) / (2 * (1 - KB)), (red - y) / (2 * (1 - KR))
    if chroma == "4:2:0":
        size = frame_width // 2, frame_height // 2
        cb, cr = _resized(cb, size), _resized(cr, size)
    return b"".join(_words(plane).tobytes() for plane in (y * PEAK, cb * PEAK + 512, cr * PEAK + 512))


def from_frame(data: bytes, width: int, height: int, chroma: Chroma) -> RgbImage:
    """The image `[height, width, 3]` of a raw frame of `to_frame`.

    Raises:
        HpcmbalError: The frame has another size.
    """
    size = frame_size(width, height)
    small = size if chroma == "4:4:4" else (size[0] // 2, size[1] // 2)
    words = np.frombuffer(data[: len(data) // 2 * 2], "<u2").astype(np.float64)
    luma, part = size[0] * size[1], small[0] * small[1]
    if words.size != luma + 2 * part:
        raise HpcmbalError(
            f"The decoder returned {len(data):,} bytes; a frame of {size[0]}x{size[1]} in {chroma} has "
            f"{2 * (luma + 2 * part):,}."
        )
    y = words[:luma].reshape(size[1], size[0]) / PEAK
    cb, cr = (
        (words[luma + start : luma + start + part].reshape(small[1], small[0]) - 512) / PEAK for start in (0, part)
    )
    if chroma == "4:2:0":
        cb, cr = _resized(cb, size), _resized(cr, size)
    red, blue = y + 2 * (1 - KR) * cr, y + 2 * (1 - KB) * cb
    green = (y - KR * red - KB * blue) / (1 - KR - KB)
    pixels = np.stack([red, green, blue], axis=-1)[:height, :width]
    rounded: RgbImage = np.clip(np.rint(pixels * 255), 0, 255).astype(np.uint8)
    return rounded


def _padded(side: int) -> int:
    return max(-(-side // MULTIPLE) * MULTIPLE, SMALLEST)


def _resized(plane: _Plane, size: tuple[int, int]) -> _Plane:
    resized = Image.fromarray(plane.astype(np.float32)).resize(size, Image.Resampling.LANCZOS)
    return np.asarray(resized, dtype=np.float64)


def _words(plane: _Plane) -> npt.NDArray[np.uint16]:
    return np.clip(np.rint(plane), 0, PEAK).astype("<u2")
