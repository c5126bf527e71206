"""From task logits and task losses to the factors with which the tasks' gradients are added up.

Every mode's weighted loss has the gradient `sum_i a_i grad L_i`; the `a_i` are the effective weights. All computations
are in float64: a handful of numbers whose ratios may span twenty orders of magnitude.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hpcmbal.core.balance.gamma import checked_fraction
from hpcmbal.core.device import readable
from hpcmbal.core.scales import SCALES
from hpcmbal.errors import NumericalError, SettingsError

Weighting = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(logits, losses, modulation), each `[K]`, to effective weights `[K]`."""


@dataclass(frozen=True)
class TaskLayout:
    """Which task belongs to which scale and to which side of the rate-distortion trade, read off its name.

    Attributes:
        names: Names of the K tasks, in order.
        sides: Positions of the distortion tasks, and of the rate tasks.
        scales: For each task its scale (0, 1, 2 for s1, s2, s3), or None where tasks are not split by scale.
    """

    names: tuple[str, ...]
    sides: tuple[tuple[int, ...], tuple[int, ...]]
    scales: tuple[int, ...] | None

    @classmethod
    def from_names(cls, names: Sequence[str]) -> TaskLayout:
        """Read the layout off names like `distortion`, `bpp`, `s1_distortion`, `s3_bpp`.

        Raises:
            SettingsError: A single task (nothing to balance), a name of neither side, or names of which only some
                carry a scale.
        """
        if len(names) < 2:
            raise SettingsError(
                f"Balancing needs at least two tasks. Found {list(names)}. Set loss.tasks to 'two' or 'five', "
                "or balancing.name to 'none'."
            )
        distortion = tuple(i for i, name in enumerate(names) if name.endswith("distortion"))
        rate = tuple(i for i, name in enumerate(names) if name.endswith("bpp"))
        prefixes = [name.partition("_")[0] for name in names]
        scaled = [prefix in SCALES for prefix in prefixes]
        if len(distortion) + len(rate) < len(names) or any(scaled) != all(scaled):
            raise SettingsError(
                f"Task names should end in 'distortion' or 'bpp', and all or none begin with 's1_', 's2_' or 's3_'. "
                f"Found {list(names)}."
            )
        scales = tuple(SCALES.index(prefix) for prefix in prefixes) if all(scaled) else None
        return cls(tuple(names), (distortion, rate), scales)

    def per_task(self, per_scale: Sequence[float]) -> list[float]:
        """Spread values of s1, s2, s3 to the tasks; without scales, every task takes the first."""
        return [per_scale[scale] for scale in self.scales or (0,) * len(self.names)]

    def per_scale(self, per_task: Sequence[float]) -> tuple[float, float, float]:
        """Sums over the tasks of s1, s2, s3; without scales, all three are the sum of all."""
        if self.scales is None:
            return (sum(per_task),) * 3
        pairs = list(zip(self.scales, per_task, strict=True))
        s1, s2, s3 = (sum(value for scale, value in pairs if scale == wanted) for wanted in range(3))
        return (s1, s2, s3)

    def check_choice_within_sides(self, preserve_lambda: bool) -> None:
        """Raise if keeping lmbda leaves nothing to balance.

        Raises:
            SettingsError: One distortion task and one rate task: keeping both sides' weights keeps every weight.
        """
        if preserve_lambda and all(len(side) < 2 for side in self.sides):
            raise SettingsError(
                f"preserve_lambda with the tasks {list(self.names)} leaves nothing to balance: each side has one task, "
                "whose weight it fixes. Set balancing.preserve_lambda to false (the balance then moves the effective "
                "lambda) or loss.tasks to 'five'."
            )


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


def _side_sums(values: Tensor, side: Sequence[int]) -> Tensor:
    """Sum over the tasks of one side; picked one by one, because an index list would be copied to the device."""
    return torch.stack([values[position] for position in side]).sum()


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
    result = list(weights.unbind())
    for side in sides:
        before, after = _side_sums(losses, side), _side_sums(weights * losses, side)
        factor = torch.where(after > 0, before / after, len(side) / _side_sums(weights, side))
        for position in side:
            result[position] = weights[position] * factor
    return torch.stack(result)


