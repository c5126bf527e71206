"""One rate or a range: what a model codes at, and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch

from hpcmbal.core.model import HPCM, PAPER_RANGE, LmbdaRange, OneRate
from hpcmbal.core.model.hpcm import RATES_ENTRY, rates_entry
from hpcmbal.errors import SettingsError

NARROW = LmbdaRange(0.004, 0.02)


def test_quality_is_linear_in_log_lmbda() -> None:
    assert (NARROW.lmbda_at(1), NARROW.lmbda_at(100)) == pytest.approx((0.004, 0.02))
    assert NARROW.lmbda_at(50.5) == pytest.approx(NARROW.middle)
    assert NARROW.lmbda_at() == NARROW.lmbda_at(50)
    assert [NARROW.quality_of(NARROW.lmbda_at(quality)) for quality in (1, 33.3, 100)] == pytest.approx([1, 33.3, 100])
    assert NARROW.spread(3) == pytest.approx([0.004, NARROW.middle, 0.02])


@pytest.mark.parametrize("quality", [0, 0.99, 100.01, math.nan, math.inf])
def test_a_quality_outside_is_refused(quality: float) -> None:
    with pytest.raises(SettingsError, match="quality should be 1 to 100"):
        NARROW.lmbda_at(quality)


def test_one_rate_has_no_quality() -> None:
    rate = OneRate(0.0483)
    assert (rate.variable, rate.lmbda_at(), rate.spread(5)) == (False, 0.0483, [0.0483])
    with pytest.raises(SettingsError, match=r"has one rate, lambda 0\.0483, so there is no quality to choose"):
        rate.lmbda_at(50)


@pytest.mark.parametrize("ends", [(0.02, 0.004), (0.01, 0.01), (0.0, 0.1), (-1.0, 0.1), (0.1, math.inf), (math.nan, 1)])
def test_ends_that_mean_no_range_are_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(SettingsError, match="two positive numbers, the smaller first"):
        LmbdaRange(*ends)


@pytest.mark.parametrize("lmbda", [0.0, -1.0, math.nan, math.inf])
def test_a_lmbda_is_positive(lmbda: float) -> None:
    with pytest.raises(SettingsError, match="A lambda is a positive number"):
        OneRate(lmbda)


def test_a_network_has_the_rates_of_its_variant_unless_told_otherwise() -> None:
    with torch.device("meta"):
        assert HPCM("hpcm-nano").rates == PAPER_RANGE
        assert HPCM("hpcm-nano-2").rates == LmbdaRange(0.0006, 0.18)
        assert HPCM("hpcm-base").rates == OneRate()
        assert HPCM("hpcm-base", OneRate(0.013)).rates == OneRate(0.013)
        with pytest.raises(SettingsError, match="hpcm-base has no rate gains, so it has one rate"):
            HPCM("hpcm-base", NARROW)
        with pytest.raises(SettingsError, match=r"hpcm-nano covers lambda 0.0018 to 0.0483. Found lambda 0.001"):
            HPCM("hpcm-nano", LmbdaRange(0.001, 0.02))
        with pytest.raises(SettingsError, match="hpcm-nano with one rate needs that rate's lambda"):
            HPCM("hpcm-nano", OneRate())


@torch.no_grad()
def test_a_network_of_one_rate_codes_at_it_whatever_is_given() -> None:
    torch.manual_seed(0)
    variable = HPCM("hpcm-nano").eval()
    single = HPCM("hpcm-nano", OneRate(0.02)).eval()
    single.load_state_dict(variable.state_dict())
    x = torch.rand(2, 3, 64, 64)
    expected = variable(x, 0.02)["x_hat"]
    assert torch.equal(single(x)["x_hat"], expected)
    assert torch.equal(single(x, torch.tensor([0.002, 0.04]))["x_hat"], expected)
    assert not torch.equal(variable(x)["x_hat"], expected)
    assert torch.equal(variable(x)["x_hat"], variable(x, PAPER_RANGE.lmbda_at(50))["x_hat"])
    assert torch.equal(variable(x, torch.tensor([0.02, 0.02]))["x_hat"], expected)


@pytest.mark.parametrize("rates", [OneRate(0.02), NARROW])
def test_rates_travel_in_a_state_dict_that_carries_them(rates: OneRate | LmbdaRange) -> None:
    torch.manual_seed(0)
    trained = HPCM("hpcm-nano", rates)
    content = {**trained.state_dict(), **rates_entry(trained)}
    fresh = HPCM("hpcm-nano")
    fresh.load_state_dict(content)
    assert fresh.rates == rates
    assert RATES_ENTRY in content  # the caller's dictionary is as it was
    assert rates_entry(HPCM("hpcm-nano")) == {}
