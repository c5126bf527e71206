"""The report: one HTML file that holds everything, opens anywhere and loads nothing."""

from __future__ import annotations

import dataclasses
import html
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hpcmbal.evaluation.codecs.image_codec import DECODE_SECONDS, ENCODE_SECONDS
from hpcmbal.evaluation.curves.curve import BPP, METRIC_LABELS, MS_SSIM, MS_SSIM_DB, PSNR, Curve
from hpcmbal.evaluation.report.page import figure_html, fill_page, json_html
from hpcmbal.evaluation.report.tables import cost_table
from hpcmbal.settings.choices import EXTRA_METRICS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hpcmbal.evaluation.curves.bd_table import BdRow, BdTable
    from hpcmbal.evaluation.report.viewer import ViewerImage

_RATES = ((BPP, "bpp", 4), (PSNR, "PSNR dB", 3), (MS_SSIM, "MS-SSIM", 5), (MS_SSIM_DB, "MS-SSIM dB", 3))
_TIMES = ((ENCODE_SECONDS, "encode s", 3), (DECODE_SECONDS, "decode s", 3))


def render_report(
    curves: Sequence[Curve],
    figures: Mapping[str, Figure],
    table: BdTable | None,
    viewer: Sequence[ViewerImage] = (),
    *,
    notes: Sequence[str] = (),
) -> str:
    """The report as HTML.

    Args:
        curves: Everything that was measured or taken from elsewhere.
        figures: By name; drawn into the file as SVG.
        table: Comparison with an anchor, if there is one.
        viewer: Images of the slider; the section is hidden without any.
        notes: What a reader of the curves should know, one line each.
    """
    parts = {
        "TITLE": "Rate-distortion evaluation",
        "SUBTITLE": html.escape(_subtitle(curves)),
        "NOTES": "".join(f'<p class="note">{html.escape(note)}</p>' for note in notes),
        "FIGURES": "".join(figure_html(name, figure) for name, figure in figures.items()),
        "BD_TABLE": _bd_table(table),
        "COST": _cost_table(curves),
        "SETTINGS": _settings(curves),
        "DATA": _data(curves, viewer),
    }
    return fill_page("hpcmbal.evaluation.report", "report.html", parts)


def interval_text(row: BdRow) -> str:
    """The interval of a row, or why there is none."""
    if row.interval is None:
        return f"none: {row.no_interval}" if row.no_interval else ""
    return f"{row.interval.low:+.2f} .. {row.interval.high:+.2f}"


