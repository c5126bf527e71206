"""An evaluation's figures, drawn from its curves."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hpcmbal.evaluation.codecs.image_codec import DECODE_SECONDS, ENCODE_SECONDS, FILE_BYTES, SCALE_KEYS
from hpcmbal.evaluation.curves.curve import BPP, METRIC_LABELS, PSNR, QUALITY_METRICS, Curve, has_half_chroma, role_of
from hpcmbal.plotting.cost_points import CostPoint, cost_figure
from hpcmbal.plotting.labels import figure_label
from hpcmbal.plotting.rd_curves import (
    MOST_CURVES,
    DrawnCurve,
    TimedPoint,
    rd_figure,
    scale_rate_figure,
    time_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hpcmbal.evaluation.curves.bd_table import BdTable

_COST_AXES = {
    "decode_seconds_per_megapixel": "Decoding (s per megapixel)",
    "decode_kmacs_per_pixel": "Decoding (kMAC per pixel)",
}

_STEM_LETTERS = 80
"""Of a curve's name in a file's name."""

_FILE_STEMS = {metric: f"rd-{metric.removesuffix('-rgb').removesuffix('-db')}" for metric in QUALITY_METRICS}


def draw_figures(curves: Sequence[Curve]) -> dict[str, Figure]:
    """Every figure for which there is data, by its file's name without extension.

    Curves and times are of at most `MOST_CURVES` curves; `further_figures` has the rest.
    """
    chosen = main_curves(curves)
    figures: dict[str, Figure] = {}
    for metric in QUALITY_METRICS:
        drawn = _drawn(main_curves([curve for curve in curves if curve.has(metric)]), metric)
        if drawn:
            figures[_FILE_STEMS[metric]] = rd_figure(drawn, METRIC_LABELS[metric], _title(curves))
    for curve in curves:
        scales = scale_rates(curve)
        if scales:
            labels = [f"{bpp:.3f} bpp" for bpp in scales.pop(BPP)]
            figures[f"scales-{file_stem(curve.name)}"] = scale_rate_figure(
                labels, scales, f"{figure_label(curve.name)}: rate by scale"
            )
    timed = [point for curve in chosen for point in _timed_points(curve)]
    if timed:
        figures["time"] = time_figure(timed, _title(curves))
    return figures


def cost_figures(curves: Sequence[Curve], table: BdTable | None) -> dict[str, Figure]:
    """BD-rate in PSNR over what decoding costs, if there are costs of at least two codecs."""
    if table is None:
        return {}
    gains = {row.test: row.comparison.bd_rate_percent for row in table.rows if row.comparison and row.metric == PSNR}
    gains[table.anchor] = 0.0
    panels = {}
    for key, name in _COST_AXES.items():
        costs = {curve.name: value for curve in curves if (value := _cost(curve, key)) and curve.name in gains}
        if len(costs) > 1:
            panels[name] = [CostPoint(label, cost, gains[label]) for label, cost in costs.items()]
    return {"cost": cost_figure(panels, table.anchor, _title(curves))} if panels else {}


def _cost(curve: Curve, key: str) -> float | None:
    costs = curve.meta.get("cost")
    value = costs.get(key) if isinstance(costs, dict) else None
    return float(value) if isinstance(value, int | float) and value > 0 else None


def further_figures(curves: Sequence[Curve]) -> dict[str, Figure]:
    """Curves that the figures of `draw_figures` leave out, each beside the first curve, by the figure's title."""
    figures: dict[str, Figure] = {}
    for metric in QUALITY_METRICS:
        found = [curve for curve in curves if curve.has(metric)]
        main = main_curves(found)
        rest = [curve for curve in found if curve not in main]
        for number, group in enumerate(_batches(rest, MOST_CURVES - 1), start=2):
            title = f"{_title(curves)} ({number})"
            figures[f"{_FILE_STEMS[metric]} ({number})"] = rd_figure(
                _drawn([main[0], *group], metric), METRIC_LABELS[metric], title
            )
    return figures


def main_curves(curves: Sequence[Curve]) -> list[Curve]:
    """The curves of the main figures: models, then what was measured beside them, then published ones."""
    order = {"model": 0, "anchor": 1, "published": 2}
    return sorted(curves, key=lambda curve: order[role_of(curve)])[:MOST_CURVES]


def _drawn(curves: Sequence[Curve], metric: str) -> list[DrawnCurve]:
    return [DrawnCurve(_label(curve), curve.points(metric), role_of(curve)) for curve in curves]


def _label(curve: Curve) -> str:
    """The curve's name, and that it was given less colour than the others."""
    return f"{curve.name} (4:2:0)" if has_half_chroma(curve) else curve.name


def scale_rates(curve: Curve) -> dict[str, list[float]]:
    """Mean bits per pixel by scale, and in all, by rising rate; empty if the codec has no scales.

    From the samples, since images differ in size: a mean of bytes is not a mean of bits per pixel.
    """
    if not curve.samples or any(
        key not in columns for columns in curve.samples.values() for key in SCALE_KEYS.values()
    ):
        return {}
    rates = {name: [0.0] * len(curve) for name in (BPP, *SCALE_KEYS)}
    for columns in curve.samples.values():
        for point in range(len(curve)):
            size, bpp = columns[FILE_BYTES][point], columns[BPP][point]
            if not size or bpp is None:
                return {}
            rates[BPP][point] += bpp / len(curve.samples)
            for name, key in SCALE_KEYS.items():
                rates[name][point] += (columns[key][point] or 0.0) * bpp / size / len(curve.samples)
    order = sorted(range(len(curve)), key=lambda point: rates[BPP][point])
    return {name: [values[point] for point in order] for name, values in rates.items()}


def file_stem(name: str) -> str:
    """A curve's name as part of a file's name: letters, digits, dots, dashes and underscores stay.

    A name that had to be changed gets a hash of the whole of it, so that no two curves share a file.

    >>> file_stem("run.v1_2"), file_stem("a/b")
    ('run.v1_2', 'a-b-c14cddc0')
    """
    stem = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name[:_STEM_LETTERS])
    if stem == name:
        return stem
    return f"{stem}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _batches(items: Sequence[Curve], size: int) -> list[Sequence[Curve]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _timed_points(curve: Curve) -> list[TimedPoint]:
    columns = [curve.results.get(key) for key in (ENCODE_SECONDS, DECODE_SECONDS, BPP, PSNR)]
    if any(column is None for column in columns):
        return []
    rows = zip(*(column for column in columns if column is not None), strict=True)
    return [
        TimedPoint(curve.name, encode + decode, bpp, quality)
        for encode, decode, bpp, quality in rows
        if encode is not None and decode is not None and bpp and quality is not None and math.isfinite(quality)
    ]


def _title(curves: Sequence[Curve]) -> str:
    for curve in curves:
        found = curve.meta.get("image_set")
        if isinstance(found, dict):
            images = found.get("images")
            count = f", {len(images)} image{'s' * (len(images) != 1)}" if images else ""
            return f"{found.get('name') or 'images'}{count}"
    return ""
