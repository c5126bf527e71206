"""What a study keeps of each run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Sample:
    """One evaluation image coded by the trained model, rate estimated from likelihoods.

    Attributes:
        name: The image.
        bpp: Bits per pixel.
        mse: Mean squared error of values in [0, 1].
        psnr_db: Of that error.
        j: bpp + lambda 255^2 mse at the run's lambda.
    """

    name: str
    bpp: float
    mse: float
    psnr_db: float
    j: float


@dataclass(frozen=True)
class RunRecord:
    """How one run of a study ended.

    Attributes:
        arm: The variant under study.
        lmbda: Weight of distortion in J.
        seed: Of initial weights, batches and quantisation noise; the same seed means the same batches in every arm.
        key: Hash of all settings that decide about the result.
        status: "failed" runs have a reason and no samples.
        reason: Why it failed, for people: not finite, out of memory, killed.
        steps: Optimiser steps done.
        seconds_per_step: Median time of a step, on whatever machine it ran.
        samples: Results by image, of the weights after the last step.
        folder: The run's folder (logs, checkpoints), relative to the study's folder.
    """

    arm: str
    lmbda: float
    seed: int
    key: str
    status: Literal["done", "failed"]
    reason: str | None
    steps: int
    seconds_per_step: float | None
    samples: tuple[Sample, ...]
    folder: str

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
