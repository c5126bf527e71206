"""`hpcmbal compress`: images to `.hpcm` files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpcmbal.cli.batch import Job, Outcome, plan_jobs, read_source, report, run_jobs, write_target
from hpcmbal.cli.coding_options import (
    EXTENSION,
    MAX_PIXELS,
    Device,
    DeviceOption,
    Force,
    MaxPixels,
    Output,
    Workers,
    resolve_device,
)
from hpcmbal.cli.engine_options import (
    Address,
    CpusPerTask,
    Engine,
    EngineName,
    GpusPerTask,
    check_no_workers,
    device_on_cluster,
    on_every_node,
    ray_engine,
)
from hpcmbal.errors import BitstreamError

if TYPE_CHECKING:
    from hpcmbal.codec.codec_model import CodecModel
    from hpcmbal.images.picture import Picture

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(
    "compress",
    epilog="[bold]Examples[/bold]: hpcmbal compress photo.png, hpcmbal compress photos/ -o small/ -q 30 --verify",
)
def compress(  # noqa: PLR0917 (typer fills them by name)
    inputs: Annotated[list[Path], typer.Argument(help="Images or folders of images; '-' is standard input.")],
    output: Output = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Packaged model's name, model file, checkpoint, run or id; else the default."),
    ] = None,
    quality: Annotated[
        float | None,
        typer.Option("--quality", "-q", help="1 (smallest) to 100 (best), 50 if not given; for variable-rate models."),
    ] = None,
    device: DeviceOption = Device.AUTO,
    workers: Workers = 1,
    max_pixels: MaxPixels = MAX_PIXELS,
    force: Force = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Decode every file again and report its PSNR; an error if it does not decode."),
    ] = False,
    engine: Engine = EngineName.LOCAL,
    address: Address = None,
    cpus_per_task: CpusPerTask = None,
    gpus_per_task: GpusPerTask = None,
) -> None:
    """Compress images. Orientation, alpha, ICC profile and EXIF are kept."""
    from hpcmbal.images.formats import source_extensions

    jobs = plan_jobs(inputs, output, EXTENSION, lambda path: path.suffix.lower() in source_extensions())
    cluster = ray_engine(engine, address, cpus_per_task, gpus_per_task)
    if cluster is not None:
        check_no_workers(workers, default=1)
        device = Device(device_on_cluster(device, gpus_per_task))
        model = str(on_every_node(Path(model))) if model is not None and Path(model).exists() else model
    work = Compression(model, quality, device, max_pixels, verify)
    # Once here, so that a wrong model or quality is one error, not one for each file.
    work.loaded("cpu" if cluster else resolve_device(device)).rate_of(quality)
    if cluster is None:
        outcomes = run_jobs(jobs, work, workers=workers, force=force)
    else:
        from hpcmbal.cli.batch_engine import run_jobs_on

        with cluster:
            outcomes = run_jobs_on(cluster, jobs, work, force=force)
    if verify and len(outcomes) == 1:
        typer.echo(
            f"{outcomes[0].job.source}: {outcomes[0].psnr_db:.2f} dB, {outcomes[0].bytes_after:,} bytes", err=True
        )
    report(outcomes, with_psnr=verify)


@dataclass(frozen=True)
class Compression:
    """Compress one file; small, so that it can be sent to other processes, each of which loads the model once.

    Args:
        model: See `load_codec_model`.
        quality: 1 to 100; None for models of one rate.
        device: Where the network runs.
        max_pixels: Refuse larger pictures.
        verify: Decode again and measure the PSNR.
    """

    model: str | None
    quality: float | None
    device: Device
    max_pixels: int
    verify: bool

    def __call__(self, job: Job) -> Outcome:
        """Read, compress, write.

        Raises:
            HpcmbalError: The picture, the model or the device cannot be used.
        """
        from hpcmbal.codec.codec import compress_picture
        from hpcmbal.images.image_file import read_picture

        model = self.loaded(resolve_device(self.device))
        source = read_source(job.source)
        picture = read_picture(source, str(job.source), pixel_limit=self.max_pixels)
        data = compress_picture(picture, model, self.quality)
        psnr_db = _verified_psnr_db(data, picture, model, self.max_pixels) if self.verify else None
        write_target(job.target, data, job.source)
        height, width = picture.pixels.shape[:2]
        return Outcome(job, len(source), len(data), height * width, psnr_db)

    def loaded(self, device: str) -> CodecModel:
        """The model, which stays in memory."""
        from hpcmbal.codec.codec_model import load_codec_model

        return load_codec_model(self.model, device=device)


def _verified_psnr_db(data: bytes, picture: Picture, model: CodecModel, max_pixels: int) -> float:
    """PSNR of what `data` decodes to, over all channels."""
    from hpcmbal.codec.bitstream import read_container
    from hpcmbal.codec.codec import decompress_container
    from hpcmbal.images.psnr import psnr_db

    decoded = decompress_container(read_container(data, pixel_limit=max_pixels), model)
    if (decoded.icc, decoded.exif) != (picture.icc, picture.exif) or not _same(decoded.alpha, picture.alpha):
        raise BitstreamError("The file does not give the image's alpha, ICC profile or EXIF back. Please report this.")
    return psnr_db(picture.pixels, decoded.pixels)


def _same(a: object, b: object) -> bool:
    import numpy as np

    return (a is None) == (b is None) and (a is None or np.array_equal(a, b))  # type: ignore[arg-type]
