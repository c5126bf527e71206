"""All curves against one anchor: the table of BD-rates, with a reason where there is no number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpcmbal.errors import DataError, SettingsError
from hpcmbal.evaluation.curves.bd_rate import Comparison, ComparisonRefusedError, Interpolation, compare_curves
from hpcmbal.evaluation.curves.bootstrap import Interval, bd_rate_interval
from hpcmbal.evaluation.curves.curve import QUALITY_METRICS, Curve, role_of


@dataclass(frozen=True)
class BdRow:
    """One curve in one metric.

    Attributes:
        test: The curve's name.
        metric: Key of the quality metric.
        comparison: None if it was refused.
        refusal: The reason then.
        interval: Of the BD-rate; None where there is none.
        no_interval: The reason then.
    """

    test: str
    metric: str
    comparison: Comparison | None = None
    refusal: str = ""
    interval: Interval | None = None
    no_interval: str = ""


@dataclass(frozen=True)
class BdTable:
    """Every curve against `anchor`, whose `hashes` by metric name the very points that were used."""

    anchor: str
    hashes: dict[str, str]
    interpolation: Interpolation
    rows: tuple[BdRow, ...]


def bd_table(
    curves: Sequence[Curve], anchor: Curve, interpolation: Interpolation = "pchip", *, draws: int = 1000
) -> BdTable:
    """Compare every other curve with `anchor`, in every metric that the anchor has.

    Args:
        curves: May contain the anchor.
        anchor: What to compare with.
        interpolation: See `bd_rate`.
        draws: Resamples of the interval; 0 leaves it out.
    """
    metrics = [metric for metric in QUALITY_METRICS if anchor.has(metric)]
    rows = [
        _row(anchor, curve, metric, interpolation, draws)
        for metric in metrics
        for curve in curves
        if curve is not anchor
    ]
    return BdTable(anchor.name, {metric: anchor.fingerprint(metric) for metric in metrics}, interpolation, tuple(rows))


def choose_anchor(curves: Sequence[Curve], wanted: str | None) -> Curve | None:
    """The curve to compare with: the one named, else the first that is no model, else the first of several.

    Raises:
        SettingsError: The named one is not among the curves.
    """
    if wanted is not None:
        found = [curve for curve in curves if curve.name == wanted]
        if not found:
            raise SettingsError(
                f"No curve '{wanted}' to compare with. There are: {', '.join(curve.name for curve in curves)}."
            )
        return found[0]
    others = [curve for curve in curves if role_of(curve) != "model"]
    return next(iter(others or curves), None) if len(curves) > 1 else None


def _row(anchor: Curve, curve: Curve, metric: str, interpolation: Interpolation, draws: int) -> BdRow:
    try:
        comparison = compare_curves(anchor, curve, metric, interpolation)
    except ComparisonRefusedError as error:
        return BdRow(curve.name, metric, refusal=str(error).partition(" refused: ")[2])
    if not draws:
        return BdRow(curve.name, metric, comparison, no_interval="not asked for")
    try:
        interval = bd_rate_interval(anchor, curve, metric, interpolation, draws=draws)
    except DataError as error:
        return BdRow(curve.name, metric, comparison, no_interval=str(error).partition(": ")[2])
    return BdRow(curve.name, metric, comparison, interval=interval)
