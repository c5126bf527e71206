"""Which files are pictures to work on: formats and extensions, one rule for training, evaluation and compression.

A file of our own is never one, although Pillow reads it: it is a result, and a measure of a codec on its own outputs
flatters it.
"""

from __future__ import annotations

from PIL import Image

FORMAT = "HPCM"
"""Pillow's name for `.hpcm` files."""

# Not pictures of pixels: EPS would start Ghostscript, WMF needs Windows, and the rest are stubs without a decoder.
_NO_SOURCES = frozenset({FORMAT, "EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"})


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
