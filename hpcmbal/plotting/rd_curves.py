"""Rate-distortion figures: curves, rate by scale, and rate against time.

Readable in print and by colour-blind people: the colours of Okabe and Ito ("Color universal design", 2008), with a
darker orange that can be read as text, and every curve has a marker and a line style of its own besides.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hpcmbal.plotting.labels import figure_label
from hpcmbal.plotting.style import SCALE_COLOURS, empty_figure, figure_style, plain_logarithmic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CURVES = 6
"""In one figure: with more, colours would come close to each other and labels would hide the curves."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#B87A00")
MARKERS = ("o", "s", "^", "D", "v", "P")
LINES: tuple[str | tuple[int, tuple[int, ...]], ...] = (
    "--",
    "-.",
    ":",
    (0, (5, 1, 1, 1, 1, 1)),
    (0, (1, 3)),
    (0, (8, 2)),
)
SCALE_HATCHES = {"z": "", "s1": "//", "s2": "..", "s3": "xx"}

_LABEL_WIDTH = 26
"""Letters of a label's line; longer names are wrapped."""

_LINE_SHARE = 0.052
"""Of the height of the axes, that a line of a label needs."""

Role = Literal["model", "anchor", "published"]


@dataclass(frozen=True)
class DrawnCurve:
    """A curve as a figure needs it.

    Attributes:
        label: For the legend.
        points: (bits per pixel, quality in dB), by rising rate.
        role: `model` curves are drawn strongest, `published` ones thin.
    """

    label: str
    points: Sequence[tuple[float, float]]
    role: Role = "anchor"


@dataclass(frozen=True)
class TimedPoint:
    """One operating point of one codec in the scatter of time against rate.

    Attributes:
        label: Of the codec; points of one label look alike.
        seconds: To encode and decode an image, mean.
        bpp: Bits per pixel.
        quality_db: Written beside the point's curve by size.
    """

    label: str
    seconds: float
    bpp: float
    quality_db: float


def rd_figure(curves: Sequence[DrawnCurve], quality_label: str, title: str = "") -> Figure:
    """Quality over rate, each curve labelled at its end in its own colour.

    The rate's axis ends where the models end, with some room, so that they fill the figure.

    Args:
        curves: At most `MOST_CURVES`.
        quality_label: With its unit.
        title: Above the figure.

    Raises:
        ValueError: There are more curves than one figure can hold.
    """
    _check_count([curve.label for curve in curves])
    with figure_style():
        figure, axes = _new_figure()
        for index, curve in enumerate(curves):
            _draw(axes, curve, index)
        _focus(axes, curves)
        _finish(axes, "Rate (bits per pixel)", quality_label, title)
        _label_ends(axes, curves)
        return figure


def scale_rate_figure(labels: Sequence[str], bpp_by_scale: Mapping[str, Sequence[float]], title: str = "") -> Figure:
    """Stacked bars: how much of the rate each scale takes, one bar an operating point.

    Args:
        labels: One for each operating point.
        bpp_by_scale: Bits per pixel by scale, each as long as `labels`.
        title: Above the figure.
    """
    with figure_style():
        figure, axes = _new_figure()
        bottom = [0.0] * len(labels)
        for scale, values in bpp_by_scale.items():
            axes.bar(
                range(len(labels)),
                values,
                bottom=bottom,
                width=0.7,
                label=scale,
                color=SCALE_COLOURS.get(scale, "#7F7F7F"),
                hatch=SCALE_HATCHES.get(scale, ""),
                edgecolor="white",
                linewidth=0.5,
            )
            bottom = [low + value for low, value in zip(bottom, values, strict=True)]
        axes.set_xticks(range(len(labels)), labels, rotation=30, ha="right", fontsize=8)
        _finish(axes, "", "Rate (bits per pixel)", title)
        axes.legend(title="coded in")
        return figure


def time_figure(points: Sequence[TimedPoint], title: str = "") -> Figure:
    """Time over rate, both axes logarithmic; larger markers are better pictures.

    Raises:
        ValueError: There are points of more codecs than one figure can hold.
    """
    labels = list(dict.fromkeys(point.label for point in points))
    _check_count(labels)
    with figure_style():
        figure, axes = _new_figure()
        low = min(point.quality_db for point in points)
        span = max(max(point.quality_db for point in points) - low, 1e-9)
        for index, label in enumerate(labels):
            chosen = [point for point in points if point.label == label]
            axes.scatter(
                [point.bpp for point in chosen],
                [point.seconds for point in chosen],
                s=[20 + 100 * (point.quality_db - low) / span for point in chosen],
                marker=MARKERS[index],
                color=COLOURS[index],
                alpha=0.8,
                label=_wrapped(label),
            )
        plain_logarithmic(axes.xaxis, axes.yaxis)
        _finish(axes, "Rate (bits per pixel)", "Encoding + decoding (s per image)", title)
        figure.legend(
            fontsize=8, loc="outside right upper", title="larger: higher PSNR", title_fontsize=8, frameon=False
        )
        return figure