def _bd_table(table: BdTable | None) -> str:
    if table is None:
        return '<p class="note">Nothing to compare with: add an anchor, published points or a second model.</p>'
    hashes = ", ".join(f"{METRIC_LABELS[metric]} {digest}" for metric, digest in table.hashes.items())
    reasons = {row.no_interval for row in table.rows if row.comparison and not row.interval}
    common = reasons.pop() if len(reasons) == 1 else ""
    rows = "".join(_bd_row(row, common) for row in table.rows)
    interval = f"; where there is none: {html.escape(common)}" if common else ""
    return (
        f'<p class="note">Anchor: <strong>{html.escape(table.anchor)}</strong> (hash of its points: {hashes}). '
        f"Interpolation: {table.interpolation}. Interval: 95 %, bootstrap over images{interval}. Negative BD-rate: "
        "fewer bits at equal quality than the anchor.</p>"
        '<div class="scroll" tabindex="0"><table><thead><tr><th>Curve</th><th>Metric</th>'
        '<th class="number">BD-rate %</th>'
        '<th class="number">95 % interval</th><th class="number">BD-quality</th><th>Range</th><th>Notes</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def _cost_table(curves: Sequence[Curve]) -> str:
    table = cost_table(curves)
    if table is None:
        return ""
    heads = "".join(f'<th class="number">{html.escape(title)}</th>' for title in table.titles[1:])
    rows = []
    for name, *cells in table.rows:
        numbers = "".join(f'<td class="number">{cell or "&ndash;"}</td>' for cell in cells)
        rows.append(f'<tr><td class="name">{html.escape(name)}</td>{numbers}</tr>')
    return (
        f'<h2>Cost</h2><p class="note">{html.escape(table.caption)}</p>'
        f'<div class="scroll" tabindex="0"><table><thead><tr><th>Curve</th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _bd_row(row: BdRow, known: str) -> str:
    start = f'<tr><td class="name">{html.escape(row.test)}</td><td class="name">{METRIC_LABELS[row.metric]}</td>'
    found = row.comparison
    if found is None:
        return f'{start}<td colspan="5" class="text">refused: {html.escape(row.refusal)}</td></tr>'
    low, high = found.quality_range_db
    quality = "&ndash;" if found.bd_quality_db is None else f"{found.bd_quality_db:+.3f}"
    interval = interval_text(row) if row.interval else "&ndash;"
    notes = list(found.notes)
    notes += [f"no interval: {row.no_interval}"] if not row.interval and row.no_interval != known else []
    return (
        f'{start}<td class="number">{found.bd_rate_percent:+.2f}</td><td class="number">{interval}</td>'
        f'<td class="number">{quality}</td><td class="name">{low:.2f}..{high:.2f}</td>'
        f'<td class="text">{html.escape("; ".join(notes))}</td></tr>'
    )


def _settings(curves: Sequence[Curve]) -> str:
    blocks = []
    for curve in curves:
        meta = {key: value for key, value in curve.meta.items() if key not in ("environment", "image_set")}
        blocks.append(f"<details><summary>{html.escape(curve.name)}</summary>{json_html(meta)}</details>")
    for key in ("image_set", "environment"):
        found = [curve.meta[key] for curve in curves if key in curve.meta]
        if found:
            state = " open" if key == "environment" else ""
            title = key.replace("_", " ")
            blocks.append(f"<details{state}><summary>{title}</summary>{json_html(found[0])}</details>")
    return "".join(blocks)


def _data(curves: Sequence[Curve], viewer: Sequence[ViewerImage]) -> str:
    columns: list[dict[str, object]] = [{"label": "curve"}, {"label": "image"}, {"label": "point"}]
    measured = {key for curve in curves for columns in curve.samples.values() for key in columns}
    extra = [(name, name, 4) for name in EXTRA_METRICS if name in measured]
    shown = [*_RATES, *extra, *_TIMES]
    columns += [{"label": label, "digits": digits} for _, label, digits in shown]
    document = {
        "columns": columns,
        "curves": [curve.name for curve in curves if curve.samples],
        "rows": [row for curve in curves for row in _rows(curve, [key for key, _, _ in shown])],
        "viewer": [dataclasses.asdict(image) for image in viewer],
    }
    # "</script>" in a name must not end the element.
    return json.dumps(document, allow_nan=False).replace("<", "\\u003c")


def _rows(curve: Curve, keys: Sequence[str]) -> list[list[object]]:
    codec = curve.meta.get("codec")
    labels = _point_labels(codec.get("points"), len(curve)) if isinstance(codec, dict) else None
    return [
        [
            curve.name,
            image,
            labels[point] if labels else str(point + 1),
            *(_plain(columns[key][point]) if key in columns else None for key in keys),
        ]
        for image, columns in curve.samples.items()
        for point in range(len(curve))
    ]


def _point_labels(points: object, count: int) -> list[str] | None:
    """Without what all of them begin with, such as the weights of a checkpoint that has several qualities."""
    if not isinstance(points, list) or len(points) != count:
        return None
    labels = [str(point) for point in points]
    starts = {label.rpartition(", ")[0] for label in labels}
    return [label.rpartition(", ")[2] for label in labels] if len(starts) == 1 else labels


def _plain(value: float | None) -> float | str | None:
    return str(value) if value is not None and math.isinf(value) else value


def _subtitle(curves: Sequence[Curve]) -> str:
    for curve in curves:
        found = curve.meta.get("image_set")
        if isinstance(found, Mapping) and found.get("images"):
            images = _count(len(found["images"]), "image")
            digest = f" (hash {found['hash']})" if found.get("hash") else ""
            note = f"; {found['note']}" if isinstance(found.get("note"), str) else ""
            name = found.get("name") or "a set without a name"
            return f"{images} of {name}{digest}, {_count(len(curves), 'curve')}{note}"
    return _count(len(curves), "curve")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
