"""`hpcmbal reconstruct`: what a model makes of a photo, as a picture of both."""

from __future__ import annotations

from hpcmbal.cli.command import Look, command_app, settings_command
from hpcmbal.cli.text import tell
from hpcmbal.cli.words import packaged_models
from hpcmbal.settings.pictures import ReconstructSettings

EXAMPLES = """
hpcmbal reconstruct --model runs/quickstart
hpcmbal reconstruct photo.jpg --model hpcm-nano --quality 30 -o both.png
"""

app = command_app()


@settings_command(
    app,
    "reconstruct",
    ReconstructSettings,
    examples=EXAMPLES,
    looks={
        "image": Look(metavar="IMAGE", argument=True),
        "model": Look("-m", "MODEL", complete=packaged_models),
        "output": Look("-o", "FILE"),
        "quality": Look("-q"),
        "device": Look(metavar="NAME"),
        "force": Look("-f"),
    },
)
def reconstruct_command(settings: ReconstructSettings) -> None:
    """Show a photo beside its reconstruction, with bits per pixel (estimated from likelihoods) and PSNR."""
    from hpcmbal.evaluation.reconstruct_file import reconstruct

    _, caption = reconstruct(settings)
    tell(f"{caption}. Picture: {settings.output}")
