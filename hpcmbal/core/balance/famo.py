"""Balancing by learnt task weights: FAMO in three modes, with gamma schedules and the operating point kept."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hpcmbal.core.balance.balancer import Balancer
from hpcmbal.core.balance.gamma import ADAPTIVE, ScaleGammaManager
from hpcmbal.core.balance.weighting import (
    WEIGHTINGS,
    EffectiveWeights,
    TaskLayout,
    check_losses,
    preserve_sides,
    scale_modulation,
)
from hpcmbal.core.optim.guarded_step import step_where
from hpcmbal.core.scales import SCALES
from hpcmbal.core.state_form import check_form, form_of, optimizer_form
from hpcmbal.errors import SettingsError
from hpcmbal.settings.choices import EMPHASISED, UPDATE_EVERY, UPDATE_MODES, W_LR

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hpcmbal.settings import BalancingSettings

MAX_LOG_CHANGE = 10.0
"""Largest change of a task's log loss that one update believes: a factor of 22,026. Losses that reach or leave zero
count as this."""


class LostLambdaWarning(UserWarning):
    """The chosen balancing does not contain lmbda: trainings at any lmbda follow the same trajectory."""


class FamoLogits:
    """Logits w of K tasks, learnt so that the task that improves least gains weight.

    FAMO, Liu et al. 2023, algorithm 1.
    After a step that took the losses from `before` to `after`:

        delta_i = log before_i - log after_i
        grad_w  = (d softmax / d w)^T delta + gamma_i w_i
        w       <- Adam(w, grad_w), learning rate `learning_rate`

    Only ratios of losses enter, so the unit of a loss does not matter. Deviations from the published code: it
    subtracts a lower bound of each loss and adds 1e-8 before the logarithm, which would make tasks below 1e-8
    invisible; here the log ratio is clipped at `MAX_LOG_CHANGE` instead. gamma may differ between tasks.

    Everything is float64, on the device of the losses.

    Args:
        count: Number of tasks K.
        learning_rate: Of the logits.
    """

    def __init__(self, count: int, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self._place(torch.zeros(count, dtype=torch.float64))

    def _place(self, values: Tensor) -> None:
        self._logits = nn.Parameter(values)
        # Fused, it counts its steps on the device and undoes one that is not finite: the host never waits for a logit.
        self._adam = torch.optim.Adam([self._logits], lr=self.learning_rate, fused=True)

    @property
    def values(self) -> Tensor:
        """The logits `[K]`."""
        return self._logits.detach()

    @values.setter
    def values(self, values: Tensor) -> None:
        self._logits.data.copy_(values)

    @property
    def weights(self) -> Tensor:
        """`softmax(w)` `[K]`: positive, sums to one."""
        return self.values.softmax(0)

    def to(self, device: torch.device) -> FamoLogits:
        """The logits and their Adam on a device; returns self."""
        if self._logits.device != device:
            state = self.state_dict()
            self._place(self.values.to(device))
            self.load_state_dict(state)
        return self

    def update(self, before: Tensor, after: Tensor, gammas: Sequence[float]) -> None:
        """One step of the logits; none where a loss is not finite (on the CPU `check_losses` tells before).

        Args:
            before: Losses before the step `[K]`, at least 0.
            after: The same losses after it.
            gammas: Pull of each logit back to zero, K numbers.
        """
        pull = torch.stack([gamma * value for gamma, value in zip(gammas, self.values.unbind(), strict=True)])
        self._logits.grad = logit_gradient(self.weights, log_improvement(before, after)) + pull
        step_where((before.isfinite() & after.isfinite()).all(), self._adam)

    def state_dict(self) -> dict[str, Any]:
        """Logits and the state of their Adam, as copies."""
        held = {name: value.clone() for name, value in self._adam.state[self._logits].items()}
        return {"w": self.values.clone(), "adam": held}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; the learning rate stays.

        Raises:
            ValueError: It is of another form.
        """
        (remembered,) = optimizer_form(self._adam).values()
        check_form(state["w"], form_of(self.values), "w")
        if state["adam"]:
            check_form(state["adam"], remembered, "adam")
        self.values = state["w"]
        groups = self._adam.state_dict()["param_groups"]
        self._adam.load_state_dict({"state": {0: state["adam"]} if state["adam"] else {}, "param_groups": groups})


