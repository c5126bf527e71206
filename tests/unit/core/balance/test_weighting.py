"""Effective weights: pure functions of logits and losses, over losses of any size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcmbal.core.balance import TaskLayout
from hpcmbal.core.balance.weighting import WEIGHTINGS, check_losses, lmbda_ratio, preserve_sides, scale_modulation
from hpcmbal.core.loss import FIVE_TASKS, TOTAL_TASK, TWO_TASKS
from hpcmbal.errors import NumericalError, SettingsError

FIVE = TaskLayout.from_names(FIVE_TASKS)
ONES = torch.ones(5, dtype=torch.float64)

loss_lists = st.lists(st.one_of(st.just(0.0), st.floats(1e-10, 1e10)), min_size=5, max_size=5)
logit_lists = st.lists(st.floats(-3, 3), min_size=5, max_size=5)


def weighted_loss(mode, logits, losses):
    """The table of the design, literally, with its normalising constants held fixed."""
    z = logits.softmax(0)
    if mode == "linear":
        return (len(z) * z * losses).sum()
    if mode == "log1p":
        return (z * losses.log1p()).sum() / (z / (1 + losses)).sum().detach()
    return (z * losses.log()).sum() / (z / losses).sum().detach()


@pytest.mark.parametrize("mode", WEIGHTINGS)
def test_effective_weights_are_the_derivatives_of_the_weighted_loss(mode):
    logits = torch.randn(5, dtype=torch.float64)
    losses = (torch.randn(5, dtype=torch.float64) * 3).exp().requires_grad_()
    expected = torch.autograd.grad(weighted_loss(mode, logits, losses), losses)[0]
    torch.testing.assert_close(WEIGHTINGS[mode](logits, losses.detach(), ONES), expected)


@pytest.mark.parametrize("preserve", [False, True])
@pytest.mark.parametrize("mode", WEIGHTINGS)
@settings(max_examples=60, deadline=None)
@given(logits=logit_lists, losses=loss_lists)
def test_effective_weights_are_finite_and_positive_whatever_the_losses(mode, preserve, logits, losses):
    w, values = torch.tensor(logits, dtype=torch.float64), torch.tensor(losses, dtype=torch.float64)
    weights = WEIGHTINGS[mode](w, values, ONES)
    if preserve:
        weights = preserve_sides(weights, values, FIVE.sides)
    assert bool((weights.isfinite() & (weights > 0)).all())


@pytest.mark.parametrize("mode", WEIGHTINGS)
@settings(max_examples=60, deadline=None)
@given(logits=logit_lists, losses=loss_lists, emphasis=st.lists(st.floats(0.01, 10), min_size=3, max_size=3))
def test_preserving_keeps_the_total_of_each_side_and_so_lmbda(mode, logits, losses, emphasis):
    w, values = torch.tensor(logits, dtype=torch.float64), torch.tensor(losses, dtype=torch.float64)
    weights = preserve_sides(WEIGHTINGS[mode](w, values, scale_modulation(emphasis, FIVE)), values, FIVE.sides)
    for side in FIVE.sides:
        index = list(side)
        torch.testing.assert_close((weights * values)[index].sum(), values[index].sum(), rtol=1e-9, atol=0)
    assert lmbda_ratio(weights, values, FIVE).item() == pytest.approx(1)


@given(losses=loss_lists)
@settings(max_examples=40, deadline=None)
def test_neutral_linear_weights_are_exactly_those_of_j(losses):
    values = torch.tensor(losses, dtype=torch.float64)
    weights = WEIGHTINGS["linear"](torch.zeros(5, dtype=torch.float64), values, ONES)
    torch.testing.assert_close(preserve_sides(weights, values, FIVE.sides), ONES, rtol=1e-12, atol=0)


def test_log_weights_do_not_contain_lmbda():
    """Why `log` loses it: a distortion 7 times as heavy gets a 7th of the weight."""
    losses = torch.tensor([0.5, 0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    factor = torch.tensor([7.0, 1, 7, 1, 1], dtype=torch.float64)
    w = torch.zeros(5, dtype=torch.float64)
    one, seven = WEIGHTINGS["log"](w, losses, ONES), WEIGHTINGS["log"](w, losses * factor, ONES) * factor
    torch.testing.assert_close(one / one.sum(), seven / seven.sum())
    assert lmbda_ratio(WEIGHTINGS["log"](w, losses * factor, ONES), losses * factor, FIVE) < 1


def test_a_task_at_zero_does_not_take_the_weight_of_the_others_in_log_mode():
    losses = torch.tensor([0.0, 1.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    weights = WEIGHTINGS["log"](torch.zeros(5, dtype=torch.float64), losses, ONES)
    torch.testing.assert_close(weights, torch.full((5,), 0.2, dtype=torch.float64))


def test_scale_modulation_has_mean_one_over_the_scales_and_follows_the_tasks():
    expected = torch.tensor([0.9, 0.9, 1.2, 1.2, 0.9], dtype=torch.float64)
    torch.testing.assert_close(scale_modulation((0.3, 0.4, 0.3), FIVE), expected)
    torch.testing.assert_close(scale_modulation((3, 4, 3), FIVE), expected)


def test_the_emphasis_may_be_about_one_side_alone():
    parts = {"distortion": [0.9, 1.0, 1.2, 1.0, 1.0], "rate": [1.0, 0.9, 1.0, 1.2, 0.9]}
    for emphasised, expected in parts.items():
        found = scale_modulation((0.3, 0.4, 0.3), FIVE, emphasised)
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("weights", [(1, 1), (1, 0, 1), (1, -1, 1), (1, float("nan"), 1), (1, float("inf"), 1)])
def test_scale_weights_that_mean_nothing_are_refused(weights):
    with pytest.raises(SettingsError, match="three positive numbers"):
        scale_modulation(weights, FIVE)


def test_layouts_are_read_off_the_names():
    assert FIVE.sides == ((0, 2), (1, 3, 4))
    assert FIVE.scales == (0, 0, 1, 1, 2)
    assert FIVE.per_task((0.8, 0.6, 0.4)) == [0.8, 0.8, 0.6, 0.6, 0.4]
    two = TaskLayout.from_names(TWO_TASKS)
    assert (two.sides, two.scales, two.per_task((0.8, 0.6, 0.4))) == (((0,), (1,)), None, [0.8, 0.8])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (TOTAL_TASK, "at least two tasks"),
        (("distortion", "quality"), "should end in 'distortion' or 'bpp'"),
        (("s1_distortion", "bpp"), "all or none begin with"),
    ],
)
def test_names_without_a_layout_are_refused(names, message):
    with pytest.raises(SettingsError, match=message):
        TaskLayout.from_names(names)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e-9])
def test_losses_that_are_not_finite_or_negative_are_named(value):
    losses = torch.tensor([0.1, 0.2, 0.3, value, 0.5])
    with pytest.raises(NumericalError, match=f"s2_bpp = {losses[3].item()}") as error:
        check_losses(losses, FIVE_TASKS, "now")
    assert "s1_bpp" not in str(error.value)
