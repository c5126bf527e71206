"""A study's plan as the user sees it before anything runs: runs, steps, time, disk; and its outcome at the end."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpcmbal.ablation.analysis.comparison import StudyComparison
    from hpcmbal.ablation.plan.plan import Plan
    from hpcmbal.ablation.run.study_runner import Inventory
    from hpcmbal.ablation.run.warmup import Cost, Forecast
    from hpcmbal.engines.local import LocalEngine
    from hpcmbal.engines.ray_engine import RayEngine


@dataclass(frozen=True)
class Prepared:
    """A plan, and everything that is known about it before it runs.

    Attributes:
        inventory: The plan and what of it is there already.
        engine: What will do the runs.
        steps: Optimiser steps of every run, by its name.
        images: How many images are trained on, and evaluated on.
        size_notes: What the study is too small for.
        forecast: What is left to do will cost; None if nothing is left.
        step_seconds: Measured time of a step, by arm.
    """

    inventory: Inventory
    engine: LocalEngine | RayEngine
    steps: Mapping[str, int]
    images: tuple[int, int]
    size_notes: Sequence[str]
    forecast: Forecast | None
    step_seconds: Mapping[str, float]

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self.inventory.plan


def count_images(plan: Plan) -> tuple[int, int]:
    """How many images the runs of a plan train on, and how many they are evaluated on.

    Raises:
        DataError: A folder is missing or has none.
    """
    from hpcmbal.training.trainer import open_data

    training, evaluation = open_data(plan.runs[0].settings.data)
    return len(training), len(evaluation)


def prepare(inventory: Inventory, engine: LocalEngine | RayEngine, images: tuple[int, int]) -> Prepared:
    """Measure a few steps of what is left to do.

    Args:
        inventory: The plan, and what of it is there.
        engine: What will do the runs.
        images: From `count_images`.
    """
    from hpcmbal.ablation.plan.study_size import size_notes
    from hpcmbal.ablation.run.execution import steps_of_run
    from hpcmbal.ablation.run.warmup import forecast, measure_costs
    from hpcmbal.engines.local import LocalEngine

    plan, pending = inventory.plan, inventory.pending
    steps = {run.name: steps_of_run(run, images[0]) for run in plan.runs}
    found, costs = None, {}
    if pending:
        sys.stderr.write("Measuring a few steps of each kind of arm ...\n")
        jobs = min(engine.jobs, len(pending)) if isinstance(engine, LocalEngine) else None
        costs = measure_costs(pending, engine, jobs or 1)
        found = forecast(pending, [steps[run.name] for run in pending], costs, jobs)
    notes = size_notes(plan.study, max(plan.study.horizons, default=max(steps.values())), images[1])
    return Prepared(inventory, engine, steps, images, notes, found, _step_seconds(inventory, costs))


def show_plan(prepared: Prepared, output: str, *, only_json: bool = False, to_stderr: bool = False) -> None:
    """Write the plan: as JSON, as a table on a terminal, as tab-separated lines elsewhere."""
    if only_json:
        typer.echo(json.dumps(_json(prepared, output), indent=1))
        return
    study = prepared.plan.study
    typer.echo(f"Study '{study.name}': {study.question}".rstrip(": "), err=to_stderr)
    _table(
        ("arm", "what it changes", "runs", "steps", "done", "s/step"),
        [_arm_row(prepared, arm) for arm in prepared.plan.arms],
        to_stderr=to_stderr,
    )
    for line in (*_summary(prepared, output), *_notes(prepared)):
        typer.echo(line, err=to_stderr)


def show_comparison(comparison: StudyComparison, notes: Sequence[str]) -> None:
    """Write the tables and a sentence for each arm."""
    from rich.console import Console

    from hpcmbal.ablation.report.table_rows import remarks
    from hpcmbal.ablation.report.tables import rich_table

    Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(rich_table(comparison))
    typer.echo("")
    for item in comparison.comparisons:
        typer.echo(item.verdict.sentence)
    for over in comparison.over_steps:
        typer.echo(over.sentence)
    for line in (*remarks(comparison), *notes):
        typer.echo(line)


def _step_seconds(inventory: Inventory, costs: Mapping[str, Cost | str]) -> dict[str, float]:
    from hpcmbal.ablation.run.warmup import kind_of

    found = {run.arm: costs.get(kind_of(run.settings)) for run in inventory.pending}
    return {arm: cost.step_seconds for arm, cost in found.items() if cost is not None and not isinstance(cost, str)}


def _arm_row(prepared: Prepared, arm: str) -> tuple[str, ...]:
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
    words = {path.rpartition(".")[2]: value for path, value in changes.items()}
    return ", ".join(f"{name} {value}" for name, value in words.items())


def _summary(prepared: Prepared, output: str) -> list[str]:
    study, inventory = prepared.plan.study, prepared.inventory
    lambdas = ", ".join(f"{lmbda:.3g}" for lmbda in prepared.plan.lambdas)
    rate = "All lambdas in one model, evaluated at" if prepared.plan.runs[0].lmbda is None else "Lambda"
    training, evaluation = prepared.images
    what = f"{rate} {lambdas}; seeds {', '.join(map(str, study.seeds))}; preset {study.base_preset}; "
    images = f"{training} training images, {evaluation} for evaluation; folder {output}"
    lines = [what + images, _left_text(prepared)]
    if study.horizons:
        horizons = ", ".join(f"{horizon:,}" for horizon in study.horizons)
        lines.insert(1, f"Cooled down, over a tenth as many steps more, and evaluated after {horizons} steps")
    if prepared.forecast is None:
        return lines
    lines += _forecast_lines(prepared.forecast, prepared.engine)
    lines += [f"Not measured: {run.name}: {reason}" for run, reason in prepared.forecast.unknown]
    started = sum(progress == "started" for progress in inventory.progress)
    if started:
        lines.append(f"Begun before: {started}; they go on from their last checkpoints, so it will take less.")
    return lines


def _notes(prepared: Prepared) -> list[str]:
    from hpcmbal.ablation.plan.study_size import seed_note

    about_seeds = seed_note(prepared.plan.study)
    return [*prepared.plan.notes, *prepared.size_notes, *([about_seeds] if about_seeds else [])]


def _left_text(prepared: Prepared) -> str:
    runs, pending = prepared.plan.runs, prepared.inventory.pending
    if not pending:
        failed = prepared.inventory.count_failed
        return f"All {len(runs)} runs are done" + (f", {failed} of them failed" if failed else "") + "."
    steps = sum(prepared.steps[run.name] for run in pending)
    return f"To do: {len(pending)} of {len(runs)} runs, {steps:,} steps."


def _forecast_lines(forecast: Forecast, engine: LocalEngine | RayEngine) -> list[str]:
    from hpcmbal.ablation.run.warmup import memory_warning
    from hpcmbal.engines.local import LocalEngine
    from hpcmbal.training.preflight import readable_seconds

    disk = f"{forecast.disk_bytes / 1e6:,.0f} MB of disk (from a short warm-up)."
    if forecast.seconds is None or not isinstance(engine, LocalEngine):
        total = readable_seconds(forecast.machine_seconds)
        return [f"About {total} of all runs together, shared by as many as the cluster does at once; {disk}"]
    threads = "1 thread each" if engine.threads == 1 else f"{engine.threads} threads each"
    at_once = "one run at a time" if engine.jobs == 1 else f"{engine.jobs} runs at once"
    warning = memory_warning(forecast, engine.jobs)
    lines = [f"About {readable_seconds(forecast.seconds)} with {at_once}, {threads}; {disk}"]
    return [*lines, warning] if warning else lines


def _json(prepared: Prepared, output: str) -> dict[str, object]:
    forecast = prepared.forecast
    return {
        "study": prepared.plan.study.model_dump(mode="json"),
        "output": output,
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
                "progress": str(progress),
            }
            for run, progress in zip(prepared.plan.runs, prepared.inventory.progress, strict=True)
        ],
        "seconds": None if forecast is None else forecast.seconds,
        "machine_seconds": None if forecast is None else forecast.machine_seconds,
        "disk_bytes": None if forecast is None else forecast.disk_bytes,
        "step_seconds": dict(prepared.step_seconds),
        "notes": _notes(prepared),
    }


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, to_stderr: bool) -> None:
    if not (sys.stderr if to_stderr else sys.stdout).isatty():
        for row in (titles, *rows):
            typer.echo("\t".join(row), err=to_stderr)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, title in enumerate(titles):
        table.add_column(title, justify="left" if index < 2 else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(stderr=to_stderr).print(table)
