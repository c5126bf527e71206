"""Aggregators of the torchjd package as balancers."""

from __future__ import annotations

import importlib.util
import sys

import pytest
import torch

from hpcmbal.core.balance import JacobianDescentBalancer, TaskLayout, build_balancer
from hpcmbal.core.balance.jacobian_descent import load_aggregator, parse_call
from hpcmbal.core.loss import FIVE_TASKS, TWO_TASKS
from hpcmbal.errors import MissingExtraError, NumericalError, SettingsError
from hpcmbal.settings import BalancingSettings

needs_torchjd = pytest.mark.skipif(
    importlib.util.find_spec("torchjd") is None, reason="the optional extra torchjd is not installed"
)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchjd.aggregation", None)
    with pytest.raises(MissingExtraError, match=r"hpcmbal\[torchjd\]"):
        build_balancer(BalancingSettings(name="torchjd"), FIVE_TASKS)


@pytest.mark.parametrize("text", ["", "UPGrad(", "a.b", "CAGrad(0.5)", "CAGrad(c=open('x'))", "CAGrad(**{})", "1 + 1"])
def test_specifications_of_another_form_are_refused_without_running_anything(text):
    with pytest.raises(SettingsError, match="An aggregator is a name"):
        parse_call(text)


@needs_torchjd
@pytest.mark.parametrize("names", [FIVE_TASKS, TWO_TASKS])
@pytest.mark.parametrize("aggregator", ["UPGrad", "MGDA", "Mean", "DualProj", "AlignedMTL", "IMTLG", "PCGrad"])
def test_aggregators_drive_a_descent(quadratic_tasks, aggregator, names):
    parameter, losses = quadratic_tasks(len(names))
    balancer = build_balancer(BalancingSettings(name="torchjd", aggregator=aggregator), names)
    start = losses().sum().item()
    for _ in range(30):
        parameter.grad = None
        balancer.backward(losses(), [parameter])
        with torch.no_grad():
            parameter -= 0.02 * parameter.grad
    assert losses().sum().item() < start


@needs_torchjd
def test_mean_is_the_gradient_of_j_over_the_number_of_tasks(quadratic_tasks):
    parameter, losses = quadratic_tasks(5)
    balancer = build_balancer(BalancingSettings(name="torchjd", aggregator="Mean"), FIVE_TASKS)
    balancer.backward(losses(), [parameter], scale=0.5)
    torch.testing.assert_close(parameter.grad, 0.5 * torch.autograd.grad(losses().sum(), parameter)[0] / 5)
    assert balancer.metrics()["lmbda_eff_ratio"] == pytest.approx(1)
    assert balancer.metrics()["effective_weights/s1_bpp"] == pytest.approx(0.2)


@pytest.mark.parametrize("strength", [1.0, 0.25, 0.0])
def test_annealing_mixes_in_the_gradient_of_j(quadratic_tasks, strength):
    parameter, losses = quadratic_tasks(5)
    balancer = JacobianDescentBalancer(TaskLayout.from_names(FIVE_TASKS), lambda rows: 7 * rows[0], anneal_from=0.0)
    balancer.set_progress(1 - strength)
    balancer.backward(losses(), [parameter])
    first = torch.autograd.grad(losses()[0], parameter)[0]
    whole = torch.autograd.grad(losses().sum(), parameter)[0]
    torch.testing.assert_close(parameter.grad, strength * 7 * first + (1 - strength) * whole)


@needs_torchjd
def test_upgrad_conflicts_with_no_task(quadratic_tasks):
    parameter, losses = quadratic_tasks(5, size=3)
    balancer = build_balancer(BalancingSettings(name="torchjd"), FIVE_TASKS)
    balancer.backward(losses(), [parameter])
    slopes = torch.stack([torch.autograd.grad(losses()[i], parameter)[0] @ parameter.grad for i in range(5)])
    assert slopes.min().item() > -1e-4 * slopes.abs().max().item()


def test_gradients_reach_the_parameter_they_belong_to():
    first, second = torch.nn.Parameter(torch.ones(2, 3)), torch.nn.Parameter(torch.ones(4))
    balancer = JacobianDescentBalancer(TaskLayout.from_names(TWO_TASKS), lambda jacobian: jacobian.sum(0))
    for _ in range(2):
        balancer.backward(torch.stack((first.sum(), 2 * second.sum())), [first, second])
    assert torch.equal(first.grad, torch.full((2, 3), 2.0))
    assert torch.equal(second.grad, torch.full((4,), 4.0))
    assert balancer.metrics() == {}


def test_a_loss_that_is_not_finite_is_named():
    parameter = torch.nn.Parameter(torch.ones(2))
    balancer = JacobianDescentBalancer(TaskLayout.from_names(TWO_TASKS), lambda jacobian: jacobian.sum(0))
    with pytest.raises(NumericalError, match="distortion = nan"):
        balancer.backward(parameter * torch.tensor([float("nan"), 1.0]), [parameter])


@needs_torchjd
@pytest.mark.parametrize(
    ("specification", "message"),
    [
        ("UpGrad", "Unknown aggregator 'UpGrad'.*UPGrad"),
        ("UPGradWeighting", "Unknown aggregator 'UPGradWeighting'"),
        ("UPGrad(speed=3)", "cannot be made from .*by keyword"),
        ("GradVac", "keeps a memory between steps"),
    ],
)
def test_aggregators_that_cannot_be_used_are_refused(specification, message):
    with pytest.raises(SettingsError, match=message):
        load_aggregator(specification)
