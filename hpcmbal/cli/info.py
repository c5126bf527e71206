"""`hpcmbal info`: what a file says about itself, without the weights that decode it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from hpcmbal.cli.batch import read_source

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command("info", epilog="[bold]Example[/bold]: hpcmbal info photo.hpcm")
def info(
    file: Annotated[Path, typer.Argument(help="A compressed file; '-' is standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Show a file's header and how many bytes each part takes. Checks all checksums; needs no model."""
    facts = describe_file(read_source(file))
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    if facts["mode"] == "lossless":
        rate = "lossless"
    else:
        rate = "fixed rate" if facts["quality"] is None else f"quality {facts['quality']:g}"
    channels = "grayscale" if facts["gray"] else "colour"
    typer.echo(f"{file}: format {facts['version']}, {facts['width']} x {facts['height']}, {channels}, {rate}")
    if facts["model_id"]:
        typer.echo(f"model {facts['model_id']}")
    for part in facts["parts"]:
        typer.echo(f"{part['name']:<10}{part['bytes']:>12,} bytes{part['bpp']:>10.4f} bpp")
    typer.echo(f"{'total':<10}{facts['bytes']:>12,} bytes{facts['bpp']:>10.4f} bpp")
    if facts["truncated"]:
        typer.echo(f"incomplete: {facts['truncated']} Decode it with --allow-truncated.")


def describe_file(data: bytes) -> dict[str, Any]:
    """The facts about a file as JSON values.

    Raises:
        BitstreamError: The file is damaged, or ends before its first segment is complete.
    """
    from hpcmbal.codec.bitstream import MAX_SIDE, RATE_STEPS, read_container
    from hpcmbal.codec.header import format_version
    from hpcmbal.core.scales import SEGMENTS

    container = read_container(data, allow_truncated=True, pixel_limit=MAX_SIDE**2)
    header = container.header
    pixels = header.width * header.height
    named = dict(zip(SEGMENTS, (segment.data for segment in container.segments), strict=False)) | container.chunks
    if header.lossless:
        named = {"pixels": b"".join(container.tiles), **container.chunks}
    sizes = {name: len(part) for name, part in named.items()}
    sizes = {"container": len(data) - sum(sizes.values()), **sizes}
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
