"""One gradient per task: what methods need that look at the angles between them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

TaskGradients = list[tuple[Tensor, ...]]
"""For each of K tasks, its gradient in every parameter."""


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
