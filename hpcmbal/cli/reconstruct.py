"""`hpcmbal reconstruct`: what a checkpoint makes of a photo, as a picture of both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpcmbal.atomic_file import replacement
from hpcmbal.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

EXAMPLES = """\
[bold]Examples[/bold]

hpcmbal reconstruct --model runs/quickstart

hpcmbal reconstruct photo.jpg --model runs/variable-nano --quality 30 -o both.png
"""

app = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command("reconstruct", epilog=EXAMPLES)
def reconstruct_command(
    image: Annotated[
        Path | None, typer.Argument(metavar="[IMAGE]", help="A photo; a bundled, held-back one if not given.")
    ] = None,
    model: Annotated[
        str,
        typer.Option("--model", metavar="MODEL", help="Packaged model's name, model file, checkpoint, run or id."),
    ] = "runs/quickstart",
    output: Annotated[Path, typer.Option("--output", "-o", metavar="PNG", help="The picture to write.")] = Path(
        "reconstruction.png"
    ),
    quality: Annotated[
        float | None, typer.Option("--quality", min=1, max=100, help="Quality 1..100, for variable-rate models.")
    ] = None,
) -> None:
    """Show a photo beside its reconstruction, with bits per pixel (estimated from likelihoods) and PSNR."""
    from hpcmbal.data import open_images
    from hpcmbal.evaluation.reconstruction import reconstruct
    from hpcmbal.images.image_file import read_rgb
    from hpcmbal.model_files.find import find_model
    from hpcmbal.model_files.store import load_network
    from hpcmbal.plotting.comparison import side_by_side

    network = load_network(find_model(model))
    pixels = open_images(None, "held-back").read(0) if image is None else read_rgb(image)
    result = reconstruct(network, pixels, quality)
    caption = f"{network.variant.name}: {result.bpp:.3f} bpp, {result.psnr_db:.2f} dB"
    sheet = side_by_side([("original", result.original), (caption, result.image)])
    write_picture(sheet, output)
    typer.echo(f"{caption}. Picture: {output}")


def write_picture(picture: Image.Image, path: Path) -> None:
    """Write a picture in the format of its extension.

    Raises:
        DataError: The format is unknown or the place cannot be written.
    """
    from PIL import Image

    Image.init()
    try:
        with replacement(path) as file:
            picture.save(file, Image.registered_extensions().get(path.suffix.lower(), path.suffix))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"Cannot write {path}: {error}. Choose another --output, for example picture.png.") from error
