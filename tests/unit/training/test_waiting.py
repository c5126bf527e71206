"""The step on a device, played on the CPU: nothing is read before the log, and what is not finite is undone there."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hpcmbal.core.optim import adam
from hpcmbal.data import Batch, BatchPlan
from hpcmbal.data.loader import StepBatches
from hpcmbal.errors import NumericalError
from hpcmbal.settings import TrainSettings
from hpcmbal.training.distributed import World
from hpcmbal.training.run_plan import augmentation, open_data
from hpcmbal.training.state import build_state
from hpcmbal.training.stepper import Stepper

Run = Callable[..., TrainSettings]
CPU = torch.device("cpu")
ASKING = ["core.balance.step", "core.balance.weighting", "core.optim.guarded_step", "training.state"]


class NoReading(TorchDispatchMode):
    """Fails where a value is read from a tensor, for which the host would wait on another device."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert function is not torch.ops.aten._local_scalar_dense.default, "a value was read"
        return function(*args, **(kwargs or {}))


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the CPU pass for a device whose values nobody may read, with the fused Adam that devices have."""
    for module in ASKING:
        monkeypatch.setattr(f"hpcmbal.{module}.readable", lambda _: False)
    plain = torch.optim.AdamW
    monkeypatch.setattr(adam.torch.optim, "AdamW", lambda *a, **o: plain(*a, **o | {"foreach": False, "fused": True}))


def ready(settings: TrainSettings, length: int = 100) -> tuple[Stepper, list[Batch]]:
    images, _ = open_data(settings.data)
    batches = StepBatches(images, BatchPlan(len(images), settings.data.batch_size, 0), augmentation(settings))
    stepper = Stepper(build_state(settings, CPU), settings, World(), CPU, length)
    return stepper, [batches[step] for step in range(8)]


RECIPES: dict[str, dict[str, dict[str, Any]]] = {
    "no balancing": {},
    "hierarchical": {"loss": {"tasks": "five"}, "balancing": {"name": "linear", "update_every": 1}},
    "annealed, a part": {
        "loss": {"tasks": "five"},
        "balancing": {"name": "log1p", "update_every": 2, "update_fraction": 0.5, "anneal_from": 0.0},
    },
    "next batch": {"loss": {"tasks": "five"}, "balancing": {"name": "linear", "update_mode": "next_batch"}},
    "fixed shares": {"loss": {"tasks": "five", "decomposition": "fixed"}, "balancing": {"name": "linear"}},
    "learned shares": {"loss": {"tasks": "five", "decomposition": "learned"}, "balancing": {"name": "linear"}},
    "variable rate": {"loss": {"variable_rate": True, "lmbda_power": 0.8}},
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_no_step_reads_a_value(tiny_run: Run, device: None, recipe: str) -> None:
    stepper, batches = ready(tiny_run(**RECIPES[recipe]))
    with NoReading():
        results = [stepper.step([batch]) for batch in batches]
    assert results[-1].metrics()["train/j"] > 0
    stepper.check()


@pytest.mark.parametrize("recipe", RECIPES)
def test_it_does_what_is_done_on_the_cpu(tiny_run: Run, monkeypatch: pytest.MonkeyPatch, recipe: str) -> None:
    settings = tiny_run(**RECIPES[recipe])
    found = []
    for on_device in (False, True):
        with monkeypatch.context() as patched:
            for module in ASKING if on_device else []:
                patched.setattr(f"hpcmbal.{module}.readable", lambda _: False)
            stepper, batches = ready(settings)
            for batch in batches:
                stepper.step([batch])
            found.append(stepper.state)
    for one, other in zip(found[0].model.parameters(), found[1].model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert found[0].balancer.metrics() == found[1].balancer.metrics()


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_step_that_is_not_finite_is_undone_and_counted(tiny_run: Run, device: None, recipe: str) -> None:
    stepper, batches = ready(tiny_run(**RECIPES[recipe], training={"ema_decay": 0.9}))
    for batch in batches[:3]:
        stepper.step([batch])
    state = stepper.state
    weights = copy.deepcopy([*state.model.parameters(), *state.average.module.parameters()])  # type: ignore[union-attr]
    moments = copy.deepcopy(state.optimizer.state_dict()["state"])
    logits = copy.deepcopy(state.balancer.state_dict())
    bad = dataclasses.replace(batches[3], images=torch.full_like(batches[3].images, float("nan")))
    stepper.step([bad])
    after = [*state.model.parameters(), *state.average.module.parameters()]  # type: ignore[union-attr]
    assert all(torch.equal(one, other) for one, other in zip(weights, after, strict=True))
    for number, slots in state.optimizer.state_dict()["state"].items():
        assert all(torch.equal(slots[name], moments[number][name]) for name in slots)
    if "logits" in logits:
        assert torch.equal(state.balancer.state_dict()["logits"]["w"], logits["logits"]["w"])
    assert int(state.skipped.total) == int(state.skipped.in_a_row) == 1
    stepper.step([batches[4]])
    assert int(state.skipped.in_a_row) == 0
    assert all(bool(parameter.isfinite().all()) for parameter in state.model.parameters())
    assert not torch.equal(next(state.model.parameters()), weights[0])


def test_twenty_in_a_row_are_noticed_at_the_next_log(tiny_run: Run, device: None) -> None:
    stepper, batches = ready(tiny_run())
    bad = dataclasses.replace(batches[0], images=torch.full_like(batches[0].images, float("nan")))
    for _ in range(25):
        stepper.step([bad])
    with pytest.raises(NumericalError, match="25 steps in a row were skipped, the last was step 24"):
        stepper.check()
