"""A study's plan as the user sees it before anything runs: runs, steps, time, disk; and its outcome at the end."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import typer

from hpcmbal.cli.text import print_table, tell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpcmbal.ablation.analysis.comparison import StudyComparison
    from hpcmbal.ablation.run.cost import Forecast
    from hpcmbal.ablation.session import PreparedStudy, StudyEngine


def show_plan(prepared: PreparedStudy, *, only_json: bool = False, to_stderr: bool = False) -> None:
    """Write the plan: as JSON, as a table on a terminal, as tab-separated lines elsewhere."""
    if only_json:
        typer.echo(json.dumps(_json(prepared), indent=1))
        return
    study = prepared.plan.study
    tell(f"Study '{study.name}': {study.question}".rstrip(": "), to_stderr=to_stderr)
    titles = ("arm", "what it changes", "runs", "steps", "done", "s/step")
    print_table(titles, [_arm_row(prepared, arm) for arm in prepared.plan.arms], right=titles[2:], to_stderr=to_stderr)
    for line in (*_summary(prepared), *prepared.notes):
        tell(line, to_stderr=to_stderr)


def show_comparison(comparison: StudyComparison, notes: Sequence[str]) -> None:
    """Write the tables and a sentence for each arm."""
    from rich.console import Console

    from hpcmbal.ablation.report.table_rows import remarks
    from hpcmbal.ablation.report.tables import rich_table

    Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(rich_table(comparison))
    typer.echo("")
    for item in comparison.comparisons:
        tell(item.verdict.sentence)
    for over in comparison.over_steps:
        tell(over.sentence)
    for line in (*remarks(comparison), *notes):
        tell(line)


def _arm_row(prepared: PreparedStudy, arm: str) -> tuple[str, ...]:
    study = prepared.plan.study
    runs = [run for run in prepared.plan.runs if run.arm == arm]
    left = sum(run.arm == arm for run in prepared.inventory.pending)
    (changes,) = [item.changes for item in study.variants if item.name == arm]
    seconds = prepared.step_seconds.get(arm)
    return (
        arm + (" (reference)" if arm == study.reference_arm else ""),
        _changes_text(changes),
        str(len(runs)),
        f"{prepared.steps[runs[0].name]:,}",
        str(len(runs) - left),
        "" if seconds is None else f"{seconds:.2f}",
    )


def _changes_text(changes: Mapping[str, object]) -> str:
    from hpcmbal.ablation.plan.study import labels

    names = labels(tuple(changes))
    return ", ".join(f"{names[path]} {value}" for path, value in changes.items())


def _summary(prepared: PreparedStudy) -> list[str]:
    study, inventory = prepared.plan.study, prepared.inventory
    lambdas = ", ".join(f"{lmbda:.3g}" for lmbda in prepared.plan.lambdas)
    rate = "All lambdas in one model, evaluated at" if prepared.plan.runs[0].lmbda is None else "Lambda"
    training, evaluation = prepared.images
    what = f"{rate} {lambdas}; seeds {', '.join(map(str, study.seeds))}; preset {study.base_preset}; "
    images = f"{training} training images, {evaluation} for evaluation; folder {prepared.place}"
    lines = [what + images, _left_text(prepared)]
    if study.horizons:
        horizons = ", ".join(f"{horizon:,}" for horizon in study.horizons)
        lines.insert(1, f"Cooled down, over a tenth as many steps more, and evaluated after {horizons} steps")
    if prepared.forecast is None:
        return lines
    lines += _forecast_lines(prepared.forecast, prepared.engine)
    lines += [f"Not measured: {run.name}: {reason}" for run, reason in prepared.forecast.unknown]
    if inventory.begun:
        lines.append(f"Begun before: {len(inventory.begun)}; they go on from their last checkpoints.")
    return lines


def _left_text(prepared: PreparedStudy) -> str:
    runs, pending = prepared.plan.runs, prepared.inventory.pending
    if not pending:
        failed = prepared.inventory.count_failed
        return f"All {len(runs)} runs are done" + (f", {failed} of them failed" if failed else "") + "."
    steps = sum(prepared.steps_left.values())
    return f"To do: {len(pending)} of {len(runs)} runs, {steps:,} steps."


def _forecast_lines(forecast: Forecast, engine: StudyEngine) -> list[str]:
    from hpcmbal.ablation.run.cost import memory_warning
    from hpcmbal.engines.local import LocalEngine
    from hpcmbal.training.preflight import readable_seconds

    disk = f"{forecast.disk_bytes / 1e6:,.0f} MB of disk (from a few trial steps)."
    if forecast.seconds is None or not isinstance(engine, LocalEngine):
        total = readable_seconds(forecast.machine_seconds)
        return [f"About {total} of all runs together, shared by as many as the cluster does at once; {disk}"]
    threads = "1 thread each" if engine.threads == 1 else f"{engine.threads} threads each"
    at_once = "one run at a time" if engine.jobs == 1 else f"{engine.jobs} runs at once"
    warning = memory_warning(forecast, engine.jobs)
    lines = [f"About {readable_seconds(forecast.seconds)} with {at_once}, {threads}; {disk}"]
    return [*lines, warning] if warning else lines


def _json(prepared: PreparedStudy) -> dict[str, object]:
    forecast = prepared.forecast
    return {
        "study": prepared.plan.study.model_dump(mode="json"),
        "output": prepared.place,
        "runs": [
            {
                "arm": run.arm,
                "lmbda": run.lmbda,
                "lambdas": list(run.lambdas),
                "horizons": list(run.horizons),
                "seed": run.seed,
                "key": run.key,
                "folder": str(run.folder),
                "steps": prepared.steps[run.name],
                "steps_left": prepared.steps_left.get(run.name, 0),
                "progress": str(progress),
            }
            for run, progress in zip(prepared.plan.runs, prepared.inventory.progress, strict=True)
        ],
        "seconds": None if forecast is None else forecast.seconds,
        "machine_seconds": None if forecast is None else forecast.machine_seconds,
        "disk_bytes": None if forecast is None else forecast.disk_bytes,
        "step_seconds": dict(prepared.step_seconds),
        "notes": prepared.notes,
    }
