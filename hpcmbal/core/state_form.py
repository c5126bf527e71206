"""Whether a state from a file has the form of the one that it is to replace: keys, types and shapes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


def form_of(value: Any) -> Any:
    """A state with every tensor replaced by one of its shape and type that takes no memory (device `meta`)."""
    if isinstance(value, Tensor):
        return value.to("meta")
    if isinstance(value, dict):
        return {key: form_of(part) for key, part in value.items()}
    return [form_of(part) for part in value] if isinstance(value, list | tuple) else value


@torch.no_grad()
def optimizer_form(optimizer: torch.optim.Optimizer) -> dict[int, Any]:
    """What a fresh optimiser remembers of each parameter after a step, by the parameter's number.

    It takes a step with zeros for gradients and forgets it: the parameters are changed, and to be loaded afterwards.
    """
    moved = [part for group in optimizer.param_groups for part in group["params"] if part.requires_grad]
    for parameter in moved:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    form: dict[int, Any] = form_of(optimizer.state_dict()["state"])
    optimizer.state.clear()
    optimizer.zero_grad(set_to_none=True)
    return form


def check_form(found: Any, form: Any, where: str) -> None:
    """Raise unless `found` can take the place of that of which `form` is the form.

    Lists of another length are histories, of which only that they are lists is checked; nothing is known about what
    should replace None.

    Raises:
        ValueError: The first part that differs, by its place.
    """
    if isinstance(form, Tensor):
        _check_tensor(found, form, where)
    elif isinstance(form, dict):
        if not isinstance(found, dict) or (form and found.keys() != form.keys()):
            raise ValueError(f"{where} has other entries")
        for key, part in form.items():
            check_form(found[key], part, f"{where}.{key}")
    elif isinstance(form, list):
        if not isinstance(found, list | tuple):
            raise ValueError(f"{where} is no list")  # noqa: TRY004 -- as all that differs
        for index, part in enumerate(form if len(form) == len(found) else ()):
            check_form(found[index], part, f"{where}.{index}")
    elif form is not None:
        _check_plain(found, form, where)


def _check_tensor(found: Any, form: Tensor, where: str) -> None:
    if not isinstance(found, Tensor) or found.shape != form.shape or found.dtype != form.dtype:
        raise ValueError(f"{where} is no tensor of shape {list(form.shape)} and type {form.dtype}")
    if where.endswith(".step") and not form.ndim and not bool(found >= 0):
        raise ValueError(f"{where} is below 0 or no number")


def _check_plain(found: Any, form: Any, where: str) -> None:
    allowed = (int, float) if isinstance(form, float) else type(form)
    if not isinstance(found, allowed) or isinstance(found, bool) != isinstance(form, bool):
        raise ValueError(f"{where} is no {type(form).__name__}")
    if isinstance(found, int | float) and (math.isnan(found) or (isinstance(form, int) and found < 0)):
        raise ValueError(f"{where} is below 0 or no number")
