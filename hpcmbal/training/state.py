"""Everything that changes while a model is trained, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from hpcmbal.core.balance.balancer import Balancer, build_balancer
from hpcmbal.core.balance.step import SkippedSteps
from hpcmbal.core.device import readable
from hpcmbal.core.loss import RateDistortionLoss, build_loss
from hpcmbal.core.model import HPCM, LmbdaRange
from hpcmbal.core.optim.guarded_step import load_keeping_options
from hpcmbal.core.optim.registry import build_optimizer
from hpcmbal.core.scales import SCALES
from hpcmbal.core.state_form import check_form, form_of, optimizer_form
from hpcmbal.errors import SettingsError
from hpcmbal.settings import TrainSettings
from hpcmbal.training.early_stopping import EarlyStopping
from hpcmbal.training.rates import trained_rates
from hpcmbal.training.trained_parts import freeze_parameters, freeze_part, learning_rate_factors, set_learning_rates
from hpcmbal.training.warm_start import WarmStart, check_frozen_start, load_start


@dataclass
class EpochLosses:
    """Means over the running epoch of the task losses, for balancings that look at them; sums stay on the device.

    Attributes:
        epoch: The epoch being summed.
        sums: Sums of the K tasks' losses; None before the first step.
        count: Steps in them; those whose losses are not finite are left out.
    """

    epoch: int = 0
    sums: Tensor | None = None
    count: Tensor | None = None

    def add(self, epoch: int, tasks: Tensor) -> Tensor | None:
        """Add one step's task losses `[K]`; returns the means of the epoch before when a new one begins.

        They are NaN if no step of that epoch was finite.
        """
        finished = None
        if epoch != self.epoch:
            if self.sums is not None and self.count is not None:
                finished = self.sums / self.count
            self.epoch, self.sums, self.count = epoch, None, None
        finite = tasks.isfinite().all()
        losses, one = torch.where(finite, tasks, 0).double(), finite.long()
        self.sums = losses if self.sums is None else self.sums.to(losses.device) + losses
        self.count = one if self.count is None else self.count.to(one.device) + one
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
        skipped: Steps left out because something was not finite.
        epoch_losses: For balancings that look at a whole epoch.
        stopping: Watches validations, or None.
        start: What another model gave to the start, or None.
    """

    model: HPCM
    loss: RateDistortionLoss
    optimizer: torch.optim.Optimizer
    balancer: Balancer
    average: AveragedModel | None
    step: int = 0
    skipped: SkippedSteps = field(default_factory=SkippedSteps)
    epoch_losses: EpochLosses = field(default_factory=EpochLosses)
    stopping: EarlyStopping | None = None
    start: WarmStart | None = None

    @property
    def coding_model(self) -> nn.Module:
        """The network whose weights are used for coding: the moving average where there is one."""
        return self.model if self.average is None else self.average.module

    def coding_weights(self) -> dict[str, Tensor]:
        """State dict of `coding_model`; with early stopping, of the best that was validated."""
        best = None if self.stopping is None else self.stopping.best_weights
        return self.coding_model.state_dict() if best is None else best

    def stop_part(self, name: str) -> None:
        """Freeze what a scale trains for itself; of the whole nothing is frozen, the training ends."""
        if name in SCALES:
            freeze_part(self.model, f"context.{name}")

    def parameters(self) -> list[nn.Parameter]:
        """Every parameter that the optimiser moves."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    @torch.no_grad()
    def average_weights(self, finite: Tensor) -> None:
        """Let the moving average follow the weights, where `finite`; off the CPU without reading that."""
        if self.average is None or (readable(finite) and not bool(finite)):
            return
        averages = list(self.average.module.parameters())
        before = [] if readable(finite) else [average.clone() for average in averages]
        self.average.update_parameters(self.model)
        for average, old in zip(averages, before, strict=False):
            average.copy_(torch.where(finite, average, old))

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only: it is read back without executing anything."""
        return {
            "model": self.model.state_dict(),
            "loss": self.loss.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "balancer": self.balancer.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "step": self.step,
            "skipped": [int(self.skipped.total), int(self.skipped.in_a_row)],
            "epoch_losses": [self.epoch_losses.epoch, self.epoch_losses.sums, self.epoch_losses.count],
            "stopping": None if self.stopping is None else self.stopping.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state_dict` was taken.

        The optimiser's options (rates, betas, weight decay) and the balancer's configuration stay as they were built:
        they are settings of the run, and a resumed run may have new ones. A moving average that is new begins at the
        weights loaded.

        Raises:
            KeyError, IndexError, TypeError, ValueError, RuntimeError: The state is that of another training.
        """
        self._check_form(state)
        self.model.load_state_dict(state["model"])
        self.loss.load_state_dict(state["loss"])
        load_keeping_options(self.optimizer, state["optimizer"])
        self.balancer.load_state_dict(state["balancer"])
        if self.average is not None and state["average"] is not None:
            self.average.load_state_dict(state["average"])
        elif self.average is not None:
            self.average.module.load_state_dict(state["model"])
        self.step = state["step"]
        self.skipped.total, self.skipped.in_a_row = state["skipped"]
        self.epoch_losses = EpochLosses(*state["epoch_losses"])
        if self.stopping is not None and state.get("stopping") is not None:
            self.stopping.load_state_dict(state["stopping"])
            for name in self.stopping.stopped:
                self.stop_part(name)

    def _check_form(self, state: dict[str, Any]) -> None:
        """Raise `ValueError` where a part would be found not to fit only when it is used, in the middle of a step."""
        remembered = optimizer_form(self.optimizer)
        own = form_of(self.state_dict())
        for name in ("model", "loss", "balancer", "step", "skipped"):
            check_form(state[name], own[name], name)
        for name in ("average", "stopping"):
            if state.get(name) is not None:
                check_form(state[name], own[name], name)
        for number, part in state["optimizer"]["state"].items():
            check_form(part, remembered[number], f"optimizer.{number}")
        epoch, sums, count = state["epoch_losses"]
        tasks = torch.empty(len(self.loss.names), dtype=torch.float64, device="meta")
        check_form(epoch, 0, "epoch_losses")
        if sums is not None or count is not None:
            check_form([sums, count], [tasks, form_of(torch.tensor(0))], "epoch_losses")
        best = (state.get("stopping") or {}).get("best_weights")
        if best is not None:
            check_form(best, own["model"], "best_weights")


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
    """A fresh training: the seed decides the initial weights, the same on every rank and device.

    A model to start from is read unless the run is resumed, which brings its own weights.

    Raises:
        SettingsError: The balancing cannot be built, or is for other tasks than the loss has; or a part to be trained
            does not exist.
        CheckpointError: The model to start from does not exist or does not fit.
    """
    torch.manual_seed(settings.training.seed)
    rates, tuning = trained_rates(settings), settings.finetune
    model = HPCM(settings.model.name, rates)
    start = None
    if tuning.init_from is not None and settings.output.checkpoint is None:
        start = load_start(model, tuning.init_from, strict=tuning.init_strict)
    factors = learning_rate_factors(tuning, model)
    if start is not None:
        check_frozen_start(start, factors)
    freeze_parameters(model, factors)
    model.rounds_in_training = tuning.rounded
    model = model.to(device).train()
    if settings.training.channels_last:
        model = model.to(memory_format=torch.channels_last)
    middle = rates.middle if isinstance(rates, LmbdaRange) else settings.loss.lmbda
    loss = build_loss(settings.loss, middle).to(device)
    optimizer = build_optimizer(settings.optimizer, model, loss.parameter_groups())
    set_learning_rates(optimizer, model, factors)
    for group in optimizer.param_groups:
        group["base_lr"] = group["lr"]
    decay = settings.training.ema_decay
    average = AveragedModel(model, multi_avg_fn=partial(update_moving_average, decay=decay)) if decay else None
    balancer = build_balancer(settings.balancing, loss.names)
    if tuple(balancer.task_names) != loss.names:
        found, wanted = ", ".join(balancer.task_names), ", ".join(loss.names)
        raise SettingsError(f"balancing '{settings.balancing.name}' is for the tasks {found}; the loss has {wanted}.")
    stopping = None if tuning.early_stopping is None else EarlyStopping(tuning.early_stopping)
    return TrainingState(model, loss, optimizer, balancer, average, stopping=stopping, start=start)
