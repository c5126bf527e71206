"""The header of a file, versions 1 and 2: bytes to a `Header` and back. See docs/format.md.

```
version 1: "HPCM" | 1, flags (1)                              | model id (8) | width | height | rate (2)
version 2: "HPCM" | 2, mode (1) | flags (1) | source (1)      | model id (8) | width | height | rate (2)
```

A file is written in the lowest version that can hold it, so that whatever could read version 1 goes on reading plain
photographs.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

from hpcmbal.codec.byte_reader import ByteReader, write_varint
from hpcmbal.errors import BitstreamError, setting
from hpcmbal.images.formats import SIGNATURE, file_kind
from hpcmbal.images.pixel_limit import PIXEL_LIMIT_VARIABLE, pixel_limit_or_default

MAGIC = SIGNATURE
VERSIONS = (1, 2)
MODEL_ID_BYTES = 8
NO_MODEL = bytes(MODEL_ID_BYTES)
"""The model id of files that need no model."""
MAX_SIDE = 65_535
RATE_STEPS = 256
"""The rate field is the quality in units of 1/256."""
RATE_MAX = 100 * RATE_STEPS

CodingMode = Literal["learned", "lossless"]
CODING_MODES: tuple[CodingMode, ...] = get_args(CodingMode)
"""By their number in the file: coded by a model, or exactly, as a lossless WebP image."""

CHUNKS = ("icc", "exif", "alpha", "xmp")
"""Names of the optional chunks, in file order."""
_FLAGS = {"icc": 1, "exif": 2, "alpha": 4, "gray": 8, "xmp": 16}
_VERSION_1_FLAGS = 0x0F

SOURCE_FORMATS = ("", "PNG", "JPEG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "JPEG2000", "JXL", "HEIF")
"""By their number in the file, Pillow's names of the formats that a picture may have come from; number 0: not known."""
DEFAULT_SOURCE = "PNG"
"""What readers take a picture to have come from if the file does not say; need not be stored."""


@dataclass(frozen=True)
class Header:
    """What a file says about its image.

    Attributes:
        model_id: First 8 bytes of the SHA-256 of the weights that decode it; zeros if it is lossless.
        width, height: In pixels, 1 to 65,535.
        rate: The quality times 256 for a variable-rate model; 0 for a model of one rate, and if it is lossless.
        gray: The image is grayscale; decoders return one channel.
        mode: How the pixels are coded.
        alpha: The picture has alpha among its lossless pixels; alpha beside learned ones is a chunk.
        source: Format of the file that the picture came from, of `SOURCE_FORMATS`; None if the file does not say.
    """

    model_id: bytes
    width: int
    height: int
    rate: int = 0
    gray: bool = False
    mode: CodingMode = "learned"
    alpha: bool = False
    source: str | None = None

    @property
    def lossless(self) -> bool:
        """Whether the pixels are coded exactly."""
        return self.mode == "lossless"


def format_version(data: bytes) -> int:
    """The format version that a file which was read names."""
    return data[len(MAGIC)] >> 4


def write_header(header: Header, chunks: Collection[str]) -> bytes:
    """The bytes of a header, in the lowest version that can hold it; `chunks` are the names of those that follow.

    Raises:
        BitstreamError: A field is outside what the format can express.
    """
    _check_header(header)
    if header.source is not None and header.source not in SOURCE_FORMATS[1:]:
        raise BitstreamError(
            f"A source format should be one of {', '.join(SOURCE_FORMATS[1:])}. Found {header.source!r}."
        )
    names = [*chunks, *(["gray"] if header.gray else []), *(["alpha"] if header.alpha else [])]
    flags = sum({_FLAGS[name] for name in names})
    if header.lossless or header.source not in (None, DEFAULT_SOURCE) or flags & ~_VERSION_1_FLAGS:
        source = SOURCE_FORMATS.index(header.source or "")
        start = bytes([2 << 4 | CODING_MODES.index(header.mode), flags, source])
    else:
        start = bytes([1 << 4 | flags])
    size = write_varint(header.width) + write_varint(header.height)
    return MAGIC + start + header.model_id + size + header.rate.to_bytes(2, "little")


