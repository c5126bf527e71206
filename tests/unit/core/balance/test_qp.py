"""The quadratic programme of Balanced R-D against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcmbal.core.balance import LostLambdaWarning, QPBalancer, TaskLayout
from hpcmbal.core.balance.qp import qp_effective_weights, solve_qp
from hpcmbal.core.loss import FIVE_TASKS, TWO_TASKS
from hpcmbal.errors import NumericalError

FIVE = TaskLayout.from_names(FIVE_TASKS)


def published(gradients, losses):
    """w = Q^-1 1 / (1^T Q^-1 1), softmax, in numpy."""
    v = gradients / losses[:, None]
    inverse = np.linalg.inv(v @ v.T)
    w = inverse.sum(1) / inverse.sum()
    return np.exp(w) / np.exp(w).sum()


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("scale", [1e-10, 1.0, 1e10])
def test_it_is_the_published_closed_form_at_any_scale(count, scale):
    rng = np.random.default_rng(count)
    gradients, losses = rng.normal(size=(count, 20)), rng.uniform(0.1, 3, size=count)
    found = solve_qp(torch.from_numpy(scale**2 * gradients @ gradients.T), torch.from_numpy(scale * losses))
    np.testing.assert_allclose(found.numpy(), published(gradients, losses), rtol=1e-6)


def test_before_the_softmax_it_minimises_the_norm_of_the_mixture(monkeypatch):
    v = torch.randn(2, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(torch.Tensor, "softmax", lambda self, *_: self)
    w = solve_qp(v @ v.T, torch.ones(2, dtype=torch.float64))
    grid = torch.linspace(-5, 5, 2001, dtype=torch.float64)
    norms = (grid[:, None] * v[0] + (1 - grid)[:, None] * v[1]).norm(dim=1)
    assert grid[norms.argmin()].item() == pytest.approx(w[0].item(), abs=0.01)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999),
    count=st.integers(2, 5),
    scales=st.lists(st.sampled_from([0.0, 1e-10, 1.0, 1e10]), min_size=5, max_size=5),
)
def test_weights_are_finite_positive_and_sum_to_one_or_there_are_none(seed, count, scales):
    generator = torch.Generator().manual_seed(seed)
    factor = torch.tensor(scales[:count], dtype=torch.float64)
    gradients = factor[:, None] * torch.randn(count, 8, generator=generator, dtype=torch.float64)
    losses = factor * torch.rand(count, generator=generator, dtype=torch.float64)
    weights = solve_qp(gradients @ gradients.T, losses)
    if weights is not None:
        assert bool((weights.isfinite() & (weights > 0)).all())
        assert weights.sum().item() == pytest.approx(1)
        assert bool((qp_effective_weights(weights, losses) > 0).all())
    else:
        assert 0.0 in scales[:count]


@pytest.mark.parametrize(
    ("gradients", "losses"),
    [
        ([[1.0, 2.0], [1.0, 2.0]], [1.0, 1.0]),
        ([[1.0, 2.0], [0.0, 0.0]], [1.0, 1.0]),
        ([[1.0, 2.0], [2.0, -1.0]], [1.0, 0.0]),
    ],
    ids=["parallel", "no gradient", "loss zero"],
)
def test_singular_programmes_fall_back_to_equal_weights_and_are_counted(gradients, losses):
    layout = TaskLayout.from_names(TWO_TASKS)
    with pytest.warns(LostLambdaWarning):
        balancer = QPBalancer(layout, preserve_lambda=False)
    parameter = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
    for _ in range(3):
        tasks = torch.tensor(gradients, dtype=torch.float64) @ parameter + torch.tensor(losses, dtype=torch.float64)
        balancer.backward(tasks, [parameter])
    assert balancer.metrics()["qp_fallbacks"] == 3
    assert balancer.metrics()["weights/bpp"] == 0.5
    assert bool(parameter.grad.isfinite().all())
    with pytest.warns(LostLambdaWarning):
        resumed = QPBalancer(layout, preserve_lambda=False)
    resumed.load_state_dict(balancer.state_dict())
    assert resumed.fallbacks == 3


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_the_gradient_is_the_weighted_sum_and_lambda_is_kept(quadratic_tasks, scale):
    parameter, losses = quadratic_tasks(5)
    balancer = QPBalancer(FIVE)
    balancer.backward(losses(), [parameter], scale)
    metrics = balancer.metrics()
    weights = [metrics[f"effective_weights/{name}"] for name in FIVE_TASKS]
    expected = sum(scale * w * torch.autograd.grad(losses()[i], parameter)[0] for i, w in enumerate(weights))
    torch.testing.assert_close(parameter.grad, expected)
    assert metrics["lmbda_eff_ratio"] == pytest.approx(1)
    balancer.update(0, losses(), pytest.fail)


def test_annealed_to_the_end_it_has_the_gradient_of_j(quadratic_tasks):
    parameter, losses = quadratic_tasks(5)
    balancer = QPBalancer(FIVE, anneal_from=0.5)
    balancer.set_progress(0.75)
    resumed = QPBalancer(FIVE, anneal_from=0.5)
    resumed.load_state_dict(balancer.state_dict())
    assert resumed.effective.strength == 0.5
    balancer.set_progress(1.0)
    balancer.backward(losses(), [parameter])
    torch.testing.assert_close(parameter.grad, torch.autograd.grad(losses().sum(), parameter)[0])


def test_parameters_that_a_task_does_not_reach_count_as_zero_gradients(quadratic_tasks):
    parameter, losses = quadratic_tasks(4)
    other = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
    QPBalancer(FIVE).backward(torch.cat((losses(), other.square().sum()[None])), [parameter, other])
    assert bool(other.grad.abs().sum() > 0)


def test_a_loss_that_is_not_finite_is_named(quadratic_tasks):
    parameter, losses = quadratic_tasks(5)
    with pytest.raises(NumericalError, match="s3_bpp = nan"):
        QPBalancer(FIVE).backward(losses() * torch.tensor([1, 1, 1, 1, float("nan")]), [parameter])