def _check_count(labels: Sequence[str]) -> None:
    if len(labels) > MOST_CURVES:
        raise ValueError(f"a figure holds at most {MOST_CURVES} curves; found {len(labels)}")


def _draw(axes: Axes, curve: DrawnCurve, index: int) -> None:
    strong = curve.role == "model"
    axes.plot(
        [bpp for bpp, _ in curve.points],
        [quality for _, quality in curve.points],
        color=COLOURS[index],
        marker=MARKERS[index],
        linestyle="-" if strong else LINES[index],
        linewidth=2.2 if strong else 1.3,
        markersize=6 if strong else 4,
        zorder=3 if strong else 2,
    )


def _label_ends(axes: Axes, curves: Sequence[DrawnCurve]) -> None:
    """Names at the right of the axes, in the order of the curves' ends, far enough from each other to be read."""
    (_, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    axes.set_xlim(right=right)
    axes.set_ylim(bottom, top)
    texts = [_wrapped(curve.label) for curve in curves]
    ends = [_visible_end(curve.points, right, top) for curve in curves]
    wanted = [(min(max(y, bottom), top) - bottom) / (top - bottom) for _, y in ends]
    places = _apart(wanted, [_LINE_SHARE * (text.count("\n") + 1) for text in texts])
    for index, (text, end, place) in enumerate(zip(texts, ends, places, strict=True)):
        axes.annotate(
            text,
            end,
            xytext=(1.03, place),
            textcoords="axes fraction",
            color=COLOURS[index],
            fontsize=8.5,
            fontweight="bold" if curves[index].role == "model" else "normal",
            va="center",
            arrowprops={
                "arrowstyle": "-",
                "color": COLOURS[index],
                "linewidth": 0.6,
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 2,
            },
            annotation_clip=False,
        )


def _visible_end(points: Sequence[tuple[float, float]], right: float, top: float) -> tuple[float, float]:
    """Where a curve ends, or leaves the axes."""
    last = points[0]
    for point in points[1:]:
        if point[0] > right or point[1] > top:
            shares = [
                (limit - last[axis]) / (point[axis] - last[axis])
                for axis, limit in ((0, right), (1, top))
                if point[axis] > limit > last[axis]
            ]
            share = min(shares, default=0.0)
            return last[0] + share * (point[0] - last[0]), last[1] + share * (point[1] - last[1])
        last = point
    return last


def _apart(wanted: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Places near the wanted ones, in [0, 1], at which labels of these heights do not overlap, as far as they fit."""
    order = sorted(range(len(wanted)), key=lambda index: -wanted[index])
    places = [0.0] * len(wanted)
    ceiling = 1.0
    for index in order:
        places[index] = min(wanted[index], ceiling - heights[index] / 2)
        ceiling = places[index] - heights[index] / 2
    floor = 0.0
    for index in reversed(order):
        places[index] = max(places[index], floor + heights[index] / 2)
        floor = places[index] + heights[index] / 2
    return places


def _focus(axes: Axes, curves: Sequence[DrawnCurve]) -> None:
    chosen = [curve for curve in curves if curve.role == "model" and curve.points]
    if not chosen or len(chosen) == len(curves):
        return
    high = max(bpp for curve in chosen for bpp, _ in curve.points) * 1.25
    inside = [quality for curve in curves for bpp, quality in curve.points if bpp <= high]
    # Only if there is something to compare with inside; else all curves are shown, far from each other as they are.
    if len(inside) >= sum(len(curve.points) for curve in chosen) + 2:
        axes.set_xlim(0, high)
        axes.set_ylim(min(inside) - 0.5, max(inside) + 0.5)


def _wrapped(label: str) -> str:
    return "\n".join(textwrap.wrap(figure_label(label), _LABEL_WIDTH, break_on_hyphens=True))


def _finish(axes: Axes, x_label: str, y_label: str, title: str) -> None:
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    if title:
        axes.set_title(figure_label(title, 90), fontsize=10)
    axes.grid(visible=True, alpha=0.3)
    axes.set_axisbelow(True)


def _new_figure() -> tuple[Figure, Axes]:
    figure = empty_figure(7.6, 4.8)
    return figure, figure.add_subplot()
