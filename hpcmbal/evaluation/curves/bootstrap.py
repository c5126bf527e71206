"""How far a BD-rate depends on which images were taken: an interval by bootstrap over images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hpcmbal.errors import DataError
from hpcmbal.evaluation.curves.bd_rate import Interpolation, bd_rate, first_non_monotonic, quality_overlap
from hpcmbal.evaluation.curves.curve import PSNR, Curve

DEFAULT_DRAWS = 1000
MIN_IMAGES = 5
"""With fewer images the percentiles of their resamples say nothing."""

_MAX_LOST_SHARE = 0.05


@dataclass(frozen=True)
class Interval:
    """A percentile interval of BD-rate, in percent.

    Attributes:
        low: Lower end.
        high: Upper end.
        confidence: The share of resamples between them.
        draws: How many resamples gave a BD-rate.
        images: How many images were drawn from.
    """

    low: float
    high: float
    confidence: float
    draws: int
    images: int


def bd_rate_interval(
    anchor: Curve,
    test: Curve,
    metric: str = PSNR,
    interpolation: Interpolation = "pchip",
    *,
    confidence: float = 0.95,
    draws: int = DEFAULT_DRAWS,
    seed: int = 0,
) -> Interval:
    """Interval of `bd_rate` of `test` against `anchor` over images drawn with replacement.

    Both curves get the same images in every draw, since they are measured on the same ones: what is easy for one codec
    is easy for the other. Efron, "Bootstrap methods: another look at the jackknife", 1979 (percentile method).

    Raises:
        DataError: The curves have no results by image in common, too few images, or too many draws give curves that
            cannot be compared.
    """
    bare = [curve.name for curve in (anchor, test) if not curve.samples]
    if bare:
        raise DataError(
            f"No interval for '{test.name}' against '{anchor.name}': no results by image of '{bare[0]}', as of all "
            "published points."
        )
    images = sorted(set(anchor.samples) & set(test.samples))
    if len(images) < MIN_IMAGES or set(anchor.samples) != set(test.samples):
        raise DataError(
            f"No interval for '{test.name}' against '{anchor.name}': both need results of the same images, at least "
            f"{MIN_IMAGES}; found {len(anchor.samples)} and {len(test.samples)}, {len(images)} in common. "
            "Run both codecs here."
        )
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        chosen = [images[index] for index in rng.integers(len(images), size=len(images))]
        points = anchor.resampled_points(metric, chosen), test.resampled_points(metric, chosen)
        low, high, _share = quality_overlap(*points)
        if low < high and not any(first_non_monotonic(item) for item in points):
            values.append(bd_rate(*points, interpolation))
    if len(values) < (1 - _MAX_LOST_SHARE) * draws:
        raise DataError(
            f"No interval for '{test.name}' against '{anchor.name}': {draws - len(values)} of {draws} resamples gave "
            "curves that cannot be compared. Use more images, or points further apart."
        )
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DataError(f"No interval for '{test.name}' against '{anchor.name}': a resample is not finite.")
    return Interval(float(low), float(high), confidence, len(values), len(images))
