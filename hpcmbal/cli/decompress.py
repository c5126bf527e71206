"""`hpcmbal decompress`: `.hpcm` files to images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hpcmbal.cli.batch import STANDARD_STREAM, Job, Outcome, plan_jobs, read_source, report, run_jobs, write_target
from hpcmbal.cli.coding_options import (
    EXTENSION,
    MAX_PIXELS,
    Device,
    DeviceOption,
    Force,
    MaxPixels,
    ModelDirs,
    Output,
    Workers,
    resolve_device,
)

DEFAULT_IMAGE_EXTENSION = ".png"

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(
    "decompress",
    epilog="[bold]Examples[/bold]: hpcmbal decompress photo.hpcm, hpcmbal decompress photo.hpcm -o s.jpg --scales 1",
)
def decompress(  # noqa: PLR0917 (typer fills them by name)
    inputs: Annotated[list[Path], typer.Argument(help="Files or folders of files; '-' is standard input.")],
    output: Output = None,
    model_dir: ModelDirs = None,
    scales: Annotated[int, typer.Option("--scales", min=0, max=3, help="Decode only so many scales: a preview.")] = 3,
    allow_truncated: Annotated[
        bool, typer.Option("--allow-truncated", help="Decode what is complete in files that were cut off.")
    ] = False,
    device: DeviceOption = Device.AUTO,
    workers: Workers = 1,
    max_pixels: MaxPixels = MAX_PIXELS,
    force: Force = False,
) -> None:
    """Decompress files to images: PNG, or what the output's extension says."""
    jobs = plan_jobs(inputs, output, DEFAULT_IMAGE_EXTENSION, lambda path: path.suffix.lower() == EXTENSION)
    from hpcmbal.codec.bitstream import read_container
    from hpcmbal.codec.codec import decompress_container
    from hpcmbal.images.picture_writer import write_picture

    def work(job: Job) -> Outcome:
        data = read_source(job.source)
        container = read_container(data, allow_truncated=allow_truncated, pixel_limit=max_pixels)
        torch_device = "cpu" if container.header.lossless else resolve_device(device)
        picture = decompress_container(container, None, scales, model_dirs=model_dir or (), device=torch_device)
        extension = DEFAULT_IMAGE_EXTENSION if job.target == STANDARD_STREAM else job.target.suffix
        image = write_picture(picture, extension)
        write_target(job.target, image, job.source)
        return Outcome(job, len(data), len(image), container.header.width * container.header.height)

    report(run_jobs(jobs, work, workers=workers, force=force))
