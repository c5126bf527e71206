"""BD-rate: numbers of the literature, an example by hand, and refusals with their reasons."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from hpcmbal.evaluation.curves.bd_rate import (
    ComparisonRefusedError,
    Interpolation,
    bd_quality,
    bd_rate,
    compare_curves,
)
from hpcmbal.evaluation.curves.curve import BPP, MS_SSIM, MS_SSIM_DB, PSNR, Curve
from hpcmbal.evaluation.curves.published import published_curves, published_on
from hpcmbal.settings.choices import INTERPOLATIONS

BPPS = (0.1, 0.2, 0.4, 0.8, 1.6)


def curve(name: str, bpps: tuple[float, ...] = BPPS, shift_db: float = 0.0, **meta: object) -> Curve:
    """A curve on which quality rises by 3 dB whenever the rate doubles."""
    return Curve(name, {BPP: bpps, PSNR: tuple(30 + shift_db + 3 * np.log2(bpp / 0.1) for bpp in bpps)}, meta=meta)


def on_kodak(name: str) -> Curve:
    """A published curve."""
    (found,) = (curve for curve in published_on("kodak") if curve.name == name)
    return found


@pytest.mark.parametrize(
    ("anchor", "test", "percent"),
    [
        ("VTM (CompressAI results)", "HPCM-Base (MSE)", -16.0),
        ("VTM (CompressAI results)", "HPCM-Large (MSE)", -20.0),
        ("BPG 4:4:4 x265", "HPCM-Base (MSE)", -33.5),
        ("BPG 4:4:4 x265", "HPCM-Large (MSE)", -36.8),
    ],
)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_hpcm_on_kodak(anchor: str, test: str, percent: float, interpolation: Interpolation) -> None:
    found = compare_curves(on_kodak(anchor), on_kodak(test), PSNR, interpolation)
    assert found.bd_rate_percent == pytest.approx(percent, abs=0.2)
    assert found.anchor == anchor
    assert found.anchor_hash == on_kodak(anchor).fingerprint(PSNR)
    assert found.notes == ()


def test_a_cubic_by_hand() -> None:
    """Four points each, so that the cubic goes through them; log10 rate is a polynomial, integrated by hand."""
    quality = np.array([30.0, 33.0, 36.0, 39.0])
    # anchor: log10 r = (q - 30) / 10 - 1;  test: the same minus u^3 / 54000, with u = q - 30.
    # The mean of u^3 / 54000 over 0..9 is 9^4 / 4 / 9 / 54000 = 0.003375.
    anchor_log = (quality - 30) / 10 - 1
    test_log = anchor_log - (quality - 30) ** 3 / 54000
    anchor = list(zip(10**anchor_log, quality, strict=True))
    test = list(zip(10**test_log, quality, strict=True))
    assert bd_rate(anchor, test, "cubic") == pytest.approx((10**-0.003375 - 1) * 100, abs=1e-6)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.3])
def test_a_rate_factor_is_the_bd_rate(factor: float, interpolation: Interpolation) -> None:
    anchor, test = curve("a").points(PSNR), [(bpp * factor, db) for bpp, db in curve("a").points(PSNR)]
    assert bd_rate(anchor, test, interpolation) == pytest.approx((factor - 1) * 100, abs=1e-6)
    assert bd_quality(anchor, test, interpolation) == pytest.approx(-3 * np.log2(factor), abs=1e-6)


def test_order_of_points_does_not_matter() -> None:
    forwards, backwards = curve("a", shift_db=1.0), curve("a", BPPS[::-1], shift_db=1.0)
    assert compare_curves(curve("b"), forwards) == compare_curves(curve("b"), backwards)


def test_no_overlap_is_refused() -> None:
    with pytest.raises(ComparisonRefusedError, match=r"no overlap: 'a' covers 30.00..42.00 and 'b' 50.00..62.00"):
        compare_curves(curve("a"), curve("b", shift_db=20.0))


def test_too_few_points_are_refused() -> None:
    with pytest.raises(ComparisonRefusedError, match="too few points: 'b' has 3, at least 4"):
        compare_curves(curve("a"), curve("b", BPPS[:3]))


def test_non_monotonic_points_are_refused() -> None:
    broken = Curve("b", {BPP: BPPS, PSNR: (30.0, 33.0, 32.5, 36.0, 38.0)})
    with pytest.raises(ComparisonRefusedError, match=r"'b' is not monotonic: 33.000 at 0.2000 bpp, then 32.500 at"):
        compare_curves(curve("a"), broken)


def test_a_missing_metric_is_refused() -> None:
    with pytest.raises(ComparisonRefusedError, match=r"'a' has no MS-SSIM \(dB\) that can be compared"):
        compare_curves(curve("a"), curve("b"), MS_SSIM_DB)


def test_a_lossless_point_is_left_out_and_the_rest_compared() -> None:
    """Where a codec reaches the original, PSNR is infinite, in our own notation too."""
    points = {BPP: (0.1, 0.2, 0.4, 0.8, 3.0), PSNR: (30.0, 33.0, 36.0, 39.0, math.inf)}
    anchor = Curve("b", {BPP: (0.2, 0.4, 0.8, 1.6), PSNR: (30.0, 33.0, 36.0, 39.0)})
    found = compare_curves(anchor, Curve("a", points))
    assert found.bd_rate_percent == pytest.approx(-50.0, abs=1e-6)
    assert "a: 1 point with infinite PSNR (dB) left out" in found.notes


def test_different_images_are_refused() -> None:
    first = curve("a", image_set={"name": "mine", "hash": "00ff"})
    second = curve("b", image_set={"name": "mine", "hash": "11ff"})
    with pytest.raises(
        ComparisonRefusedError, match=r"different images: 'mine' \(hash 00ff\) and 'mine' \(hash 11ff\)"
    ):
        compare_curves(first, second)


@pytest.mark.parametrize("name", ["kodak", "holidays"])
def test_published_points_fit_a_folder_by_its_pixels_not_by_its_name(name: str) -> None:
    mine = curve("b", image_set={"name": name, "published_set": None, "hash": "00ff"})
    with pytest.raises(ComparisonRefusedError, match="different images"):
        compare_curves(on_kodak("HM"), mine)
    real = dataclasses.replace(mine, meta={"image_set": {"name": "x", "published_set": "kodak", "hash": "00ff"}})
    assert compare_curves(on_kodak("HM"), real).notes == ()


def test_published_points_of_different_sets_are_refused() -> None:
    clic = next(c for c in published_curves() if c.meta["image_set"]["name"] == "tecnick")
    with pytest.raises(ComparisonRefusedError, match="'kodak' and 'tecnick'"):
        compare_curves(on_kodak("HM"), clic)


def test_a_file_that_does_not_say_its_images_gets_a_note() -> None:
    (note,) = compare_curves(on_kodak("HM"), curve("b")).notes
    assert "b: the file does not say which images" in note


def test_a_small_overlap_gets_a_note() -> None:
    meta = {"image_set": {"name": "x", "hash": "00ff"}}
    (note,) = compare_curves(curve("a", **meta), curve("b", shift_db=9.0, **meta)).notes
    assert "25%" in note


def test_ms_ssim_is_compared_in_db_of_the_mean() -> None:
    linear = (0.9, 0.95, 0.98, 0.99, 0.995)
    first = Curve("a", {BPP: BPPS, MS_SSIM: linear})
    second = Curve("b", {BPP: BPPS, MS_SSIM_DB: tuple(-10 * np.log10(1 - value) for value in linear)})
    assert compare_curves(first, second, MS_SSIM_DB).bd_rate_percent == pytest.approx(0.0, abs=1e-9)


def test_every_published_curve_names_its_source() -> None:
    for published in published_curves():
        assert published.meta["source"]
        assert "published" in published.description
