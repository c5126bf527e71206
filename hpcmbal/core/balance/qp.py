"""Balancing by a quadratic programme in every step (Balanced R-D, solution 2)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hpcmbal.core.balance.famo import LostLambdaWarning
from hpcmbal.core.balance.task_gradients import GradientComparing, add_weighted, gramian, task_gradients
from hpcmbal.core.balance.weighting import TaskLayout, check_losses, preserve_sides

if TYPE_CHECKING:
    from hpcmbal.settings import BalancingSettings

RIDGE = 1e-10
"""Added to the diagonal of Q, relative to its mean diagonal; also the relative eigenvalue below which Q is singular."""


class QPBalancer(GradientComparing):
    """Weights K tasks so that their logarithms fall equally fast.

    Zhang et al., "Balanced rate-distortion optimization in learned image compression", CVPR 2025, solution 2:

        v_i = grad L_i / L_i,  Q = v v^T
        w   = Q^-1 1 / (1^T Q^-1 1), then softmax, which keeps it positive
        a_i = (w_i / L_i) / sum_j (w_j / L_j)      the effective weights of grad L_i

    `w` minimises the norm of `sum_i w_i v_i` over weights that sum to one, for any K. It is solved in float64 with a
    small ridge. Where Q is singular (parallel gradients, a task without gradient or with a loss of zero) all tasks
    get the same w, and `qp_fallbacks` counts it. As in every method on log losses lmbda drops out of `a`;
    `preserve_lambda` puts it back. There is nothing to learn between steps.

    Costs one backward pass per task, and the memory of K gradients.

    Args:
        layout: The tasks.
        preserve_lambda: Keep the ratio of distortion to rate.
        anneal_from: Fraction of the training from which the weights go back to neutral (`EffectiveWeights`).

    Raises:
        SettingsError: `preserve_lambda` with one task a side.
    """

    def __init__(self, layout: TaskLayout, *, preserve_lambda: bool = True, anneal_from: float = 1.0) -> None:
        super().__init__(layout, anneal_from)
        layout.check_choice_within_sides(preserve_lambda)
        if not preserve_lambda:
            warnings.warn(
                "Balancing 'qp' without preserve_lambda: the gradient of log(lmbda D) does not contain lmbda. Use it "
                "to fine-tune a model that was trained at the lmbda you want.",
                LostLambdaWarning,
                stacklevel=2,
            )
        self.preserve_lambda = preserve_lambda
        self.fallbacks = 0
        self._weights = torch.full((len(layout.names),), 1 / len(layout.names), dtype=torch.float64)

    def backward(self, losses: Tensor, parameters: Sequence[nn.Parameter], scale: float = 1.0) -> None:
        """Add `sum_i a_i grad L_i` to `.grad`; see `Balancer.backward`. K backward passes."""
        check_losses(losses, self.layout.names, "of the batch")
        values = losses.detach().double()
        gradients = task_gradients(losses, parameters)
        solution = solve_qp(gramian(gradients), values)
        self.fallbacks += solution is None
        self._weights = torch.full_like(self._weights, 1 / len(values)) if solution is None else solution.cpu()
        effective = qp_effective_weights(self._weights.to(values.device), values)
        if self.preserve_lambda:
            effective = preserve_sides(effective, values, self.layout.sides)
        effective = self.effective.annealed(effective)
        self.effective.remember(effective, values)
        add_weighted(gradients, (effective * scale).tolist(), parameters)

    def metrics(self) -> dict[str, float]:
        """Raw and effective weights, the factor on lmbda, and how often Q was singular."""
        names = [f"weights/{name}" for name in self.layout.names]
        values = dict(zip(names, self._weights.tolist(), strict=True))
        return values | super().metrics() | {"qp_fallbacks": float(self.fallbacks)}

    def state_dict(self) -> dict[str, Any]:
        """Progress and the count of fallbacks; everything else is computed anew in every step."""
        return {**super().state_dict(), "fallbacks": self.fallbacks}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        super().load_state_dict(state)
        self.fallbacks = int(state["fallbacks"])


def solve_qp(products: Tensor, losses: Tensor) -> Tensor | None:
    """Weights `[K]` of the quadratic programme: positive, sum to one; None if it is singular.

    Args:
        products: Inner products of the gradients of the losses, `[K, K]` float64.
        losses: The losses `[K]` float64, at least 0.
    """
    if not bool((losses > 0).all()):
        return None
    q = products / (losses[:, None] * losses[None, :])
    eigenvalues = torch.linalg.eigvalsh(q) if bool(q.isfinite().all()) else q.new_zeros(1)
    if not bool(eigenvalues[0] > RIDGE * eigenvalues[-1]):
        return None
    # The mean diagonal sets the scale: Q is 1e-20 or 1e20 as easily as 1, and the ridge has to mean the same for all.
    q = q / q.diagonal().mean()
    solution = torch.linalg.solve(q + RIDGE * torch.eye(len(q), dtype=q.dtype, device=q.device), q.new_ones(len(q)))
    weights: Tensor = (solution / solution.sum()).softmax(0)
    return weights


def qp_effective_weights(weights: Tensor, losses: Tensor) -> Tensor:
    """`(w_i / L_i) / sum_j (w_j / L_j)`; a loss of zero, whose gradient is zero, counts like the largest one."""
    positive = torch.where(losses > 0, losses, losses.max())
    positive = torch.where(positive > 0, positive, 1)
    return (weights.log() - positive.log()).softmax(0)


def build_qp(settings: BalancingSettings, task_names: tuple[str, ...]) -> QPBalancer:
    """`QPBalancer` for these tasks."""
    layout = TaskLayout.from_names(task_names)
    return QPBalancer(layout, preserve_lambda=settings.preserve_lambda, anneal_from=settings.anneal_from)
