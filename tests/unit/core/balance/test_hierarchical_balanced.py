"""The composed optimiser, as somebody without the trainer uses it."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch

from hpcmbal.core.balance import HierarchicalBalanced
from hpcmbal.core.loss import FIVE_TASKS
from hpcmbal.errors import NumericalError, SettingsError

SCALES = ("s1", "s2", "s3")


def make(parameter, **options):
    return HierarchicalBalanced(
        torch.optim.Adam([parameter], lr=0.02), **{"update_every": 2, "lmbda": 0.013, **options}
    )


def test_it_trains_and_its_weights_move(quadratic_tasks):
    parameter, losses = quadratic_tasks(5)
    optimizer = make(parameter)
    first = optimizer.step(losses).sum()
    for _ in range(60):
        last = optimizer.step(losses).sum()
    assert last < 0.9 * first
    weights = optimizer.get_task_weights()
    assert tuple(weights) == FIVE_TASKS
    assert sum(weights.values()) == pytest.approx(1)
    assert max(abs(weight - 0.2) for weight in weights.values()) > 0.01


def test_the_losses_are_evaluated_twice_when_an_update_is_due_and_once_otherwise(quadratic_tasks):
    parameter, losses = quadratic_tasks(5)
    optimizer, calls = make(parameter, update_every=3), []

    def evaluate():
        calls.append(torch.is_grad_enabled())
        return losses()

    for _ in range(6):
        optimizer.step(evaluate)
    assert calls == 2 * [True, True, True, False]


def test_neutral_it_is_the_base_optimiser_on_j(quadratic_tasks):
    (ours, losses), (theirs, other_losses) = quadratic_tasks(5), quadratic_tasks(5)
    balanced = make(ours, scale_weights=(1, 1, 1), update_every=1000)
    adam = torch.optim.Adam([theirs], lr=0.02)
    for _ in range(20):
        balanced.step(losses)
        adam.zero_grad()
        other_losses().sum().backward()
        adam.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_metrics_have_the_known_names(quadratic_tasks):
    parameter, losses = quadratic_tasks(5)
    optimizer = make(parameter)
    tasks = optimizer.step(losses)
    metrics = optimizer.metrics()
    for name, loss in zip(FIVE_TASKS, tasks.tolist(), strict=True):
        assert metrics[f"train/{name}"] == loss
        assert metrics[f"weights/{name}"] == optimizer.get_task_weights()[name]
    for scale in SCALES:
        assert metrics[f"scale_contrib/{scale}"] == optimizer.get_scale_contributions()[scale]
    assert [metrics[f"gamma/{scale}"] for scale in SCALES] == [0.008, 0.006, 0.004]
    assert metrics["lmbda_eff"] == pytest.approx(0.013)


def test_scale_contributions_are_shares_and_empty_before_the_first_step(quadratic_tasks):
    parameter, losses = quadratic_tasks(5)
    optimizer = make(parameter)
    assert optimizer.get_scale_contributions() == {}
    optimizer.step(losses)
    assert sum(optimizer.get_scale_contributions().values()) == pytest.approx(1)


def test_scale_weights_move_effort_between_scales(quadratic_tasks):
    found = []
    for weights in ((1, 1, 1), (8, 1, 1)):
        parameter, losses = quadratic_tasks(5)
        optimizer = make(parameter)
        optimizer.set_scale_weights(weights)
        optimizer.step(losses)
        found.append(optimizer.get_scale_contributions()["s1"])
    assert found[1] > 1.5 * found[0]


def test_scale_gammas_replace_the_initial_ones_and_the_schedule_goes_on(quadratic_tasks):
    parameter, _ = quadratic_tasks(5)
    optimizer = make(parameter, gamma_strategy="cosine")
    optimizer.set_progress(1.0)
    optimizer.set_scale_gammas((0.1, 0.2, 0.3))
    assert [optimizer.metrics()[f"gamma/{scale}"] for scale in SCALES] == pytest.approx([0.05, 0.1, 0.15])


def test_clipping_bounds_the_gradient_that_the_base_optimiser_sees(quadratic_tasks):
    parameter, losses = quadratic_tasks(5)
    optimizer = HierarchicalBalanced(torch.optim.SGD([parameter], lr=1.0), clip_max_norm=0.125)
    before = parameter.detach().clone()
    optimizer.step(losses)
    assert (parameter.detach() - before).norm().item() == pytest.approx(0.125, rel=1e-4)


def test_its_state_round_trips_through_a_file_and_continues_exactly(quadratic_tasks):
    (whole, losses), (again, other_losses) = quadratic_tasks(5), quadratic_tasks(5)
    uninterrupted, first = make(whole), make(again)
    for _ in range(21):
        uninterrupted.step(losses)
    for _ in range(8):
        first.step(other_losses)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = make(again)
    second.load_state_dict(torch.load(file, weights_only=True))
    for _ in range(13):
        second.step(other_losses)
    assert torch.equal(again, whole)
    assert second.get_task_weights() == uninterrupted.get_task_weights()


def test_next_batch_is_refused_because_the_step_sees_one_batch(quadratic_tasks):
    parameter, _ = quadratic_tasks(5)
    with pytest.raises(SettingsError, match="next_batch"):
        make(parameter, update_mode="next_batch")


SCHEDULERS = {
    "step": lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=1, gamma=0.5),
    "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=4),
    "one cycle": lambda o: torch.optim.lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=5),
    "lambda": lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + step)),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_learning_rate_schedulers_drive_the_base_optimiser_through_it(quadratic_tasks, name):
    parameter, losses = quadratic_tasks(5)
    optimizer = make(parameter)
    assert isinstance(optimizer, torch.optim.Optimizer)
    scheduler = SCHEDULERS[name](optimizer)
    reference = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=0.02)
    expected = SCHEDULERS[name](reference)
    for _ in range(3):
        optimizer.step(losses)
        scheduler.step()
        reference.step()
        expected.step()
        assert optimizer.base.param_groups[0]["lr"] == pytest.approx(reference.param_groups[0]["lr"])


def test_the_learning_rate_that_a_scheduler_sets_is_used_after_loading_a_state_as_well(quadratic_tasks):
    parameter, losses = quadratic_tasks(5)
    optimizer = make(parameter)
    optimizer.step(losses)
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    optimizer.param_groups[0]["lr"] = 0.0
    before = parameter.detach().clone()
    optimizer.step(losses)
    assert torch.equal(parameter, before)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
def test_a_step_that_is_not_finite_changes_nothing_and_is_counted(quadratic_tasks, bad):
    parameter, losses = quadratic_tasks(5)
    optimizer = make(parameter, update_every=1)
    optimizer.step(losses)
    before, logits = parameter.detach().clone(), optimizer.get_task_weights()
    state = copy.deepcopy(optimizer.base.state_dict())
    optimizer.step(lambda: losses() * torch.tensor([1, bad, 1, 1, 1]))
    assert torch.equal(parameter, before)
    assert optimizer.get_task_weights() == logits
    assert torch.equal(optimizer.base.state_dict()["state"][0]["exp_avg"], state["state"][0]["exp_avg"])
    assert optimizer.skipped_steps == 1
    assert optimizer.metrics()["train/skipped_steps"] == 1
    optimizer.step(losses)
    assert not torch.equal(parameter, before)


def test_twenty_skipped_steps_in_a_row_raise_and_name_the_task(quadratic_tasks):
    parameter, losses = quadratic_tasks(5)
    optimizer = make(parameter)
    for _ in range(19):
        optimizer.step(lambda: losses() * torch.tensor([1, float("nan"), 1, 1, 1]))
    with pytest.raises(NumericalError, match=r"20 steps in a row were skipped.*s1_bpp = nan"):
        optimizer.step(lambda: losses() * torch.tensor([1, float("nan"), 1, 1, 1]))


def test_a_group_added_later_is_trained_and_clipped_too(quadratic_tasks):
    parameter, losses = quadratic_tasks(5)
    other = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
    optimizer = HierarchicalBalanced(torch.optim.SGD([parameter], lr=1.0), clip_max_norm=0.125)
    optimizer.add_param_group({"params": [other], "lr": 1.0})
    assert len(optimizer.param_groups) == len(optimizer.base.param_groups) == 2
    before = torch.cat((parameter.detach(), other.detach()))
    optimizer.step(lambda: losses() + other.square().sum())
    assert (torch.cat((parameter, other)).detach() - before).norm().item() == pytest.approx(0.125, rel=1e-4)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_a_copy_is_whole_and_its_own(quadratic_tasks, duplicate):
    parameter, losses = quadratic_tasks(5)
    optimizer = make(parameter)
    optimizer.step(losses)
    other = duplicate(optimizer)
    assert other.get_task_weights() == optimizer.get_task_weights()
    assert other.param_groups is other.base.param_groups
    assert other.param_groups[0]["params"][0] is not parameter


def test_a_part_of_the_batch_needs_losses_per_image(quadratic_tasks):
    parameter, losses = quadratic_tasks(5)
    optimizer = make(parameter, update_fraction=0.5, update_every=1)
    with pytest.raises(SettingsError, match="returns TaskLosses"):
        optimizer.step(losses)
    with pytest.raises(SettingsError, match="above 0 and at most 1. Found 1.5"):
        make(parameter, update_fraction=1.5)
