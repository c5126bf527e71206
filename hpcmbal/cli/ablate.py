"""`hpcmbal ablate`: a study, from its plan to its report."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpcmbal.ablation.plan.plan import Plan, plan_study
from hpcmbal.ablation.plan.study_file import read_study, study_names, study_path
from hpcmbal.ablation.run.storage import LocalStorage, StudyStorage, open_storage, shown_location
from hpcmbal.cli.engine_options import Address, Engine, EngineName
from hpcmbal.errors import HpcmbalError, SettingsError
from hpcmbal.settings import parse_assignments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from hpcmbal.ablation.run.records import RunRecord
    from hpcmbal.cli.study_plan import Prepared
    from hpcmbal.engines.local import LocalEngine
    from hpcmbal.engines.ray_engine import RayEngine

GRID = "grid"
LONG = "-long"
"""Ends the name of a study that takes days."""
EXIT_INTERRUPTED = 130

EXAMPLES = """\
[bold]Examples[/bold]

hpcmbal ablate gamma

hpcmbal ablate scale-weights --seeds 5 --lambdas 0.0035,0.0067,0.013,0.025 --eval-data kodak/ --plan

hpcmbal ablate gamma --show > mine.yaml, change it, then hpcmbal ablate grid mine.yaml

hpcmbal ablate balancing --engine ray --address auto --gpus-per-run 1 -o /shared/balancing
"""

app = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False, add_completion=False)

_STUDY, _CLUSTER = "Study", "Cluster"


@dataclass(frozen=True)
class AblateOptions:
    """Options that do not change the study."""

    as_json: bool
    only_plan: bool
    retry_failed: bool
    engine: EngineName
    jobs: int | None
    address: str | None
    cpus_per_run: float | None
    gpus_per_run: float | None

    def __post_init__(self) -> None:
        """Refuse options that could not take effect."""
        ray = {
            "--address": self.address,
            "--cpus-per-run": self.cpus_per_run,
            "--gpus-per-run": self.gpus_per_run,
        }
        given = [f"{option} {value}" for option, value in ray.items() if value is not None]
        if given and self.engine is not EngineName.RAY:
            raise SettingsError(f"{', '.join(given)}: needs --engine ray, found --engine {self.engine}.")
        if self.jobs is not None and self.engine is EngineName.RAY:
            raise SettingsError(
                f"--jobs {self.jobs} is for --engine local. Ray runs as many as the cluster has room for: say with "
                "--cpus-per-run and --gpus-per-run how much one takes."
            )


@app.command("ablate", epilog=EXAMPLES, no_args_is_help=True)
def ablate(
    study: Annotated[
        str,
        typer.Argument(metavar="STUDY", help=f"{', '.join(study_names())}; or grid, with the FILE of your own study."),
    ],
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="With grid: the study's .yaml file.")] = None,
    *,
    long: Annotated[bool, typer.Option("--long", help="The study's long form, for days of training.")] = False,
    base_preset: Annotated[
        str | None, typer.Option("--base-preset", help="Preset that all arms start from.", rich_help_panel=_STUDY)
    ] = None,
    lambdas: Annotated[
        str | None,
        typer.Option("--lambdas", metavar="X,X,...", help="Each is a run; 4 give BD-rates.", rich_help_panel=_STUDY),
    ] = None,
    qualities: Annotated[
        str | None,
        typer.Option(
            "--qualities", metavar="Q,Q,...", help="Points of variable-rate models, 1 to 100.", rich_help_panel=_STUDY
        ),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", metavar="N", help="How many, or a list: 0,1,2.", rich_help_panel=_STUDY)
    ] = None,
    epochs: Annotated[
        str | None, typer.Option("--epochs", metavar="N", help="Length of each run.", rich_help_panel=_STUDY)
    ] = None,
    max_steps: Annotated[
        str | None, typer.Option("--max-steps", metavar="N", help="Or its optimiser steps.", rich_help_panel=_STUDY)
    ] = None,
    horizons: Annotated[
        str | None,
        typer.Option(
            "--horizons", metavar="N,N,...", help="Or several, from one training each.", rich_help_panel=_STUDY
        ),
    ] = None,
    train_data: Annotated[
        Path | None, typer.Option("--train-data", help="Folder of training images.", rich_help_panel=_STUDY)
    ] = None,
    eval_data: Annotated[
        Path | None, typer.Option("--eval-data", help="Folder of evaluation images.", rich_help_panel=_STUDY)
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="SECTION.FIELD=VALUE", help="A setting of all arms; repeatable.", rich_help_panel=_STUDY
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Folder of the study; runs/ablate-STUDY if not given.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan, then stop.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Write the study's file, to be copied, then stop.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try failed runs once more.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write plan or results to standard output as JSON.")] = False,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Runs at once; one a processor.")] = None,
    engine: Engine = EngineName.LOCAL,
    address: Address = None,
    cpus_per_run: Annotated[
        float | None,
        typer.Option(
            "--cpus-per-run", help="With --engine ray: CPUs, and threads, of a run; 1.", rich_help_panel=_CLUSTER
        ),
    ] = None,
    gpus_per_run: Annotated[
        float | None,
        typer.Option(
            "--gpus-per-run", help="With --engine ray: GPUs of a run, 0.5 to share; 0.", rich_help_panel=_CLUSTER
        ),
    ] = None,
) -> None:
    """Train arms that differ in one thing, with the same seeds and batches, and compare them in pairs.

    The plan is shown first. Runs that are done are skipped and an interrupted one goes on: call the command again.
    """
    path = _study_file(study, file, long=long)
    if show:
        typer.echo(path.read_text(encoding="utf-8"), nl=False)
        return
    options = AblateOptions(as_json, plan, retry_failed, engine, jobs, address, cpus_per_run, gpus_per_run)
    changes = {
        "base_preset": base_preset,
        "lambdas": lambdas,
        "qualities": qualities,
        "seeds": seeds,
        "epochs": epochs,
        "max_steps": max_steps,
        "horizons": horizons,
        "train_data": train_data,
        "eval_data": eval_data,
        "settings": parse_assignments(assignments or []) or None,
    }
    found = read_study(path, changes)
    _run(plan_study(found), output or f"runs/ablate-{found.name}", options)


def _study_file(study: str, file: Path | None, *, long: bool) -> Path:
    if long:
        if file is not None or f"{study}{LONG}" not in study_names():
            found = ", ".join(name.removesuffix(LONG) for name in study_names() if name.endswith(LONG))
            raise SettingsError(f"--long is for studies that have a long form: {found}. Found {study}.")
        return study_path(f"{study}{LONG}")
    if study == GRID:
        if file is None:
            raise SettingsError("Give the file of your study: hpcmbal ablate grid FILE.yaml.")
        return file
    if file is not None:
        raise SettingsError(f"Unexpected '{file}': a file of your own goes with grid: hpcmbal ablate grid {file}.")
    if study.endswith((".yaml", ".yml")):
        raise SettingsError(f"A file of your own goes with grid: hpcmbal ablate grid {study}.")
    return study_path(study)


def _run(plan: Plan, output: str, options: AblateOptions) -> None:
    from hpcmbal.ablation.run.study_lock import study_lock
    from hpcmbal.ablation.run.study_runner import take_inventory
    from hpcmbal.cli.study_plan import count_images, prepare, show_plan

    images = count_images(plan)  # before a folder is made
    storage, output = open_storage(output), shown_location(output)
    with ExitStack() as stack:
        folder = stack.enter_context(_folder(storage, only_plan=options.only_plan))
        if isinstance(storage, LocalStorage) and not options.only_plan:
            stack.enter_context(study_lock(folder))
        inventory = take_inventory(plan, folder, retry_failed=options.retry_failed)
        engine = stack.enter_context(_engine(options, plan))
        prepared = prepare(inventory, engine, images)
        show_plan(prepared, output, only_json=options.as_json and options.only_plan, to_stderr=options.as_json)
        if not options.only_plan:
            records = _do(prepared, storage, folder, options)
            _finish(prepared, records, folder, output, options)
            storage.publish(folder)


def _engine(options: AblateOptions, plan: Plan) -> AbstractContextManager[LocalEngine | RayEngine]:
    if options.engine is EngineName.RAY:
        from hpcmbal.engines.ray_engine import RayEngine

        cpus = 1 if options.cpus_per_run is None else options.cpus_per_run
        return RayEngine(options.address, cpus, options.gpus_per_run or 0)
    from hpcmbal.core.device import choose_device
    from hpcmbal.engines.local import LocalEngine
    from hpcmbal.engines.threads import available_cpus

    at_once = available_cpus() if choose_device(plan.runs[0].settings.training.device).type == "cpu" else 1
    return nullcontext(LocalEngine(options.jobs or min(at_once, len(plan.runs))))


def _folder(storage: StudyStorage, *, only_plan: bool) -> AbstractContextManager[Path]:
    """The study's folder; a plan alone leaves none behind."""
    if only_plan and isinstance(storage, LocalStorage):
        return nullcontext(storage.folder)
    return storage.study_folder()


