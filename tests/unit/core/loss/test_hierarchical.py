"""The five tasks are J, cut along scales."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpcmbal.core.loss import (
    FIVE_TASKS,
    AdaptiveHierarchicalLoss,
    HierarchicalLoss,
    RateDistortionLoss,
    build_loss,
)
from hpcmbal.errors import SettingsError
from hpcmbal.settings import LossSettings

LOSSES = {
    "total": RateDistortionLoss(),
    "two": RateDistortionLoss(tasks="two"),
    "measured": HierarchicalLoss(),
    "fixed": HierarchicalLoss(decomposition="fixed"),
    "learned": AdaptiveHierarchicalLoss(),
}


def objective(output, x, lmbda):
    """J as the papers write it, image by image."""
    mse = (output["x_hat"] - x).square().mean((1, 2, 3))
    bpp = sum(output["scale_bits"]) / (x.shape[-1] * x.shape[-2])
    return (bpp + lmbda * 255**2 * mse).mean()


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    noise=st.sampled_from([1e-7, 1e-2, 1.0]),
    seed=st.integers(0, 99),
)
def test_tasks_sum_to_j_for_images_of_any_size(make_case, name, *, height, width, noise, seed):
    output, x, lmbda = make_case(height, width, noise=noise, seed=seed)
    losses = LOSSES[name](output, x, lmbda)
    expected = objective(output, x, lmbda)
    torch.testing.assert_close(losses.total, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(losses.record.j, expected.detach(), rtol=1e-6, atol=0)
    assert bool((losses.per_image >= 0).all())


@pytest.mark.parametrize("tasks", ["total", "two", "five"])
def test_weighing_images_by_lmbda_changes_what_is_trained_and_not_what_is_reported(make_case, tasks):
    output, x, lmbda = make_case()
    plain = build_loss(LossSettings(tasks=tasks))(output, x, lmbda)
    weighted = build_loss(LossSettings(tasks=tasks, lmbda_power=0.8), lmbda_middle=0.01)(output, x, lmbda)
    expected = plain.per_image * ((0.01 / lmbda) ** 0.8)[:, None]
    torch.testing.assert_close(weighted.tasks, expected.mean(0))
    torch.testing.assert_close(weighted.total, expected.sum(1).mean())
    assert weighted.scalars() == plain.scalars()


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_of_the_sum_is_that_of_j(make_case, name):
    output, x, lmbda = make_case()
    inputs = [output["x_hat"], *output["scale_bits"]]
    expected = torch.autograd.grad(objective(output, x, lmbda), inputs)
    found = torch.autograd.grad(LOSSES[name](output, x, lmbda).total, inputs)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_every_image_uses_its_own_lmbda(make_case):
    output, x, lmbda = make_case()
    losses = LOSSES["measured"]
    heavier = lmbda * torch.tensor([1.0, 10.0, 1.0])
    ratio = losses(output, x, heavier).per_image / losses(output, x, lmbda).per_image
    expected = torch.ones(3, 5, dtype=torch.float64)
    expected[1, [0, 2]] = 10
    torch.testing.assert_close(ratio, expected)


def test_an_error_constant_in_4x4_blocks_is_all_s1(make_case):
    output, x, lmbda = make_case(32, 64)
    blocks = torch.randn(3, 3, 8, 16, dtype=torch.float64).repeat_interleave(4, 2).repeat_interleave(4, 3)
    output["x_hat"] = x + blocks
    tasks = LOSSES["measured"](output, x, lmbda).tasks
    assert tasks[0] > 1
    assert tasks[2] < 1e-20 * tasks[0] + 1e-20


def test_an_error_without_block_means_is_all_s2_and_its_finest_part_is_reported(make_case):
    output, x, lmbda = make_case(32, 64)
    checkerboard = (torch.arange(32)[:, None] + torch.arange(64)) % 2 * 2.0 - 1
    output["x_hat"] = x + 0.1 * checkerboard
    losses = LOSSES["measured"](output, x, lmbda)
    assert losses.tasks[0] < 1e-20
    assert losses.record.distortion_share_s3.item() == pytest.approx(1)


def test_rates_go_to_the_scale_that_codes_them_and_z_to_s3(make_case):
    output, x, lmbda = make_case()
    losses = LOSSES["measured"](output, x, lmbda)
    s1, s2, s3, z = (part.mean() / (37 * 50) for part in output["scale_bits"])
    torch.testing.assert_close(losses.tasks[[1, 3, 4]], torch.stack((s1, s2, s3 + z)))


def test_fixed_shares_give_the_missing_s3_distortion_to_s2(make_case):
    output, x, lmbda = make_case()
    two, five = LOSSES["two"](output, x, lmbda).tasks, LOSSES["fixed"](output, x, lmbda).tasks
    distortion, rate = two
    expected = torch.stack((0.4 * distortion, 0.3 * rate, 0.6 * distortion, 0.4 * rate, 0.3 * rate))
    torch.testing.assert_close(five, expected)


def test_a_perfect_reconstruction_has_finite_losses_and_gradients(make_case):
    for loss in LOSSES.values():
        output, x, lmbda = make_case()
        output["x_hat"] = x.clone().requires_grad_()
        losses = loss(output, x, lmbda)
        losses.total.backward()
        assert bool(output["x_hat"].grad.isfinite().all())
        assert losses.record.psnr_db == 100


def test_half_precision_reconstructions_are_measured_in_float32(make_case):
    output, x, lmbda = make_case()
    output["x_hat"] = output["x_hat"].detach().bfloat16()
    assert LOSSES["measured"](output, x.float(), lmbda.float()).tasks.dtype == torch.float32


@pytest.mark.slow
def test_learned_shares_approach_the_measured_ones_and_get_no_gradient_from_the_tasks(make_case):
    output, x, lmbda = make_case(64, 64)
    loss = AdaptiveHierarchicalLoss(share_learning_rate=0.05)
    optimizer = torch.optim.Adam(loss.parameter_groups())
    loss(output, x, lmbda).total.backward()
    assert all(parameter.grad is None for parameter in loss.parameters())
    for _ in range(300):
        optimizer.zero_grad()
        losses = loss(output, x, lmbda)
        losses.auxiliary.backward()
        optimizer.step()
    record = losses.record
    measured = torch.stack((record.distortion_share_s1, record.distortion_share_s2, record.distortion_share_s3))
    torch.testing.assert_close(loss.distortion_share_logits.softmax(0).double(), measured, atol=2e-3, rtol=0)
    rates = LOSSES["measured"](output, x, lmbda).tasks[[1, 3, 4]]
    torch.testing.assert_close(loss.rate_share_logits.softmax(0).double(), rates / rates.sum(), atol=2e-3, rtol=0)


def test_learned_shares_round_trip_through_their_state():
    loss, other = AdaptiveHierarchicalLoss(), AdaptiveHierarchicalLoss()
    with torch.no_grad():
        loss.rate_share_logits.add_(torch.randn(3))
    other.load_state_dict(loss.state_dict())
    assert torch.equal(other.rate_share_logits, loss.rate_share_logits)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, RateDistortionLoss),
        ({"tasks": "two"}, RateDistortionLoss),
        ({"tasks": "five"}, HierarchicalLoss),
        ({"tasks": "five", "decomposition": "fixed"}, HierarchicalLoss),
        ({"tasks": "five", "decomposition": "learned"}, AdaptiveHierarchicalLoss),
    ],
)
def test_settings_choose_the_loss(chosen, expected):
    loss = build_loss(LossSettings(**chosen))
    assert type(loss) is expected
    assert len(loss.names) == {"total": 1, "two": 2, "five": 5}[chosen.get("tasks", "total")]


def test_scalars_hold_the_record_and_the_tasks(make_case):
    scalars = LOSSES["measured"](*make_case()).scalars()
    assert scalars["j"] == pytest.approx(sum(scalars[name] for name in FIVE_TASKS))
    assert scalars["bpp"] == pytest.approx(sum(scalars[f"bpp_{part}"] for part in ("s1", "s2", "s3", "z")))
    assert "ms_ssim" not in scalars


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("given", [0.02, torch.tensor(0.02), torch.tensor([0.02])], ids=["float", "scalar", "one"])
def test_one_lmbda_is_that_of_all_images(make_case, name, given):
    output, x, _ = make_case()
    expected = LOSSES[name](output, x, torch.full((3,), 0.02, dtype=torch.float64))
    found = LOSSES[name](output, x, given)
    torch.testing.assert_close(found.per_image, expected.per_image, rtol=1e-6, atol=0)
    assert found.image_weights.shape == (3,)


@pytest.mark.parametrize("bad", [0, -1.0, float("nan"), float("inf"), "0.02", None, True])
def test_a_lmbda_that_is_no_positive_number_is_refused(make_case, bad):
    output, x, _ = make_case()
    with pytest.raises(SettingsError, match="lmbda should be a positive number.*Found"):
        LOSSES["measured"](output, x, bad)


def test_lmbda_of_the_wrong_shape_is_refused(make_case):
    output, x, lmbda = make_case()
    with pytest.raises(SettingsError, match=r"expected shape \[3\], found \[2\]"):
        LOSSES["total"](output, x, lmbda[:2])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RateDistortionLoss(metric="psnr"), "metric 'psnr'.*mse, ms-ssim"),
        (lambda: RateDistortionLoss(tasks="five"), "tasks 'five'.*total, two"),
        (lambda: HierarchicalLoss(decomposition="learned"), "decomposition 'learned'.*measured, fixed"),
    ],
)
def test_unknown_choices_are_named(make, message):
    with pytest.raises(SettingsError, match=message):
        make()
