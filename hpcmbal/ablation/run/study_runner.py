"""Doing what is left of a study on an engine, and collecting the records of all its runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpcmbal.ablation.plan.plan import Plan, PlannedRun
from hpcmbal.ablation.plan.study_file import STUDY_FILE, study_text
from hpcmbal.ablation.run.execution import RunStage, RunTask, execute_run, failed_records, progress_of
from hpcmbal.ablation.run.record_file import read_records, write_records
from hpcmbal.ablation.run.records import RunRecord
from hpcmbal.ablation.run.storage import StudyStorage
from hpcmbal.atomic_file import write_text
from hpcmbal.engines.engine import Engine, Lost
from hpcmbal.errors import CheckpointError, HpcmbalError, SettingsError, setting

OnRun = Callable[[PlannedRun, Sequence[RunRecord]], None]
"""Told that a run ended, with its records: one for each lambda and horizon."""


@dataclass(frozen=True)
class Inventory:
    """What of a plan is there already.

    Attributes:
        plan: The study's runs.
        folder: The study as a local folder, from `storage.study_folder()`.
        progress: Of each run, in the order of the plan.
        retry_failed: Whether failed runs count as left to do.
    """

    plan: Plan
    folder: Path
    progress: tuple[RunStage, ...]
    retry_failed: bool = False

    @property
    def pending(self) -> list[PlannedRun]:
        """The runs that are left to do, in the order of the plan."""
        done = {RunStage.RECORDED} if self.retry_failed else {RunStage.RECORDED, RunStage.FAILED}
        return [run for run, found in zip(self.plan.runs, self.progress, strict=True) if found not in done]

    @property
    def begun(self) -> list[PlannedRun]:
        """Those that go on from a checkpoint."""
        return [run for run, found in zip(self.plan.runs, self.progress, strict=True) if found is RunStage.STARTED]

    @property
    def count_failed(self) -> int:
        """How many runs were tried and failed."""
        return self.progress.count(RunStage.FAILED)


def take_inventory(
    plan: Plan, folder: Path, images: Sequence[str] | None = None, *, retry_failed: bool = False
) -> Inventory:
    """How far every run of `plan` is in the study's `folder`.

    Args:
        plan: The study's runs.
        folder: The study as a local folder.
        images: Names of the evaluation images as they are now; what was evaluated on others is left to do.
        retry_failed: Whether failed runs count as left to do.

    Raises:
        SettingsError: Folders hold runs with other settings.
        CheckpointError: A record or checkpoint cannot be read.
    """
    progress, problems = [], []
    for run in plan.runs:
        try:
            progress.append(progress_of(run, folder / run.folder, images))
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        others = f" The same holds for {len(problems) - 1} more of its runs." if problems[1:] else ""
        raise SettingsError(problems[0] + others)
    return Inventory(plan, folder, tuple(progress), retry_failed)


def run_study(
    inventory: Inventory, storage: StudyStorage, engine: Engine, on_run: OnRun | None = None
) -> list[RunRecord]:
    """Do the runs that are left, and return the records of all, in the order of the plan.

    A killed run counts as failed; a failed run does not stop the others. Interrupted, the same call goes on.

    Args:
        inventory: From `take_inventory`.
        storage: Where the study lives.
        engine: Does the runs.
        on_run: Called in this process for every run that ended.

    Raises:
        KeyboardInterrupt: Ctrl-C; what was running is saved.
        HpcmbalError: Something that would stop every run, such as a full disk.
    """
    folder, pending = inventory.folder, inventory.pending
    write_study(inventory.plan, folder)
    storage.publish(folder)

    def on_result(index: int, result: tuple[RunRecord, ...] | Lost) -> None:
        run = pending[index]
        if isinstance(result, Lost):
            result = _record_loss(storage, run, result)
        if on_run is not None:
            on_run(run, result)

    engine.run(execute_run, [RunTask(storage, run) for run in pending], on_result)
    storage.collect(folder)
    return collect_records(inventory.plan.runs, folder)


def write_study(plan: Plan, folder: Path) -> None:
    """Keep the study, as it was resolved, beside its runs.

    Raises:
        CheckpointError: The folder cannot be written.
    """
    try:
        write_text(folder / STUDY_FILE, study_text(plan.study))
    except OSError as error:
        raise CheckpointError(
            f"Cannot write {folder / STUDY_FILE}: {error.strerror}. Choose another {setting('output')}."
        ) from error


def collect_records(runs: Sequence[PlannedRun], folder: Path) -> list[RunRecord]:
    """The records of `runs`, in their order.

    Raises:
        HpcmbalError: A run has no record.
    """
    found = [read_records(folder / run.folder) for run in runs]
    missing = [run.name for run, records in zip(runs, found, strict=True) if not records]
    if missing:
        raise HpcmbalError(
            f"{len(missing)} runs left no record, the first is {missing[0]}. Call the same command again."
        )
    return [record for records in found for record in records]


def _record_loss(storage: StudyStorage, run: PlannedRun, loss: Lost) -> tuple[RunRecord, ...]:
    with storage.run_folder(str(run.folder)) as folder:
        records = failed_records(run, folder, loss.reason)
        write_records(folder, records)
    return records
