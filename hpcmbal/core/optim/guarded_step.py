"""An optimiser step that a flag on the device allows or undoes, so that the host need not wait to decide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from hpcmbal.core.device import readable


@torch.no_grad()
def step_where(finite: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """`optimizer.step()` if `finite`, else leave parameters and optimiser state as they are.

    On the CPU the flag is read. On other devices the step is always launched: with zeros for gradients and undone
    where the flag is false. Torch's fused optimisers undo by themselves; of the others a copy of parameters and state
    is kept meanwhile. Counters that an optimiser keeps as Python numbers count the undone step.

    Args:
        finite: One truth value, on the device of the parameters.
        optimizer: Any optimiser whose gradients are there.
    """
    if readable(finite):
        if bool(finite):
            optimizer.step()
        return
    step_on_device(finite, optimizer)


@torch.no_grad()
def step_on_device(finite: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """What `step_where` does where the flag cannot be read without waiting; it works on every device."""
    if getattr(optimizer, "_step_supports_amp_scaling", False):
        optimizer.grad_scale, optimizer.found_inf = None, (~finite).float()  # type: ignore[attr-defined]
        optimizer.step()
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                parameter.grad.masked_fill_(~finite, 0)
    before = {place: tensor.clone() for place, tensor in _tensors(optimizer)}
    optimizer.step()
    for place, tensor in _tensors(optimizer):
        if place in before:  # what the step itself created began as zeros
            tensor.copy_(torch.where(finite, tensor, before[place]))


def load_keeping_options(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load an optimiser's state but keep its own options: learning rates, betas, weight decay.

    `Optimizer.load_state_dict` would bring the options of the optimiser that was saved. Counters that it keeps among
    them (a group's `step`) are loaded.

    Raises:
        ValueError: The saved parameter groups are others.
    """
    own = optimizer.state_dict()["param_groups"]
    saved = state["param_groups"]
    groups = [
        {**old, **{name: value for name, value in new.items() if name not in ("params", "step")}}
        for old, new in zip(saved, own, strict=True)
    ]
    optimizer.load_state_dict({**state, "param_groups": groups})


def _tensors(optimizer: torch.optim.Optimizer) -> Iterator[tuple[object, Tensor]]:
    """Parameters and every tensor of the state, each with where it lies."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            yield id(parameter), parameter
            for name, value in optimizer.state.get(parameter, {}).items():
                for index, item in enumerate(value if isinstance(value, list) else [value]):
                    if isinstance(item, Tensor):
                        yield (id(parameter), name, index), item
