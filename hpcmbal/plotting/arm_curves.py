"""Rate-distortion curves of a study's arms: means over seeds, with what the seeds span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpcmbal.plotting.labels import figure_label
from hpcmbal.plotting.style import QUIET, ArmLook, empty_figure, figure_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class ArmPoint:
    """One arm at one lambda.

    Attributes:
        bpp: Mean bits per pixel.
        psnr_db: Mean quality.
        seeds: (bpp, PSNR) of every seed.
    """

    bpp: float
    psnr_db: float
    seeds: Sequence[tuple[float, float]]


def arm_curve_figure(
    curves: Mapping[str, Sequence[ArmPoint]],
    looks: Mapping[str, ArmLook],
    title: str,
    equal_j: Sequence[tuple[float, float]] = (),
) -> Figure:
    """PSNR over rate, a line for each arm; bars and small dots show the seeds.

    Args:
        curves: Points by arm, by rising rate.
        looks: By arm.
        title: Above the figure.
        equal_j: A line along which J stays as it is, drawn behind; above it is better.
    """
    with figure_style():
        figure = empty_figure(7.0, 4.8)
        axes = figure.add_subplot()
        for arm, points in curves.items():
            look = looks[arm]
            x, y = [point.bpp for point in points], [point.psnr_db for point in points]
            axes.errorbar(
                x,
                y,
                xerr=_bars(points, 0),
                yerr=_bars(points, 1),
                color=look.colour,
                marker=look.marker,
                linestyle=look.dashes if len(points) > 1 else "none",
                markersize=6,
                markeredgecolor="white",
                linewidth=1.7,
                elinewidth=1.0,
                capsize=2.5,
                label=figure_label(arm),
                zorder=3,
            )
            seeds = [seed for point in points for seed in point.seeds]
            axes.plot(
                [seed[0] for seed in seeds], [seed[1] for seed in seeds], ".", color=look.colour, alpha=0.45, ms=4
            )
        if equal_j:
            limits = axes.get_xlim(), axes.get_ylim()
            axes.plot(*zip(*equal_j, strict=True), color=QUIET, linewidth=1, linestyle=":", zorder=1, label="equal J")
            axes.set_xlim(limits[0])
            axes.set_ylim(limits[1])
        axes.set_xlabel("Rate (bits per pixel)")
        axes.set_ylabel("PSNR (dB)")
        axes.set_title(figure_label(title, 90), fontsize=11, fontweight="bold", loc="left")
        axes.grid(visible=True, alpha=0.3)
        axes.set_axisbelow(True)
        axes.legend(
            fontsize=9, framealpha=0.9, handlelength=3.0, title="bars: lowest to highest seed", title_fontsize=8
        )
        return figure


def _bars(points: Sequence[ArmPoint], axis: int) -> list[list[float]]:
    """Distances from the mean to the smallest and largest seed."""
    means = [(point.bpp, point.psnr_db)[axis] for point in points]
    spans = [(min(s[axis] for s in point.seeds), max(s[axis] for s in point.seeds)) for point in points]
    return [
        [max(mean - low, 0.0) for mean, (low, _) in zip(means, spans, strict=True)],
        [max(high - mean, 0.0) for mean, (_, high) in zip(means, spans, strict=True)],
    ]
