"""What a training state keeps beside the weights: moving averages and means of an epoch."""

from __future__ import annotations

import pytest
import torch

from hpcmbal.training.state import EpochLosses, update_moving_average


def test_the_moving_average_forgets_where_it_started() -> None:
    average, target = torch.full((3,), 100.0), torch.randn(3)
    for n in range(300):
        update_moving_average([average], [target], n, decay=0.999)
    torch.testing.assert_close(average, target, atol=1e-3, rtol=0)


def test_the_moving_average_reaches_its_decay() -> None:
    average = torch.ones(2)
    update_moving_average([average], [torch.zeros(2)], 1_000_000, decay=0.9)
    torch.testing.assert_close(average, torch.full((2,), 0.9))


def test_means_of_an_epoch_come_when_the_next_one_begins() -> None:
    means = EpochLosses()
    assert means.add(0, torch.tensor([1.0, 2.0, 3.0])) is None
    assert means.add(0, torch.tensor([3.0, 2.0, 1.0])) is None
    assert means.add(1, torch.tensor([9.0, 9.0, 9.0])).tolist() == pytest.approx([2.0, 2.0, 2.0])
    assert means.count == 1


def test_means_of_an_epoch_leave_out_what_is_not_finite() -> None:
    means = EpochLosses()
    means.add(0, torch.tensor([1.0, 2.0]))
    means.add(0, torch.tensor([float("nan"), 2.0]))
    assert means.add(1, torch.tensor([float("inf"), 2.0])).tolist() == pytest.approx([1.0, 2.0])
    assert bool(means.add(2, torch.tensor([1.0, 2.0])).isnan().all()), "no step of epoch 1 was finite"
