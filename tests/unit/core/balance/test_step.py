"""The one step that trainer and loops of one's own share."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from hpcmbal.core.balance import BalancedStep, NoBalancer
from hpcmbal.core.loss import TWO_TASKS, TaskLosses
from hpcmbal.errors import NumericalError, SettingsError


@dataclass
class Recorder(NoBalancer):
    """Sums the tasks, and keeps what it is shown."""

    task_names: tuple[str, ...] = TWO_TASKS
    compares_gradients: bool = False
    wanted: bool = True
    seen: list[tuple[int, torch.Tensor, torch.Tensor | None]] = field(default_factory=list)

    def update(self, step, before, measure_after):
        self.seen.append((step, before, measure_after() if self.wanted else None))


@dataclass
class TwoRanks:
    """This rank and another one whose losses and gradients are `factor` times these."""

    factor: float
    size: int = 2

    def average(self, tensor):
        return tensor.mul_((1 + self.factor) / 2)

    def average_gradients(self, parameters):
        for parameter in parameters:
            parameter.grad.mul_((1 + self.factor) / 2)


def problem(balancer, **options):
    """One parameter, and losses of four images: (p - image)^2 and p^2."""
    parameter = nn.Parameter(torch.tensor([3.0], dtype=torch.float64))
    images = torch.tensor([1.0, 2.0, 5.0, 7.0], dtype=torch.float64)

    def evaluate(part=slice(None)):
        chosen = images[part]
        per_image = torch.stack(((parameter - chosen).square(), parameter.square().expand(len(chosen))), dim=1)
        return TaskLosses(TWO_TASKS, per_image, torch.ones(len(chosen), dtype=torch.float64), record=None)

    return parameter, evaluate, BalancedStep(torch.optim.SGD([parameter], lr=0.01), balancer, [parameter], **options)


def test_gradients_of_several_batches_are_averaged():
    parameter, evaluate, step = problem(Recorder())
    step([lambda: evaluate(slice(0, 2)), lambda: evaluate(slice(2, 4))], 0)
    other, evaluate_other, whole = problem(Recorder())
    whole([evaluate_other], 0)
    torch.testing.assert_close(parameter, other)


@pytest.mark.parametrize(("fraction", "count"), [(1.0, 4), (0.5, 2), (0.3, 2), (0.01, 1)])
def test_what_a_balancer_learns_from_is_the_same_part_of_the_batch_before_and_after(fraction, count):
    balancer = Recorder()
    _, evaluate, step = problem(balancer, update_fraction=fraction)
    expected_before = evaluate(slice(count)).tasks.detach()
    step([evaluate], 7)
    ((number, before, after),) = balancer.seen
    assert number == 7
    torch.testing.assert_close(before, expected_before)
    torch.testing.assert_close(after, evaluate(slice(count)).tasks.detach())
    assert not after.requires_grad


def test_losses_are_measured_again_only_if_the_balancer_asks():
    balancer = Recorder(wanted=False)
    _, evaluate, step = problem(balancer)
    calls = []

    def counted(part=slice(None)):
        calls.append(part)
        return evaluate(part)

    step([counted], 0)
    assert len(calls) == 1


def test_every_rank_sees_the_mean_losses_and_gradients():
    balancer = Recorder()
    parameter, evaluate, step = problem(balancer, ranks=TwoRanks(factor=3.0))
    before = evaluate().tasks.detach()
    gradient = torch.autograd.grad(evaluate().total, parameter)[0]
    outcome = step([evaluate], 0)
    torch.testing.assert_close(outcome.tasks, 2 * before)
    torch.testing.assert_close(balancer.seen[0][1], 2 * before)
    torch.testing.assert_close(parameter.detach(), 3 - 0.01 * 2 * gradient)


@pytest.mark.parametrize("start", [3.0, 0.1, 1e-8, 1e8])
def test_what_ranks_share_is_the_same_on_each_to_the_last_bit(start):
    class Agreed(TwoRanks):
        def average(self, tensor):
            return tensor.copy_(torch.tensor([1 / 3, 1e-5], dtype=torch.float64))

    balancer = Recorder(wanted=False)
    parameter, evaluate, step = problem(balancer, ranks=Agreed(1.0))
    parameter.data.fill_(start)
    outcome = step([evaluate, evaluate], 0)
    assert outcome.tasks.tolist() == balancer.seen[0][1].tolist() == [1 / 3, 1e-5]


def test_ranks_cannot_compare_gradients():
    with pytest.raises(SettingsError, match="compares the tasks' gradients.*one process"):
        problem(Recorder(compares_gradients=True), ranks=TwoRanks(1.0))
    problem(Recorder(compares_gradients=True), ranks=TwoRanks(1.0, size=1))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_step_that_is_not_finite_ends_before_the_balancer_learns(bad):
    balancer = Recorder()
    parameter, evaluate, step = problem(balancer)
    outcome = step([lambda: evaluate().tasks * bad], 0)
    assert not bool(outcome.finite)
    assert parameter.item() == 3
    assert parameter.grad is None
    assert balancer.seen == []
    assert (int(step.skipped.total), int(step.skipped.in_a_row)) == (1, 1)
    step([evaluate], 1)
    assert (int(step.skipped.total), int(step.skipped.in_a_row)) == (1, 0)


def test_one_bad_batch_of_several_skips_the_whole_step():
    parameter, evaluate, step = problem(Recorder())
    step([evaluate, lambda: evaluate().tasks * float("nan")], 0)
    assert parameter.item() == 3


def test_the_twentieth_skipped_step_in_a_row_raises():
    _, evaluate, step = problem(Recorder())
    for number in range(19):
        step([lambda: evaluate().tasks * float("nan")], number)
    with pytest.raises(NumericalError, match=r"20 steps in a row were skipped, the last was step 19\. Its gradient is"):
        step([lambda: evaluate().tasks * float("nan")], 19)
