"""The figures of a study; those without content are left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from hpcmbal.ablation.analysis.comparison import ArmComparison, StudyComparison
from hpcmbal.ablation.analysis.effect import BPP, PSNR_DB, Effect, J
from hpcmbal.ablation.analysis.wording import counted
from hpcmbal.ablation.report.study_logs import (
    StudyLogs,
    j_difference,
    metric_names,
    runs_of,
    smooth_runs_of,
    trained_lambdas,
    training_j,
)
from hpcmbal.plotting.arm_curves import ArmPoint, arm_curve_figure
from hpcmbal.plotting.bands import Band, BandPanel, Series, band_figure, band_over_runs
from hpcmbal.plotting.figure_file import save_figures
from hpcmbal.plotting.intervals import IntervalRow, interval_figure
from hpcmbal.plotting.style import ArmLook, arm_looks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg")


@dataclass(frozen=True)
class Trace:
    """Metrics of balancing that are drawn over steps.

    Attributes:
        stem: Of the figure's file.
        prefix: Of the metrics in the log.
        title: Above the figure.
        noisy: They depend on the batch and are smoothed; schedules are drawn as they are.
    """

    stem: str
    prefix: str
    title: str
    noisy: bool


TRACES = (
    Trace("weights", "effective_weights/", "Effective weights of the tasks", noisy=True),
    Trace("contributions", "scale_contrib/", "Contribution of each scale", noisy=True),
    Trace("gammas", "gamma/", "Gamma of each scale", noisy=False),
)
CONSTANT = 1e-9
"""Relative; traces that move less, and are the same in all arms, show nothing."""


def draw_study_figures(comparison: StudyComparison, logs: StudyLogs) -> dict[str, Figure]:
    """Every figure that has content, by its file's name without extension.

    Args:
        comparison: Differences, means, and the order of arms.
        logs: From `read_study_logs`; figures over steps are about those that are there.
    """
    looks = arm_looks(comparison.arms, comparison.reference)
    figures = {
        "over-steps": _over_steps(comparison, looks),
        "differences": _differences(comparison, looks),
        "rd": _rd(comparison, looks),
        "j": _j(comparison, logs, looks),
        "j-difference": _j_difference(comparison, logs, looks),
    }
    for trace in TRACES:
        figures[trace.stem] = _traces(comparison, logs, looks, trace)
    return {name: figure for name, figure in figures.items() if figure is not None}


def save_study_figures(figures: dict[str, Figure], folder: Path) -> list[Path]:
    """Write every figure as PNG and SVG."""
    return save_figures(figures, folder, FORMATS)


def _over_steps(comparison: StudyComparison, looks: dict[str, ArmLook]) -> Figure | None:
    panels: dict[str, dict[str, Band]] = {}
    for item in comparison.over_steps:
        effects = [(point.steps, point.effect) for point in item.points if point.effect is not None]
        if len(effects) > 1:
            low = [effect.mean if effect.low is None else effect.low for _, effect in effects]
            high = [effect.mean if effect.high is None else effect.high for _, effect in effects]
            steps, means = [steps for steps, _ in effects], [effect.mean for _, effect in effects]
            seeds = min(effect.estimate.replicates for _, effect in effects)
            panels.setdefault(f"{item.metric.label} (%)", {})[item.arm] = Band(steps, means, low, high, seeds)
    if not panels:
        return None
    found = [BandPanel("", bands, label, zero_line=True, logarithmic_steps=True) for label, bands in panels.items()]
    note = "Points: cooled down over a tenth as many steps more. Band: 95 % interval over seeds. Below 0 is better."
    return band_figure(found, looks, f"Difference from {comparison.reference} over steps", note)


def _differences(comparison: StudyComparison, looks: dict[str, ArmLook]) -> Figure | None:
    panels = {}
    for label, effects in (
        ("BD-rate (%)", [item.bd.effect for item in comparison.comparisons]),
        ("J (%)", [item.effects.get(J.key) for item in comparison.comparisons]),
    ):
        rows = [
            _interval_row(item, effect, looks[item.arm])
            for item, effect in zip(comparison.comparisons, effects, strict=True)
            if effect is not None
        ]
        if rows:
            panels[label] = rows
    note = "Bar: 95 % interval, paired t over seeds. Strokes: seeds. Left of 0 is better."
    return interval_figure(panels, f"Difference from {comparison.reference}", note) if panels else None


def _interval_row(item: ArmComparison, effect: Effect, look: ArmLook) -> IntervalRow:
    ends = None if effect.low is None or effect.high is None else (effect.low, effect.high)
    decides = item.verdict.metric == effect.metric.key
    values = [value for _, value in effect.by_seed]
    return IntervalRow(item.arm, effect.mean, ends, values, look, item.verdict.finding if decides else "")


def _rd(comparison: StudyComparison, looks: dict[str, ArmLook]) -> Figure | None:
    curves = {arm: _arm_points(comparison, arm) for arm in comparison.arms}
    curves = {arm: points for arm, points in curves.items() if points}
    if not curves:
        return None
    title = f"Rate and distortion, {counted(len(comparison.lambdas), 'lambda')}, means over seeds"
    return arm_curve_figure(curves, looks, title, _equal_j(comparison, curves.get(comparison.reference, [])))


def _arm_points(comparison: StudyComparison, arm: str) -> list[ArmPoint]:
    points = []
    for item in comparison.means:
        if item.arm == arm:
            common = common_seeds(comparison, item.lmbda) or set(item.seeds)
            rows = zip(item.seeds, item.values[BPP.key], item.values[PSNR_DB.key], strict=True)
            seeds = [(bpp, psnr_db) for seed, bpp, psnr_db in rows if seed in common]
            points.append(ArmPoint(fmean(bpp for bpp, _ in seeds), fmean(psnr_db for _, psnr_db in seeds), seeds))
    return sorted(points, key=lambda point: point.bpp)


def common_seeds(comparison: StudyComparison, lmbda: float | None) -> set[int]:
    """Seeds with which all arms that have results at a lambda (None: at any) have one: their means belong together."""
    found = [set(item.seeds) for item in comparison.means if lmbda in (None, item.lmbda)]
    return set.intersection(*found) if found else set()


def _equal_j(comparison: StudyComparison, reference: Sequence[ArmPoint]) -> list[tuple[float, float]]:
    """Through the reference's point, if there is only one: rates and qualities that give the same J.

    PSNR is a mean over images and J holds their mean error, so a change in PSNR is taken to be the same in all images.
    """
    if len(comparison.lambdas) != 1 or not reference:
        return []
    start = reference[0]
    item = next(item for item in comparison.means if item.arm == comparison.reference)
    common = common_seeds(comparison, item.lmbda) or set(item.seeds)
    j = fmean(value for seed, value in zip(item.seeds, item.values[J.key], strict=True) if seed in common)
    distortion = j - start.bpp
    reach = 0.9 * min(start.bpp, distortion)
    rates = [start.bpp + (index / 40 - 1) * reach for index in range(81)] if reach > 0 else []
    return [(bpp, start.psnr_db - 10 * math.log10((j - bpp) / distortion)) for bpp in rates]


def _j(comparison: StudyComparison, logs: StudyLogs, looks: dict[str, ArmLook]) -> Figure | None:
    panels = []
    for lmbda in trained_lambdas(logs):
        seeds = common_seeds(comparison, lmbda)
        chosen = {key: log for key, log in logs.items() if not seeds or key[2] in seeds}
        bands = _bands({arm: training_j(chosen, arm, lmbda) for arm in comparison.arms}, geometric=True)
        if bands:
            title = "all lambdas" if lmbda is None else f"lambda {lmbda:g}"
            panels.append(BandPanel(title, bands, "J", logarithmic=True))
    note = "Training batches, smoothed. Line: geometric mean of seeds. Band: from the lowest to the highest seed."
    return band_figure(panels, looks, "J of training over steps", note) if panels else None


def _j_difference(comparison: StudyComparison, logs: StudyLogs, looks: dict[str, ArmLook]) -> Figure | None:
    others = [arm for arm in comparison.arms if arm != comparison.reference]
    bands = _bands({arm: j_difference(logs, arm, comparison.reference) for arm in others})
    if not bands:
        return None
    panel = BandPanel("", bands, f"J against {comparison.reference} (%)", zero_line=True)
    note = "Same batches in every arm, smoothed. Line: mean of seeds. Band: from the lowest to the highest seed."
    return band_figure([panel], looks, "Difference in J of training over steps", note)


def _traces(comparison: StudyComparison, logs: StudyLogs, looks: dict[str, ArmLook], trace: Trace) -> Figure | None:
    trained = trained_lambdas(logs)
    lmbda = trained[len(trained) // 2] if trained else None
    runs = smooth_runs_of if trace.noisy else runs_of
    panels = []
    for name in metric_names(logs, trace.prefix):
        bands = _bands({arm: runs(logs, arm, lmbda, name) for arm in comparison.arms})
        if bands:
            panels.append(BandPanel(name.removeprefix(trace.prefix), bands))
    if not panels or all(_shows_nothing(panel) for panel in panels):
        return None
    title = trace.title + (f" at lambda {lmbda:g}" if len(trained) > 1 else "")
    note = f"{'Smoothed. ' if trace.noisy else ''}Line: mean of seeds. Band: from the lowest to the highest seed."
    return band_figure(panels, looks, title, note)


def _shows_nothing(panel: BandPanel) -> bool:
    values = [value for band in panel.bands.values() for value in (*band.low, *band.high)]
    return max(values) - min(values) <= CONSTANT * max(abs(value) for value in values)


def _bands(runs: dict[str, list[Series]], *, geometric: bool = False) -> dict[str, Band]:
    found = {arm: band_over_runs(series, geometric=geometric) for arm, series in runs.items()}
    return {arm: band for arm, band in found.items() if band is not None}