def log_improvement(before: Tensor, after: Tensor) -> Tensor:
    """`log before - log after` `[K]`, within `MAX_LOG_CHANGE`; 0 where a loss stayed exactly zero."""
    before, after = before.double(), after.double()
    change = before.log() - after.log()
    change = torch.where((before == 0) & (after == 0), 0.0, change)
    return change.clamp(-MAX_LOG_CHANGE, MAX_LOG_CHANGE)


def logit_gradient(weights: Tensor, delta: Tensor) -> Tensor:
    """`(d softmax / d w)^T delta` `[K]` for softmax weights `[K]`."""
    return weights * (delta - (weights * delta).sum())


class FamoBalancer(Balancer):
    """Weights K tasks by `softmax(w)`, where `w` learns from what each step did to the tasks.

    The gradient is `sum_i a_i grad L_i` with the effective weights `a` of the mode (`WEIGHTINGS`), and with
    `preserve_lambda` rescaled inside the distortion tasks and inside the rate tasks (`preserve_sides`).

    In mode `same_batch` an update compares the losses of one batch before and after a step, with the same quantisation
    noise. In `next_batch` it compares a batch with the one before it, in every step: free, but between two batches the
    losses differ far more than a step changes them.

    Args:
        layout: The tasks.
        gammas: Pull of the logits of s1, s2, s3; tasks without scales take that of s1.
        mode: "linear", "log1p" or "log".
        scale_weights: Emphasis of s1, s2, s3; without effect on tasks without scales.
        emphasised: Tasks that `scale_weights` are about: "all", those of "distortion", or those of "rate".
        w_lr: Learning rate of the logits; 0 never moves them, and costs no second pass.
        update_mode: "same_batch" or "next_batch".
        update_every: Steps between updates (`same_batch`).
        preserve_lambda: Keep the ratio of distortion to rate.
        anneal_from: Fraction of the training from which the weights go back to neutral (`EffectiveWeights`).

    Raises:
        SettingsError: A name is unknown, or `preserve_lambda` with one task a side, which leaves nothing to balance.
    """

    compares_gradients = False

    def __init__(
        self,
        layout: TaskLayout,
        gammas: ScaleGammaManager,
        *,
        mode: str = "linear",
        scale_weights: Sequence[float] = (1.0, 1.0, 1.0),
        emphasised: str = "all",
        w_lr: float = W_LR,
        update_mode: str = UPDATE_MODES[0],
        update_every: int = UPDATE_EVERY,
        preserve_lambda: bool = True,
        anneal_from: float = 1.0,
    ) -> None:
        choices = (("mode", mode, WEIGHTINGS), ("update_mode", update_mode, UPDATE_MODES))
        for parameter, value, allowed in (*choices, ("emphasised", emphasised, EMPHASISED)):
            if value not in allowed:
                choice = ", ".join(allowed)
                raise SettingsError(f"Unknown {parameter} '{value}' of the balancing. Choose one of: {choice}.")
        layout.check_choice_within_sides(preserve_lambda)
        if mode == "log" and not preserve_lambda:
            warnings.warn(
                "Balancing 'log' without preserve_lambda: the gradient of log(lmbda D) does not contain lmbda, which "
                "therefore has no effect on the training. Use 'linear' unless you want the comparison.",
                LostLambdaWarning,
                stacklevel=2,
            )
        self.layout = layout
        self.task_names = layout.names
        self.gammas = gammas
        self.mode = mode
        self.emphasised = emphasised
        self.update_mode = update_mode
        self.update_every = update_every
        self.preserve_lambda = preserve_lambda
        self.logits = FamoLogits(len(layout.names), w_lr)
        self.effective = EffectiveWeights(layout, anneal_from)
        self._previous: Tensor | None = None
        self.set_scale_weights(scale_weights)

    @property
    def task_weights(self) -> dict[str, float]:
        """`softmax(w)` by task; sums to one."""
        return dict(zip(self.task_names, self.logits.weights.tolist(), strict=True))

    def set_scale_weights(self, scale_weights: Sequence[float]) -> None:
        """Replace the emphasis of s1, s2, s3; only their ratios matter.

        Raises:
            SettingsError: Not three positive numbers.
        """
        self._modulation = scale_modulation(scale_weights, self.layout, self.emphasised)
        self.scale_weights = tuple(float(weight) for weight in scale_weights)

    def weigh(self, losses: Tensor) -> Tensor:
        """Effective weights `[K]` for task losses `[K]`, float64 on the losses' device; no graph."""
        losses = losses.detach().double()
        self._modulation = self._modulation.to(losses.device)
        weights = WEIGHTINGS[self.mode](self.logits.to(losses.device).values, losses, self._modulation)
        if self.preserve_lambda:
            weights = preserve_sides(weights, losses, self.layout.sides)
        return self.effective.annealed(weights)

    def backward(self, losses: Tensor, parameters: Sequence[nn.Parameter], scale: float = 1.0) -> None:
        """Add `sum_i a_i grad L_i` to `.grad`; see `Balancer.backward`. Costs one backward pass."""
        del parameters
        check_losses(losses, self.task_names, "of the batch")
        weights = self.weigh(losses)
        self.effective.remember(weights, losses)
        (weights.to(losses.dtype) * losses * scale).sum().backward()

    def update(self, step: int, before: Tensor, measure_after: Callable[[], Tensor]) -> None:
        """Move the logits: every `update_every` steps, the first after that many; with `next_batch` after every step.

        See `Balancer.update`.
        """
        if self.logits.learning_rate == 0:
            return
        before = before.detach().double()
        if self.update_mode == "next_batch":
            check_losses(before, self.task_names, "before the step")
            if self._previous is None:
                self._previous = before
                return
            previous = self._previous.to(before.device)
            self._learn(previous, before)
            self._previous = torch.where(before.isfinite().all(), before, previous)
        elif (step + 1) % self.update_every == 0:
            check_losses(before, self.task_names, "before the step")
            after = measure_after().detach().double()
            check_losses(after, self.task_names, "after the step")
            self._learn(before, after)

    def _learn(self, before: Tensor, after: Tensor) -> None:
        self.logits.to(before.device).update(before, after, self.layout.per_task(self.gammas.gammas))

    def set_progress(self, fraction: float, epoch_losses: Tensor | None = None) -> None:
        """Move the gamma schedule and the annealing; see `Balancer.set_progress`."""
        scale_losses = None
        if epoch_losses is not None and self.gammas.strategy == ADAPTIVE:  # nobody else needs to read them
            values = epoch_losses.tolist()
            scale_losses = self.layout.per_scale(values) if all(map(math.isfinite, values)) else None
        self.gammas.set_progress(fraction, scale_losses)
        self.effective.fraction = fraction

    def metrics(self) -> dict[str, float]:
        """Raw and effective weights, scale contributions, gammas, and the factor on lmbda."""
        values = {f"weights/{name}": weight for name, weight in self.task_weights.items()}
        gammas = self.gammas.gammas if self.layout.scales else self.gammas.gammas[:1]
        values |= {f"gamma/{name}": gamma for name, gamma in zip(SCALES, gammas, strict=False)}
        return values | self.effective.metrics()

    def state_dict(self) -> dict[str, Any]:
        """Logits and their Adam, progress and memory of the gammas, previous losses."""
        return {
            "logits": self.logits.state_dict(),
            "gammas": self.gammas.state_dict(),
            "previous": None if self._previous is None else self._previous.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; initial gammas and scale weights stay as they were given."""
        self.logits.load_state_dict(state["logits"])
        self.gammas.load_state_dict({**state["gammas"], "initial": self.gammas.initial})
        self.effective.fraction = self.gammas.fraction
        previous = state["previous"]
        if previous is not None and previous.shape != self.logits.values.shape:
            raise ValueError(f"previous has shape {list(previous.shape)}, not {list(self.logits.values.shape)}")
        self._previous = None if previous is None else previous.clone()


def build_famo(settings: BalancingSettings, task_names: tuple[str, ...]) -> FamoBalancer:
    """`FamoBalancer` in the mode that `settings.name` gives."""
    return FamoBalancer(
        TaskLayout.from_names(task_names),
        ScaleGammaManager((settings.gamma_s1, settings.gamma_s2, settings.gamma_s3), settings.gamma_strategy),
        mode=settings.name,
        scale_weights=settings.scale_weights,
        emphasised=settings.emphasised,
        w_lr=settings.w_lr,
        update_mode=settings.update_mode,
        update_every=settings.update_every,
        preserve_lambda=settings.preserve_lambda,
        anneal_from=settings.anneal_from,
    )
