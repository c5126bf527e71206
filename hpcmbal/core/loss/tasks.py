"""The task losses of one batch, and the record of it that goes to the logs."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

TOTAL_TASK = ("total",)
TWO_TASKS = ("distortion", "bpp")
FIVE_TASKS = ("s1_distortion", "s1_bpp", "s2_distortion", "s2_bpp", "s3_bpp")
"""Names of the tasks in the order in which every tensor of tasks holds them."""


@dataclass(frozen=True)
class LossRecord:
    """What a batch cost, as 0-dim tensors without a graph; means over the images of the batch.

    Attributes:
        j: The objective J, bits per pixel plus weighted distortion.
        bpp: Bits per pixel of the image (padding is coded but not counted as pixels).
        bpp_s1, bpp_s2, bpp_s3, bpp_z: Its parts: latents coded in each scale, and the hyperprior.
        mse: Mean squared error of pixels in [0, 1], before clamping.
        psnr_db: Mean over images of `-10 log10(mse)`, at most 100 dB.
        ms_ssim: MS-SSIM in [0, 1]; None when the metric is MSE, where it is not computed.
        distortion: lmbda times the distortion, the second part of J.
        distortion_share_s1, distortion_share_s2, distortion_share_s3: Shares of the squared error in 4x4 block means,
            in 2x2 block means beyond those, and in what is left. They sum to one (to zero if the error is exactly
            zero).
    """

    j: Tensor
    bpp: Tensor
    bpp_s1: Tensor
    bpp_s2: Tensor
    bpp_s3: Tensor
    bpp_z: Tensor
    mse: Tensor
    psnr_db: Tensor
    ms_ssim: Tensor | None
    distortion: Tensor
    distortion_share_s1: Tensor
    distortion_share_s2: Tensor
    distortion_share_s3: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """The fields that were measured, by name."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}

    def scalars(self) -> dict[str, float]:
        """The fields that were measured as floats; waits for the device once."""
        tensors = self.tensors()
        values: list[float] = torch.stack([value.double() for value in tensors.values()]).tolist()
        return dict(zip(tensors, values, strict=True))


@dataclass(frozen=True)
class TaskLosses:
    """Losses of one batch.

    Attributes:
        names: Names of the K tasks.
        per_image: Task losses of each image `[B, K]`, graph attached; over tasks they sum to the image's J. Images may
            have different lmbda.
        image_weights: How much each image counts in what is trained, `[B]`; the record knows nothing of it.
        record: For the logs.
        auxiliary: A scalar that fits parameters of the loss itself (learned shares) and reaches no other parameter;
            None if the loss learns nothing. Call `backward()` on it beside that of the tasks.
        added: What else is trained, by image and task `[B, K]`, graph attached (distillation); no part of J.
    """

    names: tuple[str, ...]
    per_image: Tensor
    image_weights: Tensor
    record: LossRecord
    auxiliary: Tensor | None = None
    added: Tensor | None = None

    @property
    def weighted(self) -> Tensor:
        """Task losses of each image, with what is added, times the image's weight `[B, K]`, graph attached."""
        trained = self.per_image if self.added is None else self.per_image + self.added
        return trained * self.image_weights[:, None]

    @property
    def tasks(self) -> Tensor:
        """What is trained: batch means of the weighted task losses `[K]`, graph attached; they sum to J at weight 1."""
        return self.weighted.mean(0)

    @property
    def total(self) -> Tensor:
        """The sum of `tasks` as a scalar, graph attached."""
        return self.tasks.sum()

    def scalars(self) -> dict[str, float]:
        """The record's floats and, under their names, the task losses, unweighted."""
        values: list[float] = self.per_image.detach().double().mean(0).tolist()
        return self.record.scalars() | dict(zip(self.names, values, strict=True))
