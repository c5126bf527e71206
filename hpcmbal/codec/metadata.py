"""What lies beside the pixels, ICC profile, EXIF, XMP and the source's format: to the file's form and back."""

from __future__ import annotations

from typing import TypedDict

from hpcmbal.codec.bitstream import Container
from hpcmbal.codec.header import SOURCE_FORMATS
from hpcmbal.codec.plane import deflate, inflate
from hpcmbal.images.picture import Picture

METADATA_LIMIT = 64 << 20
"""Bytes to which an ICC profile, EXIF or XMP block may unpack."""
METADATA = ("icc", "exif", "xmp")
"""Names of the chunks, and of the attributes of `Picture` that they hold."""


class Metadata(TypedDict):
    """The arguments of `Picture` beside its pixels."""

    icc: bytes | None
    exif: bytes | None
    xmp: bytes | None
    source_format: str | None


def metadata_chunks(picture: Picture) -> dict[str, bytes]:
    """The chunks of a picture's metadata, each deflated."""
    values = {name: getattr(picture, name) for name in METADATA}
    return {name: deflate(value) for name, value in values.items() if value is not None}


def stored_source(picture: Picture) -> str | None:
    """The format that the picture came from, if a file can say so."""
    return picture.source_format if picture.source_format in SOURCE_FORMATS[1:] else None


def read_metadata(container: Container) -> Metadata:
    """The counterpart of `metadata_chunks`.

    Raises:
        BitstreamError: A chunk is damaged, or unpacks to more than 64 MiB.
    """

    def unpacked(name: str) -> bytes | None:
        data = container.chunks.get(name)
        return None if data is None else inflate(data, METADATA_LIMIT, f"chunk {name}")

    return Metadata(
        icc=unpacked("icc"), exif=unpacked("exif"), xmp=unpacked("xmp"), source_format=container.header.source
    )
