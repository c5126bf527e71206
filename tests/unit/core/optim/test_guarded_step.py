"""Optimiser steps that a flag on the device undoes: run here on the CPU, where every bit can be compared."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from hpcmbal.core.optim.guarded_step import load_keeping_options, step_on_device, step_where
from hpcmbal.core.optim.registry import OPTIMIZERS, build_optimizer
from hpcmbal.settings import OptimizerSettings

BUILD: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
    name: lambda model, name=name: build_optimizer(OptimizerSettings(name=name, learning_rate=1e-2), model)
    for name in OPTIMIZERS
}
BUILD["fused"] = lambda model: torch.optim.AdamW(model.parameters(), lr=1e-2, fused=True)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.GELU(), nn.Conv2d(6, 4, 1))


def give_gradients(model: nn.Module, number: int) -> None:
    generator = torch.Generator().manual_seed(number)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def tensors(value: Any) -> list[Tensor]:
    """Every tensor in a nested state."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [tensor for item in value for tensor in tensors(item)] if isinstance(value, list | tuple) else []


@pytest.mark.parametrize("name", BUILD)
def test_where_the_flag_is_true_it_is_the_optimisers_own_step(name: str) -> None:
    (ours, theirs) = network(), network()
    guarded, plain = BUILD[name](ours), BUILD[name](theirs)
    for number in range(4):
        give_gradients(ours, number)
        give_gradients(theirs, number)
        step_on_device(torch.tensor(True), guarded)
        plain.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", BUILD)
def test_where_it_is_false_no_parameter_and_no_tensor_of_the_state_changes(name: str) -> None:
    model = network()
    optimizer = BUILD[name](model)
    for number in range(3):
        give_gradients(model, number)
        optimizer.step()
    before = copy.deepcopy([*model.parameters()]), copy.deepcopy(tensors(optimizer.state_dict()["state"]))
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, float("nan"))
    step_on_device(torch.tensor(False), optimizer)
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), before[0], strict=True))
    after = tensors(optimizer.state_dict()["state"])
    assert len(after) == len(before[1]) > 0
    assert all(torch.equal(one, other) for one, other in zip(after, before[1], strict=True))


@pytest.mark.parametrize("name", BUILD)
def test_a_first_step_that_is_not_finite_leaves_a_usable_state(name: str) -> None:
    model = network()
    optimizer, before = BUILD[name](model), copy.deepcopy([*model.parameters()])
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, float("inf"))
    step_on_device(torch.tensor(False), optimizer)
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), before, strict=True))
    for number in range(3):
        give_gradients(model, number)
        step_on_device(torch.tensor(True), optimizer)
    assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())
    assert not torch.equal(next(model.parameters()), before[0])


def test_on_the_cpu_a_step_that_is_not_allowed_is_not_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    optimizer = BUILD["adam"](network())
    monkeypatch.setattr(optimizer, "step", pytest.fail)
    step_where(torch.tensor(False), optimizer)


class NoReading(TorchDispatchMode):
    """Fails where a value is read from a tensor, for which the host would wait on another device."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert function is not torch.ops.aten._local_scalar_dense.default, "a value was read"
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["cautious", "fused"])
def test_on_a_device_nothing_is_read(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("hpcmbal.core.optim.guarded_step.readable", lambda _: False)
    monkeypatch.setattr("hpcmbal.core.optim.cautious_adam.readable", lambda _: False)
    model, other = network(), network()
    optimizer, plain = BUILD[name](model), BUILD[name](other)
    for number in range(3):
        give_gradients(model, number)
        give_gradients(other, number)
        with NoReading():
            step_where(torch.tensor(True), optimizer)
        monkeypatch.setattr("hpcmbal.core.optim.cautious_adam.readable", lambda _: True)
        plain.step()
        monkeypatch.setattr("hpcmbal.core.optim.cautious_adam.readable", lambda _: False)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_loaded_state_goes_on_under_the_options_of_now(name: str) -> None:
    model = network()
    old = BUILD[name](model)
    for number in range(3):
        give_gradients(model, number)
        old.step()
    settings = OptimizerSettings(name=name, learning_rate=1e-6, betas=(0.5, 0.6), weight_decay=0.25)
    new = build_optimizer(settings, model)
    wanted = copy.deepcopy(new.state_dict()["param_groups"])
    load_keeping_options(new, old.state_dict())
    for group, expected, saved in zip(new.param_groups, wanted, old.param_groups, strict=True):
        assert {key: group[key] for key in ("lr", "betas", "weight_decay") if key in group} == {
            key: expected[key] for key in ("lr", "betas", "weight_decay") if key in expected
        }
        assert group.get("step") == saved.get("step"), "counters are state"
    assert len(tensors(new.state_dict()["state"])) == len(tensors(old.state_dict()["state"])) > 0


def test_a_state_of_other_groups_is_refused() -> None:
    model = network()
    one, two = torch.optim.SGD(model.parameters()), torch.optim.SGD([{"params": [p]} for p in model.parameters()])
    with pytest.raises(ValueError, match="argument"):
        load_keeping_options(one, two.state_dict())
