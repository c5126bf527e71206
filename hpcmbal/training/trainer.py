"""The one trainer: from settings to checkpoints, for every model, loss, optimiser and balancing."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from hpcmbal.core.device import choose_device
from hpcmbal.core.scales import SCALES
from hpcmbal.data import Batch, BatchPlan, training_batches
from hpcmbal.errors import CheckpointError, SettingsError, setting, shown_value
from hpcmbal.settings import TrainSettings
from hpcmbal.settings.resume import changes_on_resume
from hpcmbal.training.checkpoint import Checkpoint, list_checkpoints, save_checkpoint
from hpcmbal.training.distributed import World, joined_world
from hpcmbal.training.early_stopping import ended_early
from hpcmbal.training.interruption import Interruption
from hpcmbal.training.reporting import Reporter, SilentReporter
from hpcmbal.training.result import TrainResult
from hpcmbal.training.run_plan import (
    augmentation,
    checkpoint_to_resume,
    drawn_pictures,
    open_data,
    planned_steps,
    with_begun_decay,
)
from hpcmbal.training.schedule import decay_step
from hpcmbal.training.state import build_state
from hpcmbal.training.stepper import Stepper
from hpcmbal.training.time_limit import Course, TimeLimit, course_in_time
from hpcmbal.training.trackers import LOG_FOLDER, Tracker, open_trackers
from hpcmbal.training.validation import validate, validation_lmbdas


def train(
    settings: TrainSettings,
    reporter: Reporter | None = None,
    *,
    started: float | None = None,
    until: int | None = None,
) -> TrainResult:
    """Train as `settings` say; under `torchrun`, together with the other ranks.

    Every step is a function of the settings and of the state saved in checkpoints alone, so a run that is resumed
    gives, on the same machine and number of threads, bit for bit the weights and metrics of one that never stopped.

    Args:
        settings: The run. With `output.checkpoint`, it continues from there.
        reporter: Shows progress.
        started: Since when `training.max_hours` counts, by `time.monotonic`; from this call on if not given.
        until: End after this step, saved, as if the rest came later: schedules are those of the whole training.

    Raises:
        SettingsError: The folder already holds a run that this one does not continue, or settings do not fit the
            machine.
        DataError: Images are missing, or too many are unreadable.
        CheckpointError: A checkpoint cannot be read or written.
        NumericalError: Too many steps in a row had no finite gradient.
    """
    if settings.training.num_threads is not None:
        torch.set_num_threads(settings.training.num_threads)
    if settings.training.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it first works
        torch.use_deterministic_algorithms(True)
    started = time.monotonic() if started is None else started
    device_type = choose_device(settings.training.device).type
    with joined_world(device_type) as world:
        shown = reporter if reporter and world.is_main else SilentReporter()

        def acknowledge(name: str) -> None:
            shown.message(f"{name}: the step in work is finished and saved first. Ctrl-C again leaves at once.")

        with Interruption(acknowledge) as interruption:
            device = choose_device(settings.training.device, world.local_rank)
            return _Run(settings, world, device, shown, started).go(interruption, until)


class _Run:
    """One call of `train` on one rank."""

    def __init__(
        self, settings: TrainSettings, world: World, device: torch.device, reporter: Reporter, started: float
    ) -> None:
        self.world, self.device, self.reporter = world, device, reporter
        self.folder = settings.output.save_path
        checkpoint = checkpoint_to_resume(settings)
        if list_checkpoints(self.folder) and not (checkpoint and _same_folder(checkpoint.run, self.folder)):
            raise SettingsError(
                f"{self.folder} already holds a run. Continue it with {setting('output.checkpoint', self.folder)}, or "
                f"choose another {setting('output.save_path')}."
            )
        if checkpoint is not None:
            settings = with_begun_decay(settings, checkpoint)
        self.settings = settings
        self.train_images, self.validation_images = open_data(settings.data)
        seed = settings.training.seed
        self.plan = BatchPlan(len(self.train_images), settings.data.batch_size, seed, world.rank, world.size)
        self.total_steps = planned_steps(settings, len(self.train_images))
        self.state = build_state(settings, device)
        if checkpoint is not None:
            self._resume(checkpoint)
            self._tell_if_ended_early(checkpoint)
        if self.state.start is not None:
            self.reporter.message(f"Started from {self.state.start}.")
        self.stepper = Stepper(self.state, settings, world, device, self.total_steps)
        self.validation: dict[str, float] = {}
        self.started = time.monotonic()
        hours = settings.training.max_hours
        self.limit = None if hours is None else TimeLimit(hours * 3600, started)
        self.out_of_time = False

    def _resume(self, checkpoint: Checkpoint) -> None:
        try:
            self.state.load_state_dict(checkpoint.trainer_state())
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{checkpoint.folder} does not hold the state of this training ({type(error).__name__}: "
                f"{' '.join(str(error).split())}). Its weights still load."
            ) from error
        if self.state.step != checkpoint.step:
            raise CheckpointError(
                f"{checkpoint.folder} does not hold the state of this training: it is of step "
                f"{shown_value(self.state.step)}, the manifest says {shown_value(checkpoint.step)}."
            )
        changes = changes_on_resume(checkpoint.settings, self.settings)
        told = f" From here on: {'; '.join(changes)}." if changes else ""
        self.reporter.message(f"Resumed {checkpoint.folder} after step {checkpoint.step}.{told}")

    def _tell_if_ended_early(self, checkpoint: Checkpoint) -> None:
        stopping = self.state.stopping
        if stopping is None or not stopping.done:
            return
        why = f"{ended_early(checkpoint)}."
        if self.total_steps != planned_steps(checkpoint.settings, len(self.train_images)):
            raise SettingsError(f"{why[0].upper()}{why[1:]}")
        self.reporter.message(f"{why[0].upper()}{why[1:]}")

    def go(self, interruption: Interruption, until: int | None = None) -> TrainResult:
        state, first_step = self.state, self.state.step
        self.reporter.start(self.total_steps, first_step)
        log_folder = self.settings.output.log_dir or self.folder / LOG_FOLDER
        trackers = open_trackers(self.settings, log_folder, first_step) if self.world.is_main else []
        interrupted = False
        try:
            if first_step == 0:
                self._validate(trackers)
            self._step_began = time.monotonic()
            for batches in () if self._done else self._batches(until):
                result = self.stepper.step(batches)
                self._note_bad_files(batches)
                saved = self._keep_to_time(trackers)
                logged = self._log(trackers, result.metrics) if self._due(self.settings.output.log_every) else {}
                self.reporter.step(state.step, logged)
                if self._due(self.settings.output.validate_every):
                    self._validate(trackers)
                interrupted = self._agree_to_stop(interruption.requested) and not self._done
                reached = until is not None and state.step >= until
                stops = interrupted or self.out_of_time or reached
                if not saved and (stops or self._due(self.settings.output.save_freq) or self._decay_begins):
                    self._save()
                if stops or self._done:
                    break
                self._step_began = time.monotonic()
        finally:
            for tracker in trackers:
                tracker.close()
        checkpoints = list_checkpoints(self.folder)
        if not checkpoints:
            raise CheckpointError(f"{self.folder} holds no checkpoint although the training ended; was it removed?")
        result_ = TrainResult(
            checkpoint=checkpoints[-1],
            step=state.step,
            total_steps=self.total_steps,
            skipped_steps=int(state.skipped.total),
            seconds=time.monotonic() - self.started,
            interrupted=interrupted,
            out_of_time=self.out_of_time and not interrupted,
            validation=self.validation,
        )
        self.reporter.finish(result_)
        return result_

    def _agree_to_stop(self, requested: bool) -> bool:
        """Whether any rank was asked to stop; CUDA ranks, which wait for their devices then, ask when they log."""
        if self.world.size > 1 and self.device.type == "cuda" and not self._due(self.settings.output.log_every):
            return False
        return self.world.any(requested, self.device)

    def _due(self, every: int) -> bool:
        """Whether something done every so many steps is due after this one; the last step always is."""
        return self.state.step % every == 0 or self._done

    @property
    def _done(self) -> bool:
        stopping = self.state.stopping
        return self.state.step == self.total_steps or (stopping is not None and stopping.done)

    @property
    def _decay_begins(self) -> bool:
        """Whether this is the last moment of the stable phase, off which longer runs can branch."""
        return self.state.step == decay_step(self.settings.schedule, self.total_steps)

    def _keep_to_time(self, trackers: list[Tracker]) -> bool:
        """Begin or shorten the decay, or stop, where `training.max_hours` asks for it; the same on every rank.

        Returns:
            Whether a checkpoint was saved: before a decay is decided, so that longer runs can branch off it.
        """
        if self.limit is None:
            return False
        self.limit.add_step(time.monotonic() - self._step_began)
        output, step = self.settings.output, self.state.step
        often = {"validate_every": output.validate_every, "save_freq": output.save_freq}
        room = int(self.world.from_main(self.limit.room(**often), self.device))
        course = course_in_time(self.settings.schedule, step, self.total_steps, room)
        if course is None:
            self.out_of_time = room == 0 and not self._done
            if self.total_steps is None:
                self.reporter.length(step + room)
            return False
        planned = decay_step(self.settings.schedule, self.total_steps)
        begins = planned is None or planned >= step
        if begins:
            self._save()
            self.reporter.message(
                f"The learning rate falls from step {step} to the last, step {course.total_steps}: so many steps of "
                f"{self.limit.step_seconds(**often):.2g} s fit into {self.settings.training.max_hours:g} hours."
            )
        self._follow(course, trackers)
        return begins

    def _follow(self, course: Course, trackers: list[Tracker]) -> None:
        """Go on by another course, which is part of the settings from now on, and so of every checkpoint."""
        schedule = self.settings.schedule.model_copy(update={"decay_start": course.decay_start})
        length = {"max_steps": course.total_steps, "epochs": None}
        training = self.settings.training.model_copy(update=length)
        self.settings = self.settings.model_copy(update={"schedule": schedule, "training": training})
        self.stepper.settings, self.stepper.total_steps = self.settings, course.total_steps
        self.total_steps = course.total_steps
        self.reporter.length(course.total_steps)
        for tracker in trackers:
            named = {"schedule/decay_start": course.decay_start, "schedule/total_steps": course.total_steps}
            tracker.log(self.state.step, named)

    def _batches(self, until: int | None) -> Iterator[list[Batch]]:
        """The batches of each remaining optimiser step, up to `until`."""
        accumulate = self.settings.training.accumulate
        ends = [end for end in (self.total_steps, until) if end is not None]
        batches = training_batches(
            self.train_images,
            self.plan,
            augmentation(self.settings),
            drawn=drawn_pictures(self.settings),
            start_step=self.state.step * accumulate,
            end_step=None if not ends else min(ends) * accumulate,
            num_workers=self.settings.data.num_workers,
            pin_memory=self.device.type == "cuda",
        )
        return iter(lambda: list(itertools.islice(batches, accumulate)), [])

    def _note_bad_files(self, batches: list[Batch]) -> None:
        for batch in batches:
            for bad in batch.bad_files:
                self.reporter.message(f"Skipped an unreadable file ({batch.bad_file_count} so far): {bad.reason}")

    def _log(self, trackers: list[Tracker], step_metrics: Callable[[], dict[str, float]]) -> dict[str, float]:
        self.stepper.check()
        metrics = {**step_metrics(), **self.state.balancer.metrics()}
        metrics["train/skipped_steps"] = float(self.state.skipped.total)
        # At a variable rate every image has its own lambda: the ratio multiplies each, and there is no one number.
        if "lmbda_eff_ratio" in metrics and not self.settings.loss.variable_rate:
            metrics["lmbda_eff"] = metrics["lmbda_eff_ratio"] * self.settings.loss.lmbda
        timed = {**metrics, "time/seconds": time.monotonic() - self.started}
        for tracker in trackers:
            tracker.log(self.state.step, timed)
        return metrics

    def _validate(self, trackers: list[Tracker]) -> None:
        began = time.monotonic()
        if self.world.is_main:
            lmbdas = validation_lmbdas(self.settings)
            self.validation = validate(self.state.coding_model, self.state.loss, self.validation_images, lmbdas)
            named = {f"val/{name}": value for name, value in self.validation.items()}
            timed = {**named, "time/seconds": time.monotonic() - self.started}
            for tracker in trackers:
                tracker.log(self.state.step, timed)
            self.reporter.validation(self.state.step, named)
        self.world.wait()
        self._stop_early(trackers)
        if self.limit is not None:
            self.limit.validation_seconds = time.monotonic() - began

    def _stop_early(self, trackers: list[Tracker]) -> None:
        """Let early stopping look at the validation, the same on every rank."""
        stopping = self.state.stopping
        if stopping is None:
            return
        names = {"j", *stopping.watches}
        values = {name: self.world.from_main(self.validation.get(name, 0.0), self.device) for name in sorted(names)}
        for name in stopping.note(self.state.step, values, self.state.coding_model.state_dict()):
            self.state.stop_part(name)
            what = f"Scale {name} stops" if name in SCALES else "The training stops"
            rule = stopping.settings.rule
            self.reporter.message(f"{what} after step {self.state.step}: its validation loss has not fallen{rule}.")
        if stopping.done:
            best = f"J {stopping.best_j:.4f}, of step {stopping.best_step}"
            self.reporter.message(f"Nothing is left to train. The best weights, {best}, are kept.")
        named = {f"stopped/{name}": float(watch.stopped) for name, watch in stopping.watches.items()}
        for tracker in trackers:
            tracker.log(self.state.step, {**named, "val/best_j": stopping.best_j})

    def _save(self) -> None:
        began = time.monotonic()
        decay = decay_step(self.settings.schedule, self.total_steps)
        if self.world.is_main:
            save_checkpoint(
                self.folder,
                self.state.step,
                self.settings,
                weights=self.state.coding_weights(),
                trainer_state=self.state.state_dict(),
                stable_until=decay if decay is not None and decay < self.state.step else None,
            )
        self.world.wait()
        if self.limit is not None:
            self.limit.saving_seconds = time.monotonic() - began


def _same_folder(first: Path, second: Path) -> bool:
    return first.resolve() == second.resolve()
