"""Tables that are ready to publish: BD-rates by image set and metric, and costs, in LaTeX, Markdown and CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from hpcmbal.evaluation.curves.curve import METRIC_LABELS, Curve, has_half_chroma, role_of
from hpcmbal.evaluation.curves.curve_file import csv_text
from hpcmbal.evaluation.image_set import image_set_name, image_set_note
from hpcmbal.visible_text import shortened, visible

if TYPE_CHECKING:
    from hpcmbal.evaluation.curves.bd_table import BdRow, BdTable

EXTENSIONS = {"latex": "tex", "markdown": "md", "csv": "csv"}

COST_COLUMNS = (
    ("encode_kmacs_per_pixel", "encode kMAC/px", 1.0, 1),
    ("decode_kmacs_per_pixel", "decode kMAC/px", 1.0, 1),
    ("encode_parameters", "encode M parameters", 1e-6, 2),
    ("decode_parameters", "decode M parameters", 1e-6, 2),
    ("encode_seconds_per_megapixel", "encode s/MP", 1.0, 3),
    ("decode_seconds_per_megapixel", "decode s/MP", 1.0, 3),
    ("peak_memory_mib", "peak MiB", 1.0, 0),
)
"""Keys of `Cost`, their headings, factors and digits."""

_LATEX = str.maketrans(
    {
        **{letter: f"\\{letter}" for letter in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "\u2212": "$-$",
        "\u2026": r"\ldots{}",
    }
)
_MARKDOWN = str.maketrans({letter: f"\\{letter}" for letter in "\\|*_`<>[]"})


@dataclass(frozen=True)
class TextTable:
    """A table before it has a format.

    Attributes:
        caption: What it shows, against what, by which versions.
        groups: Headings above several columns: the heading and how many columns it spans; the first column has none.
        titles: Of all columns.
        rows: Cells, as long as `titles`.
    """

    caption: str
    groups: tuple[tuple[str, int], ...]
    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def bd_rate_table(sets: Sequence[tuple[Sequence[Curve], BdTable]]) -> TextTable:
    """BD-rates with their intervals, a row for each codec, columns by image set and metric.

    Args:
        sets: Curves and comparison of each image set. Where anchors differ, each stands above its own columns.
    """
    several = len({table.anchor for _, table in sets}) > 1
    names = list(dict.fromkeys(row.test for _, table in sets for row in table.rows))
    cells: list[Mapping[str, BdRow]] = []
    groups, titles = [], ["codec"]
    for curves, table in sets:
        metrics = list(table.hashes)
        groups.append((_set_of(curves) + (f" against {table.anchor}" if several else ""), len(metrics)))
        for metric in metrics:
            titles.append(METRIC_LABELS[metric].removesuffix(" (dB)"))
            cells.append({row.test: row for row in table.rows if row.metric == metric})
    rows = [(name, *(_bd_cell(column.get(name)) for column in cells)) for name in names]
    return TextTable(_bd_caption(sets), tuple(groups), tuple(titles), tuple(rows))


def bd_rate_csv(sets: Sequence[tuple[Sequence[Curve], BdTable]]) -> str:
    """BD-rates for programs: a line for each codec, image set and metric, with anchor and the hash of its points."""
    titles = ("codec", "image_set", "metric", "bd_rate_percent", "low", "high", "anchor", "interpolation", "points")
    rows = []
    for curves, table in sets:
        for row in table.rows:
            value = None if row.comparison is None else row.comparison.bd_rate_percent
            ends = (None, None) if row.interval is None else (row.interval.low, row.interval.high)
            about = (table.anchor, table.interpolation, table.hashes[row.metric])
            rows.append((row.test, _set_of(curves), row.metric, value, *ends, *about))
    return csv_text([titles, *rows])


def cost_table(curves: Sequence[Curve]) -> TextTable | None:
    """What each codec that was measured asks for; None if nothing is known."""
    found = [(curve.name, costs) for curve in curves if isinstance(costs := curve.meta.get("cost"), dict) and costs]
    columns = [column for column in COST_COLUMNS if any(column[0] in costs for _, costs in found)]
    if not columns:
        return None
    rows = [
        (name, *("" if key not in costs else f"{costs[key] * factor:.{digits}f}" for key, _, factor, digits in columns))
        for name, costs in found
    ]
    caption = (
        f"Cost on {_set_of(curves)}: operations and parameters of networks, seconds per megapixel on one thread of "
        f"{_processor(curves)}"
    )
    return TextTable(f"{caption}.", (), ("codec", *(title for _, title, _, _ in columns)), tuple(rows))


def formatted(table: TextTable, kind: str) -> str:
    """The table as `latex` (with booktabs), `markdown` or `csv`."""
    return {"latex": _latex, "markdown": _markdown, "csv": _csv}[kind](_on_one_line(table))


def _on_one_line(table: TextTable) -> TextTable:
    """The table with every text visible and on one line: a line break in a name would begin a row or a paragraph."""
    return TextTable(
        _line(table.caption),
        tuple((shortened(_line(name)), span) for name, span in table.groups),
        tuple(shortened(_line(title)) for title in table.titles),
        tuple(tuple(shortened(_line(cell)) for cell in row) for row in table.rows),
    )


def _line(text: str) -> str:
    return visible(" ".join(text.split()))


def _bd_cell(row: BdRow | None) -> str:
    if row is None or row.comparison is None:
        return "\u2013"
    text = f"{row.comparison.bd_rate_percent:+.1f}"
    if row.interval is not None:
        text += f" [{row.interval.low:+.1f}, {row.interval.high:+.1f}]"
    return text.replace("-", "\u2212")


def _bd_caption(sets: Sequence[tuple[Sequence[Curve], BdTable]]) -> str:
    anchors = {
        table.anchor: curve.description for curves, table in sets for curve in curves if curve.name == table.anchor
    }
    against = ", ".join(f"{name} ({about})" if about else name for name, about in anchors.items())
    intervals = any(row.interval for _, table in sets for row in table.rows)
    interpolation = sets[0][1].interpolation
    parts = [f"BD-rate in % against {against}, interpolated by {interpolation}; negative is better"]
    parts += ["95 % intervals by bootstrap over images in brackets"] if intervals else []
    parts += [f"{_set_of(curves)}: {note}" for curves, _ in sets if (note := _note(curves))]
    halved = list(dict.fromkeys(curve.name for curves, _ in sets for curve in curves if has_half_chroma(curve)))
    parts += [f"4:2:0 chroma: {', '.join(halved)}"] if halved else []
    return "; ".join(parts) + "."


def _set_of(curves: Sequence[Curve]) -> str:
    return next((name for curve in curves if (name := image_set_name(curve.meta))), "the images")


def _note(curves: Sequence[Curve]) -> str:
    return next((note for curve in curves if (note := image_set_note(curve.meta))), "")


def _processor(curves: Sequence[Curve]) -> str:
    for curve in curves:
        environment = curve.meta.get("environment")
        if role_of(curve) != "published" and isinstance(environment, dict) and environment.get("processor"):
            return str(environment["processor"])
    return "this machine"


def _latex(table: TextTable) -> str:
    columns = "l" + "r" * (len(table.titles) - 1)
    lines = [r"\begin{table}", r"\centering", f"\\caption{{{_tex(table.caption)}}}", f"\\begin{{tabular}}{{{columns}}}"]
    lines.append(r"\toprule")
    if table.groups:
        heads = [f"\\multicolumn{{{span}}}{{c}}{{{_tex(name)}}}" for name, span in table.groups]
        lines.append(" & ".join(["", *heads]) + r" \\")
        ends = [1, *(1 + sum(span for _, span in table.groups[: index + 1]) for index in range(len(table.groups)))]
        lines.append(" ".join(f"\\cmidrule(lr){{{start + 1}-{end}}}" for start, end in pairwise(ends)))
    lines.append(" & ".join(map(_tex, table.titles)) + r" \\")
    lines.append(r"\midrule")
    lines += [" & ".join(map(_tex, row)) + r" \\" for row in table.rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _markdown(table: TextTable) -> str:
    titles = [title.translate(_MARKDOWN) for title in _full_titles(table)]
    rule = ["---", *["---:"] * (len(titles) - 1)]
    rows = [[cell.translate(_MARKDOWN) for cell in row] for row in table.rows]
    lines = [f"| {' | '.join(row)} |" for row in (titles, rule, *rows)]
    return "\n".join([table.caption.translate(_MARKDOWN), "", *lines, ""])


def _csv(table: TextTable) -> str:
    return csv_text([_full_titles(table), *([cell.replace("\u2212", "-") for cell in row] for row in table.rows)])


def _full_titles(table: TextTable) -> list[str]:
    """Titles with the heading of their group, for formats that have one line of them."""
    groups = [name for name, span in table.groups for _ in range(span)]
    return (
        [table.titles[0], *(f"{group} {title}" for group, title in zip(groups, table.titles[1:], strict=True))]
        if (groups)
        else list(table.titles)
    )


def _tex(text: str) -> str:
    return text.translate(_LATEX)
