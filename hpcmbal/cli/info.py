"""`hpcmbal info`: what a file says about itself, without the weights that decode it."""

from __future__ import annotations

import json

import typer

from hpcmbal.cli.command import AsJson, Look, command_app, settings_command
from hpcmbal.cli.text import tell
from hpcmbal.settings.coding import InfoSettings

EXAMPLES = """
hpcmbal info photo.hpcm
hpcmbal info photo.hpcm --json
"""

app = command_app()


@settings_command(app, "info", InfoSettings, examples=EXAMPLES, looks={"file": Look(metavar="FILE", argument=True)})
def info(settings: InfoSettings, as_json: AsJson = False) -> None:
    """Show a file's header and how many bytes each part takes.

    Checks the checksums of all parts and needs no model; those of the symbols in them only decompress can check.
    """
    from hpcmbal.codec.files import facts

    found = facts.info(settings)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    rate = "fixed rate" if found["quality"] is None else f"quality {found['quality']:g}"
    rate = "lossless" if found["mode"] == "lossless" else rate
    channels = "grayscale" if found["gray"] else "colour"
    tell(f"{settings.file}: format {found['version']}, {found['width']} x {found['height']}, {channels}, {rate}")
    if found["model_id"]:
        tell(f"model {found['model_id']}")
    for part in found["parts"]:
        tell(f"{part['name']:<10}{part['bytes']:>12,} bytes{part['bpp']:>10.4f} bpp")
    tell(f"{'total':<10}{found['bytes']:>12,} bytes{found['bpp']:>10.4f} bpp")
    if found["truncated"]:
        tell(f"incomplete: {found['truncated']} Decode it with --allow-truncated.")
