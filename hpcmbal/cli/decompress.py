"""`hpcmbal decompress`: `.hpcm` files to images."""

from __future__ import annotations

from hpcmbal.cli.batch import batch_view, check_json, report
from hpcmbal.cli.command import AsJson, Look, command_app, settings_command
from hpcmbal.cli.compress import FILES_LOOKS
from hpcmbal.codec.files.job import STREAM, Outcome
from hpcmbal.settings.coding import DecompressSettings

EXAMPLES = """
hpcmbal decompress photo.hpcm -o back.png
hpcmbal decompress small/ -o web/ --type jpg --output-quality 90 --background white
hpcmbal decompress photo.hpcm -o preview.jpg --scales 1
"""

app = command_app()


@settings_command(
    app,
    "decompress",
    DecompressSettings,
    examples=EXAMPLES,
    looks={
        **FILES_LOOKS,
        "type": Look("-t"),
        "model_dirs": Look(metavar="FOLDER"),
        "background": Look(metavar="COLOUR"),
        "device": Look(metavar="NAME"),
    },
)
def decompress(settings: DecompressSettings, as_json: AsJson = False) -> None:
    """Decompress files to images."""
    from hpcmbal.codec.files.decompress import decompress_files

    check_json(settings, as_json=as_json)
    with batch_view() as view:
        batch = decompress_files(settings, view)
    report(batch, as_json=as_json, describe=_describe)


def _describe(outcome: Outcome) -> str:
    where = "" if outcome.job.target == STREAM else f"{outcome.job.target}: "
    return f"{where}{outcome.bytes_after:,} bytes from {outcome.bytes_before:,}, {outcome.bpp:.3f} bpp"
