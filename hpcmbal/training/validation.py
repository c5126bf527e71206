"""Coding the validation images with the weights of the moment, rates estimated from likelihoods."""

from __future__ import annotations

import torch
from torch import nn

from hpcmbal.core.loss import RateDistortionLoss
from hpcmbal.core.model import ModelOutput
from hpcmbal.data import ImageSource, validation_images
from hpcmbal.settings import TrainSettings

VARIABLE_RATE_POINTS = 5
"""How many lmbdas, log-uniform over the range, a variable-rate model is validated at; metrics are means over them."""


def validation_lmbdas(settings: TrainSettings) -> list[float]:
    """The lmbdas at which a run is validated."""
    if not settings.loss.variable_rate:
        return [settings.loss.lmbda]
    low, high = settings.lmbda_range
    return [low * (high / low) ** (i / (VARIABLE_RATE_POINTS - 1)) for i in range(VARIABLE_RATE_POINTS)]


@torch.no_grad()
def validate(model: nn.Module, loss: RateDistortionLoss, source: ImageSource, lmbdas: list[float]) -> dict[str, float]:
    """Mean J, bpp and PSNR over images and lmbdas; images whole, reconstructions clamped to [0, 1].

    The model is put into evaluation mode and back.

    Raises:
        DataError: An image cannot be read.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    totals: dict[str, float] = {}
    count = 0
    for item in validation_images(source):
        x = item.image.to(device)
        for lmbda in lmbdas:
            weight = torch.full((1,), lmbda, device=device)
            output: ModelOutput = model(x, weight)
            output["x_hat"] = output["x_hat"].clamp(0, 1)
            for name, value in loss(output, x, weight).record.scalars().items():
                totals[name] = totals.get(name, 0.0) + value
            count += 1
    model.train(was_training)
    return {name: total / count for name, total in totals.items()}
