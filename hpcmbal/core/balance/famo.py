"""The task logits of FAMO and their update."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

MAX_LOG_CHANGE = 10.0
"""Largest change of a task's log loss that one update believes: a factor of 22,026. Losses that reach or leave zero
count as this."""

BETAS = (0.9, 0.999)
EPS = 1e-8
"""Adam's own defaults, which the published code uses for the logits."""


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

    Everything is float64 on the CPU, so that every rank and every resumed run computes the same numbers.

    Args:
        count: Number of tasks K.
        learning_rate: Of the logits.
    """

    def __init__(self, count: int, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self.values = torch.zeros(count, dtype=torch.float64)
        self._exp_avg = torch.zeros_like(self.values)
        self._exp_avg_sq = torch.zeros_like(self.values)
        self._steps = 0

    @property
    def weights(self) -> Tensor:
        """`softmax(w)` `[K]`: positive, sums to one."""
        return self.values.softmax(0)

    def update(self, before: Tensor, after: Tensor, gammas: Tensor) -> None:
        """One step of the logits.

        Args:
            before: Losses before the step `[K]`, finite, at least 0.
            after: The same losses after it.
            gammas: Pull of each logit back to zero `[K]`.
        """
        gradient = logit_gradient(self.weights, log_improvement(before, after)) + gammas * self.values
        beta1, beta2 = BETAS
        self._steps += 1
        self._exp_avg = self._exp_avg.lerp(gradient, 1 - beta1)
        self._exp_avg_sq = beta2 * self._exp_avg_sq + (1 - beta2) * gradient.square()
        mean = self._exp_avg / (1 - beta1**self._steps)
        deviation = (self._exp_avg_sq / (1 - beta2**self._steps)).sqrt()
        self.values = self.values - self.learning_rate * mean / (deviation + EPS)

    def state_dict(self) -> dict[str, Any]:
        """Logits and their Adam state."""
        return {
            "w": self.values.clone(),
            "exp_avg": self._exp_avg.clone(),
            "exp_avg_sq": self._exp_avg_sq.clone(),
            "steps": self._steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.values = state["w"].to("cpu", torch.float64, copy=True)
        self._exp_avg = state["exp_avg"].to("cpu", torch.float64, copy=True)
        self._exp_avg_sq = state["exp_avg_sq"].to("cpu", torch.float64, copy=True)
        self._steps = int(state["steps"])


def log_improvement(before: Tensor, after: Tensor) -> Tensor:
    """`log before - log after` `[K]`, within `MAX_LOG_CHANGE`; 0 where a loss stayed exactly zero."""
    before, after = before.double(), after.double()
    change = before.log() - after.log()
    change = torch.where((before == 0) & (after == 0), 0.0, change)
    return change.clamp(-MAX_LOG_CHANGE, MAX_LOG_CHANGE)


def logit_gradient(weights: Tensor, delta: Tensor) -> Tensor:
    """`(d softmax / d w)^T delta` `[K]` for softmax weights `[K]`."""
    return weights * (delta - (weights * delta).sum())
