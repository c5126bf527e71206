"""What a compressed file says about itself, without the weights that decode it."""

from __future__ import annotations

from typing import Any

from hpcmbal.codec.bitstream import read_container
from hpcmbal.codec.files.job import read_source
from hpcmbal.codec.header import MAX_SIDE, RATE_STEPS, format_version
from hpcmbal.core.scales import SEGMENTS
from hpcmbal.errors import BitstreamError
from hpcmbal.settings.coding import InfoSettings


def info(settings: InfoSettings) -> dict[str, Any]:
    """The facts about a file as JSON values: its header, the bytes of each part, what is missing. Needs no model.

    Raises:
        DataError: It cannot be read.
        BitstreamError: It is damaged, or ends before its first segment is complete; the message names it.
    """
    data = read_source(settings.file)
    try:
        return describe_file(data)
    except BitstreamError as error:
        raise BitstreamError(f"{settings.file}: {error.args[0]}") from error


def describe_file(data: bytes) -> dict[str, Any]:
    """The facts about the bytes of a file; see `info`."""
    container = read_container(data, allow_truncated=True, pixel_limit=MAX_SIDE**2)
    header = container.header
    pixels = header.width * header.height
    named = dict(zip(SEGMENTS, (segment.data for segment in container.segments), strict=False)) | container.chunks
    if header.lossless:
        named = {"pixels": b"".join(container.tiles), **container.chunks}
    sizes = {name: len(part) for name, part in named.items()}
    sizes = {"container": len(data) - sum(sizes.values()) - container.incomplete_bytes, **sizes}
    if container.incomplete_bytes:
        sizes["incomplete"] = container.incomplete_bytes
    return {
        "version": format_version(data),
        "mode": header.mode,
        "model_id": None if header.lossless else header.model_id.hex(),
        "width": header.width,
        "height": header.height,
        "gray": header.gray,
        "alpha": container.has_alpha,
        "source_format": header.source,
        "quality": header.rate / RATE_STEPS or None,
        "bytes": len(data),
        "bpp": 8 * len(data) / pixels,
        "parts": [{"name": name, "bytes": size, "bpp": 8 * size / pixels} for name, size in sizes.items()],
        "truncated": container.truncated,
    }
