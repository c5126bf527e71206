"""The file format, version 1: bytes to a `Container` and back, without any model. See docs/format.md.

```
"HPCM" | version, flags | model id (8) | width | height | rate | z | s1 | s2 | s3 | ICC? | EXIF? | alpha?
segment: length | CRC-32 of header and data (4) | CRC-32 of the symbols (4) | data
chunk:   length | CRC-32 of header and data (4) | data
```

Widths, heights and lengths are variable-length numbers, everything else is little-endian. The header has no checksum of
its own: that of every segment and chunk starts with it.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from hpcmbal.codec.byte_reader import ByteReader, TruncatedError, write_varint
from hpcmbal.core.entropy.segments import Segment
from hpcmbal.core.scales import SEGMENTS
from hpcmbal.errors import BitstreamError

MAGIC = b"HPCM"
VERSION = 1
MODEL_ID_BYTES = 8
MAX_SIDE = 65_535
RATE_STEPS = 256
"""The rate field is the quality in units of 1/256."""
RATE_MAX = 100 * RATE_STEPS
DEFAULT_PIXEL_LIMIT = 178_956_970
"""Pixels that are decoded unless the caller says otherwise; where Pillow, too, sees a decompression bomb."""

CHUNKS = ("icc", "exif", "alpha")
"""Names of the optional chunks, in file order; flag bit i says that chunk i is there."""
_GRAY_FLAG = 1 << len(CHUNKS)
_CRC = struct.Struct("<I")
_CRCS = struct.Struct("<II")


@dataclass(frozen=True)
class Header:
    """What a file says about its image.

    Attributes:
        model_id: First 8 bytes of the SHA-256 of the weights that decode it.
        width, height: In pixels, 1 to 65,535.
        rate: The quality times 256 for a variable-rate model; 0 for a model of one rate.
        gray: The image is grayscale; decoders return one channel.
    """

    model_id: bytes
    width: int
    height: int
    rate: int = 0
    gray: bool = False


@dataclass(frozen=True)
class Container:
    """The parsed file.

    Attributes:
        header: See `Header`.
        segments: z, s1, s2, s3; fewer if the file is cut off.
        chunks: Optional parts by their name in `CHUNKS`, as stored.
        truncated: Where the file ends too early; None if it is whole.
    """

    header: Header
    segments: tuple[Segment, ...]
    chunks: dict[str, bytes] = field(default_factory=dict)
    truncated: str | None = None


def write_container(container: Container) -> bytes:
    """The bytes of a whole file.

    Raises:
        BitstreamError: A field is outside what the format can express.
    """
    _check_header(container.header)
    if len(container.segments) != len(SEGMENTS):
        raise BitstreamError(f"A file holds {len(SEGMENTS)} segments. Found {len(container.segments)}.")
    head = _header_bytes(container.header, container.chunks)
    head_crc = zlib.crc32(head)
    parts = [head]
    for data, symbols_crc in container.segments:
        if symbols_crc is None:
            raise BitstreamError("A segment cannot be written without the checksum of its symbols.")
        parts += [write_varint(len(data)), _CRCS.pack(zlib.crc32(data, head_crc), symbols_crc), data]
    for name in CHUNKS:
        if name in container.chunks:
            data = container.chunks[name]
            parts += [write_varint(len(data)), _CRC.pack(zlib.crc32(data, head_crc)), data]
    return b"".join(parts)


def read_container(data: bytes, *, allow_truncated: bool = False, pixel_limit: int = DEFAULT_PIXEL_LIMIT) -> Container:
    """Parse and check a file.

    Args:
        data: The whole file.
        allow_truncated: Accept a file that ends after its z segment, with what is complete in it.
        pixel_limit: Largest number of pixels (width * height).

    Raises:
        BitstreamError: It is not such a file, is damaged or cut off, of another version, or claims too many pixels.
    """
    reader = ByteReader(data)
    header, names = _read_header(reader, pixel_limit)
    head_crc = zlib.crc32(data[: reader.position])
    segments: list[Segment] = []
    chunks: dict[str, bytes] = {}
    truncated = None
    try:
        for name in SEGMENTS:
            segments.append(_read_segment(reader, name, head_crc))  # noqa: PERF401 (what was read counts if the next fails)
        for name in names:
            chunks[name] = _read_part(reader, f"chunk {name}", head_crc)
    except TruncatedError as error:
        if not allow_truncated or not segments:
            raise
        truncated = str(error)
    if reader.remaining and truncated is None:
        raise BitstreamError(f"{reader.remaining} bytes follow the end of the file's last part; nothing may.")
    return Container(header, tuple(segments), chunks, truncated)


def container_bytes(container: Container) -> int:
    """Bytes of a whole file that are neither segment nor chunk data."""
    return len(write_container(container)) - sum(
        len(data) for data in (*(segment.data for segment in container.segments), *container.chunks.values())
    )


def _header_bytes(header: Header, chunks: dict[str, bytes]) -> bytes:
    flags = sum(1 << bit for bit, name in enumerate(CHUNKS) if name in chunks) | (_GRAY_FLAG if header.gray else 0)
    size = write_varint(header.width) + write_varint(header.height)
    return MAGIC + bytes([VERSION << 4 | flags]) + header.model_id + size + header.rate.to_bytes(2, "little")


def _read_header(reader: ByteReader, pixel_limit: int) -> tuple[Header, list[str]]:
    magic = reader.take(min(len(MAGIC), reader.remaining), "the signature")
    if magic != MAGIC:
        raise BitstreamError(f"Not an hpcmbal file: it should start with {MAGIC!r}. Found {magic!r}.")
    version, flags = divmod(reader.unsigned(1, "the version"), 16)
    if version != VERSION:
        raise BitstreamError(f"The file has format version {version}; this hpcmbal reads version {VERSION}.")
    header = Header(
        model_id=reader.take(MODEL_ID_BYTES, "the model id"),
        width=reader.varint("the width"),
        height=reader.varint("the height"),
        rate=reader.unsigned(2, "the rate"),
        gray=bool(flags & _GRAY_FLAG),
    )
    _check_header(header)
    if header.width * header.height > pixel_limit:
        raise BitstreamError(
            f"The file claims {header.width} x {header.height} pixels, more than the limit of {pixel_limit:,}. "
            "Raise the pixel limit if you trust the file."
        )
    return header, [name for bit, name in enumerate(CHUNKS) if flags >> bit & 1]


def _check_header(header: Header) -> None:
    if len(header.model_id) != MODEL_ID_BYTES:
        raise BitstreamError(f"A model id has {MODEL_ID_BYTES} bytes. Found {len(header.model_id)}.")
    for name, side in (("width", header.width), ("height", header.height)):
        if not 1 <= side <= MAX_SIDE:
            raise BitstreamError(f"The {name} should be 1 to {MAX_SIDE:,} pixels. Found {side:,}.")
    if header.rate and not RATE_STEPS <= header.rate <= RATE_MAX:
        raise BitstreamError(f"The rate should be 0, or {RATE_STEPS} to {RATE_MAX}. Found {header.rate}.")


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
