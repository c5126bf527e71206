"""One gradient per task: what methods need that look at the angles between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hpcmbal.core.balance.balancer import Balancer
from hpcmbal.core.balance.weighting import EffectiveWeights, TaskLayout

TaskGradients = list[tuple[Tensor, ...]]
"""For each of K tasks, its gradient in every parameter."""


class GradientComparing(Balancer):
    """What balancers share that compare the tasks' gradients anew in every step. Subclasses add `backward`.

    Args:
        layout: The tasks.
        anneal_from: Fraction of the training from which the weights go back to neutral.
    """

    compares_gradients = True

    def __init__(self, layout: TaskLayout, anneal_from: float = 1.0) -> None:
        self.layout = layout
        self.task_names = layout.names
        self.effective = EffectiveWeights(layout, anneal_from)

    def set_progress(self, fraction: float, epoch_losses: Tensor | None = None) -> None:
        """Move the annealing."""
        del epoch_losses
        self.effective.fraction = fraction

    def metrics(self) -> dict[str, float]:
        """Effective weights and the factor on lmbda, where there are such weights."""
        return self.effective.metrics()

    def state_dict(self) -> dict[str, Any]:
        """How far the training is."""
        return {"fraction": self.effective.fraction}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.effective.fraction = state["fraction"]


def task_gradients(losses: Tensor, parameters: Sequence[nn.Parameter]) -> TaskGradients:
    """Gradients of every task, by one backward pass each. Parameters that a task does not reach get zeros.

    The passes go around `DistributedDataParallel`'s hooks: average `.grad` over ranks afterwards.

    Args:
        losses: Task losses `[K]` with their graph, which is used up.
        parameters: Leaves.
    """
    count = len(losses)
    return [
        torch.autograd.grad(
            losses[i], list(parameters), retain_graph=i + 1 < count, allow_unused=True, materialize_grads=True
        )
        for i in range(count)
    ]


def gramian(gradients: TaskGradients) -> Tensor:
    """Inner products of the tasks' gradients `[K, K]`, float64; summed parameter by parameter to save memory."""
    count = len(gradients)
    total = torch.zeros(count, count, dtype=torch.float64, device=gradients[0][0].device)
    for of_parameter in zip(*gradients, strict=True):
        rows = torch.stack([gradient.flatten() for gradient in of_parameter]).double()
        total += rows @ rows.T
    return total


def add_weighted(gradients: TaskGradients, weights: Sequence[float], parameters: Sequence[nn.Parameter]) -> None:
    """Add `sum_i weights_i gradients_i` to the parameters' `.grad`."""
    for parameter, *of_parameter in zip(parameters, *gradients, strict=True):
        combined = sum((g * w for g, w in zip(of_parameter, weights, strict=True)), torch.zeros_like(parameter))
        add_gradient(parameter, combined)


def add_gradient(parameter: nn.Parameter, gradient: Tensor) -> None:
    """Add to `.grad`, which may not exist yet."""
    parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
