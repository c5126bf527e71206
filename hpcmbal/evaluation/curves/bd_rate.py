"""BD-rate and BD-PSNR: the average distance between two rate-distortion curves, or the reason why there is none.

Bjontegaard, "Calculation of average PSNR differences between RD-curves", VCEG-M33, 2001; computed by the `bjontegaard`
package (Herglotz et al., "The Bjontegaard bible", 2023). Quality is in dB, rate enters by its logarithm.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from hpcmbal.errors import DataError
from hpcmbal.evaluation.curves.curve import METRIC_LABELS, PSNR, Curve
from hpcmbal.evaluation.image_set import compare_image_sets, image_set_known, image_set_note

if TYPE_CHECKING:
    from collections.abc import Sequence

Interpolation: TypeAlias = Literal["pchip", "akima", "cubic"]
"""Piecewise cubic Hermite (the default), Akima, and the cubic of the original proposal, fitted by least squares."""

MIN_POINTS = 4
"""What a cubic needs; with fewer, the shape between points would be invented."""

SMALL_OVERLAP = 0.5
"""Below this share of the narrower curve, a note says so."""

Points: TypeAlias = "Sequence[tuple[float, float]]"
"""(bits per pixel, quality in dB), by rising rate."""


class ComparisonRefusedError(DataError):
    """Two curves cannot be compared; the message says why."""


@dataclass(frozen=True)
class Comparison:
    """One curve against an anchor.

    Attributes:
        test: Name of the curve.
        anchor: Name of the anchor.
        anchor_hash: `Curve.fingerprint` of the anchor: another curve of that name is another anchor.
        metric: Key of the quality metric.
        interpolation: How the curves run between their points.
        bd_rate_percent: Average difference in rate at equal quality; negative is better than the anchor.
        bd_quality_db: Average difference in quality at equal rate; positive is better.
        quality_range_db: Where the curves overlap.
        notes: What a reader should know.
    """

    test: str
    anchor: str
    anchor_hash: str
    metric: str
    interpolation: Interpolation
    bd_rate_percent: float
    bd_quality_db: float | None
    quality_range_db: tuple[float, float]
    notes: tuple[str, ...] = ()


def compare_curves(
    anchor: Curve, test: Curve, metric: str = PSNR, interpolation: Interpolation = "pchip"
) -> Comparison:
    """BD-rate and BD-quality of `test` against `anchor`.

    Raises:
        ComparisonRefusedError: The curves are about different images, have too few or non-monotonic points, lack the
            metric, or do not overlap.
    """
    label = METRIC_LABELS.get(metric, metric)
    prefix = f"BD-rate of '{test.name}' against '{anchor.name}' in {label} refused: "
    reason = compare_image_sets(anchor.meta, test.meta)
    if reason:
        raise ComparisonRefusedError(f"{prefix}{reason}. Evaluate both on the same images.")
    for curve in (anchor, test):
        _check_points(curve, metric, prefix)
    anchor_points, test_points = anchor.points(metric), test.points(metric)
    low, high, share = quality_overlap(anchor_points, test_points)
    if high <= low:
        raise ComparisonRefusedError(
            f"{prefix}no overlap: '{anchor.name}' covers {_span(anchor_points)} and '{test.name}' "
            f"{_span(test_points)}. Add points at other rates."
        )
    rate, quality = bd_rate(anchor_points, test_points, interpolation), None
    if math.isfinite(rate):
        quality = bd_quality(anchor_points, test_points, interpolation)
    if not math.isfinite(rate) or (quality is not None and not math.isfinite(quality)):
        raise ComparisonRefusedError(f"{prefix}the points lie so that the average is not finite. Check the points.")
    return Comparison(
        test=test.name,
        anchor=anchor.name,
        anchor_hash=anchor.fingerprint(metric),
        metric=metric,
        interpolation=interpolation,
        bd_rate_percent=rate,
        bd_quality_db=quality,
        quality_range_db=(low, high),
        notes=tuple(_notes(anchor, test, metric, share)),
    )


def bd_rate(anchor: Points, test: Points, interpolation: Interpolation = "pchip") -> float:
    """Average difference in rate over the common range of qualities, in percent of the anchor's; points as checked."""
    import bjontegaard

    return float(
        bjontegaard.bd_rate(
            *_columns(anchor), *_columns(test), interpolation, require_matching_points=False, min_overlap=0
        )
    )


