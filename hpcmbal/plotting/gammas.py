"""The gamma strategies over a training: one figure for the three scales, and the values at the key epochs."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpcmbal.atomic_file import write_text
from hpcmbal.core.balance.adaptive_gamma import AdaptiveMultipliers, adaptive_limits
from hpcmbal.core.balance.gamma import PHASES, SCHEDULES, checked_gammas, schedule_multipliers
from hpcmbal.core.scales import SCALES
from hpcmbal.errors import SettingsError
from hpcmbal.output_checks import check_outputs
from hpcmbal.plotting.figure_file import save_figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hpcmbal.settings.pictures import PlotGammasSettings

LOOKS: dict[str, tuple[str, str | tuple[int, tuple[float, ...]], float]] = {
    "fixed": ("#7F7F7F", (0, (1, 1.2)), 1.8),
    "linear": ("#0072B2", (0, (6, 2)), 1.8),
    "cosine": ("#009E73", (0, (6, 2, 1, 2)), 1.8),
    "hierarchical": ("#D55E00", "-", 2.6),
    "adaptive": ("#CC79A7", "-", 1.4),
}
"""Colour (Okabe and Ito, 2008), dashes and width of each strategy."""
PHASE_FILLS = ("#F3F4F6", "#FFFFFF")
INK = "#333333"
ADAPTIVE_EXAMPLE_MAX_EPOCHS = 20_000
"""Longer trainings show only the range of `adaptive`: its example is computed epoch by epoch."""


def plot_gammas(settings: PlotGammasSettings) -> list[GammaRow]:
    """Draw all strategies over a training, and write their values as CSV if wanted; what `hpcmbal plot-gammas` does.

    Returns:
        The values at the key epochs.

    Raises:
        DataError: An output exists.
        OSError: It cannot be written.
    """
    outputs = [path for path in (settings.output, settings.csv) if path is not None]
    check_outputs(outputs, force=settings.force)
    initial, epochs = (settings.gamma_s1, settings.gamma_s2, settings.gamma_s3), settings.epochs
    rows = key_values(initial, epochs)
    save_figure(gamma_figure(initial, epochs), settings.output)
    if settings.csv is not None:
        write_csv(rows, epochs, settings.csv)
    return rows


@dataclass(frozen=True)
class GammaRow:
    """Gammas of one strategy for one scale at the key epochs; for `adaptive`, its lower or upper limit."""

    strategy: str
    scale: str
    gammas: tuple[float, ...]


def key_epochs(epochs: int) -> tuple[float, ...]:
    """Where the phases begin, and the end: in epochs, whole numbers wherever they are whole."""
    return tuple(round(fraction * epochs, 6) for fraction in (*(phase.start for phase in PHASES), 1.0))


def key_values(initial: Sequence[float], epochs: int) -> list[GammaRow]:
    """Values of every strategy at the key epochs.

    Args:
        initial: Gammas of s1, s2, s3.
        epochs: Length of the training, at least 1.

    Raises:
        SettingsError: The gammas are negative or not finite, or there is no epoch.
    """
    gammas = _checked(initial, epochs)
    fractions = [epoch / epochs for epoch in key_epochs(epochs)]
    rows = [
        GammaRow(strategy, scale, tuple(gammas[i] * schedule_multipliers(strategy, min(f, 1.0))[i] for f in fractions))
        for strategy in SCHEDULES
        for i, scale in enumerate(SCALES)
    ]
    for end, name in enumerate(("adaptive min", "adaptive max")):
        limits = [adaptive_limits(int(epoch))[end] for epoch in key_epochs(epochs)]
        rows += [
            GammaRow(name, scale, tuple(gamma * limit for limit in limits))
            for scale, gamma in zip(SCALES, gammas, strict=True)
        ]
    return rows


def write_csv(rows: Sequence[GammaRow], epochs: int, path: Path) -> None:
    """Write the key values in long form: strategy, scale, epoch, gamma."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("strategy", "scale", "epoch", "gamma"))
    for row in rows:
        writer.writerows(
            (row.strategy, row.scale, f"{epoch:g}", f"{gamma:.10g}")
            for epoch, gamma in zip(key_epochs(epochs), row.gammas, strict=True)
        )
    write_text(path, text.getvalue())


