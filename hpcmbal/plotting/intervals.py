"""Differences with their intervals, one row each, against a line at 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpcmbal.plotting.labels import figure_label
from hpcmbal.plotting.style import INK, QUIET, ArmLook, empty_figure, figure_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REACH = 3.0
"""The axis shows at least every single value; intervals are cut, with an arrow, at this many times their span."""


@dataclass(frozen=True)
class IntervalRow:
    """One difference.

    Attributes:
        label: At its left.
        mean: Where its marker stands.
        ends: Of the interval; None without one.
        values: What the mean is of, as small dots.
        look: Colour and marker.
        remark: Below the label, small: the verdict.
    """

    label: str
    mean: float
    ends: tuple[float, float] | None
    values: Sequence[float]
    look: ArmLook
    remark: str = ""


def interval_figure(panels: Mapping[str, Sequence[IntervalRow]], title: str, note: str) -> Figure:
    """Panels beside each other.

    Args:
        panels: Rows by the axis' label, such as "J (%)"; at least one, none empty.
        title: Above the figure.
        note: Below it, small.
    """
    tallest = max(len(rows) for rows in panels.values())
    with figure_style():
        figure = empty_figure(2.2 + 4.2 * len(panels), 1.4 + 0.55 * tallest)
        for axes, (label, rows) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
            _draw(axes, rows)
            axes.set_xlabel(label)
        figure.suptitle(figure_label(title, 110), fontsize=11, fontweight="bold", x=0.01, ha="left")
        figure.supxlabel(note, fontsize=8.5, color=QUIET)
        return figure


def _draw(axes: Axes, rows: Sequence[IntervalRow]) -> None:
    low, high = _limits(rows)
    axes.axvline(0, color=INK, linewidth=1)
    for place, row in enumerate(rows):
        colour = row.look.colour
        if row.ends is not None:
            _bar(axes, place, row.ends, (low, high), colour)
        axes.plot(row.values, [place + 0.22] * len(row.values), "|", color=colour, markersize=6, alpha=0.8)
        axes.plot([row.mean], [place], row.look.marker, color=colour, markersize=7, markeredgecolor="white", zorder=4)
        axes.annotate(
            row.remark,
            (0, place + 0.27),
            xycoords=("axes fraction", "data"),
            xytext=(-4, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=8,
            color=QUIET,
        )
    axes.set_yticks(range(len(rows)), [figure_label(row.label) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.6)
    axes.set_xlim(low, high)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)


def _bar(axes: Axes, place: int, ends: tuple[float, float], limits: tuple[float, float], colour: str) -> None:
    axes.plot(ends, [place, place], color=colour, linewidth=2.4, solid_capstyle="butt", zorder=3)
    for end, limit, marker in ((ends[0], limits[0], "<"), (ends[1], limits[1], ">")):
        outside = end < limit if marker == "<" else end > limit
        axes.plot(
            [limit if outside else end],
            [place],
            marker if outside else "|",
            color=colour,
            markersize=8,
            clip_on=False,
            zorder=3,
        )


def _limits(rows: Sequence[IntervalRow]) -> tuple[float, float]:
    """Room for every value and, up to `REACH` times that, for the intervals: those of two seeds can be endless."""
    values = [0.0, *(value for row in rows for value in (row.mean, *row.values))]
    span = max(values) - min(values) or 1.0
    ends = [end for row in rows for end in row.ends or ()]
    low = max(min([*values, *ends]), min(values) - REACH * span)
    high = min(max([*values, *ends]), max(values) + REACH * span)
    room = 0.06 * (high - low) or 1.0  # all values are the same where arms changed nothing
    return low - room, high + room
