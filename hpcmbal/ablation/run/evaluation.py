"""What a run's final weights do with the evaluation images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from hpcmbal.ablation.run.records import ImageResult
from hpcmbal.core.device import choose_device
from hpcmbal.core.loss import RateDistortionLoss
from hpcmbal.data import ImageSource
from hpcmbal.errors import NumericalError
from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.store import load_network
from hpcmbal.settings import TrainSettings
from hpcmbal.training.validation import score_images


def evaluate_run(
    folder: Path, settings: TrainSettings, images: ImageSource, lambdas: Sequence[float]
) -> dict[float, tuple[ImageResult, ...]]:
    """Code every image, whole, with the weights of the run's newest checkpoint, at each of `lambdas`.

    The checkpoint's weights are the moving average where there is one. Rates are estimated from likelihoods;
    reconstructions are clamped to [0, 1] and not rounded, as in validations, so that small differences show.

    Args:
        folder: Of the run, or of a cooled-down copy of it.
        settings: Of the run.
        images: To be coded.
        lambdas: Weights of distortion; of a model of one rate the one that it was trained for.

    Returns:
        The results by lambda, one for each image.

    Raises:
        NumericalError: The network gave NaN or infinity.
        DataError: An image cannot be read.
        CheckpointError: The checkpoint cannot be read.
    """
    model = load_network(find_model(folder)).to(choose_device(settings.training.device))
    loss = RateDistortionLoss(metric=settings.loss.metric)
    samples: dict[float, list[ImageResult]] = {lmbda: [] for lmbda in lambdas}
    for turn, (name, values) in enumerate(score_images(model, loss, images, lambdas)):
        kept = {key: float(values[key]) for key in ("bpp", "mse", "psnr_db", "j")}
        if not all(map(math.isfinite, kept.values())):
            raise NumericalError(f"The trained network gave NaN or infinity for {name}: the training diverged.")
        samples[lambdas[turn % len(lambdas)]].append(ImageResult(_short_name(name, settings.data.val), **kept))
    return {lmbda: tuple(found) for lmbda, found in samples.items()}


def image_names(settings: TrainSettings, images: ImageSource) -> tuple[str, ...]:
    """What records call the evaluation images."""
    return tuple(_short_name(images.name(index), settings.data.val) for index in range(len(images)))


def _short_name(name: str, folder: Path | None) -> str:
    """An image's name without the folder, which differs from machine to machine."""
    return name if folder is None else Path(name).relative_to(folder).as_posix()
