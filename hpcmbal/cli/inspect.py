"""`hpcmbal inspect`: where a model spends its bits on a picture, and where it errs."""

from __future__ import annotations

from hpcmbal.cli.command import Look, command_app, settings_command
from hpcmbal.cli.text import tell
from hpcmbal.cli.words import packaged_models
from hpcmbal.settings.inspection import InspectSettings

EXAMPLES = """
hpcmbal inspect photo.png --model hpcm-nano -o inspection/
hpcmbal inspect photo.png --model runs/standard-nano --quality 30 -o inspection-30/
"""

app = command_app()


@settings_command(
    app,
    "inspect",
    InspectSettings,
    examples=EXAMPLES,
    looks={
        "image": Look(metavar="IMAGE", argument=True),
        "model": Look("-m", "MODEL", complete=packaged_models),
        "output": Look("-o", "FOLDER"),
        "quality": Look("-q"),
        "device": Look(metavar="NAME"),
        "force": Look("-f"),
    },
)
def inspect_command(settings: InspectSettings) -> None:
    """Show where a model spends its bits on a picture, scale by scale, and where it errs: maps as PNG and one page."""
    from hpcmbal.evaluation.inspect_file import inspect

    found, page = inspect(settings)
    rates = ", ".join(
        f"{name} {float(bits.sum()) / found.original[..., 0].size:.4f}" for name, bits in found.bits.items()
    )
    tell(f"{found.bpp:.4f} bpp ({rates}), {found.previews['s3'].psnr_db:.2f} dB. Page: {page}")
