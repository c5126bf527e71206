"""One plug-in of each kind, as another package would write it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from hpcmbal.core.loss import ImageWeighting, RateDistortionLoss
from hpcmbal.core.optim import ParameterKinds
from hpcmbal.evaluation.codecs.image_codec import CodedImage, timed_round_trip
from hpcmbal.settings import BalancingSettings, LossSettings, OptimizerSettings, ScheduleSettings


def build_sgd(settings: OptimizerSettings, parameters: ParameterKinds) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum."""
    momentum = settings.options.get("momentum", 0.9)
    return torch.optim.SGD(parameters.groups(), lr=settings.learning_rate, momentum=momentum)


class FixedShares:
    """Weights the tasks by `balancing.options.first` and equal shares of the rest."""

    compares_gradients = False

    def __init__(self, settings: BalancingSettings, task_names: tuple[str, ...]) -> None:
        self.task_names = task_names
        first = float(settings.options.get("first", 1 / len(task_names)))
        self.shares = [first, *[(1 - first) / (len(task_names) - 1)] * (len(task_names) - 1)]

    def backward(self, losses: Tensor, parameters: Sequence[nn.Parameter], scale: float = 1.0) -> None:
        (losses * losses.new_tensor(self.shares) * len(self.shares) * scale).sum().backward()

    def update(self, step: int, before: Tensor, measure_after: Callable[[], Tensor]) -> None:
        pass

    def set_progress(self, fraction: float, epoch_losses: Sequence[float] | None = None) -> None:
        pass

    def metrics(self) -> dict[str, float]:
        return {f"weights/{name}": share for name, share in zip(self.task_names, self.shares, strict=True)}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class ScalesLoss(RateDistortionLoss):
    """Two tasks: what s1 costs with all of the distortion, and the bits of everything else."""

    def __init__(self, weighting: ImageWeighting) -> None:
        super().__init__(tasks="two", weighting=weighting)
        self.names = ("first_scale", "other_bits")

    def split(self, measured: Any) -> Tensor:
        first = measured.distortions.sum(1) + measured.rates[:, 0]
        return torch.stack((first, measured.rates[:, 1:].sum(1)), dim=1)


def build_scales_loss(settings: LossSettings, weighting: ImageWeighting) -> RateDistortionLoss:
    return ScalesLoss(weighting)


def line(settings: ScheduleSettings, fraction: float) -> float:
    return 1 - fraction


class PngCodec:
    """PNG at two levels of its compression: lossless both."""

    name = "example-png"
    points = ("level 1", "level 9")
    in_processes = True

    def describe(self) -> dict[str, object]:
        return {"codec": "png"}

    def code(self, image: np.ndarray, point: int) -> CodedImage:
        def encode() -> bytes:
            stream = io.BytesIO()
            Image.fromarray(image).save(stream, "PNG", compress_level=(1, 9)[point])
            return stream.getvalue()

        return timed_round_trip(encode, lambda data: np.array(Image.open(io.BytesIO(data)).convert("RGB")))
