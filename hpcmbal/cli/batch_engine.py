"""Many files on an engine: other processes, perhaps of other machines, read and write them."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hpcmbal.cli.batch import STANDARD_STREAM, CheckedWork, Job, Outcome, progress_bar, show_warning
from hpcmbal.cli.engine_options import on_every_node
from hpcmbal.engines.engine import Lost
from hpcmbal.errors import HpcmbalError, HpcmbalWarning, SettingsError

if TYPE_CHECKING:
    from hpcmbal.engines.engine import Engine


def run_jobs_on(engine: Engine, jobs: Sequence[Job], work: Callable[[Job], Outcome], *, force: bool) -> list[Outcome]:
    """Do all jobs on `engine`, as `run_jobs` does here; the same files come out.

    Args:
        engine: Where.
        jobs: At least one; paths mean the same on every machine. A single job's error is raised as it is.
        work: What to do with each; picklable.
        force: Allow targets that exist.

    Raises:
        SettingsError: A standard stream, which other machines do not have.
    """
    if any(STANDARD_STREAM in (job.source, job.target) for job in jobs):
        raise SettingsError("'-' (a standard stream) needs --engine local: other machines cannot read or write it.")
    tasks = [Job(on_every_node(job.source), on_every_node(job.target)) for job in jobs]
    outcomes: dict[int, Outcome] = {}
    with progress_bar(len(jobs)) as advance:

        def keep(index: int, result: Outcome | Lost) -> None:
            if isinstance(result, Lost):
                result = Outcome(tasks[index], error=HpcmbalError(f"not done: {result.reason}"))
            for message in result.warnings:
                show_warning(result.job.source, message)
            outcomes[index] = result
            advance()

        engine.run(_RemoteWork(CheckedWork(work, force)), tasks, keep)
    if len(jobs) == 1 and (error := outcomes[0].error) is not None:
        raise error
    return [outcomes[index] for index in range(len(jobs))]


@dataclasses.dataclass(frozen=True)
class _RemoteWork:
    """Work whose warnings travel with the outcome."""

    work: CheckedWork

    def __call__(self, job: Job) -> Outcome:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", HpcmbalWarning)
            outcome = self.work.attempt(job)
        about = tuple(str(warning.message) for warning in caught if issubclass(warning.category, HpcmbalWarning))
        return dataclasses.replace(outcome, warnings=about)