def bd_quality(anchor: Points, test: Points, interpolation: Interpolation = "pchip") -> float | None:
    """Average difference in quality over the common range of log rates, in dB; None if there is no common range."""
    import bjontegaard

    if max(anchor[0][0], test[0][0]) >= min(anchor[-1][0], test[-1][0]):
        return None
    return float(
        bjontegaard.bd_psnr(
            *_columns(anchor), *_columns(test), interpolation, require_matching_points=False, min_overlap=0
        )
    )


def quality_overlap(anchor: Points, test: Points) -> tuple[float, float, float]:
    """Lower and upper end of the qualities that both curves reach, and its share of the narrower curve's range.

    >>> quality_overlap([(0.1, 30.0), (0.5, 36.0)], [(0.1, 33.0), (0.5, 37.0)])
    (33.0, 36.0, 0.75)
    """
    low, high = max(anchor[0][1], test[0][1]), min(anchor[-1][1], test[-1][1])
    narrower = min(anchor[-1][1] - anchor[0][1], test[-1][1] - test[0][1])
    return low, high, max(high - low, 0.0) / narrower if narrower > 0 else 0.0


def first_non_monotonic(points: Points) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Two neighbours of which the one with the higher rate is not the better one, or None."""
    for lower, upper in itertools.pairwise(points):
        if upper[0] <= lower[0] or upper[1] <= lower[1]:
            return lower, upper
    return None


def _check_points(curve: Curve, metric: str, prefix: str) -> None:
    usable = curve.usable(metric)
    points, reasons = usable.points, "; ".join(usable.left_out)
    if not points:
        raise ComparisonRefusedError(
            f"{prefix}'{curve.name}' has no {METRIC_LABELS.get(metric, metric)} that can be compared ({reasons}). "
            f"It has: {', '.join(curve.results)}. Choose another metric."
        )
    if len(points) < MIN_POINTS:
        raise ComparisonRefusedError(
            f"{prefix}too few points: '{curve.name}' has {len(points)}, at least {MIN_POINTS} are needed"
            f"{f' (left out: {reasons})' if reasons else ''}. Evaluate more rates."
        )
    broken = first_non_monotonic(points)
    if broken:
        (low_bpp, low_db), (high_bpp, high_db) = broken
        raise ComparisonRefusedError(
            f"{prefix}'{curve.name}' is not monotonic: {low_db:.3f} at {low_bpp:.4f} bpp, then {high_db:.3f} at "
            f"{high_bpp:.4f} bpp. More bits must mean more quality: leave out one of the two points."
        )


def _notes(anchor: Curve, test: Curve, metric: str, overlap_share: float) -> list[str]:
    left_out = [(curve.name, reason) for curve in (anchor, test) for reason in curve.usable(metric).left_out]
    notes = [f"{name}: {reason} left out" for name, reason in left_out]
    notes += [note for note in [image_set_note(anchor.meta), image_set_note(test.meta)] if note]
    unknown = [curve.name for curve in (anchor, test) if not image_set_known(curve.meta)]
    if unknown:
        notes.append(f"{' and '.join(unknown)}: the file does not say which images; taken to be the same")
    if overlap_share < SMALL_OVERLAP:
        notes.append(f"the common range is only {overlap_share:.0%} of the narrower curve's")
    return list(dict.fromkeys(notes))


def _columns(points: Points) -> tuple[list[float], list[float]]:
    return [point[0] for point in points], [point[1] for point in points]


def _span(points: Points) -> str:
    return f"{points[0][1]:.2f}..{points[-1][1]:.2f}"
