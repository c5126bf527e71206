"""A toy problem: studies whose true differences are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from hpcmbal.ablation.run.records import ImageResult, RunRecord


@dataclass(frozen=True)
class Noise:
    """Standard deviations of log J.

    Attributes:
        shared: What a seed does to all arms at a lambda: batches, initial weights.
        seed: What it does to one arm at all lambdas.
        run: What is left, in every run.
    """

    shared: float = 0.05
    seed: float = 0.006
    run: float = 0.006


def toy_study(
    rng: np.random.Generator,
    effects: Mapping[str, float],
    *,
    seeds: int,
    lambdas: Sequence[float] = (0.0067, 0.013),
    noise: Noise | None = None,
    images: int = 1,
) -> list[RunRecord]:
    """Records of a study in which log J of an arm is lower or higher by its `effect`, and log BD-rate by twice that.

    Rate and distortion are halves of J = sqrt(lambda), so that rate is proportional to 1 / MSE: a straight line of PSNR
    over log rate. A change by e of both moves the rate at equal PSNR by 2e.
    """
    noise = noise or Noise()
    records = []
    for seed in range(seeds):
        shared = rng.normal(0, noise.shared, len(lambdas))
        for arm, effect in effects.items():
            own = effect + rng.normal(0, noise.seed)
            for lmbda, common in zip(lambdas, shared, strict=True):
                half = math.sqrt(lmbda) * math.exp(common + own + rng.normal(0, noise.run))
                samples = tuple(_sample(i, half * size, lmbda) for i, size in enumerate(_sizes(images)))
                key, folder = f"{arm} {lmbda} {seed}", f"runs/{arm}/lmbda-{lmbda:g}/seed-{seed}"
                records.append(RunRecord(arm, lmbda, seed, key, "done", None, 100, 0.2, samples, folder))
    return records


def _sizes(images: int) -> list[float]:
    return [1 + 0.4 * (index - (images - 1) / 2) / images for index in range(images)]


def _sample(index: int, half: float, lmbda: float) -> ImageResult:
    mse = half / (lmbda * 255**2)
    return ImageResult(f"{index}.png", half, mse, -10 * math.log10(mse), 2 * half)


@pytest.fixture
def study() -> Callable[..., list[RunRecord]]:
    return toy_study


@pytest.fixture
def noise() -> type[Noise]:
    return Noise
