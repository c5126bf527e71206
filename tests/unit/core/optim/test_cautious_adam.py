"""CautiousAdam against its definition, written out coordinate by coordinate."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from torch import nn

from hpcmbal.core.optim import CautiousAdam
from hpcmbal.errors import SettingsError


def reference(start, gradients, *, lr, betas, eps, weight_decay, amsgrad):
    """The published algorithm in numpy, float64."""
    p, m, v, largest = start.copy(), np.zeros_like(start), np.zeros_like(start), np.zeros_like(start)
    for t, g in enumerate(gradients, start=1):
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        largest = np.maximum(largest, v)
        v_hat = (largest if amsgrad else v) / (1 - betas[1] ** t)
        update = m / (1 - betas[0] ** t) / (np.sqrt(v_hat) + eps)
        mask = (update * g > 0).astype(float)
        p = p * (1 - lr * weight_decay)
        if mask.any():
            p = p - lr * update * mask * min(1 / mask.mean(), 10)
    return p


def run(optimizer, parameters, gradients):
    for of_step in gradients:
        for parameter, gradient in zip(parameters, of_step, strict=True):
            parameter.grad = torch.from_numpy(gradient).clone()
        optimizer.step()


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_it_is_the_published_update(amsgrad, weight_decay):
    rng = np.random.default_rng(3)
    options = {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": weight_decay, "amsgrad": amsgrad}
    starts = [rng.normal(size=shape) for shape in ((5, 3, 1, 1), (40,), (1, 6, 1, 1))]
    gradients = [[rng.normal(size=start.shape) for start in starts] for _ in range(30)]
    parameters = [nn.Parameter(torch.from_numpy(start.copy())) for start in starts]
    run(CautiousAdam(parameters, **options), parameters, gradients)
    for i, parameter in enumerate(parameters):
        expected = reference(starts[i], [of_step[i] for of_step in gradients], **options)
        np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_without_momentum_everything_agrees_and_it_is_adamw(weight_decay):
    torch.manual_seed(0)
    pairs = [(nn.Parameter(p.clone()), nn.Parameter(p.clone())) for p in (torch.randn(6, 5), torch.randn(7))]
    options = {"lr": 0.01, "betas": (0.0, 0.99), "weight_decay": weight_decay}
    ours = CautiousAdam([p for p, _ in pairs], **options)
    theirs = torch.optim.AdamW([q for _, q in pairs], **options)
    for _ in range(20):
        for p, q in pairs:
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
        ours.step()
        theirs.step()
    for p, q in pairs:
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6)


def after_momentum(gradient):
    """Change of a parameter by a step on `gradient` after 50 steps on ones, at a learning rate of 1."""
    parameter = nn.Parameter(torch.zeros(len(gradient), dtype=torch.float64))
    optimizer = CautiousAdam([parameter], lr=1.0, betas=(0.9, 0.999))
    for _ in range(50):
        parameter.grad = torch.ones_like(parameter)
        optimizer.step()
    before = parameter.detach().clone()
    parameter.grad = torch.tensor(gradient, dtype=torch.float64)
    optimizer.step()
    return parameter.detach() - before


def test_a_tensor_in_which_nothing_agrees_does_not_move():
    assert torch.equal(after_momentum([-0.1, -0.1, -0.1]), torch.zeros(3, dtype=torch.float64))


def test_masked_coordinates_rest_and_the_others_make_up_for_them():
    moved, alone = after_momentum([0.1, -0.1, 0.1, -0.1]), after_momentum([0.1])
    assert torch.equal(moved[[1, 3]], torch.zeros(2, dtype=torch.float64))
    torch.testing.assert_close(moved[[0, 2]], 2 * alone.repeat(2))


def test_the_enlargement_stops_at_ten():
    moved, alone = after_momentum([0.1] + 99 * [-0.1]), after_momentum([0.1])
    torch.testing.assert_close(moved[0], 10 * alone[0])


def test_gradients_so_small_that_their_products_underflow_still_agree():
    parameter = nn.Parameter(torch.zeros(3))
    optimizer = CautiousAdam([parameter], lr=0.1, eps=0.0)
    parameter.grad = torch.full((3,), 1e-18)
    optimizer.step()
    torch.testing.assert_close(parameter.detach(), torch.full((3,), -0.1))


@pytest.mark.parametrize("amsgrad", [False, True])
def test_its_state_round_trips_through_a_file_bit_by_bit(amsgrad):
    rng = np.random.default_rng(1)
    gradients = [[rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=5).astype(np.float32)] for _ in range(20)]

    def start():
        torch.manual_seed(0)
        parameters = [nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(5))]
        return parameters, CautiousAdam(parameters, lr=0.01, amsgrad=amsgrad, weight_decay=0.01)

    whole, whole_optimizer = start()
    run(whole_optimizer, whole, gradients)
    first, first_optimizer = start()
    run(first_optimizer, first, gradients[:9])
    file = io.BytesIO()
    torch.save(first_optimizer.state_dict(), file)
    file.seek(0)
    second, second_optimizer = start()
    second_optimizer.load_state_dict(torch.load(file, weights_only=True))
    for old, new in zip(first, second, strict=True):
        new.data.copy_(old.data)
    run(second_optimizer, second, gradients[9:])
    assert all(torch.equal(a, b) for a, b in zip(whole, second, strict=True))


def test_parameters_without_a_gradient_wait_and_then_start_at_their_own_first_step():
    late, always = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = CautiousAdam([late, always], lr=0.1)
    for step in range(5):
        always.grad = torch.ones(3)
        late.grad = torch.ones(3) if step == 4 else None
        optimizer.step()
    # The first Adam step has length lr; had it been taken for the fifth, bias correction would make it shorter.
    torch.testing.assert_close(late.detach(), torch.full((3,), 0.9))


def test_a_closure_is_evaluated_with_gradients_first():
    parameter = nn.Parameter(torch.tensor([2.0]))
    optimizer = CautiousAdam([parameter], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = parameter.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure) == 4
    torch.testing.assert_close(parameter.detach(), torch.tensor([1.5]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1.0}, "`lr` should be at least 0. Found `lr = -1.0`"),
        ({"betas": (0.9, 1.0)}, r"`betas` should be two numbers in \[0, 1\)"),
        ({"eps": -1e-8}, "`eps` should be at least 0"),
        ({"weight_decay": -0.1}, "`weight_decay` should be at least 0"),
    ],
)
def test_values_out_of_range_are_refused(options, message):
    with pytest.raises(SettingsError, match=message):
        CautiousAdam([nn.Parameter(torch.zeros(1))], **options)
