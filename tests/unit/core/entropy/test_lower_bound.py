"""The bound is CompressAI's, in values, gradients and state dict."""

from __future__ import annotations

import pytest
import torch
from compressai.ops import LowerBound as Reference

from hpcmbal.core.entropy.lower_bound import LowerBound


@pytest.mark.parametrize("sign", [1, -1])
def test_values_and_gradients_are_those_of_compressai(sign: int) -> None:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(100, generator=generator)
    weight = sign * torch.rand(100, generator=generator)
    results = []
    for layer in (LowerBound(0.3), Reference(0.3)):
        argument = x.clone().requires_grad_()
        out = layer(argument)
        (out * weight).sum().backward()
        results.append((out.detach(), argument.grad, layer.state_dict()["bound"]))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
