"""`hpcmbal find-quality`: which quality gives a wanted rate or PSNR on one image."""

from __future__ import annotations

import json

import typer

from hpcmbal.cli.command import AsJson, Look, command_app, settings_command
from hpcmbal.cli.text import tell
from hpcmbal.cli.words import anchors, packaged_models
from hpcmbal.settings.find_quality import FindQualitySettings

EXAMPLES = """
hpcmbal find-quality photo.png --target-bpp 0.5
hpcmbal find-quality photo.png --target-psnr 35 --anchor jpeg
"""

app = command_app()


@settings_command(
    app,
    "find-quality",
    FindQualitySettings,
    examples=EXAMPLES,
    looks={
        "image": Look(metavar="IMAGE", argument=True),
        "model": Look("-m", "MODEL", complete=packaged_models),
        "anchor": Look("-a", "NAME", complete=anchors),
        "device": Look(metavar="NAME"),
    },
)
def find_quality_command(settings: FindQualitySettings, as_json: AsJson = False) -> None:
    """Find the quality that gives a wanted rate or PSNR on one image, by coding it a few times."""
    from hpcmbal.evaluation.find_quality import find_quality

    found = find_quality(settings)
    if as_json:
        typer.echo(json.dumps({"quality": found.quality, "trials": found.trials, **found.sample}))
        return
    bpp, psnr = found.sample["bpp"], found.sample["psnr-rgb"]
    trials = "1 trial" if found.trials == 1 else f"{found.trials} trials"
    end = ""
    if found.is_end:
        end = "; the best that there is" if settings.target_psnr is None else "; the smallest that there is"
    tell(f"quality {found.quality:g}: {bpp:.4f} bpp, {psnr:.2f} dB ({trials}){end}")
