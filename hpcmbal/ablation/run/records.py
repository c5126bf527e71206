"""What a study keeps of each run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict

_OF_FILES = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""How records are checked when they are read."""


@dataclass(frozen=True)
class ImageResult:
    """One evaluation image coded by the trained model, rate estimated from likelihoods.

    Attributes:
        name: The image.
        bpp: Bits per pixel.
        mse: Mean squared error of values in [0, 1].
        psnr_db: Of that error.
        j: bpp + lambda 255^2 mse at the record's lambda.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _OF_FILES

    name: str
    bpp: float
    mse: float
    psnr_db: float
    j: float


@dataclass(frozen=True)
class RunRecord:
    """What one run of a study gave at one lambda and, if it has horizons, after one of them.

    Attributes:
        arm: The variant under study.
        lmbda: Weight of distortion in J.
        seed: Of initial weights, batches and quantisation noise; the same seed means the same batches in every arm.
        key: Hash of all settings that decide about the run's results.
        status: "failed" runs have a reason and no samples.
        reason: Why it failed, for people: not finite, out of memory, killed.
        steps: Optimiser steps done, those of the cool-down among them.
        seconds_per_step: Median time of a step, on whatever machine it ran.
        samples: Results by image, of the weights after the last step, or of the best that early stopping kept.
        folder: The run's folder (logs, checkpoints), relative to the study's folder.
        horizon: Steps before the cool-down; None in a study without horizons.
        stops_early: Early stopping may have ended it before the steps of its plan; it is the arm's own length then.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _OF_FILES

    arm: str
    lmbda: float
    seed: int
    key: str
    status: Literal["done", "failed"]
    reason: str | None
    steps: int
    seconds_per_step: float | None
    samples: tuple[ImageResult, ...]
    folder: str
    horizon: int | None = None
    stops_early: bool = False

    @property
    def j(self) -> float:
        """Mean of J over images; NaN without samples."""
        return self._mean("j")

    @property
    def bpp(self) -> float:
        """Mean rate over images; NaN without samples."""
        return self._mean("bpp")

    @property
    def psnr_db(self) -> float:
        """Mean of the images' PSNRs; NaN without samples."""
        return self._mean("psnr_db")

    def _mean(self, name: str) -> float:
        values = [float(getattr(sample, name)) for sample in self.samples]
        return sum(values) / len(values) if values else float("nan")