def lmbda_ratio(weights: Tensor, losses: Tensor, layout: TaskLayout) -> Tensor:
    """By how much balancing multiplies lmbda: the effective weight of distortion over that of rate.

    A side's effective weight is `sum a L / sum L`; the plain mean of its weights if its losses are all zero.
    """
    sides = []
    for side in layout.sides:
        total, weighted = _side_sums(losses, side), _side_sums(weights * losses, side)
        sides.append(torch.where(total > 0, weighted / total, _side_sums(weights, side) / len(side)))
    return sides[0] / sides[1]


def scale_modulation(scale_weights: Sequence[float], layout: TaskLayout, emphasised: str = "all") -> Tensor:
    """Modulation `m` `[K]` of the tasks from the emphasis of s1, s2, s3, scaled to a mean of one over the scales.

    Args:
        scale_weights: The emphasis.
        layout: The tasks.
        emphasised: "all", "distortion" or "rate"; the modulation of the other side's tasks is one.

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
    modulation = (values / values.mean())[list(layout.scales)]
    distortion, rate = layout.sides
    others = {"all": (), "distortion": rate, "rate": distortion}[emphasised]
    modulation[list(others)] = 1.0
    return modulation


def check_losses(losses: Tensor, names: Sequence[str], when: str) -> None:
    """Raise unless every task loss is finite and at least zero.

    Only losses on the CPU are looked at: elsewhere reading them would make the host wait for the device.

    Raises:
        NumericalError: The message names the tasks and their values.
    """
    if not readable(losses):
        return
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


class EffectiveWeights:
    """The weights that the last step's gradients were added up with, led back to neutral towards the end.

    From the fraction `anneal_from` of the training on, weights are `(1 - t) a + t` with t rising linearly from 0 to 1
    at the end, where every task counts one: what is trained there is J itself.

    Values stay on their device until they are asked for.

    Args:
        layout: The tasks.
        anneal_from: Fraction of the training, 0 to 1; 1 never anneals.

    Raises:
        SettingsError: The fraction is outside [0, 1].
    """

    def __init__(self, layout: TaskLayout, anneal_from: float = 1.0) -> None:
        self.layout = layout
        self.anneal_from = checked_fraction(anneal_from)
        self.fraction = 0.0
        self._last: tuple[Tensor, Tensor] | None = None

    @property
    def strength(self) -> float:
        """How much of the balancing is left: 1 before `anneal_from`, 0 at the end."""
        if self.fraction <= self.anneal_from:
            return 1.0
        return (1 - self.fraction) / (1 - self.anneal_from)

    def annealed(self, weights: Tensor) -> Tensor:
        """Effective weights at this point of the training."""
        return weights if self.strength == 1 else self.strength * weights + (1 - self.strength)

    def remember(self, weights: Tensor, losses: Tensor) -> None:
        """Keep the effective weights `[K]` and losses `[K]` of a step."""
        self._last = weights.detach().double(), losses.detach().double()

    def contributions(self) -> dict[str, float]:
        """Share of each scale in the balanced objective, the sum of `a L` over its tasks; they sum to one.

        Empty before the first step and for tasks without scales.
        """
        if self._last is None or self.layout.scales is None:
            return {}
        parts = (self._last[0] * self._last[1]).cpu()
        parts = parts / parts.sum().clamp_min(torch.finfo(parts.dtype).tiny)
        return dict(zip(SCALES, self.layout.per_scale(parts.tolist()), strict=True))

    def metrics(self) -> dict[str, float]:
        """The last step's `effective_weights/<task>`, `scale_contrib/<scale>` and `lmbda_eff_ratio`.

        The ratio times lmbda is the effective lmbda. With annealing, `balancing_strength` as well.
        """
        values = {} if self.anneal_from == 1 else {"balancing_strength": self.strength}
        if self._last is None:
            return values
        weights, losses = (tensor.cpu() for tensor in self._last)
        names = [f"effective_weights/{name}" for name in self.layout.names]
        values |= dict(zip(names, weights.tolist(), strict=True))
        values |= {f"scale_contrib/{scale}": share for scale, share in self.contributions().items()}
        return values | {"lmbda_eff_ratio": lmbda_ratio(weights, losses, self.layout).item()}
