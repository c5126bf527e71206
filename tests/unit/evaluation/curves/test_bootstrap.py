"""The interval covers the truth, shrinks with agreement between images, and is refused where it would be made up."""

from __future__ import annotations

import numpy as np
import pytest

from hpcmbal.errors import DataError
from hpcmbal.evaluation.curves.bd_rate import compare_curves
from hpcmbal.evaluation.curves.bootstrap import bd_rate_interval
from hpcmbal.evaluation.curves.curve import BPP, PSNR, Curve, mean_results

BPPS = np.array([0.1, 0.2, 0.4, 0.8])


def by_images(name: str, factors: np.ndarray, seed: int = 0) -> Curve:
    """Images of very different difficulty; image i needs `factors[i]` times the anchor's rate."""
    difficulty = np.exp(np.random.default_rng(seed).normal(0, 0.6, len(factors)))
    samples = {
        f"image{i}": {
            BPP: tuple(BPPS * factor * hard),
            PSNR: tuple(30 + 3 * np.log2(BPPS / 0.1) - np.log2(hard)),
        }
        for i, (factor, hard) in enumerate(zip(factors, difficulty, strict=True))
    }
    return Curve(name, mean_results(samples), samples=samples)


def test_interval_is_paired_over_images() -> None:
    """Images that differ tenfold in rate do not widen the interval when the gain is the same on each."""
    interval = bd_rate_interval(by_images("a", np.ones(12)), by_images("b", np.full(12, 0.8)), draws=50)
    assert (interval.low, interval.high) == pytest.approx((-20.0, -20.0), abs=1e-6)


def test_interval_contains_the_estimate_and_widens_with_disagreement() -> None:
    rng = np.random.default_rng(3)
    anchor = by_images("a", np.ones(24))
    widths = []
    for spread in (0.02, 0.2):
        test = by_images("b", 0.9 * np.exp(rng.normal(0, spread, 24)))
        interval = bd_rate_interval(anchor, test, draws=200)
        assert interval.low < compare_curves(anchor, test).bd_rate_percent < interval.high
        widths.append(interval.high - interval.low)
    assert widths[1] > 4 * widths[0]


def test_the_same_seed_gives_the_same_interval() -> None:
    curves = by_images("a", np.ones(8)), by_images("b", np.linspace(0.7, 1.1, 8))
    assert bd_rate_interval(*curves, draws=40, seed=5) == bd_rate_interval(*curves, draws=40, seed=5)
    assert bd_rate_interval(*curves, draws=40, seed=5) != bd_rate_interval(*curves, draws=40, seed=6)


def test_published_points_have_no_interval() -> None:
    published = Curve("p", by_images("a", np.ones(8)).results)
    with pytest.raises(DataError, match="no results by image of 'p', as of all published points"):
        bd_rate_interval(published, by_images("b", np.ones(8)))


def test_too_few_images_have_no_interval() -> None:
    with pytest.raises(DataError, match="at least 5; found 4 and 4"):
        bd_rate_interval(by_images("a", np.ones(4)), by_images("b", np.ones(4)))
