"""One run of a study: train or go on training, evaluate, record. All access to a run's files goes through here."""

from __future__ import annotations

import itertools
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import torch
from pydantic import ValidationError

from hpcmbal.ablation.plan.plan import PlannedRun, cooled_settings
from hpcmbal.ablation.plan.run_key import differences, stable_key, training_key
from hpcmbal.ablation.run.evaluation import evaluate_run, image_names
from hpcmbal.ablation.run.record_file import read_records, write_records
from hpcmbal.ablation.run.records import ImageResult, RunRecord
from hpcmbal.ablation.run.storage import StudyStorage
from hpcmbal.data import ImageSource
from hpcmbal.errors import CheckpointError, DataError, NumericalError, SettingsError, setting
from hpcmbal.model_files.store import CHECKPOINTS, MODEL_FILE, read_header
from hpcmbal.settings import TrainSettings
from hpcmbal.training.checkpoint import Checkpoint, list_checkpoints, open_checkpoint
from hpcmbal.training.run_plan import open_data, total_steps
from hpcmbal.training.trackers import log_of, read_log
from hpcmbal.training.trainer import train


@dataclass(frozen=True)
class RunTask:
    """What a process needs to do one run.

    Attributes:
        storage: Where the study lives.
        run: The run.
    """

    storage: StudyStorage
    run: PlannedRun


class RunStage(StrEnum):
    """How far a run is, as its folder tells."""

    NEW = "new"
    STARTED = "started"
    RECORDED = "recorded"
    FAILED = "failed"


def progress_of(run: PlannedRun, folder: Path, images: Sequence[str] | None = None) -> RunStage:
    """How far the run in `folder` is.

    Args:
        run: As it is planned now.
        folder: Its folder.
        images: Names of the evaluation images as they are now; records of others do not count.

    Raises:
        SettingsError: The folder holds a run with other settings.
        CheckpointError: A record or checkpoint cannot be read.
    """
    records = _own_records(run, folder, images)
    if records:
        return RunStage.RECORDED if all(record.status == "done" for record in records) else RunStage.FAILED
    found = _last_checkpoint(run.settings, folder, same=stable_key if run.horizons else training_key)
    for horizon in run.horizons:
        copy = horizon_folder(folder, horizon)
        if (
            found is not None
            and found.step > horizon
            and not (copy / MODEL_FILE).is_file()
            and not list_checkpoints(copy)
        ):
            raise _passed(folder, found.step, horizon)
    return RunStage.NEW if found is None else RunStage.STARTED


def execute_run(task: RunTask) -> tuple[RunRecord, ...]:
    """Do a run, from wherever it is, and write its records: one for each lambda and horizon.

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
            records = _trained_and_evaluated(run, folder)
        except (NumericalError, DataError) as error:
            records = failed_records(run, folder, str(error))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            records = failed_records(run, folder, f"out of memory: {str(error).partition('.')[0] or 'no details'}")
        write_records(folder, records)
    return records


def failed_records(run: PlannedRun, folder: Path, reason: str) -> tuple[RunRecord, ...]:
    """The records of a run that ended early: those of the horizons that it reached, and why there are no others."""
    found: list[RunRecord] = []
    for horizon in run.horizons or (None,):
        done = () if horizon is None else _own_records(run, horizon_folder(folder, horizon), None)
        found += done or _records(run, folder, horizon, {}, reason=reason)
    return tuple(found)


def horizon_folder(folder: Path, horizon: int) -> Path:
    """Where in a run's folder the copy lives that is cooled down after so many steps."""
    return folder / f"horizon-{horizon}"


def steps_of_run(run: PlannedRun, images: int) -> int:
    """Optimiser steps of a run over `images` training images, those of all cool-downs among them."""
    if not run.horizons:
        return total_steps(run.settings, images)
    down = sum(total_steps(cooled_settings(run.settings, horizon), images) - horizon for horizon in run.horizons)
    return run.horizons[-1] + down


def _trained_and_evaluated(run: PlannedRun, folder: Path) -> tuple[RunRecord, ...]:
    training_images, evaluation_images = open_data(run.settings.data)
    if run.horizons:
        return tuple(
            record for horizon in run.horizons for record in _at_horizon(run, folder, horizon, evaluation_images)
        )
    _train(
        run.settings, folder, _last_checkpoint(run.settings, folder), total_steps(run.settings, len(training_images))
    )
    for old in list_checkpoints(folder)[:-1]:
        shutil.rmtree(old)
    return _records(run, folder, None, evaluate_run(folder, run.settings, evaluation_images, run.lambdas))


