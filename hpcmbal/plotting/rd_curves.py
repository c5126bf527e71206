"""Rate-distortion figures: curves, rate by scale, and rate against time.

Readable in print and by colour-blind people: the colours of Okabe and Ito ("Color universal design", 2008), and every
curve has a marker and a line style of its own besides.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hpcmbal.plotting.style import empty_figure, figure_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
LINES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
SCALE_COLOURS = {"z": "#000000", "s1": "#D55E00", "s2": "#56B4E9", "s3": "#009E73"}
SCALE_HATCHES = {"z": "", "s1": "//", "s2": "..", "s3": "xx"}
FIGURE_FORMATS = ("png", "svg", "pdf")

_LEGEND_INSIDE = 7
"""With more curves the legend would hide some of them, and stands beside the figure."""

_LABEL_WIDTH = 34
"""Letters of a legend's line; longer names are wrapped, and stand beside the figure."""

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
    """Quality over rate; the rate's axis ends where the models end, with some room, so that they fill the figure."""
    with figure_style():
        figure, axes = _new_figure()
        for index, curve in enumerate(curves):
            _draw(axes, curve, index)
        _focus(axes, curves)
        _finish(axes, "Rate (bits per pixel)", quality_label, title)
        _legend(figure, axes, [curve.label for curve in curves])
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
    """Time over rate, both axes logarithmic; larger markers are better pictures."""
    with figure_style():
        figure, axes = _new_figure()
        low = min(point.quality_db for point in points)
        span = max(max(point.quality_db for point in points) - low, 1e-9)
        for index, label in enumerate(dict.fromkeys(point.label for point in points)):
            chosen = [point for point in points if point.label == label]
            axes.scatter(
                [point.bpp for point in chosen],
                [point.seconds for point in chosen],
                s=[20 + 100 * (point.quality_db - low) / span for point in chosen],
                marker=MARKERS[index % len(MARKERS)],
                color=COLOURS[index % len(COLOURS)],
                alpha=0.8,
                label=_wrapped(label),
            )
        _log_axes(axes)
        _finish(axes, "Rate (bits per pixel)", "Encoding + decoding (s per image)", title)
        _legend(figure, axes, [point.label for point in points], "larger: higher PSNR")
        return figure


def save_figure(figure: Figure, stem: Path, formats: Sequence[str] = FIGURE_FORMATS) -> list[Path]:
    """Write `stem` with each format's extension (the name may hold dots), and return the paths."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_name(f"{stem.name}.{extension}") for extension in formats]
    for path, extension in zip(paths, formats, strict=True):
        path.write_bytes(figure_bytes(figure, extension))
    return paths


def figure_bytes(figure: Figure, extension: str) -> bytes:
    """The figure as a file of that format; the same figure gives the same bytes."""
    import matplotlib as mpl

    stream = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "hpcmbal"}):
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(extension)
        figure.savefig(stream, format=extension, dpi=160, metadata=metadata)
    return stream.getvalue()


def _draw(axes: Axes, curve: DrawnCurve, index: int) -> None:
    strong = curve.role == "model"
    axes.plot(
        [bpp for bpp, _ in curve.points],
        [quality for _, quality in curve.points],
        color=COLOURS[index % len(COLOURS)],
        marker=MARKERS[index % len(MARKERS)],
        linestyle="-" if strong else LINES[1 + index % (len(LINES) - 1)],
        linewidth=2.2 if strong else 1.3,
        markersize=6 if strong else 4,
        alpha=1.0 if curve.role != "published" else 0.75,
        zorder=3 if strong else 2,
        label=_wrapped(curve.label),
    )


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


def _legend(figure: Figure, axes: Axes, labels: Sequence[str], title: str = "") -> None:
    """Inside where it fits, beside the figure otherwise."""
    if len(set(labels)) > _LEGEND_INSIDE or max(map(len, labels)) > _LABEL_WIDTH:
        lines = sum(_wrapped(label).count("\n") + 1 for label in dict.fromkeys(labels))
        figure.set_size_inches(9.0, max(figure.get_figheight(), 0.4 + 0.18 * lines))
        figure.legend(fontsize=8, loc="outside right upper", title=title, title_fontsize=8)
    else:
        axes.legend(fontsize=8, framealpha=0.9, title=title, title_fontsize=8)


def _wrapped(label: str) -> str:
    return "\n".join(textwrap.wrap(label, _LABEL_WIDTH, break_on_hyphens=True))


def _log_axes(axes: Axes) -> None:
    """Both logarithmic, with 0.2 and 50 beside the ticks in place of powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())


def _finish(axes: Axes, x_label: str, y_label: str, title: str) -> None:
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    if title:
        axes.set_title(title, fontsize=10)
    axes.grid(visible=True, alpha=0.3)
    axes.set_axisbelow(True)


def _new_figure() -> tuple[Figure, Axes]:
    figure = empty_figure(7.0, 4.8)
    return figure, figure.add_subplot()
