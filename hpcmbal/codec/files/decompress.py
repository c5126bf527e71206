"""`decompress_files`: `.hpcm` files to images, what `hpcmbal decompress` does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpcmbal.codec.bitstream import read_container
from hpcmbal.codec.byte_reader import ByteReader, TruncatedError
from hpcmbal.codec.files.batch import Batch, Watcher, run_batch
from hpcmbal.codec.files.job import STREAM, Job, Outcome, read_source, write_target
from hpcmbal.codec.files.plan import Naming, plan_jobs
from hpcmbal.codec.header import MAX_SIDE, check_signature, read_header
from hpcmbal.errors import BitstreamError, SettingsError, setting
from hpcmbal.images.formats import EXTENSION
from hpcmbal.settings.coding import DecompressSettings

if TYPE_CHECKING:
    from hpcmbal.codec.bitstream import Container

EXTENSIONS = {"JPEG": ".jpg", "WEBP": ".webp", "AVIF": ".avif", "TIFF": ".tif", "JPEG2000": ".jp2"}
"""By the format that a picture came from; of all others, PNG."""
LOSSY_EXTENSIONS = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif"})
DEFAULT_OUTPUT_QUALITY = 95
_HEADER_BYTES = 64


def decompress_files(settings: DecompressSettings, watcher: Watcher | None = None) -> Batch:
    """Decompress `.hpcm` files to image files.

    Args:
        settings: Which files, where to, and how; one for `.inputs` is enough.
        watcher: Is told how it goes on.

    Returns:
        What became of every file; files that failed have an error in their outcome.

    Raises:
        SettingsError: The output does not suit the inputs, or there is no such device or colour.
        DataError: A folder holds no file, or an output would be an input.
    """
    from hpcmbal.images.picture import colour_of
    from hpcmbal.images.picture_writer import writable_extensions

    if settings.background is not None:
        colour_of(settings.background)
    wanted = None if settings.type is None else f".{settings.type}"
    naming = Naming(
        reads=lambda name: name.endswith(EXTENSION),
        ignores=lambda _: False,
        extension_of=lambda source: wanted or _source_extension(source),
        writes=(wanted,) if wanted else writable_extensions(),
        check_start=check_signature,
    )
    plan = plan_jobs(settings, naming)
    if not plan.jobs:
        return Batch((), plan)
    lossy = any(_may_be_lossy(job, wanted) for job in plan.jobs)
    if settings.output_quality is not None and not lossy:
        raise SettingsError(
            f"{setting('output_quality', settings.output_quality)} has no effect: every output is lossless. Leave it "
            f"out, or add {setting('type', 'jpg')}."
        )
    return run_batch(
        plan, Decompression(settings), watcher or Watcher(), force=settings.force, workers=settings.workers
    )


@dataclass(frozen=True)
class Decompression:
    """Decompress one file."""

    settings: DecompressSettings

    def __call__(self, job: Job) -> Outcome:
        """Read, decompress, write.

        Raises:
            HpcmbalError: The file, its model or the device cannot be used.
            OSError: The picture cannot be written.
        """
        from hpcmbal.codec.codec import decompress_container
        from hpcmbal.images.picture_writer import write_picture

        settings, data = self.settings, read_source(job.source)
        container = self._parsed(data)
        device = "cpu" if container.header.lossless else _torch_device(settings.device)
        picture = decompress_container(container, None, settings.scales, model_dirs=settings.model_dirs, device=device)
        image = write_picture(
            picture,
            self._extension(job, container.header.source),
            quality=settings.output_quality or DEFAULT_OUTPUT_QUALITY,
            background=settings.background,
        )
        write_target(job, image)
        pixels = container.header.width * container.header.height
        return Outcome(job, len(data), len(image), len(data), pixels)

    def _parsed(self, data: bytes) -> Container:
        limit = self.settings.max_pixels
        try:
            return read_container(data, allow_truncated=self.settings.allow_truncated, pixel_limit=limit)
        except TruncatedError as error:
            try:
                read_container(data, allow_truncated=True, pixel_limit=limit)
            except BitstreamError:  # nothing in it can be decoded
                raise error from None
            message = f"{error.args[0]} Decode what is complete with {setting('allow_truncated')}."
            raise BitstreamError(message) from error

    def _extension(self, job: Job, source: str | None) -> str:
        if self.settings.type is not None:
            return f".{self.settings.type}"
        return job.target.suffix or EXTENSIONS.get(source or "", ".png")


def _may_be_lossy(job: Job, wanted: str | None) -> bool:
    if job.target != STREAM:
        return job.target.suffix.lower() in LOSSY_EXTENSIONS
    if wanted is None and job.source == STREAM:  # what it holds is known when it is read
        return True
    return (wanted or _source_extension(job.source)) in LOSSY_EXTENSIONS


def _source_extension(path: Path) -> str:
    """The extension of the format that the picture in a file came from; PNG's, where the file does not say."""
    try:
        with path.open("rb") as file:
            header, _ = read_header(ByteReader(file.read(_HEADER_BYTES)), MAX_SIDE**2)
    except (OSError, BitstreamError):  # told when the file is read
        return ".png"
    return EXTENSIONS.get(header.source or "", ".png")


def _torch_device(wanted: str) -> str:
    from hpcmbal.core.device import choose_device

    return str(choose_device(wanted))
