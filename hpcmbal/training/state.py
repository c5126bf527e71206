"""Everything that changes while a model is trained, and nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from hpcmbal.core.balance.balancer import Balancer
from hpcmbal.core.balance.balancers import build_balancer
from hpcmbal.core.loss import RateDistortionLoss, build_loss
from hpcmbal.core.model import HPCM
from hpcmbal.core.optim.registry import build_optimizer
from hpcmbal.settings import TrainSettings
from hpcmbal.training.rates import trained_rates


@dataclass
class ScaleLossMeans:
    """Means over the running epoch of the losses of s1, s2 and s3, for gamma schedules that look at them.

    Attributes:
        epoch: The epoch being summed.
        sums: Sums of the three scales' losses.
        count: Steps in them.
    """

    epoch: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    count: int = 0

    def add(self, epoch: int, losses: list[float]) -> tuple[float, float, float] | None:
        """Add one step's losses; returns the means of the epoch before when a new one begins."""
        finished = None
        if epoch != self.epoch:
            if self.count:
                first, second, third = (total / self.count for total in self.sums)
                finished = (first, second, third)
            self.epoch, self.sums, self.count = epoch, [0.0, 0.0, 0.0], 0
        self.sums = [total + loss for total, loss in zip(self.sums, losses, strict=True)]
        self.count += 1
        return finished


@dataclass
class TrainingState:
    """The parts of a training that learn or count.

    Attributes:
        model: The network, on its device.
        loss: Splits J into tasks; learns shares in one decomposition.
        optimizer: Over the parameters of both. Each group keeps its base rate in `group["base_lr"]`.
        balancer: Weighs the tasks.
        average: Moving average of the network, or None.
        step: Optimiser steps done, skipped ones included.
        skipped_steps: Steps left out because the gradient was not finite.
        skipped_in_a_row: How many of them just now.
        scale_losses: For gamma schedules.
    """

    model: HPCM
    loss: RateDistortionLoss
    optimizer: torch.optim.Optimizer
    balancer: Balancer
    average: AveragedModel | None
    step: int = 0
    skipped_steps: int = 0
    skipped_in_a_row: int = 0
    scale_losses: ScaleLossMeans = field(default_factory=ScaleLossMeans)

    @property
    def coding_model(self) -> nn.Module:
        """The network whose weights are used for coding: the moving average where there is one."""
        return self.model if self.average is None else self.average.module

    def coding_weights(self) -> dict[str, Tensor]:
        """State dict of `coding_model`."""
        return self.coding_model.state_dict()

    def parameters(self) -> list[nn.Parameter]:
        """Every parameter that the optimiser moves."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only: it is read back without executing anything."""
        return {
            "model": self.model.state_dict(),
            "loss": self.loss.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "balancer": self.balancer.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "step": self.step,
            "skipped_steps": self.skipped_steps,
            "skipped_in_a_row": self.skipped_in_a_row,
            "scale_losses": [self.scale_losses.epoch, self.scale_losses.sums, self.scale_losses.count],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state_dict` was taken."""
        self.model.load_state_dict(state["model"])
        self.loss.load_state_dict(state["loss"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.balancer.load_state_dict(state["balancer"])
        if self.average is not None and state["average"] is not None:
            self.average.load_state_dict(state["average"])
        self.step = state["step"]
        self.skipped_steps = state["skipped_steps"]
        self.skipped_in_a_row = state["skipped_in_a_row"]
        self.scale_losses = ScaleLossMeans(*state["scale_losses"])


@torch.no_grad()
def update_moving_average(
    averages: list[Tensor], current: list[Tensor], updates: Tensor | int, *, decay: float
) -> None:
    """One step of an exponential moving average, in place, over a window that grows until it reaches `decay`'s.

    With the full decay from the start, a checkpoint after 1 / (1 - decay) steps would still be a third random initial
    weights. The decay of update n is min(decay, (1 + n) / (10 + n)).
    """
    n = int(updates)
    torch._foreach_lerp_(averages, current, 1 - min(decay, (1 + n) / (10 + n)))


def build_state(settings: TrainSettings, device: torch.device) -> TrainingState:
    """A fresh training: the seed decides the initial weights, the same on every rank and device."""
    torch.manual_seed(settings.training.seed)
    model = HPCM(settings.model.name, trained_rates(settings)).to(device).train()
    if settings.training.channels_last:
        model = model.to(memory_format=torch.channels_last)
    middle = math.sqrt(math.prod(settings.lmbda_range)) if settings.loss.variable_rate else settings.loss.lmbda
    loss = build_loss(settings.loss, middle).to(device)
    optimizer = build_optimizer(settings.optimizer, model, loss.parameter_groups())
    for group in optimizer.param_groups:
        group["base_lr"] = group["lr"]
    decay = settings.training.ema_decay
    average = AveragedModel(model, multi_avg_fn=partial(update_moving_average, decay=decay)) if decay else None
    return TrainingState(model, loss, optimizer, build_balancer(settings.balancing, loss.names), average)
