"""`hpcmbal compress`: images to `.hpcm` files."""

from __future__ import annotations

from collections.abc import Sequence

from hpcmbal.cli.batch import batch_view, check_json, psnr_text, quality_text, report
from hpcmbal.cli.command import CLUSTER_LOOKS, AsJson, Look, command_app, settings_command
from hpcmbal.cli.text import say
from hpcmbal.cli.words import packaged_models
from hpcmbal.codec.files.job import STREAM, Outcome
from hpcmbal.codec.header import RATE_MAX, RATE_STEPS
from hpcmbal.errors import setting
from hpcmbal.settings.coding import CompressSettings

EXAMPLES = """
hpcmbal compress photo.png
hpcmbal compress photos/ -o small/ --recursive -q 30 --verify
hpcmbal compress photos/ -o small/ --skip-existing --workers 4
hpcmbal compress scan.png --lossless
hpcmbal compress photos/ -o small/ --target-bytes 5000000 --total
hpcmbal compress photo.png --target-psnr 35 --effort 5
"""

FILES_LOOKS = {
    "inputs": Look(metavar="FILES", argument=True),
    "output": Look("-o", "PATH"),
    "force": Look("-f"),
    "workers": Look("-j"),
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
        "target_bytes": Look(metavar="N"),
        "target_bpp": Look(metavar="X"),
        "target_psnr": Look(metavar="DB"),
        "model": Look("-m", "MODEL", complete=packaged_models),
        "device": Look(metavar="NAME"),
    },
)
def compress(settings: CompressSettings, as_json: AsJson = False) -> None:
    """Compress images. Alpha, ICC profile, EXIF and XMP are kept; drawings are kept exactly where that is smaller."""
    from hpcmbal.codec.files.compress import compress_files

    check_json(settings, as_json=as_json)
    with batch_view() as view:
        batch = compress_files(settings, view)
    if settings.total and not as_json:
        _tell_total([outcome for outcome in batch.outcomes if outcome.error is None])
    if settings.target is not None and not as_json:
        _tell_ends(batch.outcomes, settings.target)
    report(batch, as_json=as_json, describe=_describe)


def _tell_total(done: list[Outcome]) -> None:
    total, pixels = sum(outcome.bytes_after for outcome in done), sum(outcome.pixels for outcome in done)
    say(f"hpcmbal: all files together: {total:,} bytes, {8 * total / max(1, pixels):.3f} bpp")


def _tell_ends(outcomes: Sequence[Outcome], target: str) -> None:
    """Say where a search ended because the qualities do, and not because the target is met."""
    smallest = target == "target_psnr"
    end = 1 if smallest else RATE_MAX // RATE_STEPS
    found = sum(outcome.quality == end for outcome in outcomes)
    if found:
        what = "the smallest: {} asks for less" if smallest else "the best: {} allows more"
        files = "" if len(outcomes) == 1 else f"{found} of {len(outcomes)} files: "
        say(f"hpcmbal: {files}quality {end} is {what.format(setting(target))}.")


def _describe(outcome: Outcome) -> str:
    ratio = outcome.bytes_before / max(1, outcome.bytes_after)
    change = f"{ratio:.1f} times smaller" if ratio >= 1 else f"{1 / ratio:.1f} times larger"
    where = "" if outcome.job.target == STREAM else f"{outcome.job.target}: "
    coding = "" if outcome.quality is None else f", quality {quality_text(outcome)}"
    coding = ", lossless" if outcome.lossless else coding
    psnr = f", {psnr_text(outcome)}" if outcome.psnr_db is not None else ""
    bpp = f"{outcome.bpp:.3f} bpp"
    return f"{where}{outcome.bytes_after:,} bytes, {change} than {outcome.bytes_before:,}, {bpp}{coding}{psnr}"
