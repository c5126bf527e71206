"""The file format, versions 1 and 2: bytes to a `Container` and back, without any model. See docs/format.md.

```
learned:  header | z | s1 | s2 | s3       | ICC? | EXIF? | alpha? | XMP?
lossless: header | tile | ... (mostly one) | ICC? | EXIF? |          XMP?

segment (z, s1, s2, s3): length | CRC-32 of header and data (4) | CRC-32 of the symbols (4) | data
tile, chunk:             length | CRC-32 of header and data (4) | data
```

Widths, heights and lengths are variable-length numbers, everything else is little-endian. The header has no checksum of
its own: that of every part starts with it.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from hpcmbal.codec.byte_reader import ByteReader, TruncatedError, write_varint
from hpcmbal.codec.header import (
    CHUNKS,
    Header,
    read_header,
    write_header,
)
from hpcmbal.core.entropy.segments import Segment
from hpcmbal.core.scales import SEGMENTS
from hpcmbal.errors import BitstreamError

TILE_SIDE = 16_383
"""Largest side of a lossless tile in pixels, which is WebP's limit."""
_CRC = struct.Struct("<I")
_CRCS = struct.Struct("<II")


@dataclass(frozen=True)
class Container:
    """The parsed file.

    Attributes:
        header: See `Header`.
        segments: z, s1, s2, s3; fewer if the file is cut off; none if it is lossless.
        chunks: Optional parts by their name in `CHUNKS`, as stored.
        truncated: Where the file ends too early; None if it is whole.
        tiles: Of a lossless file, its pixels: rows of tiles from the top, each from the left.
        incomplete_bytes: How many bytes of a part that is cut off were read.
        missing: Parts that a file which is cut off lacks: segments, and chunks by their names.
    """

    header: Header
    segments: tuple[Segment, ...] = ()
    chunks: dict[str, bytes] = field(default_factory=dict)
    truncated: str | None = None
    tiles: tuple[bytes, ...] = ()
    incomplete_bytes: int = 0
    missing: tuple[str, ...] = ()

    @property
    def has_alpha(self) -> bool:
        """Whether the picture has an alpha channel."""
        return self.header.alpha or "alpha" in self.chunks


def tile_count(header: Header) -> int:
    """How many tiles a lossless file of this size holds."""
    return -(-header.width // TILE_SIDE) * -(-header.height // TILE_SIDE)


def write_container(container: Container) -> bytes:
    """The bytes of a whole file, in the lowest version that can hold it.

    Raises:
        BitstreamError: A field is outside what the format can express.
    """
    head = write_header(container.header, container.chunks)
    _check_parts(container)
    head_crc = zlib.crc32(head)
    parts = [head]
    for data, symbols_crc in container.segments:
        if symbols_crc is None:
            raise BitstreamError("A segment cannot be written without the checksum of its symbols.")
        parts += [write_varint(len(data)), _CRCS.pack(zlib.crc32(data, head_crc), symbols_crc), data]
    for data in (*container.tiles, *(container.chunks[name] for name in CHUNKS if name in container.chunks)):
        parts += [write_varint(len(data)), _CRC.pack(zlib.crc32(data, head_crc)), data]
    return b"".join(parts)


def read_container(data: bytes, *, allow_truncated: bool = False, pixel_limit: int | None = None) -> Container:
    """Parse and check a file.

    Args:
        data: The whole file.
        allow_truncated: Accept a file that ends after its z segment, or after its lossless pixels, with what is
            complete in it.
        pixel_limit: Largest number of pixels (width * height); see `pixel_limit_or_default`.

    Raises:
        BitstreamError: It is not such a file, is damaged or cut off, of another version, or claims too many pixels.
    """
    reader = ByteReader(data)
    header, names = read_header(reader, pixel_limit)
    head_crc = zlib.crc32(data[: reader.position])
    segments: list[Segment] = []
    tiles: tuple[bytes, ...] = ()
    chunks: dict[str, bytes] = {}
    truncated = None
    complete = reader.position
    try:
        if header.lossless:
            tiles = tuple([_read_part(reader, f"tile {number + 1}", head_crc) for number in range(tile_count(header))])
            complete = reader.position
        for name in () if header.lossless else SEGMENTS:
            segments.append(_read_segment(reader, name, head_crc))
            complete = reader.position
        for name in names:
            chunks[name] = _read_part(reader, f"chunk {name}", head_crc)
            complete = reader.position
    except TruncatedError as error:
        if not allow_truncated or not (segments or tiles):
            raise
        truncated = str(error)
    if reader.remaining and truncated is None:
        raise BitstreamError(f"{reader.remaining} bytes follow the end of the file's last part; nothing may.")
    missing = () if header.lossless else SEGMENTS[len(segments) :]
    missing = (*missing, *(name for name in names if name not in chunks))
    return Container(header, tuple(segments), chunks, truncated, tiles, len(data) - complete, missing)


def _check_parts(container: Container) -> None:
    lossless = container.header.lossless
    for found, count, what in (
        (len(container.segments), 0 if lossless else len(SEGMENTS), "segments"),
        (len(container.tiles), tile_count(container.header) if lossless else 0, "tiles"),
    ):
        if found != count:
            raise BitstreamError(f"A {container.header.mode} file of this size holds {count} {what}. Found {found}.")
    if lossless and "alpha" in container.chunks:
        raise BitstreamError("Lossless pixels hold their alpha; a chunk for it cannot be written beside them.")


def _read_segment(reader: ByteReader, name: str, head_crc: int) -> Segment:
    label = f"segment {name}"
    length = reader.varint(f"the length of {label}")
    crc, symbols_crc = _CRCS.unpack(reader.take(_CRCS.size, f"the checksums of {label}"))
    return Segment(_checked(reader.take(length, label), label, head_crc, crc), symbols_crc)


def _read_part(reader: ByteReader, label: str, head_crc: int) -> bytes:
    length = reader.varint(f"the length of {label}")
    crc = _CRC.unpack(reader.take(_CRC.size, f"the checksum of {label}"))[0]
    return _checked(reader.take(length, label), label, head_crc, crc)


def _checked(data: bytes, label: str, head_crc: int, expected: int) -> bytes:
    found = zlib.crc32(data, head_crc)
    if found != expected:
        raise BitstreamError(
            f"The header or {label} is damaged: its checksum is {found:08x}, {expected:08x} was written. "
            "Copy the file again from its source."
        )
    return data
