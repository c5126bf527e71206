"""Pictures coded exactly: lossless WebP bitstreams (VP8L, RFC 9649, section 3), written and read by Pillow.

A tile is the bitstream alone. The 20 bytes that make a WebP file of it are the same for all but their lengths, so they
are put in front when it is decoded; nothing that a WebP file may hold besides (animation, lossy frames, metadata) can
come in this way.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image, features

from hpcmbal.codec.bitstream import TILE_SIDE, Container
from hpcmbal.codec.header import MAX_SIDE, NO_MODEL, Header
from hpcmbal.codec.metadata import metadata_chunks, read_metadata, stored_source
from hpcmbal.errors import BitstreamError, DataError
from hpcmbal.images.guard import decoding, opened
from hpcmbal.images.picture import Picture

Bytes3d = npt.NDArray[np.uint8]

METHOD, QUALITY = 5, 100
"""libwebp's effort: on drawn pictures within some bytes of its strongest (6, 100), in a tenth of the time."""
_RIFF = struct.Struct("<4sI4s4sI")
_SIGNATURE = 0x2F
_SIDE_BITS = 14
_HEADER_BYTES = 5


def lossless_is_available() -> bool:
    """Whether this Pillow can write and read WebP."""
    return bool(features.check("webp"))


def encode_lossless(picture: Picture) -> Container:
    """A file that gives the picture back exactly.

    Raises:
        DataError: A side has more than 65,535 pixels, or this Pillow has no WebP.
    """
    height, width = picture.pixels.shape[:2]
    _check_available()
    if max(height, width) > MAX_SIDE:
        raise DataError(
            f"The image has {width} x {height} pixels; a side may have at most {MAX_SIDE:,}. Scale it down."
        )
    planes = picture.pixels[..., None].repeat(3, axis=2) if picture.gray else picture.pixels
    if picture.alpha is not None:
        planes = np.dstack((planes, picture.alpha))
    header = Header(
        NO_MODEL,
        width,
        height,
        gray=picture.gray,
        mode="lossless",
        alpha=picture.alpha is not None,
        source=stored_source(picture),
    )
    tiles = tuple(_encode_tile(planes[rows, columns]) for rows, columns in _tiles(height, width))
    return Container(header, chunks=metadata_chunks(picture), tiles=tiles)


def decode_lossless(container: Container) -> Picture:
    """The picture of a lossless file.

    Raises:
        BitstreamError: Its pixels are damaged, or are those of another size.
        DataError: This Pillow has no WebP.
    """
    _check_available()
    header = container.header
    values = np.empty((header.height, header.width, 4), dtype=np.uint8)
    for (rows, columns), tile in zip(_tiles(header.height, header.width), container.tiles, strict=True):
        target = values[rows, columns]
        target[...] = _decode_tile(tile, *target.shape[:2])
    # Of a grayscale picture all three colours are the same.
    pixels = values[..., 1] if header.gray else values[..., :3]
    return Picture(
        np.ascontiguousarray(pixels),
        np.ascontiguousarray(values[..., 3]) if header.alpha else None,
        **read_metadata(container),
    )


def _check_available() -> None:
    if not lossless_is_available():
        raise DataError("Lossless files need WebP, and this Pillow was built without it. Install another build of it.")


def _tiles(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of every tile, in file order; those at the right and at the bottom are smaller."""
    for top in range(0, height, TILE_SIDE):
        for left in range(0, width, TILE_SIDE):
            yield slice(top, min(height, top + TILE_SIDE)), slice(left, min(width, left + TILE_SIDE))


def _encode_tile(planes: Bytes3d) -> bytes:
    """The bitstream of `[height, width, 3 or 4]`, with the colours of transparent pixels."""
    out = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(planes))
    image.save(out, "WEBP", lossless=True, exact=True, method=METHOD, quality=QUALITY)
    riff, _, webp, kind, size = _RIFF.unpack_from(data := out.getvalue())
    if (riff, webp, kind) != (b"RIFF", b"WEBP", b"VP8L"):
        raise DataError("This Pillow's WebP writes something other than a plain lossless image. Install another build.")
    return data[_RIFF.size : _RIFF.size + size]


def _decode_tile(data: bytes, height: int, width: int) -> Bytes3d:
    """The RGBA values `[height, width, 4]` of a bitstream that has to be of this size."""
    found = _size_of(data)
    if found != (height, width):
        raise BitstreamError(f"A lossless tile should have {width} x {height} pixels. Found {found[1]} x {found[0]}.")
    padded = data + bytes(len(data) % 2)
    start = _RIFF.pack(b"RIFF", _RIFF.size - 8 + len(padded), b"WEBP", b"VP8L", len(data))
    try:
        with opened(start + padded, height * width, formats=("WEBP",)) as image, decoding():
            values = np.asarray(image.convert("RGBA"))
    except DataError as error:
        reason = error.__cause__ or error
        raise BitstreamError(f"The lossless pixels cannot be decoded: {reason}. The file is damaged.") from error
    if values.shape != (height, width, 4):
        raise BitstreamError(f"The lossless pixels decode to {values.shape[1]} x {values.shape[0]}: damaged.")
    return values


def _size_of(data: bytes) -> tuple[int, int]:
    """Height and width that a bitstream names (RFC 9649, section 3.4)."""
    if len(data) < _HEADER_BYTES or data[0] != _SIGNATURE:
        raise BitstreamError("A lossless tile does not start as a lossless WebP bitstream does: the file is damaged.")
    bits = int.from_bytes(data[1:_HEADER_BYTES], "little")
    mask = (1 << _SIDE_BITS) - 1
    return (bits >> _SIDE_BITS & mask) + 1, (bits & mask) + 1
