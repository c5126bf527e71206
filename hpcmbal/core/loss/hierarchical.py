"""J as five tasks, one distortion and one rate for each scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hpcmbal.core.lmbda import lmbda_of_images
from hpcmbal.core.loss.rate_distortion import (
    EQUAL_WEIGHTS,
    ImageWeighting,
    Measurement,
    RateDistortionLoss,
    check_choice,
    distortion_shares,
)
from hpcmbal.core.loss.tasks import FIVE_TASKS, TaskLosses

if TYPE_CHECKING:
    from hpcmbal.core.model import ModelOutput

FIXED_DISTORTION_SHARES = (0.40, 0.35, 0.25)
FIXED_RATE_SHARES = (0.30, 0.40, 0.30)
"""Shares of s1, s2, s3 that the prototype had written in; where the learned ones start."""


class HierarchicalLoss(RateDistortionLoss):
    """Five tasks that sum to J: s1_distortion, s1_bpp, s2_distortion, s2_bpp, s3_bpp.

    ```
                 measured                              fixed
    s1_distortion  lmbda D in 4x4 block means            0.40 lmbda D
    s2_distortion  lmbda D in the rest                   0.60 lmbda D   (its 0.35 and the 0.25 of s3)
    s1_bpp         latents coded in s1                   0.30 R
    s2_bpp         latents coded in s2                   0.40 R
    s3_bpp         latents coded in s3, and z            0.30 R
    ```

    Args:
        metric: "mse" or "ms-ssim".
        decomposition: "measured" or "fixed"; for "learned" see `AdaptiveHierarchicalLoss`.
        weighting: How much each image counts in what is trained.
    """

    fixed_distortion_shares: Tensor
    fixed_rate_shares: Tensor

    def __init__(
        self, *, metric: str = "mse", decomposition: str = "measured", weighting: ImageWeighting = EQUAL_WEIGHTS
    ) -> None:
        super().__init__(metric=metric, weighting=weighting)
        check_choice("decomposition", decomposition, ("measured", "fixed"))
        self.decomposition = decomposition
        self.names = FIVE_TASKS
        # Buffers, so that they lie on the device: to send them there in every step would make the host wait.
        for name, shares in (("distortion", FIXED_DISTORTION_SHARES), ("rate", FIXED_RATE_SHARES)):
            buffer = torch.tensor(shares, dtype=torch.float64)
            self.register_buffer(f"fixed_{name}_shares", buffer, persistent=False)

    def split(self, measured: Measurement) -> Tensor:
        """Task losses of each image `[B, 5]`."""
        if self.decomposition == "measured":
            return _in_task_order(measured.distortions, measured_rates(measured))
        like = measured.rates
        return split_by_shares(measured, self.fixed_distortion_shares.to(like), self.fixed_rate_shares.to(like))


class AdaptiveHierarchicalLoss(HierarchicalLoss):
    """Five tasks by learned shares: softmax parameters fitted to the measured shares by cross-entropy.

    The shares are a running fit: the same for all images and changing slowly, where the measured ones jump from batch
    to batch. They receive no gradient from the tasks, only from `TaskLosses.auxiliary`; under balancing they would
    otherwise learn to move the loss to wherever the weights are small.

    Args:
        metric: "mse" or "ms-ssim".
        share_learning_rate: Learning rate of the shares' logits.
        weighting: How much each image counts in what is trained.
    """

    def __init__(
        self, *, metric: str = "mse", share_learning_rate: float = 1e-3, weighting: ImageWeighting = EQUAL_WEIGHTS
    ) -> None:
        super().__init__(metric=metric, weighting=weighting)
        self.share_learning_rate = share_learning_rate
        self.distortion_share_logits = nn.Parameter(torch.tensor(FIXED_DISTORTION_SHARES).log())
        self.rate_share_logits = nn.Parameter(torch.tensor(FIXED_RATE_SHARES).log())

    def forward(self, output: ModelOutput, x: Tensor, lmbda: Tensor | float) -> TaskLosses:
        """Losses of one batch, with the shares' cross-entropy as `auxiliary`."""
        lmbda = lmbda_of_images(lmbda, x)
        measured = self.measure(output, x, lmbda)
        return self.task_losses(measured, lmbda, self.fit(measured))

    def split(self, measured: Measurement) -> Tensor:
        """Task losses of each image `[B, 5]`."""
        distortion = self.distortion_share_logits.detach().to(measured.rates).softmax(0)
        rate = self.rate_share_logits.detach().to(measured.rates).softmax(0)
        return split_by_shares(measured, distortion, rate)

    def fit(self, measured: Measurement) -> Tensor:
        """Cross-entropy of the shares against the batch's measured ones, scalar."""
        rates = measured_rates(measured).detach().sum(0)
        targets = (distortion_shares(measured), rates / rates.sum().clamp_min(torch.finfo(rates.dtype).tiny))
        logits = (self.distortion_share_logits, self.rate_share_logits)
        pairs = zip(targets, logits, strict=True)
        return torch.stack([-(target.to(logit) * logit.log_softmax(0)).sum() for target, logit in pairs]).sum()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """One group with the shares' logits, their own learning rate and no weight decay."""
        return [{"params": list(self.parameters()), "lr": self.share_learning_rate, "weight_decay": 0.0}]


def measured_rates(measured: Measurement) -> Tensor:
    """Bits per pixel of s1, s2 and of s3 with z, `[B, 3]`."""
    return torch.cat((measured.rates[:, :2], measured.rates[:, 2:].sum(1, keepdim=True)), dim=1)


def split_by_shares(measured: Measurement, distortion: Tensor, rate: Tensor) -> Tensor:
    """Task losses `[B, 5]` that take fixed shares `[3]` of each image's distortion and rate."""
    two = torch.stack((distortion[0], distortion[1:].sum()))
    return _in_task_order(measured.distortions.sum(1, keepdim=True) * two, measured.rates.sum(1, keepdim=True) * rate)


def _in_task_order(distortions: Tensor, rates: Tensor) -> Tensor:
    """`[B, 2]` distortions and `[B, 3]` rates to `[B, 5]` in the order of `FIVE_TASKS`."""
    columns = (distortions[:, 0], rates[:, 0], distortions[:, 1], rates[:, 1], rates[:, 2])
    return torch.stack(columns, dim=1)
