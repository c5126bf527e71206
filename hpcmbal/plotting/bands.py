"""Quantities over steps, averaged over runs: a line for the middle and a band for what the runs span."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hpcmbal.plotting.labels import figure_label
from hpcmbal.plotting.style import QUIET, ArmLook, empty_figure, figure_style, plain_logarithmic

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EARLY_SHARE = 0.05
"""Of the steps: what lies above the values there is cut off, or the first steps would take up the whole axis."""

Series = tuple[Sequence[float], Sequence[float]]
"""Steps and values of one run."""


@dataclass(frozen=True)
class Band:
    """Several runs as one line.

    Attributes:
        steps: Those that all runs have.
        middle: Mean over runs.
        low: Smallest of the runs.
        high: Largest of the runs.
        runs: How many.
    """

    steps: Sequence[float]
    middle: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    runs: int


@dataclass(frozen=True)
class BandPanel:
    """One set of axes.

    Attributes:
        title: Above it.
        bands: By label.
        y_label: Unit of the vertical axis.
        logarithmic: Scale of the vertical axis; the beginning is then cut off, see `EARLY_SHARE`.
        zero_line: Draw a line at 0: values are differences.
        logarithmic_steps: Scale of the horizontal axis, for a few points at far apart numbers of steps, each marked.
    """

    title: str
    bands: dict[str, Band]
    y_label: str = ""
    logarithmic: bool = False
    zero_line: bool = False
    logarithmic_steps: bool = False


def band_over_runs(runs: Sequence[Series], *, geometric: bool = False) -> Band | None:
    """Mean and span of runs at the steps that all of them have; None if there are none.

    Args:
        runs: Steps and values of each run.
        geometric: The geometric mean, for values that belong on a logarithmic axis.
    """
    common = set.intersection(*(set(steps) for steps, _ in runs)) if runs else set()
    if not common:
        return None
    steps = sorted(common)
    rows = np.array([[dict(zip(*run, strict=True))[step] for step in steps] for run in runs])
    middle = np.exp(np.log(np.maximum(rows, 1e-12)).mean(axis=0)) if geometric else rows.mean(axis=0)
    return Band(steps, middle.tolist(), rows.min(axis=0).tolist(), rows.max(axis=0).tolist(), len(runs))


def band_figure(panels: Sequence[BandPanel], looks: dict[str, ArmLook], title: str, note: str = "") -> Figure:
    """Panels in a grid, with one legend for all.

    Args:
        panels: At least one.
        looks: By label of the bands.
        title: Above the figure.
        note: Below it, small: how to read it.
    """
    columns = 2 if len(panels) == 4 else min(len(panels), 3)
    rows = math.ceil(len(panels) / columns)
    with figure_style():
        figure = empty_figure({1: 7.0, 2: 9.6, 3: 11.6}[columns], (3.1 if columns > 1 else 4.2) * rows + 0.9)
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True)
        for index, place in enumerate(axes.flat):
            if index < len(panels):
                _draw(place, panels[index], looks)
                # Panels that end a column, not only those in the last row: shared axes hide the others' numbers.
                last = index + columns >= len(panels)
                place.tick_params(labelbottom=last)
                place.set_xlabel("Steps" if last else "")
                place.set_ylabel("" if index % columns else panels[index].y_label)
            else:
                place.set_axis_off()
        figure.suptitle(figure_label(title, 110), fontsize=11, fontweight="bold", x=0.01, ha="left")
        _legend(figure, list(axes.flat), note)
        return figure


def _draw(axes: Axes, panel: BandPanel, looks: dict[str, ArmLook]) -> None:
    for label, band in panel.bands.items():
        look = looks[label]
        if band.runs > 1:
            axes.fill_between(band.steps, band.low, band.high, color=look.colour, alpha=0.13, linewidth=0)
        marker = "o" if panel.logarithmic_steps else ""
        (line,) = axes.plot(band.steps, band.middle, color=look.colour, label=figure_label(label), marker=marker)
        line.set(linestyle=look.dashes, linewidth=1.7, markersize=4)
    if panel.zero_line:
        axes.axhline(0, color=QUIET, linewidth=0.9, zorder=1)
    if panel.logarithmic_steps:
        _mark_steps(axes, sorted({step for band in panel.bands.values() for step in band.steps}))
    if panel.logarithmic:
        plain_logarithmic(axes.yaxis)
        _cut_beginning(axes, list(panel.bands.values()))
    axes.set_title(panel.title, fontsize=10, loc="left")
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.set_axisbelow(True)


def _mark_steps(axes: Axes, steps: Sequence[float]) -> None:
    """A logarithmic axis that names the steps that there are, and no others."""
    axes.set_xscale("log")
    axes.set_xticks(list(steps), [f"{step:,.0f}" for step in steps])
    axes.set_xticks([], minor=True)


def _cut_beginning(axes: Axes, bands: Sequence[Band]) -> None:
    early = [
        value
        for band in bands
        for step, value in zip(band.steps, band.high, strict=True)
        if step >= EARLY_SHARE * band.steps[-1]
    ]
    low = min(value for band in bands for value in band.low if value > 0)
    axes.set_ylim(0.92 * low, 1.05 * max(early))


def _legend(figure: Figure, axes: Sequence[Axes], note: str) -> None:
    entries: dict[str, Artist] = {}
    for place in axes:
        handles, labels = place.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower center",
        ncols=min(len(entries), max(1, int(figure.get_figwidth() / _entry_inches(entries)))),
        frameon=False,
        handlelength=3.0,
        fontsize=9,
        title=note,
        title_fontsize=8.5,
    )


def _entry_inches(labels: Iterable[str]) -> float:
    """Width of the widest entry of a legend, with its line and the space between entries."""
    return 0.8 + 0.075 * max(len(label) for label in labels)