def _do(prepared: Prepared, storage: StudyStorage, folder: Path, options: AblateOptions) -> list[RunRecord]:
    from hpcmbal.ablation.run.study_runner import run_study
    from hpcmbal.cli.study_progress import build_progress

    pending = prepared.inventory.pending
    with build_progress(folder, pending, prepared.steps, to_stderr=options.as_json) as progress:
        try:
            return run_study(prepared.inventory, storage, folder, prepared.engine, progress.record)
        except KeyboardInterrupt:
            done = len(prepared.inventory.plan.runs) - len(pending) + progress.ended
            sys.stderr.write(
                f"\nhpcmbal: interrupted with {done} of {len(prepared.inventory.plan.runs)} runs done; those that were "
                "running have saved. The same command goes on from there.\n"
            )
            raise typer.Exit(EXIT_INTERRUPTED) from None


def _finish(
    prepared: Prepared, records: Sequence[RunRecord], folder: Path, output: str, options: AblateOptions
) -> None:
    """Tables, figures and report; an error at the end if runs failed, so that scripts notice."""
    from hpcmbal.ablation.report.outcome import compare_study, write_outcome
    from hpcmbal.ablation.report.tables import json_object
    from hpcmbal.cli.study_plan import show_comparison

    plan = prepared.inventory.plan
    comparison = compare_study(plan, records)
    written = write_outcome(comparison, plan, prepared.size_notes, folder)
    if options.as_json:
        typer.echo(json.dumps(json_object(comparison), indent=1, allow_nan=False))
    else:
        show_comparison(comparison, prepared.size_notes)
        report = next((path for path in written if path.suffix == ".html"), written[0])
        typer.echo(f"Report: {output.rstrip('/')}/{report.relative_to(folder)}")
    reasons = {record.folder: record.reason for record in records if record.status == "failed"}
    failed = [run for run in plan.runs if str(run.folder) in reasons]
    if failed:
        raise HpcmbalError(
            f"{len(failed)} of {len(plan.runs)} runs failed; {failed[0].name}: {reasons[str(failed[0].folder)]} "
            "Try them again with --retry-failed."
        )
