"""The network in all variants: sizes, shapes, any image size, variable rate, noise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from hpcmbal.core.model import HPCM, PAPER_RANGE, VARIANTS, get_variant
from hpcmbal.core.model.attention import WindowCrossAttention
from hpcmbal.core.model.complexity import complexity
from hpcmbal.core.model.context import predicted_means
from hpcmbal.core.model.variants import ContextSize, Stage, Variant
from hpcmbal.errors import SettingsError

TINY = Variant(
    name="tiny",
    latent_channels=16,
    hyper_channels=8,
    analysis=(Stage(8, 0), Stage(8, 1), Stage(16, 1), Stage(16, 0)),
    synthesis=(Stage(8, 0), Stage(8, 1), Stage(16, 1), Stage(16, 0)),
    hyper_width=8,
    hyper_blocks=(0, 1),
    context=ContextSize(width=16, coarse_blocks=(1, 0, 0), fine_blocks=(1, 0, 0), attention_width=8, attention_heads=2),
    mlp_ratio=2,
    rate_levels=4,
)


@pytest.fixture
def tiny() -> HPCM:
    torch.manual_seed(0)
    return HPCM(TINY)


@pytest.mark.parametrize(("name", "limit"), [("hpcm-nano", 20_000), ("hpcm-small", 120_000)])
def test_own_variants_keep_to_their_budget_of_multiply_accumulates(name: str, limit: int) -> None:
    cost = complexity(get_variant(name))
    assert cost.encode_macs_per_pixel + cost.decode_macs_per_pixel <= limit


def test_unknown_variant_is_refused_with_the_list_of_those_that_exist() -> None:
    with pytest.raises(SettingsError, match="hpcm-nano, hpcm-nano-2, hpcm-small, hpcm-base"):
        get_variant("hpcm-huge")


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_can_be_built_without_memory(name: str) -> None:
    with torch.device("meta"):
        model = HPCM(get_variant(name)).to("meta")  # CompressAI's bounds are created on the CPU whatever one says
        output = model(torch.empty(1, 3, 256, 256))
    assert output["x_hat"].shape == (1, 3, 256, 256)
    assert output["likelihoods"]["y"].shape == (1, model.variant.latent_channels, 16, 16)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (1, 1), (65, 130), (100, 7), (128, 192)])
@pytest.mark.parametrize("training", [True, False])
def test_any_image_size_works(tiny: HPCM, height: int, width: int, training: bool) -> None:
    output = tiny.train(training)(torch.rand(2, 3, height, width))
    assert output["x_hat"].shape == (2, 3, height, width)
    assert all(bits.shape == (2,) and bool((bits > 0).all()) for bits in output["scale_bits"])


def test_bits_of_the_scales_are_those_of_the_likelihoods(tiny: HPCM) -> None:
    output = tiny.eval()(torch.rand(2, 3, 64, 128))
    from_likelihoods = sum(-part.log2().flatten(1).sum(1) for part in output["likelihoods"].values())  # type: ignore[attr-defined]
    torch.testing.assert_close(output["scale_bits"].total(), from_likelihoods, rtol=1e-5, atol=1e-3)


def test_images_of_a_batch_do_not_influence_each_other(tiny: HPCM) -> None:
    x = torch.rand(3, 3, 64, 64)
    together = tiny.eval()(x)
    alone = tiny(x[1:2])
    torch.testing.assert_close(together["x_hat"][1:2], alone["x_hat"], atol=1e-5, rtol=0)
    torch.testing.assert_close(together["scale_bits"].total()[1:2], alone["scale_bits"].total(), rtol=1e-5, atol=0)


def test_noise_follows_the_seed_of_each_image_and_not_the_batch(tiny: HPCM) -> None:
    x = torch.rand(2, 3, 64, 64)
    first = tiny.train()(x, None, [5, 6])["scale_bits"].total()
    swapped = tiny(x.flip(0), None, [6, 5])["scale_bits"].total().flip(0)
    other = tiny(x, None, [7, 8])["scale_bits"].total()
    torch.testing.assert_close(first, swapped, rtol=1e-5, atol=0)
    assert not torch.allclose(first, other, rtol=1e-5, atol=0)


def test_gradients_reach_every_parameter_and_are_finite(tiny: HPCM) -> None:
    output = tiny.train()(torch.rand(4, 3, 64, 64), torch.tensor([PAPER_RANGE.low, 0.006, 0.02, PAPER_RANGE.high]))
    (output["scale_bits"].total().sum() + output["x_hat"].square().sum()).backward()
    missing = [name for name, parameter in tiny.named_parameters() if parameter.grad is None]
    # The last state of each walk is not read by anybody, nor is s1's last attention when s2 adds its own.
    assert missing == []
    assert all(bool(parameter.grad.isfinite().all()) for parameter in tiny.parameters() if parameter.grad is not None)


def test_bits_rise_with_lmbda_from_the_start(tiny: HPCM) -> None:
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        tiny.g_a.branch[-1].weight *= 30  # latents that are not all zero
        bits = [
            float(tiny.eval()(x, torch.tensor([lmbda]))["scale_bits"].total())
            for lmbda in (PAPER_RANGE.low, 0.01, PAPER_RANGE.high)
        ]
    assert bits[0] < bits[1] < bits[2]


@torch.no_grad()
def test_one_lmbda_is_that_of_all_images_and_wrong_ones_are_refused(tiny: HPCM) -> None:
    x = torch.rand(2, 3, 64, 64)
    expected = tiny.eval()(x, torch.tensor([0.02, 0.02]))["x_hat"]
    for given in (0.02, torch.tensor(0.02), torch.tensor([0.02])):
        assert torch.equal(tiny(x, given)["x_hat"], expected)
    with pytest.raises(SettingsError, match=r"expected shape \[2\], found \[3\]"):
        tiny(x, torch.rand(3))
    with pytest.raises(SettingsError, match="lmbda should be a positive number.*Found -0.02"):
        tiny(x, -0.02)


@torch.no_grad()
def test_walk_predicts_the_later_scales_when_fewer_are_coded(tiny: HPCM) -> None:
    params = torch.randn(1, 32, 8, 8)
    called: list[int] = []

    def code(step: object, scales: torch.Tensor, means: torch.Tensor) -> torch.Tensor:
        called.append(step.scale)  # type: ignore[attr-defined]
        return predicted_means(step, scales, means)  # type: ignore[arg-type]

    full = tiny.walk(params, predicted_means)
    assert torch.equal(tiny.walk(params, code, scales=1), full)
    assert called == [0, 0]


@torch.no_grad()
def test_attention_in_windows_that_stick_out_sees_only_what_exists() -> None:
    torch.manual_seed(1)
    attention = WindowCrossAttention(8, 8, heads=2, window=4)
    context, previous = torch.randn(1, 8, 6, 5), torch.randn(1, 8, 6, 5)
    whole = attention(context, previous)
    corner = WindowCrossAttention(8, 8, heads=2, window=1)
    corner.load_state_dict(attention.state_dict())
    # The bottom right window holds two rows and one column: attend inside that patch alone.
    patch = WindowCrossAttention(8, 8, heads=2, window=2)
    patch.load_state_dict(attention.state_dict())
    alone = patch(context[..., 4:6, 4:5], previous[..., 4:6, 4:5])
    torch.testing.assert_close(whole[..., 4:6, 4:5], alone, atol=1e-6, rtol=1e-5)


def test_channels_last_changes_nothing_but_rounding(tiny: HPCM) -> None:
    x = torch.rand(1, 3, 64, 64)
    plain = tiny.eval()(x)["x_hat"]
    tiny.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.testing.assert_close(tiny(x)["x_hat"], plain, atol=1e-5, rtol=1e-4)


def test_fixed_rate_variant_has_no_gains() -> None:
    assert HPCM(replace(TINY, rate_levels=0)).rate_gains is None


def test_autocast_to_bfloat16_keeps_rates_in_float32_and_close(tiny: HPCM) -> None:
    x = torch.rand(2, 3, 64, 64)
    reference = tiny.train()(x, None, [1, 2])
    with torch.autocast("cpu", torch.bfloat16):
        output = tiny(x, None, [1, 2])
    assert output["scale_bits"].s3.dtype == torch.float32
    torch.testing.assert_close(output["scale_bits"].total(), reference["scale_bits"].total(), rtol=0.05, atol=0)
    output["scale_bits"].total().sum().backward()
