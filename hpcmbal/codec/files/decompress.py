"""`decompress_files`: `.hpcm` files to images, what `hpcmbal decompress` does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpcmbal.codec.bitstream import read_container
from hpcmbal.codec.byte_reader import TruncatedError
from hpcmbal.codec.files.batch import Batch, Watcher, run_batch
from hpcmbal.codec.files.job import EXTENSION, STREAM, Job, Outcome, check_signature, read_source, write_target
from hpcmbal.codec.files.plan import Naming, plan_jobs
from hpcmbal.errors import BitstreamError, setting
from hpcmbal.settings.coding import DecompressSettings

if TYPE_CHECKING:
    from hpcmbal.codec.bitstream import Container

DEFAULT_IMAGE_EXTENSION = ".png"


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
    from hpcmbal.images.image_file import check_colour, writable_extensions

    if settings.background is not None:
        check_colour(settings.background)
    extension = DEFAULT_IMAGE_EXTENSION if settings.type is None else f".{settings.type}"
    naming = Naming(
        reads=lambda name: name.endswith(EXTENSION),
        ignores=lambda _: False,
        extension_of=lambda _: extension,
        writes=(extension,) if settings.type else writable_extensions(),
    )
    plan = plan_jobs(settings, naming)
    if not plan.jobs:
        return Batch((), plan)
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
        from hpcmbal.codec.codec_model import find_codec_model
        from hpcmbal.core.device import choose_device
        from hpcmbal.images.image_file import write_picture

        settings, data = self.settings, read_source(job.source)
        container = self._parsed(data)
        device = str(choose_device(settings.device))
        model = find_codec_model(container.header.model_id, settings.model_dirs, device=device)
        picture = decompress_container(container, model, settings.scales)
        image = write_picture(
            picture, self._extension(job), quality=settings.output_quality, background=settings.background
        )
        write_target(job, image)
        return Outcome(job, len(data), len(image), container.header.width * container.header.height)

    def _parsed(self, data: bytes) -> Container:
        limit = self.settings.max_pixels
        check_signature(data)
        try:
            return read_container(data, allow_truncated=self.settings.allow_truncated, pixel_limit=limit)
        except TruncatedError as error:
            try:
                read_container(data, allow_truncated=True, pixel_limit=limit)
            except BitstreamError:  # nothing in it can be decoded
                raise error from None
            message = f"{error.args[0]} Decode what is complete with {setting('allow_truncated')}."
            raise BitstreamError(message) from error

    def _extension(self, job: Job) -> str:
        if self.settings.type is not None:
            return f".{self.settings.type}"
        return job.target.suffix if job.target != STREAM and job.target.suffix else DEFAULT_IMAGE_EXTENSION
