"""Balancing by learnt task weights: FAMO in three modes, with gamma schedules and the operating point kept."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hpcmbal.core.balance.effective import EffectiveWeights
from hpcmbal.core.balance.famo import FamoLogits
from hpcmbal.core.balance.gamma import ScaleGammaManager
from hpcmbal.core.balance.task_layout import TaskLayout
from hpcmbal.core.balance.weighting import WEIGHTINGS, check_losses, preserve_sides, scale_modulation
from hpcmbal.core.scales import SCALES
from hpcmbal.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcmbal.settings import BalancingSettings

UPDATE_MODES = ("same_batch", "next_batch")


class LostLambdaWarning(UserWarning):
    """The chosen balancing does not contain lmbda: trainings at any lmbda follow the same trajectory."""


class FamoBalancer:
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
        w_lr: Learning rate of the logits.
        update_mode: "same_batch" or "next_batch".
        update_every: Steps between updates (`same_batch`).
        preserve_lambda: Keep the ratio of distortion to rate.

    Raises:
        SettingsError: A name is unknown, or `preserve_lambda` with one task a side, which leaves nothing to balance.
    """

    def __init__(
        self,
        layout: TaskLayout,
        gammas: ScaleGammaManager,
        *,
        mode: str = "linear",
        scale_weights: Sequence[float] = (1.0, 1.0, 1.0),
        w_lr: float = 0.025,
        update_mode: str = "same_batch",
        update_every: int = 8,
        preserve_lambda: bool = True,
    ) -> None:
        _check_choice("mode", mode, tuple(WEIGHTINGS))
        _check_choice("update_mode", update_mode, UPDATE_MODES)
        check_preserve_lambda(layout, preserve_lambda)
        if mode == "log" and not preserve_lambda:
            warnings.warn(
                "Balancing 'log' without preserve_lambda: the gradient of log(lmbda D) does not contain lmbda, which "
                "therefore has no effect on the training. Use 'linear' unless you want the comparison.",
                LostLambdaWarning,
                stacklevel=2,
            )
        self.layout = layout
        self.gammas = gammas
        self.mode = mode
        self.update_mode = update_mode
        self.update_every = update_every
        self.preserve_lambda = preserve_lambda
        self.logits = FamoLogits(len(layout.names), w_lr)
        self.effective = EffectiveWeights(layout)
        self._previous: Tensor | None = None
        self.set_scale_weights(scale_weights)

    @property
    def task_weights(self) -> dict[str, float]:
        """`softmax(w)` by task; sums to one."""
        return dict(zip(self.layout.names, self.logits.weights.tolist(), strict=True))

    def set_scale_weights(self, scale_weights: Sequence[float]) -> None:
        """Replace the emphasis of s1, s2, s3; only their ratios matter.

        Raises:
            SettingsError: Not three positive numbers.
        """
        self._modulation = scale_modulation(scale_weights, self.layout)
        self.scale_weights = tuple(float(weight) for weight in scale_weights)

    def weigh(self, losses: Tensor) -> Tensor:
        """Effective weights `[K]` for task losses `[K]`, float64 on the losses' device; no graph."""
        losses = losses.detach().double()
        logits, modulation = self.logits.values.to(losses.device), self._modulation.to(losses.device)
        weights = WEIGHTINGS[self.mode](logits, losses, modulation)
        return preserve_sides(weights, losses, self.layout.sides) if self.preserve_lambda else weights

    def backward(self, losses: Tensor, parameters: Sequence[nn.Parameter], scale: float = 1.0) -> None:
        """Add `sum_i a_i grad L_i` to `.grad`; see `Balancer.backward`. Costs one backward pass."""
        del parameters
        check_losses(losses, self.layout.names, "of the batch")
        weights = self.weigh(losses)
        self.effective.remember(weights, losses)
        (weights.to(losses.dtype) * losses * scale).sum().backward()

    def wants_update(self, step: int) -> bool:
        """Every `update_every` steps, the first after that many; with `next_batch` after every step."""
        return self.update_mode == "next_batch" or (step + 1) % self.update_every == 0

    def wants_after(self, step: int) -> bool:
        """Whether the losses after the step have to be measured."""
        return self.update_mode == "same_batch" and self.wants_update(step)

    def update(self, before: Tensor, after: Tensor | None = None) -> None:
        """Learn from one step; see `Balancer.update`."""
        names = self.layout.names
        check_losses(before, names, "before the step")
        before = before.detach().to("cpu", torch.float64)
        if self.update_mode == "next_batch":
            previous, self._previous = self._previous, before
            if previous is not None:
                self._learn(previous, before)
        elif after is not None:
            check_losses(after, names, "after the step")
            self._learn(before, after.detach().to("cpu", torch.float64))

    def _learn(self, before: Tensor, after: Tensor) -> None:
        gammas = torch.tensor(self.layout.per_task(self.gammas.gammas), dtype=torch.float64)
        self.logits.update(before, after, gammas)

    def set_progress(self, fraction: float, scale_losses: Sequence[float] | None = None) -> None:
        """Move the gamma schedule; see `Balancer.set_progress`."""
        self.gammas.set_progress(fraction, scale_losses)

    def metrics(self) -> dict[str, float]:
        """Raw and effective weights, scale contributions, gammas, and the factor on lmbda."""
        values = {f"weights/{name}": weight for name, weight in self.task_weights.items()}
        gammas = self.gammas.gammas if self.layout.scales else self.gammas.gammas[:1]
        values |= {f"gamma/{name}": gamma for name, gamma in zip(SCALES, gammas, strict=False)}
        return values | self.effective.metrics()

    def state_dict(self) -> dict[str, Any]:
        """Logits and their Adam, gamma manager, scale weights, previous losses."""
        return {
            "logits": self.logits.state_dict(),
            "gammas": self.gammas.state_dict(),
            "scale_weights": list(self.scale_weights),
            "previous": None if self._previous is None else self._previous.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.logits.load_state_dict(state["logits"])
        self.gammas.load_state_dict(state["gammas"])
        self.set_scale_weights(state["scale_weights"])
        previous = state["previous"]
        self._previous = None if previous is None else previous.to("cpu", torch.float64, copy=True)


def build_famo(settings: BalancingSettings, task_names: tuple[str, ...]) -> FamoBalancer:
    """`FamoBalancer` in the mode that `settings.name` gives."""
    return FamoBalancer(
        TaskLayout.from_names(task_names),
        ScaleGammaManager((settings.gamma_s1, settings.gamma_s2, settings.gamma_s3), settings.gamma_strategy),
        mode=settings.name,
        scale_weights=settings.scale_weights,
        w_lr=settings.w_lr,
        update_mode=settings.update_mode,
        update_every=settings.update_every,
        preserve_lambda=settings.preserve_lambda,
    )


def check_preserve_lambda(layout: TaskLayout, preserve_lambda: bool) -> None:
    """Raise if keeping lmbda leaves nothing to balance.

    Raises:
        SettingsError: One distortion task and one rate task: keeping both sides' weights keeps every weight.
    """
    if preserve_lambda and not layout.has_choice_within_sides():
        raise SettingsError(
            f"preserve_lambda with the tasks {list(layout.names)} leaves nothing to balance: each side has one task, "
            "whose weight it fixes. Set balancing.preserve_lambda to false (the balance then moves the effective "
            "lambda) or loss.tasks to 'five'."
        )


def _check_choice(parameter: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SettingsError(f"Unknown {parameter} '{value}' of the balancing. Choose one of: {', '.join(allowed)}.")
