"""The trainer's step: batches of a run to the one balanced step (`BalancedStep`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from hpcmbal.core.balance.step import NOT_FINITE, BalancedStep
from hpcmbal.core.device import sent
from hpcmbal.core.loss import TaskLosses
from hpcmbal.data import Batch
from hpcmbal.settings import TrainSettings
from hpcmbal.training.distributed import World
from hpcmbal.training.draws import draw_lmbda, noise_seed
from hpcmbal.training.schedule import learning_rate_factor
from hpcmbal.training.state import TrainingState
from hpcmbal.training.teacher import load_teacher


@dataclass(frozen=True)
class StepResult:
    """What one step did; values are read from the device when they are asked for.

    Attributes:
        losses: Of the last of its batches on this rank.
        grad_norm: Norm of the whole gradient before clipping; not finite if the step was skipped.
        learning_rate: Of the first parameter group.
    """

    losses: TaskLosses
    grad_norm: Tensor
    learning_rate: float

    def metrics(self) -> dict[str, float]:
        """For the logs."""
        named = {f"train/{name}": value for name, value in self.losses.scalars().items()}
        if self.losses.added is not None:
            named["train/distillation"] = float(self.losses.added.detach().sum(1).mean())
        return {**named, "train/grad_norm": float(self.grad_norm), "train/learning_rate": self.learning_rate}


class Stepper:
    """Does optimiser steps on a `TrainingState`.

    Args:
        state: What is trained; changed in place.
        settings: Of the run.
        world: The ranks that share each batch.
        device: Where the network is.
        total_steps: Length of the training, for schedules; None if nothing depends on it.

    Raises:
        SettingsError: Several ranks, and a balancing that compares gradients; or the teacher does not suit.
        CheckpointError: The teacher does not exist.
    """

    def __init__(
        self, state: TrainingState, settings: TrainSettings, world: World, device: torch.device, total_steps: int | None
    ) -> None:
        self.state = state
        self.settings = settings
        self.device = device
        self.total_steps: int | None = total_steps
        self._forward: Callable[..., Any] = torch.compile(state.model) if settings.training.compile else state.model
        precision = settings.training.precision
        self._bfloat16 = precision == "bfloat16" or (precision == "auto" and device.type == "cuda")
        self._balanced_step = BalancedStep(
            state.optimizer,
            state.balancer,
            list(state.model.parameters()),
            clip_max_norm=settings.optimizer.clip_max_norm,
            update_fraction=settings.balancing.update_fraction,
            ranks=world,
            skipped=state.skipped,
        )
        state.balancer.set_progress(self._fraction())
        self._teacher = load_teacher(settings, state.model, device)

    def step(self, batches: Sequence[Batch]) -> StepResult:
        """One optimiser step over `batches`, whose gradients are averaged.

        A step whose gradient is not finite changes no weight and is counted.

        Raises:
            NumericalError: On the CPU: that happened too often in a row (on other devices see `check`).
        """
        state = self.state
        rate = self._set_learning_rate()
        outcome = self._balanced_step([partial(self._losses, batch) for batch in batches], state.step)
        state.average_weights(outcome.finite)
        state.step += 1
        finished = state.epoch_losses.add(batches[-1].epoch, outcome.tasks)
        state.balancer.set_progress(self._fraction(), finished)
        return StepResult(cast("TaskLosses", outcome.losses), outcome.grad_norm, rate)

    def check(self) -> None:
        """Raise `NumericalError` once too many steps in a row were skipped; waits for the device."""
        self.state.skipped.check(self.state.step - 1, NOT_FINITE)

    def _fraction(self) -> float:
        """How much of the training is done; 0 where its length is not known yet."""
        return 0.0 if self.total_steps is None else min(1.0, self.state.step / self.total_steps)

    def _set_learning_rate(self) -> float:
        factor = learning_rate_factor(self.settings.schedule, self.state.step, self.total_steps)
        for group in self.state.optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        rate: float = self.state.optimizer.param_groups[0]["lr"]
        return rate

    def _losses(self, batch: Batch, part: slice = slice(None)) -> TaskLosses:
        """Task losses of a batch, or of a part of its images."""
        seed = self.settings.training.seed
        ids = batch.sample_ids[part]
        x = batch.images[part].to(self.device, non_blocking=True)
        if self.settings.training.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        lmbda = sent([draw_lmbda(self.settings, sample) for sample in ids], self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bfloat16):
            output = self._forward(x, lmbda, [noise_seed(seed, sample) for sample in ids])
        losses: TaskLosses = self.state.loss(output, x, lmbda)
        if self._teacher is not None:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bfloat16):
                losses = self._teacher(losses, output, x, lmbda)
        return losses
