"""What the runs of a study logged while they trained, by arm, lambda and seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from hpcmbal.ablation.analysis.comparison import StudyComparison
from hpcmbal.ablation.plan.plan import run_folder
from hpcmbal.plotting.bands import Series
from hpcmbal.plotting.run_curves import series, smoothed
from hpcmbal.training.trackers import log_of, read_log

SMOOTHING_POINTS = 12
"""J of training is averaged over windows of 1/12 of the run: crops differ by a factor of ten, and seeds are few."""

RunKey: TypeAlias = tuple[str, float | None, int]
"""(arm, lambda, seed); the lambda of a variable-rate run is None."""

RunLog: TypeAlias = Sequence[Mapping[str, Any]]

StudyLogs: TypeAlias = Mapping[RunKey, RunLog]


def read_study_logs(comparison: StudyComparison, folder: Path) -> dict[RunKey, RunLog]:
    """Logs of the runs that have a result, as far as they are there: without failed ones all arms mean the same runs.

    Args:
        comparison: Says which runs there are.
        folder: The study's.

    Raises:
        DataError: A log cannot be read.
    """
    failed: set[RunKey] = {(run.arm, run.lmbda, run.seed) for run in comparison.failed}
    failed |= {(arm, None, seed) for arm, _, seed in failed}
    logs: dict[RunKey, RunLog] = {}
    for arm in comparison.arms:
        for lmbda in (*comparison.lambdas, None):
            for seed in comparison.seeds:
                path = log_of(folder / run_folder(arm, lmbda, seed))
                if (arm, lmbda, seed) not in failed and path.is_file():
                    logs[arm, lmbda, seed] = read_log(path)
    return logs


def trained_lambdas(logs: StudyLogs) -> list[float | None]:
    """Lambdas that runs were trained for, ascending; `[None]` of variable-rate runs."""
    found = {lmbda for _, lmbda, _ in logs}
    return sorted(found, key=lambda lmbda: lmbda or 0.0)


def metric_names(logs: StudyLogs, prefix: str) -> list[str]:
    """Metrics whose names start with `prefix`, in the order in which they are logged."""
    return list(
        dict.fromkeys(name for log in logs.values() for line in log for name in line if name.startswith(prefix))
    )


def runs_of(logs: StudyLogs, arm: str, lmbda: float | None, name: str) -> list[Series]:
    """Steps and values of a metric in every run of an arm (at one lambda, or None: at all) that logged it."""
    chosen = [log for (who, where, _), log in logs.items() if who == arm and lmbda in (None, where)]
    found = [series(log, name) for log in chosen]
    return [run for run in found if run[0]]


def training_j(logs: StudyLogs, arm: str, lmbda: float | None) -> list[Series]:
    """J of training over steps, smoothed."""
    return [(steps, smoothed(j, _window(j))) for steps, j in runs_of(logs, arm, lmbda, "train/j")]


def smooth_runs_of(logs: StudyLogs, arm: str, lmbda: float | None, name: str) -> list[Series]:
    """As `runs_of`, averaged over a window of steps: for metrics that jump with every batch."""
    return [(steps, _running_mean(values, _window(values))) for steps, values in runs_of(logs, arm, lmbda, name)]


def j_difference(logs: StudyLogs, arm: str, reference: str) -> list[Series]:
    """J of an arm against the reference over training in percent, one curve for each seed.

    Both saw the same batches, so that the ratio at every step is free of how hard a batch was. Ratios are averaged as
    logarithms over a window of steps and over the lambdas of the seed.
    """
    by_seed: dict[int, list[dict[float, float]]] = {}
    for (who, lmbda, seed), log in logs.items():
        other = logs.get((reference, lmbda, seed))
        if who == arm and other is not None:
            ratios = _smooth_log_ratio(series(log, "train/j"), series(other, "train/j"))
            by_seed.setdefault(seed, []).append(ratios)
    return [curve for ratios in by_seed.values() if (curve := _mean_curve(ratios))[0]]


def _smooth_log_ratio(mine: Series, other: Series) -> dict[float, float]:
    mine_at, other_at = dict(zip(*mine, strict=True)), dict(zip(*other, strict=True))
    steps = [step for step in mine_at if mine_at[step] > 0 and other_at.get(step, 0) > 0]
    ratios = [mine_at[step] / other_at[step] for step in steps]
    return dict(zip(steps, np.log(smoothed(ratios, _window(ratios))).tolist(), strict=True))


def _mean_curve(curves: Sequence[Mapping[float, float]]) -> Series:
    steps = sorted(set.intersection(*(set(curve) for curve in curves)))
    return steps, [100 * math.expm1(sum(curve[step] for curve in curves) / len(curves)) for step in steps]


def _running_mean(values: Sequence[float], window: int) -> list[float]:
    sums = np.cumsum([0.0, *values])
    ends = np.arange(1, len(sums))
    starts = np.maximum(0, ends - window)
    means: list[float] = ((sums[ends] - sums[starts]) / (ends - starts)).tolist()
    return means


def _window(values: Sequence[float]) -> int:
    return max(1, len(values) // SMOOTHING_POINTS)
