"""A loop of one's own with `HierarchicalBalanced` is the trainer's step: the same numbers, bit for bit."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from hpcmbal.core.balance import HierarchicalBalanced
from hpcmbal.data import BatchPlan
from hpcmbal.data.loader import StepBatches
from hpcmbal.settings import TrainSettings
from hpcmbal.training.distributed import World
from hpcmbal.training.draws import draw_lmbda, noise_seed
from hpcmbal.training.run_plan import augmentation, open_data
from hpcmbal.training.state import build_state
from hpcmbal.training.stepper import Stepper

Run = Callable[..., TrainSettings]
CPU = torch.device("cpu")
STEPS = 12


@pytest.mark.parametrize(
    "sections",
    [
        {},
        pytest.param({"loss": {"decomposition": "learned"}}, marks=pytest.mark.slow),
        pytest.param({"balancing": {"update_fraction": 0.5, "mode": "log1p"}}, marks=pytest.mark.slow),
        {"loss": {"variable_rate": True, "lmbda_power": 0.8}, "balancing": {"update_fraction": 0.5}},
        {"balancing": {"gamma_strategy": "hierarchical", "anneal_from": 0.5}},
    ],
    ids=["plain", "learned shares", "part of the batch", "images weighed by lambda", "annealed"],
)
def test_it_is_the_trainers_step_bit_for_bit(tiny_run: Run, sections: dict[str, dict[str, Any]]) -> None:
    balancing = {"update_every": 2, "update_fraction": 1.0, "mode": "linear", "anneal_from": 1.0}
    balancing |= {"gamma_strategy": "fixed", **sections.get("balancing", {})}
    mode = balancing.pop("mode")
    settings = tiny_run(
        loss={"tasks": "five", **sections.get("loss", {})},
        balancing={"name": mode, **balancing},
        schedule={"name": "constant", "warmup_steps": 0},
        optimizer={"learning_rate": 2e-3, "clip_max_norm": 0.05},
        data={"batch_size": 3},
    )
    images, _ = open_data(settings.data)
    batches = StepBatches(images, BatchPlan(len(images), 3, settings.training.seed), augmentation(settings))
    trainers = build_state(settings, CPU)
    own = copy.deepcopy(trainers)
    stepper = Stepper(trainers, settings, World(), CPU, STEPS)
    balance = settings.balancing
    optimizer = HierarchicalBalanced(
        own.optimizer,
        gammas=(balance.gamma_s1, balance.gamma_s2, balance.gamma_s3),
        gamma_strategy=balance.gamma_strategy,
        scale_weights=balance.scale_weights,
        clip_max_norm=settings.optimizer.clip_max_norm,
        parameters=own.model.parameters(),
        update_fraction=balance.update_fraction,
        mode=mode,
        update_every=balance.update_every,
        anneal_from=balance.anneal_from,
    )
    for step in range(STEPS):
        batch = batches[step]
        stepper.step([batch])
        lmbda = torch.tensor([draw_lmbda(settings, sample) for sample in batch.sample_ids])
        seeds = [noise_seed(settings.training.seed, sample) for sample in batch.sample_ids]
        x = batch.images.contiguous(memory_format=torch.channels_last)

        def evaluate(part: slice = slice(None), x=x, lmbda=lmbda, seeds=seeds) -> Any:  # type: ignore[no-untyped-def]
            return own.loss(own.model(x[part], lmbda[part], seeds[part]), x[part], lmbda[part])

        optimizer.step(evaluate)
        optimizer.set_progress((step + 1) / STEPS)
    for (name, one), other in zip(trainers.model.named_parameters(), own.model.parameters(), strict=True):
        assert torch.equal(one, other), name
    for one, other in zip(trainers.loss.parameters(), own.loss.parameters(), strict=True):
        assert torch.equal(one, other)
    weights = trainers.balancer.metrics()
    assert {f"weights/{name}": value for name, value in optimizer.get_task_weights().items()}.items() <= weights.items()
    assert max(abs(value - 0.2) for value in optimizer.get_task_weights().values()) > 0.01
