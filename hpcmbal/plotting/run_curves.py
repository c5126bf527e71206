"""Curves of one or several trainings, from their JSONL logs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from hpcmbal.errors import DataError
from hpcmbal.output_checks import check_outputs
from hpcmbal.plotting.figure_file import save_figure
from hpcmbal.plotting.labels import figure_label
from hpcmbal.plotting.style import SCALE_COLOURS, empty_figure, figure_style, plain_logarithmic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hpcmbal.settings.pictures import PlotRunSettings

# Okabe and Ito's palette, which colour-blind people can tell apart; dashes tell lines apart in print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":")
LEAST_SPAN = 0.01
"""Of a linear axis, as a share of its values."""
SMOOTHING_POINTS = 30
"""Training losses are averaged over windows of 1/30 of the run: crops differ in J by a factor of ten."""


@dataclass(frozen=True)
class Panel:
    """One set of axes.

    Attributes:
        title: Above it.
        prefix: Metrics whose names start with it are drawn, one line each.
        logarithmic: Scale of the vertical axis.
    """

    title: str
    prefix: str
    logarithmic: bool = False


BALANCE_PANELS = (
    Panel("Task weights", "weights/"),
    Panel("Effective weights", "effective_weights/"),
    Panel("Contribution of each scale", "scale_contrib/"),
    Panel("Gamma", "gamma/"),
    Panel("Effective lambda", "lmbda_eff"),
)
LINE_COLOURS = {
    "distortion": "#000000",
    "bpp": "#7F7F7F",
    "s1_distortion": SCALE_COLOURS["s1"],
    "s1_bpp": "#E69F00",
    "s2_distortion": "#0072B2",
    "s2_bpp": SCALE_COLOURS["s2"],
    "s3_bpp": SCALE_COLOURS["s3"],
    **SCALE_COLOURS,
}
"""A task, or a scale, has one colour in all panels; those of one scale are akin."""
TASK_NAMES = ("distortion", "bpp", "s1_distortion", "s1_bpp", "s2_distortion", "s2_bpp", "s3_bpp")

SECONDS = "time/seconds"

Log = Sequence[Mapping[str, Any]]


def run_figure(runs: Mapping[str, Log]) -> Figure:
    """J against steps and against seconds for every run; for a single run that was balanced, its weights as well.

    Args:
        runs: Lines of each run's log, by the name to show.
    """
    panels = _balance_panels(next(iter(runs.values()))) if len(runs) == 1 else []
    rows = 1 + math.ceil(len(panels) / 2)
    with figure_style():
        figure = empty_figure(12.5, 3.8 * rows)
        axes = figure.subplots(rows, 2, squeeze=False)
        for index, (name, log) in enumerate(runs.items()):
            label = "" if len(runs) == 1 else f"{figure_label(name, 40)}, "
            _draw_j(axes[0, 0], log, "step", label, index)
            _draw_j(axes[0, 1], log, SECONDS, label, index)
        for axis, label in zip(axes[0], ("steps", "seconds"), strict=True):
            axis.set(xlabel=label, ylabel="J (bpp + λ·255²·MSE)")
            _logarithmic(axis)
        _legend_outside(axes[0, 1])
        for place, panel in enumerate(panels, start=2):
            _draw_panel(axes[place // 2, place % 2], next(iter(runs.values())), panel)
        if len(panels) % 2:
            axes[-1, -1].set_axis_off()
        title = f"Run{'s' if len(runs) > 1 else ''} {', '.join(runs)}"
        figure.suptitle(figure_label(title, 110), fontsize=11, fontweight="bold", x=0.01, ha="left")
        return figure


def series(log: Log, name: str, x: str = "step") -> tuple[list[float], list[float]]:
    """Values of a metric and where they lie, without those that are missing or not finite.

    Seconds begin anew where a training was resumed; here they go on.
    """
    where, values, before, last = [], [], 0.0, 0.0
    for line in log:
        place = line.get(x)
        if not _is_number(place):
            continue
        if x == SECONDS:
            before, last = before + (last if place < last else 0.0), place
        if _is_number(line.get(name)):
            where.append(before + place)
            values.append(line[name])
    return where, values


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def smoothed(values: Sequence[float], window: int) -> list[float]:
    """Running geometric mean of positive values over the last `window` of them, which suits a logarithmic axis."""
    logs = np.log(np.maximum(values, 1e-12))
    sums = np.cumsum(np.concatenate(([0.0], logs)))
    ends = np.arange(1, len(logs) + 1)
    starts = np.maximum(0, ends - window)
    smooth: list[float] = np.exp((sums[ends] - sums[starts]) / (ends - starts)).tolist()
    return smooth


def _draw_j(axis: Axes, log: Log, x: str, name: str, index: int) -> None:
    colour, dash = COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)]
    where, values = series(log, "train/j", x)
    if values:
        axis.plot(where, values, color=colour, alpha=0.15, linewidth=0.8)
        window = max(1, len(values) // SMOOTHING_POINTS)
        axis.plot(where, smoothed(values, window), dash, color=colour, label=f"{name}training")
    where, values = series(log, "val/j", x)
    if values:
        axis.plot(where, values, "o", color=colour, markeredgecolor="white", label=f"{name}validation")


def _balance_panels(log: Log) -> list[Panel]:
    names = {name for line in log for name in line}
    tasks = (
        [Panel("Task losses", "train/", logarithmic=True)]
        if names & {f"train/{task}" for task in TASK_NAMES[2:]}
        else []
    )
    return tasks + [panel for panel in BALANCE_PANELS if any(name.startswith(panel.prefix) for name in names)]


def _draw_panel(axis: Axes, log: Log, panel: Panel) -> None:
    names = sorted({name for line in log for name in line if name.startswith(panel.prefix)})
    if "lmbda_eff" in names:  # the ratio says the same again; alone it is there where each image has a lambda
        names = [name for name in names if name != "lmbda_eff_ratio"]
    if panel.prefix == "train/":
        names = [f"train/{task}" for task in TASK_NAMES if f"train/{task}" in names]
    for index, name in enumerate(names):
        where, values = series(log, name)
        if panel.logarithmic:
            values = smoothed(values, max(1, len(values) // SMOOTHING_POINTS))
        label = name.removeprefix(panel.prefix) if panel.prefix.endswith("/") else name
        colour = LINE_COLOURS.get(label, COLOURS[index % len(COLOURS)])
        axis.plot(where, values, DASHES[index % len(DASHES)], color=colour, label=figure_label(label))
    axis.set(title=panel.title, xlabel="steps")
    if panel.logarithmic:
        _logarithmic(axis)
    else:
        _give_room(axis)
    axis.grid(alpha=0.3)
    _legend_outside(axis)


def _logarithmic(axis: Axes) -> None:
    plain_logarithmic(axis.yaxis)
    axis.grid(alpha=0.3, which="both")


def _give_room(axis: Axes) -> None:
    """What stays as it is looks so: rounding errors do not fill the axis."""
    low, high = axis.get_ylim()
    least = LEAST_SPAN * max(abs(low), abs(high))
    if high - low < least:
        axis.set_ylim((low + high - least) / 2, (low + high + least) / 2)
    axis.ticklabel_format(axis="y", useOffset=False)


def _legend_outside(axis: Axes) -> None:
    """At the right of the axes, where it hides no curve."""
    if axis.get_legend_handles_labels()[0]:
        axis.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.01, 0.5))


def plot_run(settings: PlotRunSettings) -> list[str]:
    """Draw J against steps and seconds; for one balanced run also its balance. What `hpcmbal plot-run` does.

    Returns:
        The names of the runs in the figure.

    Raises:
        DataError: A log cannot be read, two runs have one name, or the output is a log or exists.
        OSError: The figure cannot be written.
    """
    from hpcmbal.training.trackers import log_of, read_log

    paths = [run if run.is_file() else log_of(run) for run in settings.runs]
    names = [run.stem if run.is_file() else run.resolve().name for run in settings.runs]
    if len(set(names)) < len(names):
        names = [str(run) for run in settings.runs]
    if len(set(names)) < len(names):
        raise DataError(f"The runs {', '.join(names)} are one and the same. Name each once.")
    check_outputs([settings.output], paths, force=settings.force)
    figure = run_figure({name: read_log(path) for name, path in zip(names, paths, strict=True)})
    save_figure(figure, settings.output)
    return names
