"""Exact layers equal the same sums in 64-bit integers, and stay within rounding of the layers that they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hpcmbal.core.model.attention import WindowCrossAttention
from hpcmbal.core.model.blocks import DepthwiseBlock, PartialConv3x3, PartialConvBlock, conv1x1, upsample
from hpcmbal.core.model.context import ContextPrior
from hpcmbal.core.model.exact.attention import ExactAttention
from hpcmbal.core.model.exact.grid import GRID_STEPS, LIMIT, quantise_layer, quantise_weights
from hpcmbal.core.model.exact.layers import SLOPE, exact_layer, exact_modulation
from hpcmbal.errors import NumericalError

CHANNELS = 8
LAYERS = {
    "pointwise": lambda: conv1x1(CHANNELS, 12),
    "depthwise": lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS),
    "partial": lambda: PartialConv3x3(CHANNELS, 4),
    "upsample": lambda: upsample(CHANNELS, 5),
}
BLOCKS = {
    "depthwise block": lambda: DepthwiseBlock(CHANNELS),
    "partial block": lambda: PartialConvBlock(CHANNELS),
    "sequence": lambda: nn.Sequential(DepthwiseBlock(CHANNELS), conv1x1(CHANNELS, 6)),
}


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(11)
        yield


def features(batch: int = 2, channels: int = CHANNELS, height: int = 6, width: int = 7, largest: float = 3e3) -> Tensor:
    return (torch.rand(batch, channels, height, width, dtype=torch.float64) * 2 - 1).mul(largest).round()


def quantised_copy(layer: nn.Module) -> nn.Module:
    """The layer with the weights and biases that the exact path gives it, in float64."""
    copy = layer.double()
    for module in copy.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            weight, step = quantise_weights(module.weight, "")
            module.weight.data = weight
            assert module.bias is not None
            module.bias.data = (module.bias.data * (GRID_STEPS / step)).round() * step
    return copy


def rounded(x: Tensor) -> Tensor:
    return x.round().clamp(-LIMIT, LIMIT)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("largest", [100.0, LIMIT])
@torch.no_grad()
def test_a_layer_is_the_rounded_exact_sum(name: str, largest: float) -> None:
    layer = LAYERS[name]()
    exact = exact_layer(layer, name)
    x = features(largest=largest)
    # These sums have at most 9 * 8 terms of 2^37: float64 is exact for the reference, too, whatever its order.
    torch.testing.assert_close(exact(x), rounded(quantised_copy(layer)(x)), rtol=0, atol=0)


@pytest.mark.parametrize("name", BLOCKS)
@torch.no_grad()
def test_a_block_is_close_to_the_float_block(name: str) -> None:
    block = BLOCKS[name]()
    x = features()
    expected = block.double()(x / GRID_STEPS)
    torch.testing.assert_close(exact_layer(block, name)(x) / GRID_STEPS, expected, rtol=0, atol=4e-3)


@torch.no_grad()
def test_a_pointwise_sum_at_the_limit_is_exact_in_integers() -> None:
    layer = conv1x1(2048, 3)
    layer.weight.data.uniform_(-1, 1)
    x = torch.full((1, 2048, 1, 2), LIMIT, dtype=torch.float64)
    x[..., 1] = features(1, 2048, 1, 1, LIMIT)[..., 0]
    weight, step = quantise_weights(layer.weight.flatten(1), "")
    integers = (weight / step).numpy().astype(np.int64)
    assert layer.bias is not None
    bias = (layer.bias.double() * (GRID_STEPS / step)).round().numpy().astype(np.int64)
    sums = integers @ x[0, :, 0].numpy().astype(np.int64) + bias[:, None]
    expected = [[round(Fraction(int(value)) * Fraction(step)) for value in row] for row in sums]
    found = exact_layer(layer, "wide")(x)[0, :, 0]
    assert found.tolist() == np.clip(np.array(expected, dtype=np.float64), -LIMIT, LIMIT).tolist()


@torch.no_grad()
def test_leaky_relu_is_one_rounded_multiplication() -> None:
    block = DepthwiseBlock(2, mlp_ratio=1)
    for layer in (block.branch[0], block.branch[1], block.branch[3]):
        layer.weight.data.zero_()
        layer.bias.data.zero_()
        layer.weight.data[:, 0, layer.kernel_size[0] // 2, layer.kernel_size[0] // 2] = 1.0
    values = torch.tensor([-12345.0, -50.0, -49.0, 0.0, 7.0, 8e6], dtype=torch.float64).view(1, 1, 1, -1)
    expected = [min(LIMIT, v + round(v * (SLOPE if v < 0 else 1))) for v in values.flatten().tolist()]
    assert exact_layer(block, "")(values.expand(1, 2, 1, -1))[0, 0].flatten().tolist() == expected


@pytest.mark.parametrize("shape", [(4, 4), (8, 8), (9, 5), (3, 2)])
@pytest.mark.parametrize("width", [8, 4])
@torch.no_grad()
def test_attention_is_close_to_the_float_attention(shape: tuple[int, int], width: int) -> None:
    attention = WindowCrossAttention(CHANNELS, width, heads=2, window=4)
    context, previous = (features(2, CHANNELS, *shape, largest=4000) for _ in range(2))
    expected = attention.double()(context / GRID_STEPS, previous / GRID_STEPS)
    found = ExactAttention(attention, "attention")(context, previous) / GRID_STEPS
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02)


@torch.no_grad()
def test_attention_weights_are_integers_of_the_table() -> None:
    """Against a slow evaluation in Python integers and fractions."""
    attention = ExactAttention(WindowCrossAttention(2, 2, heads=1, window=2), "attention")
    q, k, v = (features(1, 1, 2, 4, largest=2e3)[0][None] for _ in range(3))
    found = attention._attend(q, k, v, None)[0, 0]
    table = attention.exponential.tolist()
    for query in range(4):
        scores = [sum(int(q[0, 0, d, query]) * int(k[0, 0, d, key]) for d in range(2)) for key in range(4)]
        distances = [(max(scores) - score) * attention.score_factor for score in scores]
        weights = [int(table[min(len(table) - 1, round(distance))]) for distance in distances]
        for d in range(2):
            total = sum(weight * int(v[0, 0, d, key]) for key, weight in enumerate(weights))
            assert found[d, query] == round(Fraction(total, sum(weights)))


@torch.no_grad()
def test_a_prior_multiplies_with_rounded_modulation() -> None:
    prior = ContextPrior(CHANNELS, 6, (1, 1, 0), 2)
    modulation = 1 + 0.2 * torch.randn(1, CHANNELS, 1, 1)
    x = features()
    expected = prior.double()(x / GRID_STEPS, modulation.double())
    found = exact_layer(prior, "prior")(x, exact_modulation(modulation, "modulation")) / GRID_STEPS
    torch.testing.assert_close(found, expected, rtol=0, atol=8e-3)


@pytest.mark.parametrize("name", [*LAYERS, *BLOCKS])
@torch.no_grad()
def test_results_do_not_depend_on_the_batch_or_the_memory_layout(name: str) -> None:
    exact = exact_layer((LAYERS | BLOCKS)[name](), name)
    x = features(3)
    whole = exact(x)
    for other in (torch.cat([exact(x[i : i + 1]) for i in range(3)]), exact(x.to(memory_format=torch.channels_last))):
        assert torch.equal(whole, other)


@pytest.mark.parametrize("name", [*LAYERS, *BLOCKS])
@torch.no_grad()
def test_arguments_are_left_alone(name: str) -> None:
    exact = exact_layer((LAYERS | BLOCKS)[name](), name)
    x = features()
    before = x.clone()
    exact(x)
    assert torch.equal(x, before)


class TestBitBudget:
    def test_weights_have_14_bits(self) -> None:
        weights, step = quantise_weights(torch.randn(50, 30), "w")
        assert (weights / step).abs().max() <= 1 << 14
        assert (weights / step).abs().max() > 1 << 12
        assert torch.equal(weights / step, (weights / step).round())

    def test_a_layer_that_is_too_wide_is_refused(self) -> None:
        with pytest.raises(NumericalError, match=r"h_s\.7 could sum to 2\^5[45]\.\d, more than the 2\^53"):
            quantise_layer(torch.ones(1, 1 << 18), None, "h_s.7")

    def test_weights_that_are_not_finite_are_refused(self) -> None:
        with pytest.raises(NumericalError, match="h_s holds weights that are not finite"):
            quantise_weights(torch.tensor([1.0, float("nan")]), "h_s")

    def test_a_layer_without_counterpart_is_refused(self) -> None:
        with pytest.raises(NumericalError, match="x: GELU has no counterpart"):
            exact_layer(nn.GELU(), "x")

    @pytest.mark.parametrize("layer", [nn.Conv2d(2, 2, 5), nn.Conv2d(2, 2, 3, padding=1), nn.ConvTranspose2d(2, 2, 4)])
    def test_a_convolution_without_counterpart_is_refused(self, layer: nn.Module) -> None:
        with pytest.raises(NumericalError, match="has no counterpart in the exact path"):
            exact_layer(layer, "x")

    def test_wide_heads_are_refused(self) -> None:
        with pytest.raises(NumericalError, match="256 channels a head"):
            ExactAttention(WindowCrossAttention(256, 256, heads=1, window=4), "attn_s1")
