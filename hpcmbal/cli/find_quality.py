"""`hpcmbal find-quality`: which quality gives a wanted rate or PSNR on one image."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpcmbal.errors import SettingsError

if TYPE_CHECKING:
    from hpcmbal.evaluation.find_quality import Coder, QualityScale
    from hpcmbal.images.rgb_image import RgbImage

app = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False)

EXAMPLES = """\
[bold]Examples[/bold]

hpcmbal find-quality photo.png --target-bpp 0.5 --model runs/variable-nano

hpcmbal find-quality photo.png --target-psnr 35 --anchor jpeg
"""


@app.command("find-quality", epilog=EXAMPLES)
def find(
    image: Annotated[Path, typer.Argument(help="The image.")],
    *,
    target_bpp: Annotated[
        float | None, typer.Option("--target-bpp", min=0, help="Best quality of at most so many bits per pixel.")
    ] = None,
    target_psnr: Annotated[
        float | None, typer.Option("--target-psnr", min=0, help="Smallest file of at least this PSNR, in dB.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="A model of variable rate, by any name.")] = None,
    anchor: Annotated[str | None, typer.Option("--anchor", "-a", help="A classical codec, such as jpeg.")] = None,
    device: Annotated[str, typer.Option("--device", help="Where the model runs: cpu, cuda, cuda:N.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Find the quality that gives a wanted rate or PSNR on one image, by coding it a few times."""
    if (target_bpp is None) == (target_psnr is None):
        raise SettingsError("Give either --target-bpp or --target-psnr.")
    if (model is None) == (anchor is None):
        raise SettingsError("Give either --model or --anchor.")
    from hpcmbal.evaluation.find_quality import find_quality
    from hpcmbal.images.image_file import read_rgb

    pixels = read_rgb(image)
    code, scale = _model(pixels, model, device) if model else _anchor(pixels, str(anchor))
    target, value = ("bpp", target_bpp) if target_bpp is not None else ("psnr-rgb", target_psnr)
    found = find_quality(pixels, code, scale, target, value or 0.0)  # type: ignore[arg-type]
    bpp, psnr = found.sample["bpp"], found.sample["psnr-rgb"]
    if as_json:
        typer.echo(json.dumps({"quality": found.quality, "trials": found.trials, **found.sample}))
        return
    typer.echo(f"quality {found.quality:g}: {bpp:.4f} bpp, {psnr:.2f} dB ({found.trials} trials)")


def _model(pixels: RgbImage, name: str, device: str) -> tuple[Coder, QualityScale]:
    from hpcmbal.evaluation.codecs.model_codec import ModelCodec, ModelPoint, operating_points
    from hpcmbal.evaluation.find_quality import QualityScale
    from hpcmbal.model_files.find import find_model

    path = find_model(name)
    # Asking for a quality refuses models of one rate, with the reason.
    codec = ModelCodec(name, operating_points(path, [50.0]), device)
    return lambda quality: codec.code_at(pixels, ModelPoint(path, quality)), QualityScale(1, 100)


def _anchor(pixels: RgbImage, name: str) -> tuple[Coder, QualityScale]:
    from hpcmbal.evaluation.codecs.anchors import PillowAnchor
    from hpcmbal.evaluation.codecs.external import ProgramAnchor
    from hpcmbal.evaluation.codecs.selection import build_anchor

    codec = build_anchor(name)
    if not isinstance(codec, PillowAnchor | ProgramAnchor):
        raise SettingsError(f"'{name}' is a plug-in with fixed operating points, of which no quality can be asked.")
    return partial(codec.code_at, pixels), codec.scale
