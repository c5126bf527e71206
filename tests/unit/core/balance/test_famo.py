"""The update of the task logits against the published algorithm, and over hostile losses."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcmbal.core.balance.famo import FamoLogits, log_improvement, logit_gradient


class PublishedFamo:
    """FAMO's logit update in plain numpy: Liu et al. 2023, algorithm 1, with torch's Adam and its weight decay.

    The published code's lower bounds of the losses are zero here, and its 1e-8 inside the logarithm is left out.
    """

    def __init__(self, count, w_lr, gamma):
        self.w, self.m, self.v = np.zeros(count), np.zeros(count), np.zeros(count)
        self.t, self.w_lr, self.gamma = 0, w_lr, gamma

    def z(self):
        e = np.exp(self.w - self.w.max())
        return e / e.sum()

    def update(self, before, after):
        z = self.z()
        delta = np.log(before) - np.log(after)
        jacobian = np.diag(z) - np.outer(z, z)
        g = jacobian.T @ delta + self.gamma * self.w
        self.t += 1
        self.m = 0.9 * self.m + 0.1 * g
        self.v = 0.999 * self.v + 0.001 * g * g
        m_hat, v_hat = self.m / (1 - 0.9**self.t), self.v / (1 - 0.999**self.t)
        self.w = self.w - self.w_lr * m_hat / (np.sqrt(v_hat) + 1e-8)


@pytest.mark.parametrize("gammas", [(0.003, 0.003), (0.008, 0.008, 0.006, 0.006, 0.004), (0.0, 1.0, 0.5)])
def test_it_is_the_published_update_over_a_hundred_steps(gammas):
    rng = np.random.default_rng(5)
    ours, theirs = FamoLogits(len(gammas), 0.025), PublishedFamo(len(gammas), 0.025, np.array(gammas))
    losses = np.exp(rng.normal(size=len(gammas), scale=4))
    for _ in range(100):
        after = losses * np.exp(rng.normal(size=len(gammas), scale=3e-4) - 1e-3 * np.arange(len(gammas)))
        ours.update(torch.from_numpy(losses), torch.from_numpy(after), torch.tensor(gammas, dtype=torch.float64))
        theirs.update(losses, after)
        losses = after
        np.testing.assert_allclose(ours.values.numpy(), theirs.w, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(ours.weights.numpy(), theirs.z(), rtol=1e-6)
    assert np.abs(theirs.w).max() > 0.05


def test_the_gradient_is_that_of_autograd():
    w, delta = torch.randn(5, dtype=torch.float64, requires_grad=True), torch.randn(5, dtype=torch.float64)
    expected = torch.autograd.grad(w.softmax(0), w, delta)[0]
    torch.testing.assert_close(logit_gradient(w.detach().softmax(0), delta), expected)


def test_the_task_that_improves_least_gains_weight():
    logits, gammas = FamoLogits(3, 0.025), torch.zeros(3, dtype=torch.float64)
    for _ in range(20):
        logits.update(torch.ones(3), torch.tensor([0.9, 0.99, 1.01]), gammas)
    assert logits.weights[0] < logits.weights[1] < logits.weights[2]


def test_gamma_pulls_each_logit_back_to_zero():
    logits = FamoLogits(3, 0.025)
    logits.values = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
    for _ in range(20):
        logits.update(torch.ones(3), torch.ones(3), torch.tensor([0.008, 0.006, 0.0], dtype=torch.float64))
    assert logits.values[0] < 1
    assert logits.values[1] > -1
    assert logits.values[2] == 1


losses = st.one_of(st.just(0.0), st.floats(1e-10, 1e10))


@settings(max_examples=30, deadline=None)
@given(data=st.data(), count=st.integers(2, 6), gamma=st.sampled_from([0.0, 0.004, 1.0]), steps=st.integers(1, 40))
def test_weights_stay_finite_positive_and_sum_to_one(data, count, gamma, steps):
    logits = FamoLogits(count, 0.025)
    gammas = torch.full((count,), gamma, dtype=torch.float64)
    for _ in range(steps):
        before, after = (torch.tensor(data.draw(st.lists(losses, min_size=count, max_size=count))) for _ in range(2))
        logits.update(before, after, gammas)
        weights = logits.weights
        assert bool((weights.isfinite() & (weights > 0)).all())
        assert weights.sum().item() == pytest.approx(1)


HOSTILE = {
    "one constant": [1.0, 0.9, 0.9, 0.9],
    "all constant": [1.0, 1.0, 1.0, 1.0],
    "one improving, the rest getting worse": [0.5, 1.5, 1.5, 1.5],
    "one zero": [0.0, 0.99, 0.99, 0.99],
    "one collapsing": [1e-9, 1.0, 1.0, 1.0],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("scale", [1e-10, 1e10])
def test_two_thousand_hostile_updates_leave_the_weights_usable(name, scale):
    ratios = torch.tensor(HOSTILE[name], dtype=torch.float64)
    before = torch.full((4,), scale, dtype=torch.float64) * (ratios > 0)
    logits, gammas = FamoLogits(4, 0.025), torch.zeros(4, dtype=torch.float64)
    for _ in range(2_000):
        logits.update(before, before * ratios, gammas)
    assert bool((logits.weights > 0).all())
    assert logits.weights.sum().item() == pytest.approx(1)
    if name == "all constant":
        assert torch.equal(logits.values, torch.zeros(4, dtype=torch.float64))


@given(scale=st.sampled_from([1e-10, 1e-3, 1e3, 1e10]), seed=st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_the_unit_of_the_losses_does_not_matter(scale, seed):
    generator = torch.Generator().manual_seed(seed)
    one, other = FamoLogits(5, 0.025), FamoLogits(5, 0.025)
    gammas = torch.tensor([0.008, 0.008, 0.006, 0.006, 0.004], dtype=torch.float64)
    for _ in range(50):
        before, after = torch.rand(2, 5, generator=generator, dtype=torch.float64) + 0.01
        one.update(before, after, gammas)
        other.update(scale * before, scale * after, gammas)
    torch.testing.assert_close(one.weights, other.weights, rtol=1e-9, atol=0)


def test_improvements_to_and_from_zero_are_bounded():
    found = log_improvement(torch.tensor([0.0, 0.0, 1.0, 1e10]), torch.tensor([0.0, 1.0, 0.0, 1e-10]))
    assert found.tolist() == [0, -10, 10, 10]


def test_its_state_round_trips_through_a_file_and_continues_exactly():
    generator = torch.Generator().manual_seed(2)
    pairs = torch.rand(40, 2, 5, generator=generator) + 0.1
    gammas = torch.full((5,), 0.006, dtype=torch.float64)
    whole, first, second = FamoLogits(5, 0.025), FamoLogits(5, 0.025), FamoLogits(5, 0.025)
    for before, after in pairs:
        whole.update(before, after, gammas)
    for before, after in pairs[:17]:
        first.update(before, after, gammas)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    for before, after in pairs[17:]:
        second.update(before, after, gammas)
    assert torch.equal(whole.values, second.values)
