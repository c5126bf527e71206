"""A study from its settings to its report: what `hpcmbal ablate` does, for Python programs too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from hpcmbal.ablation.analysis.comparison import StudyComparison
from hpcmbal.ablation.plan.plan import Plan, PlannedRun, plan_study
from hpcmbal.ablation.plan.study import Study
from hpcmbal.ablation.plan.study_file import read_study, study_names, study_path
from hpcmbal.ablation.plan.study_size import seed_note, size_notes
from hpcmbal.ablation.report.outcome import compare_study, write_outcome
from hpcmbal.ablation.run.cost import Cost, Forecast, forecast, kind_of, measure_costs
from hpcmbal.ablation.run.evaluation import image_names
from hpcmbal.ablation.run.execution import steps_of_run
from hpcmbal.ablation.run.run_watch import StudyWatch
from hpcmbal.ablation.run.storage import LocalStorage, StudyStorage, open_storage
from hpcmbal.ablation.run.study_lock import study_lock
from hpcmbal.ablation.run.study_runner import Inventory, OnRun, run_study, take_inventory
from hpcmbal.core.device import choose_device
from hpcmbal.engines.local import LocalEngine
from hpcmbal.engines.ray_engine import RayEngine
from hpcmbal.engines.threads import available_cpus
from hpcmbal.errors import SettingsError, setting
from hpcmbal.output_checks import check_above
from hpcmbal.settings import parse_assignments
from hpcmbal.settings.study import GRID, StudySettings
from hpcmbal.training.run_plan import open_data
from hpcmbal.visible_text import without_credentials

LONG = "-long"
"""Ends the name of a study that takes days."""

StudyEngine: TypeAlias = LocalEngine | RayEngine


@dataclass(frozen=True)
class PreparedStudy:
    """A plan, and everything that is known about it before it runs.

    Attributes:
        inventory: The plan and what of it is there already.
        engine: What will do the runs.
        place: The study's folder or URL, as people may see it.
        steps: Optimiser steps of every run, by its name.
        steps_left: Those that are still to do, by the run's name; only of runs that are not done.
        images: How many images are trained on, and evaluated on.
        size_notes: What the study is too small for.
        forecast: What is left to do will cost; None if nothing is left.
        step_seconds: Measured time of a step, by arm.
    """

    inventory: Inventory
    engine: StudyEngine
    place: str
    steps: Mapping[str, int]
    steps_left: Mapping[str, int]
    images: tuple[int, int]
    size_notes: Sequence[str]
    forecast: Forecast | None
    step_seconds: Mapping[str, float]

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self.inventory.plan

    @property
    def notes(self) -> list[str]:
        """What a user should know before the study runs."""
        about_seeds = seed_note(self.plan.study)
        return [*self.plan.notes, *self.size_notes, *([about_seeds] if about_seeds else [])]


@dataclass(frozen=True)
class StudyResult:
    """What came out of a study.

    Attributes:
        comparison: The arms against the reference.
        notes: What the study is too small for.
        report: The report's place, as people may see it.
        failed: Runs without a result, and why.
        count_runs: How many runs the study has.
    """

    comparison: StudyComparison
    notes: Sequence[str]
    report: str
    failed: Sequence[tuple[PlannedRun, str]]
    count_runs: int


class StudyView(Protocol):
    """Told how a study goes on."""

    def measuring(self) -> None:
        """A few steps of each kind of arm are measured."""

    def planned(self, prepared: PreparedStudy) -> None:
        """The plan is known; runs begin after this."""

    def running(self, prepared: PreparedStudy) -> AbstractContextManager[OnRun | None]:
        """Around the runs; what it gives is told about each that ends."""


class SilentView:
    """Shows nothing."""

    def measuring(self) -> None:
        """See `StudyView`."""

    def planned(self, prepared: PreparedStudy) -> None:
        """See `StudyView`."""

    def running(self, prepared: PreparedStudy) -> AbstractContextManager[OnRun | None]:
        """See `StudyView`."""
        del prepared
        return nullcontext()


def ablate(settings: StudySettings, view: StudyView | None = None) -> StudyResult:
    """Train the arms of a study, compare them in pairs, write tables, figures and a report.

    Runs that are done are skipped, and an interrupted study goes on: call it again with the same settings.

    Args:
        settings: Which study, and what is changed in it.
        view: Shows how it goes on.

    Raises:
        SettingsError: Settings are wrong or would make arms incomparable, or another process leads the study.
        DataError: Images are missing.
        CheckpointError: A file of the study cannot be read or written.
        HpcmbalError: Something that would stop every run.
        KeyboardInterrupt: Ctrl-C; what was running is saved.
    """
    view = view or SilentView()
    with _opened(settings, view, only_plan=False) as (prepared, storage):
        view.planned(prepared)
        with view.running(prepared) as on_run:
            records = run_study(prepared.inventory, storage, prepared.engine, on_run)
        plan, folder = prepared.plan, prepared.inventory.folder
        comparison = compare_study(plan, records)
        written = write_outcome(comparison, plan, prepared.size_notes, folder)
        storage.publish(folder)
    report = next((path for path in written if path.suffix == ".html"), written[0])
    reasons = {record.folder: record.reason or "" for record in records if record.status == "failed"}
    failed = [(run, reasons[str(run.folder)]) for run in plan.runs if str(run.folder) in reasons]
    place = f"{prepared.place.rstrip('/')}/{report.relative_to(folder)}"
    return StudyResult(comparison, prepared.size_notes, place, failed, len(plan.runs))


def prepare_study(settings: StudySettings, view: StudyView | None = None) -> PreparedStudy:
    """The plan of a study with its measured cost; nothing is trained, and nothing is left on the disk.

    Raises:
        HpcmbalError: As of `ablate`.
    """
    with _opened(settings, view or SilentView(), only_plan=True) as (prepared, _):
        return prepared


def named_study(settings: StudySettings) -> Path:
    """The file of the study that is meant.

    Raises:
        SettingsError: There is none of that name, or none in the long form.
    """
    name, file = settings.study, settings.file
    if settings.long:
        if file is not None or f"{name}{LONG}" not in study_names():
            found = ", ".join(known.removesuffix(LONG) for known in study_names() if known.endswith(LONG))
            raise SettingsError(f"{setting('long')} is for studies that have a long form: {found}. Found {name}.")
        return study_path(f"{name}{LONG}")
    if name == GRID:
        if file is None:
            raise SettingsError("Give the file of your study: hpcmbal ablate grid FILE.yaml.")
        return file
    if file is not None:
        raise SettingsError(f"Unexpected '{file}': a file of your own goes with grid: hpcmbal ablate grid {file}.")
    if name.endswith((".yaml", ".yml")):
        raise SettingsError(f"A file of your own goes with grid: hpcmbal ablate grid {name}.")
    return study_path(name)


def load_study(settings: StudySettings) -> Study:
    """The study that is meant, with what the settings change in it.

    Raises:
        SettingsError: It cannot be read, or something in it is wrong; the message lists every problem.
    """
    return read_study(named_study(settings), {**settings.changes, "settings": parse_assignments(settings.set) or None})


@contextmanager
def _opened(
    settings: StudySettings, view: StudyView, *, only_plan: bool
) -> Iterator[tuple[PreparedStudy, StudyStorage]]:
    plan = plan_study(load_study(settings))
    training_images, evaluation_images = open_data(plan.runs[0].settings.data)  # before a folder is made
    images = len(training_images), len(evaluation_images)
    output = settings.output or f"runs/ablate-{plan.study.name}"
    storage = open_storage(output)
    if isinstance(storage, LocalStorage):
        if storage.folder.exists() and not storage.folder.is_dir():
            raise SettingsError(f"{setting('output', output)} is a file. Choose a folder.")
        check_above(storage.folder)
    with ExitStack() as stack:
        local = isinstance(storage, LocalStorage)
        if isinstance(storage, LocalStorage) and only_plan:  # a plan alone leaves no folder behind
            folder = storage.folder
        else:
            folder = stack.enter_context(storage.study_folder())
        if local and not only_plan:
            stack.enter_context(study_lock(folder))
        names = image_names(plan.runs[0].settings, evaluation_images)
        inventory = take_inventory(plan, folder, names, retry_failed=settings.retry_failed)
        engine = stack.enter_context(_engine(settings, plan))
        yield _prepare(inventory, engine, images, without_credentials(output), view), storage


def _prepare(
    inventory: Inventory, engine: StudyEngine, images: tuple[int, int], place: str, view: StudyView
) -> PreparedStudy:
    """Measure a few steps of what is left to do."""
    plan, pending = inventory.plan, inventory.pending
    steps = {run.name: steps_of_run(run, images[0]) for run in plan.runs}
    begun = StudyWatch(inventory.folder, inventory.begun).steps()
    left = {run.name: max(0, steps[run.name] - begun.get(run.name, 0)) for run in pending}
    found, costs = None, {}
    if pending:
        view.measuring()
        jobs = min(engine.jobs, len(pending)) if isinstance(engine, LocalEngine) else None
        costs = measure_costs(pending, engine, jobs or 1)
        found = forecast(pending, [left[run.name] for run in pending], costs, jobs)
    notes = size_notes(plan.study, max(plan.study.horizons, default=max(steps.values())), images[1])
    return PreparedStudy(inventory, engine, place, steps, left, images, notes, found, _step_seconds(inventory, costs))


def _step_seconds(inventory: Inventory, costs: Mapping[str, Cost | str]) -> dict[str, float]:
    found = {run.arm: costs.get(kind_of(run.settings)) for run in inventory.pending}
    return {arm: cost.step_seconds for arm, cost in found.items() if isinstance(cost, Cost)}


def _engine(settings: StudySettings, plan: Plan) -> AbstractContextManager[StudyEngine]:
    if settings.engine == "ray":
        return RayEngine(settings.address, settings.cpus_per_run, settings.gpus_per_run)
    at_once = available_cpus() if choose_device(plan.runs[0].settings.training.device).type == "cpu" else 1
    return nullcontext(LocalEngine(settings.jobs or min(at_once, len(plan.runs))))