def gamma_figure(initial: Sequence[float], epochs: int) -> Figure:
    """All strategies, one panel a scale, over the epochs of a training; its phases are shaded and named.

    `adaptive` depends on the losses of a training, so the panels show the range that it can reach, and the course it
    takes on made-up losses that fall and settle.

    Args:
        initial: Gammas of s1, s2, s3.
        epochs: Length of the training, at least 1.

    Raises:
        SettingsError: The gammas are negative or not finite, or there is no epoch.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    gammas = _checked(initial, epochs)
    with mpl.rc_context({"font.size": 10, "axes.edgecolor": "#999999"}):
        figure = Figure(figsize=(9.6, 8.4), layout="constrained")
        panels = figure.subplots(len(SCALES), 1, sharex=True)
        example = adaptive_example(epochs) if epochs <= ADAPTIVE_EXAMPLE_MAX_EPOCHS else []
        for index, axes in enumerate(panels):
            _shade_phases(axes, epochs, named=index == 0)
            _draw_scale(axes, index, gammas[index], epochs, [values[index] for values in example])
        panels[-1].set_xlabel("Epoch")
        panels[-1].set_xlim(0, epochs)
        figure.suptitle(f"Gamma strategies over {epochs:,} epoch{'s' if epochs > 1 else ''}", fontsize=13, color=INK)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, handlelength=3.2)
        return figure


def adaptive_example(epochs: int) -> list[tuple[float, float, float]]:
    """Multipliers of `adaptive` after every epoch of a made-up training whose losses fall and settle, s1 first."""
    state, course = AdaptiveMultipliers(), [(1.0, 1.0, 1.0)]
    for epoch in range(epochs):
        ripple = 1 + 0.004 * math.sin(2.4 * epoch)
        state.observe([(0.3 + math.exp(-rate * epoch / epochs)) * ripple for rate in (40.0, 25.0, 15.0)])
        course.append(state.values)
    return course


def _checked(initial: Sequence[float], epochs: int) -> tuple[float, float, float]:
    if epochs < 1:
        raise SettingsError(f"The number of epochs should be at least 1. Found {epochs}.")
    return checked_gammas(initial)


def _draw_scale(axes: Axes, index: int, gamma: float, epochs: int, example: Sequence[float]) -> None:
    colour, _, _ = LOOKS["adaptive"]
    # The corners of the piecewise linear schedules have to be among the points.
    fractions = sorted({*(i / 400 for i in range(401)), *(phase.end for phase in PHASES)})
    course = [fraction * epochs for fraction in fractions]
    low, high = zip(*(adaptive_limits(int(epoch)) for epoch in course), strict=True)
    axes.fill_between(
        course,
        [gamma * value for value in low],
        [gamma * value for value in high],
        color=colour,
        alpha=0.12,
        linewidth=0,
        zorder=1,
        label="adaptive: range",
    )
    if example:
        _plot(axes, "adaptive", list(range(len(example))), [gamma * value for value in example], "adaptive: example")
    for strategy in SCHEDULES:
        values = [gamma * schedule_multipliers(strategy, fraction)[index] for fraction in fractions]
        _plot(axes, strategy, course, values, strategy)
    axes.set_ylabel("gamma")
    axes.set_title(f"{SCALES[index]}, initially {gamma:g}", loc="left", fontsize=11, fontweight="bold", color=INK)
    axes.set_ylim(0, 1.7 * gamma or 1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)


def _shade_phases(axes: Axes, epochs: int, *, named: bool) -> None:
    for number, phase in enumerate(PHASES):
        axes.axvspan(phase.start * epochs, phase.end * epochs, color=PHASE_FILLS[number % 2], lw=0, zorder=0)
        if number:
            axes.axvline(phase.start * epochs, color="#BBBBBB", lw=0.8, zorder=1)
        if named:
            middle = (phase.start + phase.end) / 2
            axes.text(
                middle,
                0.97,
                phase.name,
                transform=axes.transAxes,
                ha="center",
                va="top",
                fontsize=9,
                style="italic",
                color="#666666",
            )


def _plot(axes: Axes, strategy: str, x: Sequence[float], y: Sequence[float], label: str) -> None:
    colour, dashes, width = LOOKS[strategy]
    axes.plot(x, y, color=colour, linestyle=dashes, linewidth=width, label=label, zorder=3)
