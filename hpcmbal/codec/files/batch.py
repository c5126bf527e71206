"""Work on many jobs: in threads here, or as tasks of an engine. A file that fails does not stop the others."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from hpcmbal.codec.files.job import STREAM, Job, Outcome
from hpcmbal.codec.files.plan import Plan
from hpcmbal.errors import HpcmbalError, HpcmbalWarning
from hpcmbal.output_checks import check_outputs
from hpcmbal.settings.section import expanded

if TYPE_CHECKING:
    from hpcmbal.engines.engine import Engine, Lost

Work: TypeAlias = Callable[[Job], Outcome]
_current = threading.local()


class Watcher:
    """Is told how a batch goes on; this one does nothing."""

    def begin(self, plan: Plan) -> None:
        """The work on `plan.jobs` begins."""

    def worked(self, share: float) -> None:
        """So much of the work on a single file is done, 0 to 1; told only by work that takes long."""

    def ended(self, outcome: Outcome) -> None:
        """A file is done, or has failed."""

    def stopping(self, in_work: int) -> None:
        """Ctrl-C was pressed: so many files are finished, and no other is begun."""


@dataclass(frozen=True)
class Batch:
    """What became of all files.

    Attributes:
        outcomes: Of the jobs that were begun, in their order.
        plan: What was to be done.
        interrupted: Ctrl-C ended it before all jobs were begun.
    """

    outcomes: tuple[Outcome, ...]
    plan: Plan
    interrupted: bool = False

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The outcomes with an error."""
        return tuple(outcome for outcome in self.outcomes if outcome.error is not None)


@dataclass(frozen=True)
class Attempt:
    """Work on a job, an error being its outcome; picklable if the work is."""

    work: Work
    force: bool

    def __call__(self, job: Job) -> Outcome:
        """Do the job."""
        start = time.perf_counter()
        _current.warnings = []
        try:
            _check_target(job, self.force)
            outcome = self.work(job)
        except (HpcmbalError, OSError) as error:
            outcome = Outcome(job, error=_naming_the_file(error, job))
        return dataclasses.replace(outcome, seconds=time.perf_counter() - start, warnings=tuple(_current.warnings))


@dataclass(frozen=True)
class _RemoteAttempt(Attempt):
    """The same in a process of an engine."""

    def __call__(self, job: Job) -> Outcome:
        """Do the job."""
        with _warnings_kept():
            return super().__call__(job)


def run_batch(plan: Plan, work: Work, watcher: Watcher, *, force: bool, workers: int) -> Batch:
    """Do all jobs in threads of this process, which share whatever the work has loaded.

    After Ctrl-C the files in work are finished and the others are left; a second Ctrl-C raises `KeyboardInterrupt`.
    """
    watcher.begin(plan)
    attempt = Attempt(work, force)
    with _warnings_kept():
        if len(plan.jobs) > 1:
            return _in_threads(plan, attempt, watcher, workers)
        outcomes = tuple(attempt(job) for job in plan.jobs)  # nothing to share, and Ctrl-C ends it at once
        for outcome in outcomes:
            watcher.ended(outcome)
    return Batch(outcomes, plan)


def _in_threads(plan: Plan, attempt: Attempt, watcher: Watcher, workers: int) -> Batch:
    pool = ThreadPoolExecutor(workers)
    futures = [pool.submit(attempt, job) for job in plan.jobs]
    interrupted = False
    try:
        for future in as_completed(futures):
            watcher.ended(future.result())
    except KeyboardInterrupt:
        interrupted = True
        pool.shutdown(wait=False, cancel_futures=True)
        running = [future for future in futures if future.running()]
        watcher.stopping(len(running))
        wait(running)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return Batch(_results(futures), plan, interrupted)


def run_batch_on(engine: Engine, plan: Plan, work: Work, watcher: Watcher, *, force: bool) -> Batch:
    """Do all jobs as tasks of `engine`: other processes, perhaps of other machines; the same files come out.

    Args:
        engine: Where.
        plan: Paths mean the same on every machine.
        work: Picklable.
        watcher: Is told how it goes on.
        force: Allow outputs that exist.
    """
    watcher.begin(plan)
    tasks = [Job(_everywhere(job.source), _everywhere(job.target)) for job in plan.jobs]
    outcomes: dict[int, Outcome] = {}
    interrupted = False

    def keep(index: int, result: Outcome | Lost) -> None:
        if not isinstance(result, Outcome):
            result = Outcome(tasks[index], error=HpcmbalError(f"{tasks[index].source}: not done: {result.reason}"))
        outcomes[index] = dataclasses.replace(result, job=plan.jobs[index])
        watcher.ended(outcomes[index])

    try:
        engine.run(_RemoteAttempt(work, force), tasks, keep)
    except KeyboardInterrupt:
        interrupted = True
    return Batch(tuple(outcomes[index] for index in sorted(outcomes)), plan, interrupted)


def _results(futures: Sequence[Future[Outcome]]) -> tuple[Outcome, ...]:
    return tuple(future.result() for future in futures if future.done() and not future.cancelled())


def _everywhere(path: Path) -> Path:
    """The path as processes find it that were started in another folder."""
    return expanded(path).absolute()


def _check_target(job: Job, force: bool) -> None:
    if job.target != STREAM:
        check_outputs([job.target], force=force)


def _naming_the_file(error: HpcmbalError | OSError, job: Job) -> HpcmbalError | OSError:
    """Every error names its file."""
    if isinstance(error, HpcmbalError):
        told = str(error)
        if not any(str(path) in told for path in (job.source, job.target)):
            error.args = (f"{job.source}: {error.args[0]}", *error.args[1:])
    elif error.filename is None and error.errno is not None:
        return OSError(error.errno, os.strerror(error.errno), str(job.target))
    return error


@contextmanager
def _warnings_kept() -> Iterator[None]:
    """Keep warnings about pictures for the outcome of the thread that they come from; show others as Python does."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", HpcmbalWarning)
        show = warnings.showwarning

        def keep(message: Warning | str, category: type[Warning], *details: object) -> None:
            if issubclass(category, HpcmbalWarning):
                _current.warnings.append(str(message))
            else:
                show(message, category, *details)  # type: ignore[arg-type]

        warnings.showwarning = keep  # type: ignore[assignment]
        yield
