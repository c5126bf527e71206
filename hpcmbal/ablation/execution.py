"""One run of a study: train or go on training, evaluate, record. All access to a run's files goes through here."""

from __future__ import annotations

import dataclasses
import shutil
import statistics
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import torch

from hpcmbal.ablation.evaluation import evaluate_run
from hpcmbal.ablation.plan import PlannedRun
from hpcmbal.ablation.record_file import read_record, write_record
from hpcmbal.ablation.records import RunRecord, Sample
from hpcmbal.ablation.run_key import differences, training_key
from hpcmbal.errors import DataError, NumericalError, SettingsError
from hpcmbal.settings import RunSettings
from hpcmbal.training.checkpoint import Checkpoint, list_checkpoints, open_checkpoint
from hpcmbal.training.trackers import LOG_FILE, read_log
from hpcmbal.training.trainer import open_data, total_steps, train


@dataclass(frozen=True)
class RunTask:
    """What a process needs to do one run.

    Attributes:
        study_folder: Folder of the study.
        run: The run.
    """

    study_folder: Path
    run: PlannedRun

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.study_folder / self.run.folder

    @property
    def settings(self) -> RunSettings:
        """The run's settings, with its folder."""
        return _with_output(self.run.settings, save_path=self.folder)


class Progress(StrEnum):
    """How far a run is, as its folder tells."""

    NEW = "new"
    STARTED = "started"
    RECORDED = "recorded"
    FAILED = "failed"


def progress_of(task: RunTask) -> Progress:
    """How far a run is.

    Raises:
        SettingsError: Its folder holds a run with other settings.
        CheckpointError: A record or checkpoint cannot be read.
    """
    record = read_record(task.folder)
    if record is not None and record.key == task.run.key:
        return Progress.RECORDED if record.status == "done" else Progress.FAILED
    return Progress.NEW if _last_checkpoint(task) is None else Progress.STARTED


def execute_run(task: RunTask) -> RunRecord:
    """Do a run, from wherever it is, and write its record.

    A training that is not finite, out of memory or without its images is a failed run with a reason; what would stop
    every run (a full disk) is raised.

    Raises:
        SettingsError: The folder holds a run with other settings.
        CheckpointError: A file cannot be read or written.
        KeyboardInterrupt: The process was asked to stop; the training is saved.
    """
    try:
        record = _trained_and_evaluated(task)
    except (NumericalError, DataError) as error:
        record = failed_record(task, str(error))
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        record = failed_record(task, f"out of memory: {str(error).partition('.')[0] or type(error).__name__}")
    write_record(task.folder, record)
    return record


def failed_record(task: RunTask, reason: str) -> RunRecord:
    """The record of a run that ended without a result."""
    return dataclasses.replace(_record(task, ()), status="failed", reason=reason)


def _trained_and_evaluated(task: RunTask) -> RunRecord:
    settings = task.settings
    training_images, evaluation_images = open_data(settings.data)
    checkpoint = _last_checkpoint(task)
    if checkpoint is None or checkpoint.step < total_steps(settings, len(training_images)):
        resumed = None if checkpoint is None else checkpoint.folder
        if train(_with_output(settings, checkpoint=resumed)).interrupted:
            raise KeyboardInterrupt
    for old in list_checkpoints(task.folder)[:-1]:
        shutil.rmtree(old)
    return _record(task, evaluate_run(task.folder, settings, evaluation_images))


def _last_checkpoint(task: RunTask) -> Checkpoint | None:
    """The newest checkpoint in the run's folder, which must be of the same training."""
    if not list_checkpoints(task.folder):
        return None
    checkpoint = open_checkpoint(task.folder)
    if training_key(checkpoint.settings) != task.run.training_key:
        found = "; ".join(differences(checkpoint.settings, task.run.settings))
        raise SettingsError(
            f"{task.folder} holds a run with other settings (there and now: {found}). Choose another folder with "
            "--output, or remove that one."
        )
    return checkpoint


def _record(task: RunTask, samples: tuple[Sample, ...]) -> RunRecord:
    steps, seconds = _log_summary(task.folder)
    return RunRecord(
        arm=task.run.arm,
        lmbda=task.run.lmbda,
        seed=task.run.seed,
        key=task.run.key,
        status="done",
        reason=None,
        steps=steps,
        seconds_per_step=seconds,
        samples=samples,
        folder=str(task.run.folder),
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
        for before, after in zip(lines, lines[1:], strict=False)
        if after["step"] > before["step"] and after["time/seconds"] > before["time/seconds"]
    ]
    return (lines[-1]["step"] if lines else 0), (statistics.median(seconds) if seconds else None)


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """PyTorch has a class for CUDA's memory and only a sentence for the CPU's."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(part in str(error).lower() for part in ("out of memory", "can't allocate memory", "not enough memory"))


def _with_output(settings: RunSettings, **changes: Path | None) -> RunSettings:
    return settings.model_copy(update={"output": settings.output.model_copy(update=changes)})
