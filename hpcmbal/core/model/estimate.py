"""Whole images through a network with rates from likelihoods: the one way to evaluate without writing a file."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hpcmbal.core.model.hpcm import ModelOutput
from hpcmbal.errors import NumericalError


@torch.no_grad()
def estimate(model: nn.Module, x: Tensor, lmbda: Tensor | float | None = None) -> ModelOutput:
    """What `HPCM.forward` gives for whole images: really rounded, and with `x_hat` clamped to [0, 1].

    The model is put into evaluation mode and back. No inference mode: what the model keeps, such as coding plans, would
    be useless for training afterwards.

    Args:
        model: An `HPCM`.
        x: Images `[B, 3, H, W]` in [0, 1], any size, on the model's device.
        lmbda: See `HPCM.forward`.
    """
    was_training = model.training
    model.eval()
    try:
        output: ModelOutput = model(x, lmbda)
    finally:
        model.train(was_training)
    output["x_hat"] = output["x_hat"].clamp(0, 1)
    return output


def check_finite(output: ModelOutput, what: str) -> None:
    """Raise `NumericalError` if the network gave NaN or infinity for `what`."""
    if not bool(output["x_hat"].isfinite().all() & output["scale_bits"].total().isfinite().all()):
        raise NumericalError(
            f"The model gave NaN or infinity for {what}. Its training diverged: take an earlier checkpoint."
        )
