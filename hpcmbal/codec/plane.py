"""Lossless coding of one plane of bytes (alpha), and deflate with a bound on what it may grow to."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

from hpcmbal.errors import BitstreamError

Plane = npt.NDArray[np.uint8]

_LEVEL = 9


def encode_plane(plane: Plane) -> bytes:
    """Code `[height, width]` uint8: a byte that says which differences were taken, then deflate (zlib form) of them.

    Bit 0: each value minus its left neighbour; bit 1: then each row minus the one above; modulo 256, nothing before the
    first. The shortest of the four is kept.
    """
    candidates = []
    for filters in range(4):
        differences = plane
        if filters & 1:
            differences = np.diff(differences, axis=1, prepend=np.uint8(0))
        if filters & 2:
            differences = np.diff(differences, axis=0, prepend=np.uint8(0))
        candidates.append(bytes([filters]) + zlib.compress(np.ascontiguousarray(differences).tobytes(), _LEVEL))
    return min(candidates, key=len)


def decode_plane(data: bytes, height: int, width: int) -> Plane:
    """The plane `[height, width]` that `encode_plane` coded.

    Raises:
        BitstreamError: The data is damaged, or is not a plane of this size.
    """
    if not data or data[0] > 3:
        raise BitstreamError("Chunk alpha does not say which differences it holds: the file is damaged.")
    raw = inflate(data[1:], height * width, "chunk alpha")
    if len(raw) != height * width:
        raise BitstreamError(f"Chunk alpha holds {len(raw)} values, the image {height * width}: the file is damaged.")
    plane = np.frombuffer(raw, dtype=np.uint8).reshape(height, width)
    if data[0] & 2:
        plane = np.cumsum(plane, axis=0, dtype=np.uint8)
    if data[0] & 1:
        plane = np.cumsum(plane, axis=1, dtype=np.uint8)
    return plane


def deflate(data: bytes) -> bytes:
    """`data` in zlib's form."""
    return zlib.compress(data, _LEVEL)


def inflate(data: bytes, limit: int, label: str) -> bytes:
    """The counterpart of `deflate`.

    Raises:
        BitstreamError: The data is damaged, has something behind its end, or grows beyond `limit` bytes.
    """
    decompressor = zlib.decompressobj()
    try:
        raw = decompressor.decompress(data, limit + 1)
    except zlib.error as error:
        raise BitstreamError(f"{label.capitalize()} cannot be unpacked: {error}.") from error
    if len(raw) > limit:
        raise BitstreamError(f"{label.capitalize()} unpacks to more than {limit:,} bytes.")
    if not decompressor.eof or decompressor.unused_data:
        raise BitstreamError(f"{label.capitalize()} is incomplete, or has bytes behind its end.")
    return raw
