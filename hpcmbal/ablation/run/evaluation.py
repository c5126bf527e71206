"""What a run's final weights do with the evaluation images."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from hpcmbal.ablation.run.records import Sample
from hpcmbal.core.loss import RateDistortionLoss
from hpcmbal.data import ImageSource, validation_images
from hpcmbal.errors import NumericalError
from hpcmbal.model_files.store import load_model
from hpcmbal.settings import TrainSettings
from hpcmbal.training.distributed import choose_device


@torch.inference_mode()
def evaluate_run(folder: Path, settings: TrainSettings, images: ImageSource) -> tuple[Sample, ...]:
    """Code every image, whole, with the weights of the run's newest checkpoint, at the run's lambda.

    The checkpoint's weights are the moving average where there is one. Rates are estimated from likelihoods;
    reconstructions are clamped to [0, 1] and not rounded, as in validations, so that small differences show.

    Raises:
        NumericalError: The network gave NaN or infinity.
        DataError: An image cannot be read.
        CheckpointError: The checkpoint cannot be read.
    """
    device = choose_device(settings.training.device)
    model = load_model(folder).to(device).eval()
    loss = RateDistortionLoss(metric=settings.loss.metric)
    lmbda = torch.full((1,), settings.loss.lmbda, device=device)
    samples = []
    for item in validation_images(images):
        x = item.image.to(device)
        output = model(x, lmbda if model.rate_gains is not None else None)
        output["x_hat"] = output["x_hat"].clamp(0, 1)
        values = loss(output, x, lmbda).record.scalars()
        sample = Sample(
            _short_name(item.name, settings.data.val),
            **{name: float(values[name]) for name in ("bpp", "mse", "psnr_db", "j")},
        )
        if not all(math.isfinite(value) for value in (sample.bpp, sample.mse, sample.psnr_db, sample.j)):
            raise NumericalError(f"The trained network gave NaN or infinity for {item.name}: the training diverged.")
        samples.append(sample)
    return tuple(samples)


def _short_name(name: str, folder: Path | None) -> str:
    """An image's name without the folder, which differs from machine to machine."""
    return name if folder is None else Path(name).relative_to(folder).as_posix()
