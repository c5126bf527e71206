"""PNG files of every colour type and depth, written by hand: Pillow writes only some of them."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGB_ALPHA: 4}
DEPTHS = {GRAY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GRAY_ALPHA: (8, 16), RGB_ALPHA: (8, 16)}
KINDS = [(colour_type, depth) for colour_type, depths in DEPTHS.items() for depth in depths]

_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    samples: npt.NDArray[np.integer],
    colour_type: int,
    depth: int,
    *,
    palette: bytes | None = None,
    transparent: bytes | None = None,
    interlaced: bool = False,
    more: bytes = b"",
) -> bytes:
    """The file of `[height, width]` or `[height, width, channels]` samples, each as it is stored (PNG 3rd edition).

    `transparent` is the content of tRNS, `more` are further chunks before the pixels.
    """
    values = samples.reshape(*samples.shape[:2], -1)
    height, width = values.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, int(interlaced))
    passes = [values[top::down, left::right] for top, left, down, right in _ADAM7] if interlaced else [values]
    rows = b"".join(b"\0" + _packed(row, depth) for part in passes if part.size for row in part)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + more
        + (b"" if palette is None else chunk(b"PLTE", palette))
        + (b"" if transparent is None else chunk(b"tRNS", transparent))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def _packed(row: npt.NDArray[np.integer], depth: int) -> bytes:
    if depth == 16:
        return row.astype(">u2").tobytes()
    bits = np.unpackbits(row.astype(np.uint8).reshape(-1, 1), axis=1)[:, 8 - depth :]
    return np.packbits(bits.reshape(-1)).tobytes()
