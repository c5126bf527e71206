"""Adam that skips the coordinates in which momentum and gradient disagree."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from hpcmbal.core.device import readable, sent
from hpcmbal.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torch.optim.optimizer import ParamsT

    from hpcmbal.core.optim.parameters import ParameterKinds
    from hpcmbal.settings import OptimizerSettings

CPU_BATCH = 2**16
"""Numbers after which a batch is full on a CPU: 256 KiB each of parameters, gradients and both moments."""
MAX_RESCALE = 10.0
"""Largest factor by which an update is enlarged to make up for its masked coordinates."""


def build_cautious_adam(settings: OptimizerSettings, parameters: ParameterKinds) -> torch.optim.Optimizer:
    """`CautiousAdam` with the settings' values."""
    return CautiousAdam(
        [{"params": parameters.all()}, *parameters.own_groups],
        lr=settings.learning_rate,
        betas=settings.betas,
        eps=settings.eps,
        weight_decay=settings.weight_decay,
        amsgrad=settings.amsgrad,
    )


class CautiousAdam(torch.optim.Optimizer):
    """Adam whose update is masked where its sign differs from the gradient's.

    Liang et al., "Cautious optimizers", 2024, algorithm 2: `u = m_hat / (sqrt(v_hat) + eps)`, `mask = [u g > 0]`,
    `p <- p - lr u mask / mean(mask)`, the mean taken over each parameter tensor. As in the released code of
    Balanced-RD, the factor `1 / mean(mask)` is clipped at 10; where no coordinate agrees, the tensor does not move.

    Every operation runs over all tensors at once (`torch._foreach_*`). On the CPU the factors are read once per step.

    Args:
        params: Parameters or parameter groups.
        lr: Learning rate.
        betas: Decay of the first and the second moment.
        eps: Added to the square root of the second moment.
        weight_decay: Decoupled: parameters shrink by `lr * weight_decay` per step (AdamW).
        amsgrad: Divide by the largest second moment seen so far.

    Raises:
        SettingsError: A value is outside its range.
    """

    def __init__(
        self,
        params: ParamsT,
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        _check_range("lr", lr, lr >= 0, "at least 0")
        _check_range("betas", betas, all(0 <= beta < 1 for beta in betas), "two numbers in [0, 1)")
        _check_range("eps", eps, eps >= 0, "at least 0")
        _check_range("weight_decay", weight_decay, weight_decay >= 0, "at least 0")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move every parameter that has a gradient; `closure` re-evaluates the loss first, as in torch."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for step, parameters in self._by_step(group).items():
                for batch in _batches(parameters):
                    self._update(group, step, batch)
        return loss

    def _by_step(self, group: dict[str, Any]) -> dict[int, list[Tensor]]:
        """Parameters with a gradient, by how many updates they have had; counts this one. Usually a single entry."""
        batches: dict[int, list[Tensor]] = {}
        for parameter in cast("Iterable[Tensor]", group["params"]):
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            if not state:
                state["step"] = 0
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
                if group["amsgrad"]:
                    state["max_exp_avg_sq"] = torch.zeros_like(parameter)
            state["step"] += 1
            batches.setdefault(state["step"], []).append(parameter)
        return batches

    def _update(self, group: dict[str, Any], step: int, parameters: list[Tensor]) -> None:
        beta1, beta2 = group["betas"]
        gradients = [cast("Tensor", parameter.grad) for parameter in parameters]
        averages, squares = self._states(parameters, "exp_avg"), self._states(parameters, "exp_avg_sq")
        if group["weight_decay"]:
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta2)
        if group["amsgrad"]:
            largest = self._states(parameters, "max_exp_avg_sq")
            torch._foreach_maximum_(largest, squares)
            squares = largest

        # sqrt(v_hat) + eps, both times the square root of the bias correction: one pass less than dividing v first.
        correction = math.sqrt(1 - beta2**step)
        denominators = torch._foreach_sqrt(squares)  # noqa: SLF001
        torch._foreach_add_(denominators, group["eps"] * correction)
        torch._foreach_lerp_(averages, gradients, 1 - beta1)
        masked, norms = _mask(averages, gradients)
        step_size = group["lr"] * correction / (1 - beta1**step)
        sizes = [float(average.numel()) for average in averages]
        if readable(norms):
            factors = [_rescale(size, norm) for size, norm in zip(sizes, norms.tolist(), strict=True)]
            torch._foreach_addcdiv_(parameters, masked, denominators, [-step_size * factor for factor in factors])
            return
        on_device = (sent(sizes, norms.device) / norms.square().clamp_min(1)).clamp_max(MAX_RESCALE)
        # Where no coordinate agrees, only zeros are left, whatever the factor.
        torch._foreach_mul_(masked, list(on_device.to(norms.dtype).unbind()))
        torch._foreach_addcdiv_(parameters, masked, denominators, -step_size)

    def _states(self, parameters: list[Tensor], name: str) -> list[Tensor]:
        return [self.state[parameter][name] for parameter in parameters]


def _rescale(size: float, norm: float) -> float:
    """Factor that makes up for masked coordinates, from the number of all and the 2-norm of the mask."""
    return min(size / norm**2, MAX_RESCALE) if norm else 0.0


def _mask(averages: list[Tensor], gradients: list[Tensor]) -> tuple[list[Tensor], Tensor]:
    """First moments without the coordinates that disagree with the gradient, and the 2-norm of each tensor's mask.

    The update has the sign of the first moment, so its agreement needs no division. Coordinates are counted by the
    squared 2-norm of their zeros and ones: of all reductions over lists of tensors it is by far the fastest.
    """
    agrees = torch._foreach_mul(averages, gradients)  # noqa: SLF001
    torch._foreach_sign_(agrees)
    torch._foreach_clamp_min_(agrees, 0)
    norms = torch.stack(torch._foreach_norm(agrees))  # noqa: SLF001
    torch._foreach_mul_(agrees, averages)
    return list(agrees), norms


def _batches(tensors: list[Tensor]) -> Iterator[list[Tensor]]:
    """All tensors at once; on a CPU in batches of about `CPU_BATCH` numbers.

    An operation over all tensors of a network streams them through the memory; a dozen operations over a batch find it
    in the cache. Kernels on other devices gain from long lists instead.
    """
    batch: list[Tensor] = []
    size = 0
    for tensor in tensors:
        batch.append(tensor)
        size += tensor.numel()
        if size >= CPU_BATCH and tensor.device.type == "cpu":
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _check_range(name: str, value: object, valid: bool, rule: str) -> None:
    if not valid:
        raise SettingsError(f"CautiousAdam: `{name}` should be {rule}. Found `{name} = {value}`.")
