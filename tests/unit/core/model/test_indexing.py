"""Gathering and scattering by indices without repeats."""

from __future__ import annotations

import torch

from hpcmbal.core.model.indexing import put, put_, take


def test_take_and_put_are_inverse_with_the_gradients_of_indexing() -> None:
    generator = torch.Generator().manual_seed(3)
    source = torch.rand(2, 3, 50, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.rand(2, 3, 50, generator=generator, dtype=torch.float64, requires_grad=True)
    index = torch.randperm(50, generator=generator)[:20]
    taken = take(source, index)
    assert torch.equal(taken, source[..., index])
    written = put(target, index, taken)
    assert torch.equal(take(written, index), taken)
    untouched = torch.ones(50, dtype=torch.bool).index_fill(0, index, 0)
    assert torch.equal(written[..., untouched], target[..., untouched])
    factors = torch.rand(2, 3, 50, generator=generator, dtype=torch.float64)
    written.mul(factors).sum().backward()
    assert source.grad is not None
    assert target.grad is not None
    assert torch.equal(source.grad, factors.masked_fill(untouched, 0))
    assert torch.equal(target.grad, factors.masked_fill(~untouched, 0))


def test_put_in_place_changes_its_target() -> None:
    target, index = torch.zeros(2, 6), torch.tensor([1, 4])
    values = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    expected = put(target, index, values)
    assert not target.any()
    assert put_(target, index, values) is target
    assert torch.equal(target, expected)
