"""Which files are pictures to work on: formats and extensions, one rule for training, evaluation and compression.

A file of our own is never one, although Pillow reads it: it is a result, and a measure of a codec on its own outputs
flatters it.
"""

from __future__ import annotations

from PIL import Image

FORMAT = "HPCM"
"""Pillow's name for `.hpcm` files."""

EXTENSION = ".hpcm"

SIGNATURE = b"HPCM"
"""First bytes of `.hpcm` files."""

# Not pictures of pixels: EPS would start Ghostscript, WMF needs Windows, and the rest are stubs without a decoder.
_NO_SOURCES = frozenset({FORMAT, "EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"})

_KINDS = (
    (0, SIGNATURE, "an .hpcm file"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"BM", "a BMP image"),
    (8, b"WEBP", "a WebP image"),
    (4, b"ftypavif", "an AVIF image"),
    (4, b"ftyphei", "a HEIC image"),
    (4, b"ftypmif1", "a HEIF image"),
    (4, b"ftypcrx", "a Canon raw file"),
    (4, b"ftyp", "a video or HEIF file"),
    (0, b"II*\x00", "a TIFF image"),
    (0, b"MM\x00*", "a TIFF image"),
    (0, b"\xff\x0a", "a JPEG XL image"),
    (4, b"JXL ", "a JPEG XL image"),
    (4, b"jP  ", "a JPEG 2000 image"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (0, b"FUJIFILMCCD-RAW", "a Fujifilm raw file"),
    (0, b"IIRO", "an Olympus raw file"),
    (0, b"IIU\x00", "a Panasonic raw file"),
    (0, b"%PDF", "a PDF document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
)
"""Where in a file which bytes are, and what it then is."""

READ_KINDS = frozenset(
    {"a PNG image", "a JPEG image", "a GIF image", "a BMP image", "a WebP image", "an AVIF image", "a TIFF image"}
    | {"a JPEG 2000 image"}
)
"""Those of them that are read."""


def source_formats() -> tuple[str, ...]:
    """Pillow's names of the formats that are read, in the order in which Pillow tries them."""
    Image.init()
    return tuple(name for name in Image.ID if name not in _NO_SOURCES)


def source_extensions() -> frozenset[str]:
    """The lower-case file extensions, with their dot, of the formats that are read.

    >>> ".png" in source_extensions(), ".hpcm" in source_extensions()
    (True, False)
    """
    formats = set(source_formats())
    return frozenset(extension for extension, name in Image.registered_extensions().items() if name in formats)


def file_kind(data: bytes) -> str:
    r"""What a file is, by its first bytes, for errors; its content is not looked at further.

    >>> file_kind(b"\x89PNG\r\n\x1a\n...")
    'a PNG image'
    >>> file_kind(b"")
    'empty'
    """
    if not data:
        return "empty"
    for offset, signature, kind in _KINDS:
        if data.startswith(signature, offset):
            return kind
    return "of an unknown kind"
