"""Coding the validation images with the weights of the moment, rates estimated from likelihoods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import nn

from hpcmbal.core.loss import RateDistortionLoss
from hpcmbal.core.model.estimate import estimate
from hpcmbal.data import ImageSource, validation_images
from hpcmbal.settings import TrainSettings
from hpcmbal.training.early_stopping import scale_losses
from hpcmbal.training.rates import trained_rates

VARIABLE_RATE_POINTS = 5
"""How many lmbdas, log-uniform over the range, a variable-rate model is validated at; metrics are means over them."""


class Score(NamedTuple):
    """What one image costs at one lmbda.

    Attributes:
        name: The image's.
        values: The loss's record: J, bpp, mse, PSNR and their parts.
    """

    name: str
    values: dict[str, float]


def validation_lmbdas(settings: TrainSettings) -> list[float]:
    """The lmbdas at which a run is validated."""
    return trained_rates(settings).spread(VARIABLE_RATE_POINTS)


def score_images(
    model: nn.Module, loss: RateDistortionLoss, source: ImageSource, lmbdas: Sequence[float]
) -> Iterator[Score]:
    """Code every image, whole, at every lmbda; reconstructions are clamped to [0, 1] and not rounded to 8 bits.

    Raises:
        DataError: An image cannot be read.
    """
    device = next(model.parameters()).device
    for item in validation_images(source):
        x = item.image.to(device)
        for lmbda in lmbdas:
            weight = torch.full((1,), lmbda, device=device)
            with torch.no_grad():
                losses = loss(estimate(model, x, weight), x, weight)
            yield Score(item.name, losses.record.scalars())


def validate(model: nn.Module, loss: RateDistortionLoss, source: ImageSource, lmbdas: list[float]) -> dict[str, float]:
    """Mean J, its part of each scale, bpp and PSNR over images and lmbdas; see `score_images` and `scale_losses`.

    Raises:
        DataError: An image cannot be read.
    """
    totals: dict[str, float] = {}
    count = 0
    for _, values in score_images(model, loss, source, lmbdas):
        for name, value in {**values, **scale_losses(values)}.items():
            totals[name] = totals.get(name, 0.0) + value
        count += 1
    return {name: total / count for name, total in totals.items()}
