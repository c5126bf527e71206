"""`--total`: one quality at which many files together reach a target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hpcmbal.codec.coding_options import coding_options
from hpcmbal.codec.files.job import Job, read_source
from hpcmbal.codec.header import RATE_STEPS
from hpcmbal.codec.targets import search_rate
from hpcmbal.errors import HpcmbalError
from hpcmbal.settings.coding import TARGETS, CompressSettings

if TYPE_CHECKING:
    from hpcmbal.codec.codec_model import CodecModel
    from hpcmbal.codec.learned import LearnedEncoder

KEPT_PIXELS = 1 << 26
"""Pictures of up to so many pixels together stay in memory with their latents, about 600 MiB; the others are read and
analysed again at every trial."""
NO_TARGET: dict[str, object] = dict.fromkeys(TARGETS)
"""The settings that a quality replaces."""


def common_quality(jobs: Sequence[Job], settings: CompressSettings, model: CodecModel) -> float:
    """The best quality at which all files together are within the target.

    Files that cannot be read take no part; they fail when they are compressed.

    Raises:
        SettingsError: The model has one rate, or no quality reaches the target.
    """
    target = coding_options(settings).target
    if target is None:
        raise ValueError("common_quality needs a target")
    files = _Files(jobs, settings, model)
    return search_rate(model, files.total_bytes, target, files.pixels)[0] / RATE_STEPS


class _Files:
    """The files of a batch, whose sizes are measured at one rate after another."""

    def __init__(self, jobs: Sequence[Job], settings: CompressSettings, model: CodecModel) -> None:
        self._settings = settings
        self._model = model
        self._kept: dict[Job, LearnedEncoder] = {}
        self._exact_bytes: dict[Job, int | None] = {}
        self.pixels = 0
        kept_pixels = 0
        for job in jobs:
            try:
                encoder = self._encoder(job)
            except (HpcmbalError, OSError):
                continue
            height, width = encoder.picture.pixels.shape[:2]
            self.pixels += height * width
            self._exact_bytes[job] = None if settings.lossy else _exact_bytes(encoder)
            if kept_pixels + height * width <= KEPT_PIXELS:
                self._kept[job] = encoder
                kept_pixels += height * width

    def total_bytes(self, rate: int) -> float:
        """Of all files at a rate; drawn pictures count as what they become."""
        from hpcmbal.codec.bitstream import write_container

        total = 0
        for job, exact in self._exact_bytes.items():
            encoder = self._kept.get(job) or self._encoder(job)
            learned = len(write_container(encoder.encode(rate).container))
            total += learned if exact is None else min(learned, exact)
        return total

    def _encoder(self, job: Job) -> LearnedEncoder:
        from hpcmbal.codec.learned import LearnedEncoder
        from hpcmbal.images.image_file import read_picture

        data = read_source(job.source)
        picture = read_picture(data, str(job.source), pixel_limit=self._settings.max_pixels)
        return LearnedEncoder(picture, self._model, self._settings.precision)


def _exact_bytes(encoder: LearnedEncoder) -> int | None:
    from hpcmbal.codec.codec import exact_if_drawn

    exact = exact_if_drawn(encoder.picture)
    return None if exact is None else len(exact.data)
