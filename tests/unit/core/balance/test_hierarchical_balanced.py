"""The composed optimiser, as somebody without the trainer uses it."""

from __future__ import annotations

import io

import pytest
import torch

from hpcmbal.core.balance import HierarchicalBalanced
from hpcmbal.core.loss import FIVE_TASKS
from hpcmbal.errors import SettingsError

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