def check_signature(start: bytes) -> None:
    """Raise `BitstreamError`, with what it is, for a file that does not begin as `.hpcm` files do.

    Args:
        start: Its first 32 bytes, or all of it.
    """
    if not start.startswith(MAGIC):
        raise BitstreamError(f"not an .hpcm file: it is {file_kind(start)}. Give a file that hpcmbal compressed.")


def read_header(reader: ByteReader, pixel_limit: int | None = None) -> tuple[Header, list[str]]:
    """Parse and check a header.

    Returns:
        It, and the names of the chunks that the file should hold, in file order.

    Raises:
        BitstreamError: It is not the header of such a file, or claims more pixels than `pixel_limit_or_default` gives.
    """
    limit = pixel_limit_or_default(pixel_limit)
    check_signature(reader.start)
    reader.take(len(MAGIC), "the signature")
    version, low = divmod(reader.unsigned(1, "the version"), 16)
    if version not in VERSIONS:
        raise BitstreamError(
            f"The file has format version {version}; this hpcmbal reads versions {' and '.join(map(str, VERSIONS))}. "
            "Update hpcmbal."
        )
    mode, flags, source = ("learned", low, None) if version == 1 else _read_version_2(reader, low)
    names = [name for name in CHUNKS if flags & _FLAGS[name]]
    lossless_alpha = mode == "lossless" and "alpha" in names
    header = Header(
        model_id=reader.take(MODEL_ID_BYTES, "the model id"),
        width=reader.varint("the width"),
        height=reader.varint("the height"),
        rate=reader.unsigned(2, "the rate"),
        gray=bool(flags & _FLAGS["gray"]),
        mode=mode,
        alpha=lossless_alpha,
        source=source,
    )
    _check_header(header)
    if header.width * header.height > limit:
        raise BitstreamError(
            f"The file claims {header.width} x {header.height} pixels, more than the limit of {limit:,}. "
            f"Raise {setting('max_pixels')} (or {PIXEL_LIMIT_VARIABLE}) if you trust the file."
        )
    return header, [name for name in names if not (lossless_alpha and name == "alpha")]


def _read_version_2(reader: ByteReader, mode: int) -> tuple[CodingMode, int, str | None]:
    """The mode, the flags and the source; `mode` is its number."""
    if mode >= len(CODING_MODES):
        known = ", ".join(f"{number} ({name})" for number, name in enumerate(CODING_MODES))
        raise BitstreamError(f"The file has coding mode {mode}; this hpcmbal knows {known}. Update hpcmbal.")
    flags = reader.unsigned(1, "the flags")
    if flags & ~sum(_FLAGS.values()):
        raise BitstreamError(f"The file has flags that this hpcmbal does not know ({flags:#04x}). Update hpcmbal.")
    source = reader.unsigned(1, "the source's format")
    return CODING_MODES[mode], flags, SOURCE_FORMATS[source] or None if source < len(SOURCE_FORMATS) else None


def _check_header(header: Header) -> None:
    if len(header.model_id) != MODEL_ID_BYTES:
        raise BitstreamError(f"A model id has {MODEL_ID_BYTES} bytes. Found {len(header.model_id)}.")
    for name, side in (("width", header.width), ("height", header.height)):
        if not 1 <= side <= MAX_SIDE:
            raise BitstreamError(f"The {name} should be 1 to {MAX_SIDE:,} pixels. Found {side:,}.")
    if header.rate and not RATE_STEPS <= header.rate <= RATE_MAX:
        raise BitstreamError(f"The rate should be 0, or {RATE_STEPS} to {RATE_MAX}. Found {header.rate}.")
    if header.lossless and (header.model_id, header.rate) != (NO_MODEL, 0):
        raise BitstreamError("A lossless file needs no model: its model id and rate should be zero, and are not.")
    if header.alpha and not header.lossless:
        raise BitstreamError("Only lossless pixels hold alpha; beside learned ones it is a chunk.")
