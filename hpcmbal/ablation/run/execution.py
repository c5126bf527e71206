"""One run of a study: train or go on training, evaluate, record. All access to a run's files goes through here."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import statistics
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import torch

from hpcmbal.ablation.plan.plan import PlannedRun
from hpcmbal.ablation.plan.run_key import differences, training_key
from hpcmbal.ablation.run.evaluation import evaluate_run
from hpcmbal.ablation.run.record_file import read_record, write_record
from hpcmbal.ablation.run.records import RunRecord, Sample
from hpcmbal.ablation.run.storage import StudyStorage
from hpcmbal.errors import DataError, NumericalError, SettingsError
from hpcmbal.settings import TrainSettings
from hpcmbal.training.checkpoint import Checkpoint, list_checkpoints, open_checkpoint
from hpcmbal.training.trackers import LOG_FILE, read_log
from hpcmbal.training.trainer import open_data, total_steps, train


@dataclass(frozen=True)
class RunTask:
    """What a process needs to do one run.

    Attributes:
        storage: Where the study lives.
        run: The run.
    """

    storage: StudyStorage
    run: PlannedRun


class Progress(StrEnum):
    """How far a run is, as its folder tells."""

    NEW = "new"
    STARTED = "started"
    RECORDED = "recorded"
    FAILED = "failed"


def progress_of(run: PlannedRun, folder: Path) -> Progress:
    """How far the run in `folder` is.

    Raises:
        SettingsError: The folder holds a run with other settings.
        CheckpointError: A record or checkpoint cannot be read.
    """
    record = read_record(folder)
    if record is not None and record.key == run.key:
        return Progress.RECORDED if record.status == "done" else Progress.FAILED
    return Progress.NEW if _last_checkpoint(run, folder) is None else Progress.STARTED


def execute_run(task: RunTask) -> RunRecord:
    """Do a run, from wherever it is, and write its record.

    A training that is not finite, out of memory or without its images is a failed run with a reason; what would stop
    every run (a full disk) is raised.

    Raises:
        SettingsError: The folder holds a run with other settings.
        CheckpointError: A file cannot be read or written.
        KeyboardInterrupt: The process was asked to stop; the training is saved.
    """
    run = task.run
    with task.storage.run_folder(str(run.folder)) as folder:
        try:
            record = _trained_and_evaluated(run, folder)
        except (NumericalError, DataError) as error:
            record = failed_record(run, folder, str(error))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            record = failed_record(run, folder, f"out of memory: {str(error).partition('.')[0] or 'no details'}")
        write_record(folder, record)
    return record


def failed_record(run: PlannedRun, folder: Path, reason: str) -> RunRecord:
    """The record of a run that ended without a result."""
    return dataclasses.replace(_record(run, folder, ()), status="failed", reason=reason)


def _trained_and_evaluated(run: PlannedRun, folder: Path) -> RunRecord:
    settings = _with_output(run.settings, save_path=folder)
    training_images, evaluation_images = open_data(settings.data)
    checkpoint = _last_checkpoint(run, folder)
    if checkpoint is None or checkpoint.step < total_steps(settings, len(training_images)):
        resumed = None if checkpoint is None else checkpoint.folder
        if train(_with_output(settings, checkpoint=resumed)).interrupted:
            raise KeyboardInterrupt
    for old in list_checkpoints(folder)[:-1]:
        shutil.rmtree(old)
    return _record(run, folder, evaluate_run(folder, settings, evaluation_images))


def _last_checkpoint(run: PlannedRun, folder: Path) -> Checkpoint | None:
    """The newest checkpoint in a run's folder, which must be of the same training."""
    if not list_checkpoints(folder):
        return None
    checkpoint = open_checkpoint(folder)
    if training_key(checkpoint.settings) != run.training_key:
        found = "; ".join(differences(checkpoint.settings, run.settings))
        raise SettingsError(
            f"{folder} holds a run with other settings (there and now: {found}). Choose another folder with "
            "--output, or remove that one."
        )
    return checkpoint


def _record(run: PlannedRun, folder: Path, samples: tuple[Sample, ...]) -> RunRecord:
    steps, seconds = _log_summary(folder)
    return RunRecord(
        arm=run.arm,
        lmbda=run.lmbda,
        seed=run.seed,
        key=run.key,
        status="done",
        reason=None,
        steps=steps,
        seconds_per_step=seconds,
        samples=samples,
        folder=str(run.folder),
    )


def _log_summary(folder: Path) -> tuple[int, float | None]:
    """Last step in the log, and the median time of a step.

    Times are between neighbouring lines of which the later one ends some steps; a line before which the training was
    resumed, and began to count anew, is left out.
    """
    path = folder / "logs" / LOG_FILE
    lines = read_log(path) if path.exists() else []
    seconds = [
        (after["time/seconds"] - before["time/seconds"]) / (after["step"] - before["step"])
        for before, after in itertools.pairwise(lines)
        if after["step"] > before["step"] and after["time/seconds"] > before["time/seconds"]
    ]
    return (lines[-1]["step"] if lines else 0), (statistics.median(seconds) if seconds else None)


def is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """PyTorch has a class for CUDA's memory and only a sentence for the CPU's."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(part in str(error).lower() for part in ("out of memory", "can't allocate memory", "not enough memory"))


def _with_output(settings: TrainSettings, **changes: Path | None) -> TrainSettings:
    return settings.model_copy(update={"output": settings.output.model_copy(update=changes)})
