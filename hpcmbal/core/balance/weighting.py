"""From task logits and task losses to the factors with which the tasks' gradients are added up. Pure functions.

Every mode's weighted loss has the gradient `sum_i a_i grad L_i`; the `a_i` are the effective weights. All computations
are in float64: a handful of numbers whose ratios may span twenty orders of magnitude.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hpcmbal.core.balance.task_layout import TaskLayout
from hpcmbal.errors import NumericalError, SettingsError

Weighting = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(logits, losses, modulation), each `[K]`, to effective weights `[K]`."""


def linear_weights(logits: Tensor, losses: Tensor, modulation: Tensor) -> Tensor:
    """`a_i = K z_i m_i`: the gradient of `sum_i K z_i m_i L_i`. All ones at w = 0, m = 1, where it is that of J."""
    del losses
    return len(logits) * logits.softmax(0) * modulation


def log1p_weights(logits: Tensor, losses: Tensor, modulation: Tensor) -> Tensor:
    """`a_i ~ z_i m_i / (1 + L_i)`, summing to one: the gradient of `sum_i z_i log(1 + L_i) / c`.

    The released code of Balanced-RD has this form. Close to J where every loss is far below one, close to `log_weights`
    where it is far above.
    """
    return (logits + modulation.log() - losses.log1p()).softmax(0)


def log_weights(logits: Tensor, losses: Tensor, modulation: Tensor) -> Tensor:
    """`a_i ~ z_i m_i / L_i`, summing to one: the gradient of `sum_i z_i log(L_i) / c`.

    FAMO, Liu et al. 2023, equation 8.

    A loss of exactly zero is at its minimum: its gradient is zero and its weight without effect. It is treated as if
    it were as large as the largest loss, so that its infinite `1 / L` does not take all weight from the others.
    """
    neutral = torch.where(losses > 0, losses, losses.max())
    neutral = torch.where(neutral > 0, neutral, 1)
    return (logits + modulation.log() - neutral.log()).softmax(0)


WEIGHTINGS: dict[str, Weighting] = {"linear": linear_weights, "log1p": log1p_weights, "log": log_weights}


def preserve_sides(weights: Tensor, losses: Tensor, sides: Sequence[Sequence[int]]) -> Tensor:
    """Rescale the weights inside every side so that balancing leaves the side's total alone.

    J = R + lmbda D is the sum of two sides, and lmbda acts through the ratio of their sizes. Multiplying the weights
    of a side S by `f_S = sum_S L / sum_S a L` (a constant for the gradient) makes `sum_S f_S a_i L_i = sum_S L_i`:
    the mean weight of the side, with losses as masses, is one. Distortion and rate keep the relative weight lmbda,
    and only the shares inside each side change. For equal weights inside a side the result is exactly one for each.

    Args:
        weights: Effective weights `[K]`, positive.
        losses: Task losses `[K]`, at least 0.
        sides: Positions of the tasks of each side. A side whose losses are all zero gets weights of mean one.
    """
    result = weights.clone()
    for side in sides:
        index = list(side)
        before, after = losses[index].sum(), (weights[index] * losses[index]).sum()
        factor = torch.where(after > 0, before / after, len(index) / weights[index].sum())
        result[index] = weights[index] * factor
    return result


def side_weight(weights: Tensor, losses: Tensor, side: Sequence[int]) -> Tensor:
    """Effective weight of a side, `sum a L / sum L`; the plain mean of its weights if its losses are all zero."""
    index = list(side)
    total = losses[index].sum()
    return torch.where(total > 0, (weights[index] * losses[index]).sum() / total, weights[index].mean())


def lmbda_ratio(weights: Tensor, losses: Tensor, layout: TaskLayout) -> Tensor:
    """By how much balancing multiplies lmbda: the effective weight of distortion over that of rate."""
    distortion, rate = (side_weight(weights, losses, side) for side in layout.sides)
    return distortion / rate


def scale_modulation(scale_weights: Sequence[float], layout: TaskLayout) -> Tensor:
    """Modulation `m` `[K]` of the tasks from the emphasis of s1, s2, s3, scaled to a mean of one over the scales.

    Raises:
        SettingsError: Not three positive, finite numbers.
    """
    values = torch.tensor(list(scale_weights), dtype=torch.float64)
    if len(values) != 3 or not bool(((values > 0) & values.isfinite()).all()):
        raise SettingsError(
            f"Scale weights should be three positive numbers (s1, s2, s3). Found {list(scale_weights)}."
        )
    if layout.scales is None:
        return torch.ones(len(layout.names), dtype=torch.float64)
    return (values / values.mean())[list(layout.scales)]


def check_losses(losses: Tensor, names: Sequence[str], when: str) -> None:
    """Raise unless every task loss is finite and at least zero.

    Raises:
        NumericalError: The message names the tasks and their values.
    """
    wrong = [
        f"{name} = {value}"
        for name, value in zip(names, losses.detach().tolist(), strict=True)
        if not 0 <= value < float("inf")
    ]
    if wrong:
        raise NumericalError(
            f"Task losses {when} should be finite and at least 0. Found {', '.join(wrong)}. "
            "Lower the learning rate or the clipping norm, or resume from an earlier checkpoint."
        )
