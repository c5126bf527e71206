"""The coding schedule: a partition of the latents, causal, the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hpcmbal.core.model.schedule import STEPS_PER_SCALE, coding_plan

SIZES = [(8, 4, 4), (16, 4, 12), (24, 20, 8), (8, 16, 16)]
CPU = torch.device("cpu")


@pytest.mark.parametrize(("channels", "height", "width"), SIZES)
@pytest.mark.parametrize("released", [False, True])
def test_every_latent_is_coded_exactly_once(channels: int, height: int, width: int, released: bool) -> None:
    plan = coding_plan(channels, height, width, released=released, device=CPU)
    coded = torch.cat([step.latent_index for steps in plan.steps for step in steps])
    assert sorted(coded.tolist()) == list(range(channels * height * width))
    assert torch.equal(coded, plan.coding_order)
    assert torch.equal(plan.coding_order[plan.natural_order], torch.arange(coded.numel()))


@pytest.mark.parametrize(("channels", "height", "width"), SIZES)
def test_scales_hold_1_3_and_12_sixteenths(channels: int, height: int, width: int) -> None:
    plan = coding_plan(channels, height, width, released=False, device=CPU)
    sixteenth = channels * height * width // 16
    assert plan.scale_sizes == (sixteenth, 3 * sixteenth, 12 * sixteenth)
    assert tuple(len(steps) for steps in plan.steps) == STEPS_PER_SCALE


@pytest.mark.parametrize(("channels", "height", "width"), SIZES)
def test_own_variants_give_every_latent_its_own_hyper_parameters(channels: int, height: int, width: int) -> None:
    plan = coding_plan(channels, height, width, released=False, device=CPU)
    s2_in_y = plan.coarse_in_fine[1]
    assert torch.equal(plan.hyper_source[1], s2_in_y[plan.hyper_target[1]])
    assert torch.equal(plan.hyper_source[2], plan.hyper_target[2])


def test_released_variants_give_48_percent_of_s2_their_own() -> None:
    plan = coding_plan(320, 16, 16, released=True, device=CPU)
    own = plan.coarse_in_fine[1][plan.hyper_target[1]]
    share = (own == plan.hyper_source[1]).double().mean().item()
    assert share == pytest.approx(0.48, abs=0.01)
    assert plan.hyper_source[1].unique().numel() == plan.hyper_source[1].numel()


@pytest.mark.parametrize(("channels", "height", "width"), SIZES)
def test_grid_and_latent_indices_name_the_same_latents(channels: int, height: int, width: int) -> None:
    plan = coding_plan(channels, height, width, released=False, device=CPU)
    y = torch.from_numpy(np.random.default_rng(0).permutation(channels * height * width))
    s2 = y[plan.coarse_in_fine[1]]
    grids = (s2[plan.coarse_in_fine[0]], s2, y)
    for grid, steps in zip(grids, plan.steps, strict=True):
        for step in steps:
            assert torch.equal(grid[step.grid_index], y[step.latent_index])


def test_indices_ascend_within_a_step() -> None:
    plan = coding_plan(16, 8, 12, released=False, device=CPU)
    for steps in plan.steps:
        for step in steps:
            assert bool((step.latent_index.diff() > 0).all())