def _at_horizon(run: PlannedRun, folder: Path, horizon: int, images: ImageSource) -> tuple[RunRecord, ...]:
    """Train up to a horizon, cool a copy down, evaluate it: each part only if it is not there yet.

    Of the copy the final weights are kept (`model.safetensors`); its checkpoints are of no further use.
    """
    copy = horizon_folder(folder, horizon)
    if done := _own_records(run, copy, image_names(run.settings, images)):
        return done
    settings, model = cooled_settings(run.settings, horizon), copy / MODEL_FILE
    if model.is_file():
        _check_same(settings, _settings_of(model), copy)
    else:
        start = _last_checkpoint(settings, copy) or _stable_checkpoint(run, folder, horizon)
        _train(settings, copy, start, total_steps(settings, 0))
        (list_checkpoints(copy)[-1] / MODEL_FILE).replace(model)
    shutil.rmtree(copy / CHECKPOINTS, ignore_errors=True)
    records = _records(run, copy, horizon, evaluate_run(copy, settings, images, run.lambdas))
    write_records(copy, records)
    return records


def _settings_of(model: Path) -> TrainSettings:
    """The settings of the training that a model file is from."""
    try:
        return TrainSettings.model_validate(read_header(model).metadata.get("settings"))
    except ValidationError as error:
        raise CheckpointError(
            f"{model} does not say how it was trained. Remove it; it is then trained anew."
        ) from error


def _stable_checkpoint(run: PlannedRun, folder: Path, horizon: int) -> Checkpoint:
    """The run's checkpoint at a horizon, trained up to there if it is not yet."""
    found = _last_checkpoint(run.settings, folder, same=stable_key)
    if found is None or found.step < horizon:
        _train(run.settings, folder, found, horizon)
        found = open_checkpoint(folder)
    if found.step != horizon:
        raise _passed(folder, found.step, horizon)
    return found


def _passed(folder: Path, step: int, horizon: int) -> SettingsError:
    return SettingsError(
        f"{folder} is at step {step}, past the horizon {horizon} that it was not cooled down after. Leave that horizon "
        f"out, or choose another {setting('output')}."
    )


def _train(settings: TrainSettings, folder: Path, start: Checkpoint | None, until: int) -> None:
    """Train in `folder` from a checkpoint, which may lie elsewhere, up to a step."""
    if start is not None and start.step >= until:
        return
    resumed = None if start is None else start.folder
    if train(_with_output(settings, save_path=folder, checkpoint=resumed), until=until).interrupted:
        raise KeyboardInterrupt


def _own_records(run: PlannedRun, folder: Path, images: Sequence[str] | None) -> tuple[RunRecord, ...]:
    """The records in a folder if they are of this run as it is planned now, and of these images if any are named."""
    found = tuple(record for record in read_records(folder) if record.key == run.key)
    if images is None:
        return found
    evaluated = [{sample.name for sample in record.samples} for record in found if record.samples]
    return found if all(names == set(images) for names in evaluated) else ()


def _last_checkpoint(
    settings: TrainSettings, folder: Path, *, same: Callable[[TrainSettings], str] = training_key
) -> Checkpoint | None:
    """The newest checkpoint in a folder, which must be of the same training; `stable_key` lets a longer one go on."""
    if not list_checkpoints(folder):
        return None
    checkpoint = open_checkpoint(folder)
    _check_same(settings, checkpoint.settings, folder, same)
    return checkpoint


def _check_same(
    wanted: TrainSettings, found: TrainSettings, folder: Path, same: Callable[[TrainSettings], str] = training_key
) -> None:
    if same(found) != same(wanted):
        raise SettingsError(
            f"{folder} holds a run with other settings (there and now: {'; '.join(differences(found, wanted))}). "
            f"Choose another {setting('output')}, or remove that one."
        )


def _records(
    run: PlannedRun,
    folder: Path,
    horizon: int | None,
    samples: Mapping[float, tuple[ImageResult, ...]],
    *,
    reason: str | None = None,
) -> tuple[RunRecord, ...]:
    """One record for each lambda; failed ones if there is a reason."""
    steps, seconds = _log_summary(folder)
    return tuple(
        RunRecord(
            arm=run.arm,
            lmbda=lmbda,
            seed=run.seed,
            key=run.key,
            status="done" if reason is None else "failed",
            reason=reason,
            steps=steps,
            seconds_per_step=seconds,
            samples=samples.get(lmbda, ()),
            folder=str(run.folder),
            horizon=horizon,
            stops_early=run.settings.finetune.early_stopping is not None,
        )
        for lmbda in run.lambdas
    )


def _log_summary(folder: Path) -> tuple[int, float | None]:
    """Last step in the log, and the median time of a step.

    Times are between neighbouring lines of which the later one ends some steps; a line before which the training was
    resumed, and began to count anew, is left out.
    """
    path = log_of(folder)
    # A line that says only that a scale stopped has no time.
    lines = [line for line in (read_log(path) if path.exists() else []) if "time/seconds" in line]
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
