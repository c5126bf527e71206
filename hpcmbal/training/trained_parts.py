"""Which parameters a training moves, and at which rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from hpcmbal.core.model import HPCM
from hpcmbal.core.model.parts import ENCODER, PARTS, depths, matching, part_of
from hpcmbal.core.optim.learning_rate_factors import apply_learning_rate_factors
from hpcmbal.settings.problems import Problem, check_none

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcmbal.settings import FineTuneSettings, TrainSettings


class TrainedPart(NamedTuple):
    """What a training does with a part of the network.

    Attributes:
        name: One of `PARTS`.
        trained: How many numbers of it learn.
        frozen: How many stay as they are.
        lowest, highest: Peak learning rates of those that learn; 0 if none does.
    """

    name: str
    trained: int
    frozen: int
    lowest: float
    highest: float

    def __str__(self) -> str:
        """For people: `g_a: 345,000 at 0.0001, 200 frozen`."""
        if not self.trained:
            return f"{self.name}: {self.frozen:,} frozen"
        rates = f"{self.highest:g}" if self.lowest == self.highest else f"{self.lowest:.2g} to {self.highest:g}"
        return f"{self.name}: {self.trained:,} at {rates}" + (f", {self.frozen:,} frozen" if self.frozen else "")


def learning_rate_factors(settings: FineTuneSettings, model: nn.Module) -> dict[str, float]:
    """The factor of the learning rate of every parameter by name; 0: it is frozen.

    Raises:
        InvalidSettingsError: Patterns match nothing or have no effect, or everything is frozen; all problems are told.
    """
    names = [name for name, _ in model.named_parameters()]
    factors = {name: settings.layer_decay**depth for name, depth in depths(model).items()}
    problems = []
    frozen: set[str] = set()
    for pattern in settings.freeze:
        found = matching(pattern, names)
        frozen.update(found)
        if not found:
            problems.append(Problem("finetune.freeze", pattern, _no_part(names)))
    if settings.rounded:
        frozen.update(name for pattern in ENCODER for name in matching(pattern, names))
    own: dict[str, float] = {}
    for pattern, factor in settings.learning_rates.items():
        found = matching(pattern, names)
        own |= dict.fromkeys(found, factor)
        if not found:
            problems.append(Problem("finetune.learning_rates", pattern, _no_part(names)))
        elif frozen.issuperset(found):
            problems.append(Problem("finetune.learning_rates", pattern, "all of it is frozen; leave it out"))
    factors = {name: 0.0 if name in frozen else factor * own.get(name, 1.0) for name, factor in factors.items()}
    if not any(factors.values()):
        rule = "everything is frozen, nothing would learn; leave parts out"
        problems.append(Problem("finetune.freeze", settings.freeze, rule))
    check_none(problems)
    return factors


def _no_part(names: Sequence[str]) -> str:
    parts = ", ".join(part for part in PARTS if any(part_of(name) == part for name in names))
    return (
        f"is no part of this network and matches no parameter; parts are {parts} (context means all of it), patterns "
        f"look like '{names[0]}' or 'g_s.*.bias'"
    )


def freeze_parameters(model: nn.Module, factors: dict[str, float]) -> None:
    """Take the gradients from all that is frozen: no optimiser will see it, whatever state it keeps."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(factors[name] > 0)


def set_learning_rates(optimizer: torch.optim.Optimizer, model: nn.Module, factors: dict[str, float]) -> None:
    """Give every parameter its own rate."""
    apply_learning_rate_factors(optimizer, {parameter: factors[name] for name, parameter in model.named_parameters()})


def freeze_part(model: nn.Module, part: str) -> None:
    """Stop the training of a part that has learnt so far; its optimiser state rests."""
    for name, parameter in model.named_parameters():
        if part_of(name) == part:
            parameter.requires_grad_(False)
            parameter.grad = None


def trained_parts(settings: TrainSettings) -> list[TrainedPart]:
    """What a training does with each part of its network.

    Raises:
        SettingsError: See `learning_rate_factors`.
    """
    with torch.device("meta"):
        model = HPCM(settings.model.name)
    factors = learning_rate_factors(settings.finetune, model)
    rate, found = settings.optimizer.learning_rate, []
    for part in PARTS:
        sizes = {name: p.numel() for name, p in model.named_parameters() if part_of(name) == part}
        rates = [rate * factors[name] for name in sizes if factors[name]]
        if sizes:
            trained = sum(size for name, size in sizes.items() if factors[name])
            frozen = sum(sizes.values()) - trained
            found.append(TrainedPart(part, trained, frozen, min(rates, default=0.0), max(rates, default=0.0)))
    return found
