"""`hpcmbal decompress`: `.hpcm` files to images."""

from __future__ import annotations

from hpcmbal.cli.batch import batch_view, report
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
<<<<<<< HEAD
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
    from hpcmbal.images.image_file import write_picture

    def work(job: Job) -> Outcome:
        data = read_source(job.source)
        container = read_container(data, allow_truncated=allow_truncated, pixel_limit=max_pixels)
        torch_device = "cpu" if container.header.lossless else resolve_device(device)
        picture = decompress_container(container, None, scales, model_dirs=model_dir or (), device=torch_device)
        extension = DEFAULT_IMAGE_EXTENSION if job.target == STANDARD_STREAM else job.target.suffix
        image = write_picture(picture, extension)
        write_target(job.target, image, job.source)
        return Outcome(job, len(data), len(image), container.header.width * container.header.height)
=======
def decompress(settings: DecompressSettings, as_json: AsJson = False) -> None:
    """Decompress files to images."""
    from hpcmbal.codec.files.decompress import decompress_files

    with batch_view() as view:
        batch = decompress_files(settings, view)
    report(batch, as_json=as_json, describe=_describe)

>>>>>>> 520ec2e (Commands fill settings; files, batches and pictures are conducted below the command line)

def _describe(outcome: Outcome) -> str:
    where = "" if outcome.job.target == STREAM else f"{outcome.job.target}: "
    return f"{where}{outcome.bytes_after:,} bytes from {outcome.bytes_before:,}, {outcome.bpp:.3f} bpp"
