"""One optimiser step: forward, balance, average over ranks, clip, update."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hpcmbal.core.loss import TaskLosses
from hpcmbal.data import Batch
from hpcmbal.errors import NumericalError
from hpcmbal.settings import TrainSettings
from hpcmbal.training.distributed import World
from hpcmbal.training.draws import draw_lmbda, noise_seed
from hpcmbal.training.schedule import learning_rate_factor
from hpcmbal.training.state import TrainingState

MAX_SKIPPED_IN_A_ROW = 20


@dataclass(frozen=True)
class StepResult:
    """What one step did.

    Attributes:
        losses: Of the last of its batches on this rank.
        grad_norm: Norm of the whole gradient before clipping; not finite if the step was skipped.
        learning_rate: Of the first parameter group.
    """

    losses: TaskLosses
    grad_norm: float
    learning_rate: float

    def metrics(self) -> dict[str, float]:
        """For the logs."""
        named = {f"train/{name}": value for name, value in self.losses.scalars().items()}
        return {**named, "train/grad_norm": self.grad_norm, "train/learning_rate": self.learning_rate}


class Stepper:
    """Does optimiser steps on a `TrainingState`.

    Args:
        state: What is trained; changed in place.
        settings: Of the run.
        world: The ranks that share each batch.
        device: Where the network is.
        total_steps: Length of the training, for schedules; None if nothing depends on it.
    """

    def __init__(
        self, state: TrainingState, settings: TrainSettings, world: World, device: torch.device, total_steps: int | None
    ) -> None:
        self.state = state
        self.settings = settings
        self.world = world
        self.device = device
        self.total_steps: int | None = total_steps
        self._forward: Callable[..., Any] = torch.compile(state.model) if settings.training.compile else state.model
        precision = settings.training.precision
        self._bfloat16 = precision == "bfloat16" or (precision == "auto" and device.type == "cuda")

    def step(self, batches: Sequence[Batch]) -> StepResult:
        """One optimiser step over `batches`, whose gradients are averaged.

        A step whose gradient is not finite changes no weight and is counted.

        Raises:
            NumericalError: That happened too often in a row.
        """
        state = self.state
        rate = self._set_learning_rate()
        state.optimizer.zero_grad(set_to_none=True)
        problem = (
            "Its gradient is not finite. Lower --learning-rate or --clip-max-norm and resume from the last checkpoint."
        )
        norm = math.inf
        try:
            passes = [self._backward(batch, 1 / len(batches)) for batch in batches]
            self.world.average_gradients(state.parameters())
            norm = self._clip()
        except NumericalError as error:
            problem = str(error)
            passes = [self._losses(batches[-1])]
        if math.isfinite(norm):
            self._update(batches, passes)
            state.skipped_in_a_row = 0
        else:
            state.optimizer.zero_grad(set_to_none=True)
            state.skipped_steps += 1
            state.skipped_in_a_row += 1
            if state.skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW:
                raise NumericalError(
                    f"{state.skipped_in_a_row} steps in a row were skipped, the last was step {state.step}. {problem}"
                )
        state.step += 1
        self._report_progress(batches[-1].epoch, passes)
        return StepResult(passes[-1], norm, rate)

    def _set_learning_rate(self) -> float:
        factor = learning_rate_factor(self.settings.schedule, self.state.step, self.total_steps)
        for group in self.state.optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        rate: float = self.state.optimizer.param_groups[0]["lr"]
        return rate

    def _losses(self, batch: Batch, count: int | None = None) -> TaskLosses:
        """Task losses of the first `count` images of a batch (all of them if None)."""
        seed = self.settings.training.seed
        ids = batch.sample_ids[:count]
        x = batch.images[:count].to(self.device, non_blocking=True)
        if self.settings.training.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        lmbda = x.new_tensor([draw_lmbda(self.settings, sample) for sample in ids])
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bfloat16):
            output = self._forward(x, lmbda, [noise_seed(seed, sample) for sample in ids])
        losses: TaskLosses = self.state.loss(output, x, lmbda)
        return losses

    def _backward(self, batch: Batch, scale: float) -> TaskLosses:
        losses = self._losses(batch)
        tasks = losses.tasks
        if self.world.size > 1:
            # Values of the global batch with this rank's gradients: balancing then decides the same on every rank, and
            # averaging the gradients gives what one process with the whole batch would have.
            tasks = tasks + (self.world.average(tasks.detach().clone()) - tasks.detach())
        self.state.balancer.backward(tasks, list(self.state.model.parameters()), scale)
        if losses.auxiliary is not None:
            (losses.auxiliary * scale).backward()
        return losses

    def _clip(self) -> float:
        limit = self.settings.optimizer.clip_max_norm or math.inf
        return float(torch.nn.utils.clip_grad_norm_(self.state.model.parameters(), limit))

    def _update(self, batches: Sequence[Batch], passes: Sequence[TaskLosses]) -> None:
        state = self.state
        state.optimizer.step()
        if state.average is not None:
            state.average.update_parameters(state.model)
        if not state.balancer.wants_update(state.step):
            return
        after, count = None, None
        if state.balancer.wants_after(state.step):
            count = math.ceil(self.settings.balancing.update_fraction * len(batches[0].sample_ids))
            with torch.no_grad():
                after = self._mean([self._losses(batch, count).weighted for batch in batches])
        before = self._mean([losses.weighted[:count].detach() for losses in passes])
        state.balancer.update(before, after)

    def _mean(self, per_image: Sequence[Tensor]) -> Tensor:
        """Mean task losses `[K]` over images, batches and ranks."""
        return self.world.average(torch.cat(list(per_image)).mean(0))

    def _report_progress(self, epoch: int, passes: Sequence[TaskLosses]) -> None:
        """Tell the balancer how far the training is and, at the end of an epoch, what the scales cost in it."""
        finished = None
        if self.settings.balancing.gamma_strategy == "adaptive":
            names = passes[-1].names
            tasks = self._mean([losses.weighted.detach() for losses in passes]).tolist()
            by_scale = [
                sum(value for name, value in zip(names, tasks, strict=True) if name.startswith(scale))
                for scale in ("s1_", "s2_", "s3_")
            ]
            if all(math.isfinite(value) for value in by_scale):
                finished = self.state.scale_losses.add(epoch, by_scale)
        progress = min(1.0, self.state.step / self.total_steps) if self.total_steps is not None else 0.0
        self.state.balancer.set_progress(progress, finished)
