"""Gain against cost: one point for each codec, named beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpcmbal.plotting.labels import figure_label
from hpcmbal.plotting.rd_curves import COLOURS, MARKERS
from hpcmbal.plotting.style import INK, empty_figure, figure_style, plain_logarithmic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class CostPoint:
    """One codec.

    Attributes:
        label: Its name.
        cost: Above 0, in the unit of its panel.
        bd_rate_percent: Against the anchor, which itself is at 0.
    """

    label: str
    cost: float
    bd_rate_percent: float


def cost_figure(panels: Mapping[str, Sequence[CostPoint]], anchor: str, title: str = "") -> Figure:
    """BD-rate over cost, which is logarithmic; down and to the left is better.

    Args:
        panels: Points by the name of the cost with its unit; codecs have one look in all of them.
        anchor: What the rates are compared with.
        title: Above the figure.
    """
    labels = list(dict.fromkeys(point.label for points in panels.values() for point in points))
    with figure_style():
        figure = empty_figure(1.0 + 5.4 * len(panels), 4.4)
        for axes, (name, points) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
            _draw(axes, points, labels)
            axes.set_xlabel(name)
            axes.set_ylabel(figure_label(f"BD-rate against {anchor} (%)", 70))
        if title:
            figure.suptitle(figure_label(title, 90), fontsize=10)
        return figure


def _draw(axes: Axes, points: Sequence[CostPoint], labels: Sequence[str]) -> None:
    plain_logarithmic(axes.xaxis)
    axes.axhline(0, color=INK, linewidth=0.8, zorder=1)
    middle = sorted(point.cost for point in points)[len(points) // 2]
    for point in points:
        index = labels.index(point.label)
        colour = COLOURS[index % len(COLOURS)]
        axes.plot([point.cost], [point.bd_rate_percent], MARKERS[index % len(MARKERS)], color=colour, markersize=8)
        left = point.cost <= middle
        axes.annotate(
            figure_label(point.label, 30),
            (point.cost, point.bd_rate_percent),
            xytext=(8 if left else -8, 6),
            textcoords="offset points",
            ha="left" if left else "right",
            fontsize=8.5,
            color=colour,
        )
    low, high = min(point.cost for point in points), max(point.cost for point in points)
    axes.set_xlim(low / 1.8, high * 1.8)
    axes.margins(y=0.15)
    axes.grid(visible=True, alpha=0.3)
    axes.set_axisbelow(True)
