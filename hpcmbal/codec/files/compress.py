"""`compress_files`: images to `.hpcm` files, what `hpcmbal compress` does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpcmbal.codec.coding_options import coding_options
from hpcmbal.codec.files.batch import Batch, Watcher, run_batch, run_batch_on
from hpcmbal.codec.files.job import STREAM, Job, Outcome, read_source, write_target
from hpcmbal.codec.files.plan import Naming, Plan, plan_jobs
from hpcmbal.codec.files.total import NO_TARGET, common_quality
from hpcmbal.codec.targets import check_variable
from hpcmbal.errors import BitstreamError
from hpcmbal.images.formats import EXTENSION
from hpcmbal.output_checks import check_no_input
from hpcmbal.settings.coding import CompressSettings
from hpcmbal.settings.section import expanded

if TYPE_CHECKING:
    from hpcmbal.codec.codec_model import CodecModel
    from hpcmbal.images.picture import Picture


def compress_files(settings: CompressSettings, watcher: Watcher | None = None) -> Batch:
    """Compress image files to `.hpcm` files; orientation is applied, alpha, ICC profile and EXIF are kept.

    Args:
        settings: Which files, where to, and how; one for `.inputs` is enough.
        watcher: Is told how it goes on.

    Returns:
        What became of every file; files that failed have an error in their outcome.

    Raises:
        SettingsError: The output does not suit the inputs, the model has one rate, or there is no such device.
        DataError: A folder holds no picture, or an output would be an input.
        CheckpointError: There is no such model.
    """
    from hpcmbal.images.formats import source_extensions
    from hpcmbal.images.guard import check_no_result

    watcher = watcher or Watcher()
    naming = Naming(
        reads=lambda name: Path(name).suffix in source_extensions(),
        ignores=lambda name: name.endswith(EXTENSION),
        extension_of=lambda _: EXTENSION,
        writes=(EXTENSION,),
        check_start=check_no_result,
    )
    plan = plan_jobs(settings, naming)
    if not plan.jobs:
        return Batch((), plan)
    if not settings.lossless:
        from hpcmbal.model_files.find import find_model

        targets = [job.target for job in plan.jobs if job.target != STREAM]
        check_no_input(targets, [find_model(settings.model)])
    if settings.engine == "ray":
        return _on_cluster(settings, watcher, plan)
    work = Compression(settings, settings.device, watcher.worked if len(plan.jobs) == 1 else None)
    work.check()
    if settings.total:
        quality = common_quality(plan.jobs, settings, work.needed_model())
        work = dataclasses.replace(work, settings=settings.model_copy(update={**NO_TARGET, "quality": quality}))
    return run_batch(plan, work, watcher, force=settings.force, workers=settings.workers)


def _on_cluster(settings: CompressSettings, watcher: Watcher, plan: Plan) -> Batch:
    from hpcmbal.engines.ray_engine import RayEngine

    cpus, gpus = settings.cpus_per_task, settings.gpus_per_task
    if settings.model is not None and Path(settings.model).exists():
        settings = settings.model_copy(update={"model": str(expanded(Path(settings.model)).absolute())})
    work = Compression(settings, settings.task_device)
    dataclasses.replace(work, device="cpu").check()  # the driver may have no GPU
    with RayEngine(settings.address, cpus, gpus) as engine:
        return run_batch_on(engine, plan, work, watcher, force=settings.force)


@dataclass(frozen=True)
class Compression:
    """Compress one file; small, so that it can be sent to other processes, each of which loads the model once."""

    settings: CompressSettings
    device: str
    progress: Callable[[float], None] | None = None

    def __call__(self, job: Job) -> Outcome:
        """Read, compress, write.

        Raises:
            HpcmbalError: The picture, the model or the device cannot be used.
            OSError: The file cannot be written.
        """
        from hpcmbal.codec.codec import code_picture
        from hpcmbal.images.image_file import read_picture

        settings, model = self.settings, self.model()
        source = read_source(job.source)
        picture = read_picture(source, str(job.source), pixel_limit=settings.max_pixels)
        coded = code_picture(picture, model, coding_options(settings), self.progress)
        psnr_db = _verified_psnr_db(coded.data, picture, model, settings.max_pixels) if settings.verify else None
        write_target(job, coded.data)
        height, width = picture.pixels.shape[:2]
        quality = coded.quality if settings.target or settings.total else None
        size = len(coded.data)
        return Outcome(job, len(source), size, size, height * width, psnr_db, quality, coded.lossless)

    def check(self) -> None:
        """Load the model here, so that a wrong one is one error, and not one for each file.

        Raises:
            CheckpointError: There is no such model.
            SettingsError: It has no such quality, or there is no such device.
        """
        coding_options(self.settings)
        model = self.model()
        if model is not None and self.settings.target is None:
            model.rate_of(self.settings.quality)
        elif model is not None:
            check_variable(model, self.settings.target)

    def model(self) -> CodecModel | None:
        """The model, which stays in memory; None if none is needed."""
        return None if self.settings.lossless else self.needed_model()

    def needed_model(self) -> CodecModel:
        """The model."""
        from hpcmbal.codec.codec_model import load_codec_model
        from hpcmbal.core.device import choose_device

        return load_codec_model(self.settings.model, device=str(choose_device(self.device)))


def _verified_psnr_db(data: bytes, picture: Picture, model: CodecModel | None, max_pixels: int | None) -> float:
    """PSNR of what `data` decodes to, over all channels."""
    import numpy as np

    from hpcmbal.codec.bitstream import read_container
    from hpcmbal.codec.codec import decompress_container
    from hpcmbal.images.psnr import psnr_db

    decoded = decompress_container(read_container(data, pixel_limit=max_pixels), model)
    metadata = [(found.icc, found.exif, found.xmp) for found in (decoded, picture)]
    alphas = [np.empty(0) if found.alpha is None else found.alpha for found in (decoded, picture)]
    if metadata[0] != metadata[1] or not np.array_equal(alphas[0], alphas[1]):
        raise BitstreamError("The file does not give alpha, ICC profile, EXIF or XMP back. Please report this.")
    return psnr_db(picture.pixels, decoded.pixels)
