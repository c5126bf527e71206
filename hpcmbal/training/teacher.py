"""Distillation: a frozen model of any variant that the training model is drawn towards."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hpcmbal.core.loss.bands import coarse_and_detail
from hpcmbal.core.loss.distortion import PEAK
from hpcmbal.core.loss.tasks import FIVE_TASKS, TWO_TASKS, TaskLosses
from hpcmbal.core.model import HPCM, ModelOutput
from hpcmbal.core.model.latent_codec import LATENT_STRIDE
from hpcmbal.core.model.rates import LmbdaRange
from hpcmbal.errors import SettingsError, setting
from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.store import load_network
from hpcmbal.settings.finetune import DistillSettings

if TYPE_CHECKING:
    from hpcmbal.settings import TrainSettings


class Teacher:
    """Adds to each image's task losses what separates the student from the teacher.

    ```
    x_hat        lmbda 255^2 MSE(student, teacher), split over distortion tasks as J's own error is
    y_hat        MSE of what both decoders read, in the task of the detail band
    likelihood   bits per pixel of each scale beyond the teacher's, in the scale's own rate task
    ```

    The teacher codes the same image at the student's lmbda, or at the nearest that it was trained for, with real
    rounding and without gradient: one forward pass. J and every logged part of it stay the student's own.

    Args:
        network: The teacher.
        weights: How much each kind counts; 0 leaves it out.
        student: Whose decoder's input is observed where `y_hat` counts.

    Raises:
        SettingsError: `y_hat` counts and the latents have other channels, or nothing counts.
    """

    def __init__(self, network: HPCM, weights: DistillSettings, student: HPCM) -> None:
        if not (weights.x_hat or weights.y_hat or weights.likelihood):
            raise SettingsError(f"{setting('finetune.distill')}: nothing of the teacher counts; give a weight above 0.")
        channels = network.variant.latent_channels, student.variant.latent_channels
        if weights.y_hat and channels[0] != channels[1]:
            raise SettingsError(
                f"{setting('finetune.distill')}: y_hat compares latents, and the teacher {network.variant.name} has "
                f"{channels[0]} channels, {student.variant.name} {channels[1]}. Set y_hat to 0, or change the teacher."
            )
        self.network = network.requires_grad_(False).eval()
        self.weights = weights
        self._read: dict[str, Tensor] = {}
        if weights.y_hat:
            _observe(self.network.g_s, self._read, "teacher")
            _observe(student.g_s, self._read, "student")

    def lmbda(self, lmbda: Tensor) -> Tensor:
        """The teacher's rate parameters for those of the student, `[B]`."""
        rates = self.network.rates
        return lmbda.clamp(rates.low, rates.high) if isinstance(rates, LmbdaRange) else lmbda  # one rate needs none

    def __call__(self, losses: TaskLosses, output: ModelOutput, x: Tensor, lmbda: Tensor) -> TaskLosses:
        """`losses` with the teacher's part added to what is trained.

        Args:
            losses: Of the student.
            output: Of the student for `x`.
            x: Images `[B, 3, H, W]`.
            lmbda: Of each image, `[B]`.
        """
        read = self._read.pop("student", None)
        with torch.no_grad():
            taught: ModelOutput = self.network(x, self.lmbda(lmbda))
        pixels = x.shape[-2] * x.shape[-1]
        error = (output["x_hat"] - taught["x_hat"]).float()
        scale = (self.weights.x_hat * PEAK**2 * lmbda)[:, None]
        distortions = scale * coarse_and_detail(error)
        if read is not None:
            rows, columns = x.shape[-2] // LATENT_STRIDE, x.shape[-1] // LATENT_STRIDE
            difference = (read - self._read.pop("teacher")).float()[..., :rows, :columns]
            detail = self.weights.y_hat * difference.square().mean((1, 2, 3))
            distortions = distortions + torch.stack((torch.zeros_like(detail), detail), dim=1)
        bits, own = output["scale_bits"], taught["scale_bits"]
        beyond = [
            (bits.s1 - own.s1).relu(),
            (bits.s2 - own.s2).relu(),
            (bits.s3 + bits.z - own.s3 - own.z).relu(),
        ]
        rates = self.weights.likelihood * torch.stack(beyond, dim=1) / pixels
        return replace(losses, added=_as_tasks(losses.names, distortions, rates))


def load_teacher(settings: TrainSettings, student: HPCM, device: torch.device) -> Teacher | None:
    """The teacher that the settings name, on `device`; None if they name none.

    Raises:
        CheckpointError: There is no such model.
        SettingsError: See `Teacher`.
    """
    wanted = settings.finetune.teacher
    if wanted is None:
        return None
    network = load_network(find_model(wanted)).to(device)
    if settings.training.channels_last:
        network = network.to(memory_format=torch.channels_last)
    return Teacher(network, settings.finetune.distill or DistillSettings(), student)


def _observe(module: nn.Module, read: dict[str, Tensor], name: str) -> None:
    def keep(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
        read[name] = inputs[0]

    module.register_forward_pre_hook(keep)


def _as_tasks(names: tuple[str, ...], distortions: Tensor, rates: Tensor) -> Tensor:
    """Distortions `[B, 2]` (coarse, detail) and rates `[B, 3]` in the order of the tasks, `[B, K]`."""
    if names == FIVE_TASKS:
        coarse, detail = distortions.unbind(1)
        s1, s2, s3 = rates.unbind(1)
        return torch.stack((coarse, s1, detail, s2, s3), dim=1)
    both = torch.stack((distortions.sum(1), rates.sum(1)), dim=1)
    return both if names == TWO_TASKS else both.sum(1, keepdim=True)
