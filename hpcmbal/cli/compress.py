"""`hpcmbal compress`: images to `.hpcm` files."""

from __future__ import annotations

from hpcmbal.cli.batch import batch_view, psnr_text, report
from hpcmbal.cli.command import CLUSTER_LOOKS, AsJson, Look, command_app, settings_command
from hpcmbal.cli.words import packaged_models
from hpcmbal.codec.files.job import STREAM, Outcome
from hpcmbal.settings.coding import CompressSettings

EXAMPLES = """
hpcmbal compress photo.png
hpcmbal compress photos/ -o small/ --recursive -q 30 --verify
hpcmbal compress photos/ -o small/ --skip-existing --workers 4
"""

FILES_LOOKS = {
    "inputs": Look(metavar="FILES", argument=True),
    "output": Look("-o", "PATH"),
    "force": Look("-f"),
}

app = command_app()


@settings_command(
    app,
    "compress",
    CompressSettings,
    examples=EXAMPLES,
    looks={
        **FILES_LOOKS,
        **CLUSTER_LOOKS,
        "quality": Look("-q"),
        "model": Look("-m", "MODEL", complete=packaged_models),
        "device": Look(metavar="NAME"),
    },
)
def compress(settings: CompressSettings, as_json: AsJson = False) -> None:
    """Compress images. Orientation, alpha, ICC profile and EXIF are kept."""
    from hpcmbal.codec.files.compress import compress_files

    with batch_view() as view:
        batch = compress_files(settings, view)
    report(batch, as_json=as_json, describe=_describe)


def _describe(outcome: Outcome) -> str:
    ratio = outcome.bytes_before / max(1, outcome.bytes_after)
    change = f"{ratio:.1f} times smaller" if ratio >= 1 else f"{1 / ratio:.1f} times larger"
    where = "" if outcome.job.target == STREAM else f"{outcome.job.target}: "
    psnr = f", {psnr_text(outcome)}" if outcome.psnr_db is not None else ""
    return f"{where}{outcome.bytes_after:,} bytes, {change} than {outcome.bytes_before:,}, {outcome.bpp:.3f} bpp{psnr}"
