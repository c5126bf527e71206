"""The rate-distortion objective J, as one task or as two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hpcmbal.core.lmbda import lmbda_of_images
from hpcmbal.core.loss.bands import coarse_and_detail, fine_energy
from hpcmbal.core.loss.distortion import distortion_parts, psnr_db_of_mse
from hpcmbal.core.loss.tasks import TOTAL_TASK, TWO_TASKS, LossRecord, TaskLosses
from hpcmbal.errors import SettingsError
from hpcmbal.settings import choices

if TYPE_CHECKING:
    from hpcmbal.core.model import ModelOutput


@dataclass(frozen=True)
class Measurement:
    """Everything that a decomposition may use; graph attached unless said otherwise.

    Attributes:
        rates: Bits per pixel of s1, s2, s3 and z, `[B, 4]`.
        distortions: lmbda times the distortion in the coarse band and in the detail band, `[B, 2]`.
        bands: Mean squared error in both bands, `[B, 2]`, no graph.
        fine: The part of the detail band's that lies inside 2x2 blocks, `[B]`, no graph.
        ms_ssim: `[B]`, no graph, or None.
    """

    rates: Tensor
    distortions: Tensor
    bands: Tensor
    fine: Tensor
    ms_ssim: Tensor | None


@dataclass(frozen=True)
class ImageWeighting:
    """Weighs images of different lmbda: J of an image grows with lmbda, and large ones would own the gradient.

    Attributes:
        power: Images count `(middle / lmbda) ** power`; 0: all alike.
        middle: The lmbda whose images count one.
    """

    power: float = 0.0
    middle: float = 1.0

    def __call__(self, lmbda: Tensor) -> Tensor:
        """Weights `[B]` of images with rate parameters `lmbda` `[B]`."""
        return (self.middle / lmbda) ** self.power


EQUAL_WEIGHTS = ImageWeighting()


class RateDistortionLoss(nn.Module):
    """J = R + lmbda D per image, R in bits per pixel of the image; then the mean over the batch.

    D is `255^2 MSE` or `1 - MS-SSIM` (see `distortion_parts`). Everything is computed in float32 at least, whatever
    autocast made of the reconstruction.

    Args:
        metric: "mse" or "ms-ssim".
        tasks: "total" for one task, "two" for (distortion, bpp); for five see `HierarchicalLoss`.
        weighting: How much each image counts in what is trained.

    Raises:
        SettingsError: The metric or the tasks are unknown.
    """

    def __init__(self, *, metric: str = "mse", tasks: str = "total", weighting: ImageWeighting = EQUAL_WEIGHTS) -> None:
        super().__init__()
        check_choice("metric", metric, choices.METRICS)
        check_choice("tasks", tasks, ("total", "two"))
        self.metric = metric
        self.weighting = weighting
        self.names: tuple[str, ...] = TOTAL_TASK if tasks == "total" else TWO_TASKS

    def forward(self, output: ModelOutput, x: Tensor, lmbda: Tensor | float) -> TaskLosses:
        """Losses of one batch.

        Args:
            output: What the model returned for `x`.
            x: Images `[B, 3, H, W]` in [0, 1], not padded.
            lmbda: Weight of the distortion, positive: one number for all images, or one for each, `[B]`.

        Raises:
            SettingsError: `lmbda` is neither, or the metric does not exist for images so small.
        """
        lmbda = lmbda_of_images(lmbda, x)
        measured = self.measure(output, x, lmbda)
        return self.task_losses(measured, lmbda)

    def task_losses(self, measured: Measurement, lmbda: Tensor, auxiliary: Tensor | None = None) -> TaskLosses:
        """What was measured as tasks, with the weight of each image."""
        per_image = self.split(measured)
        return TaskLosses(self.names, per_image, self.weighting(lmbda.to(per_image)), self.record(measured), auxiliary)

    def split(self, measured: Measurement) -> Tensor:
        """Task losses of each image `[B, K]`; their sum over tasks is the image's J."""
        parts = torch.stack((measured.distortions.sum(1), measured.rates.sum(1)), dim=1)
        return parts if self.names == TWO_TASKS else parts.sum(1, keepdim=True)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameter groups of what the loss itself learns, with their own learning rate, for the optimiser."""
        return []

    def measure(self, output: ModelOutput, x: Tensor, lmbda: Tensor) -> Measurement:
        """Rates and weighted distortions of each image."""
        dtype = torch.promote_types(output["x_hat"].dtype, torch.float32)
        with torch.autocast(x.device.type, enabled=False):
            x_hat, x, lmbda = output["x_hat"].to(dtype), x.to(dtype), lmbda.to(x.device, dtype)
            error = x_hat - x
            bands = coarse_and_detail(error)
            parts, similarity = distortion_parts(self.metric, x_hat, x, bands)
            rates = torch.stack(list(output["scale_bits"]), dim=1).to(dtype) / (x.shape[-2] * x.shape[-1])
        return Measurement(rates, lmbda[:, None] * parts, bands.detach(), fine_energy(error.detach()), similarity)

    @torch.no_grad()
    def record(self, measured: Measurement) -> LossRecord:
        """Batch means for the logs."""
        rates = measured.rates.mean(0)
        distortion = measured.distortions.sum(1).mean()
        shares = distortion_shares(measured)
        return LossRecord(
            j=rates.sum() + distortion,
            bpp=rates.sum(),
            bpp_s1=rates[0],
            bpp_s2=rates[1],
            bpp_s3=rates[2],
            bpp_z=rates[3],
            mse=measured.bands.sum(1).mean(),
            psnr_db=psnr_db_of_mse(measured.bands.sum(1)).mean(),
            ms_ssim=None if measured.ms_ssim is None else measured.ms_ssim.mean(),
            distortion=distortion,
            distortion_share_s1=shares[0],
            distortion_share_s2=shares[1],
            distortion_share_s3=shares[2],
        )


@torch.no_grad()
def distortion_shares(measured: Measurement) -> Tensor:
    """Shares of the batch's squared error in the coarse, middle and fine band, `[3]`; zeros if there is no error."""
    fine = torch.minimum(measured.fine, measured.bands[:, 1])
    energies = torch.stack((measured.bands[:, 0], measured.bands[:, 1] - fine, fine), dim=1).sum(0)
    return energies / energies.sum().clamp_min(torch.finfo(energies.dtype).tiny)


def check_choice(parameter: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise `SettingsError` unless `value` is one of `allowed`."""
    if value not in allowed:
        raise SettingsError(f"Unknown {parameter} '{value}' of the loss. Choose one of: {', '.join(allowed)}.")
