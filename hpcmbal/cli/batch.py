"""Many files through one function: where each output goes, what failed, and a table at the end."""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import typer

from hpcmbal.atomic_file import write_bytes
from hpcmbal.errors import DataError, HpcmbalError, HpcmbalWarning, SettingsError
from hpcmbal.plotting.labels import visible

STANDARD_STREAM = Path("-")
_EXIT_OS_ERROR = 1
_current = threading.local()


@dataclass(frozen=True)
class Job:
    """One file to read and one to write; either may be the standard stream `-`."""

    source: Path
    target: Path


@dataclass
class Outcome:
    """What became of one file.

    Attributes:
        job: Its paths.
        bytes_before, bytes_after: Sizes of the files.
        pixels: Width times height.
        psnr_db: Quality of the decoded picture, if it was measured.
        seconds: Time it took.
        error: Why it failed; None if it did not.
        warnings: About the picture, from a process that cannot show them itself.
    """

    job: Job
    bytes_before: int = 0
    bytes_after: int = 0
    pixels: int = 0
    psnr_db: float | None = None
    seconds: float = 0.0
    error: HpcmbalError | OSError | None = field(default=None)
    warnings: tuple[str, ...] = ()


def plan_jobs(
    inputs: Sequence[Path], output: Path | None, extension: str, in_folder: Callable[[Path], bool]
) -> list[Job]:
    """Pair inputs with outputs.

    Args:
        inputs: Files and folders, or `-` alone. Of a folder, the files that `in_folder` accepts, sorted.
        output: A file for a single input, else a folder; None: beside each input.
        extension: Of the outputs.
        in_folder: Which files of a folder are meant.

    Raises:
        SettingsError: The paths do not go together.
        DataError: A folder holds nothing to do, or two inputs would have the same output.
    """
    if STANDARD_STREAM in inputs:
        if len(inputs) > 1:
            raise SettingsError("'-' (standard input) stands alone. Found other inputs beside it.")
        return [Job(STANDARD_STREAM, output or STANDARD_STREAM)]
    sources = [file for path in inputs for file in _files(path, in_folder)]
    many = len(inputs) > 1 or inputs[0].is_dir()
    if output is None:
        targets = [source.with_suffix(extension) for source in sources]
    elif output == STANDARD_STREAM and not many:
        targets = [output]
    elif many or output.is_dir() or str(output).endswith(os.sep):
        if output.exists() and not output.is_dir():
            raise SettingsError(f"With several inputs, --output should be a folder. Found the file {output}.")
        targets = [output / source.with_suffix(extension).name for source in sources]
    else:
        targets = [output]
    jobs = [Job(*pair) for pair in zip(sources, targets, strict=True)]
    _check_distinct(jobs)
    return jobs


@dataclass(frozen=True)
class CheckedWork:
    """Work on a job whose target may have to be spared; picklable if the work is.

    Args:
        work: What to do with each job.
        force: Allow targets that exist.
    """

    work: Callable[[Job], Outcome]
    force: bool

    def __call__(self, job: Job) -> Outcome:
        """Do the job, with the time that it took.

        Raises:
            DataError: The target exists.
        """
        if not self.force and job.target != STANDARD_STREAM and job.target.exists():
            raise DataError(f"{job.target} exists already. Overwrite it with --force, or choose another --output.")
        _current.source = job.source
        start = time.perf_counter()
        outcome = self.work(job)
        outcome.seconds = time.perf_counter() - start
        return outcome

    def attempt(self, job: Job) -> Outcome:
        """Do the job; an error is its outcome."""
        try:
            return self(job)
        except (HpcmbalError, OSError) as error:
            return Outcome(job, error=error)


def run_jobs(jobs: Sequence[Job], work: Callable[[Job], Outcome], *, workers: int, force: bool) -> list[Outcome]:
    """Do all jobs, with a progress bar on a terminal; a file that fails does not stop the others.

    Args:
        jobs: At least one. A single job's error is raised as it is.
        work: What to do with each.
        workers: How many at the same time.
        force: Allow targets that exist; else they count as failures.
    """
    checked = CheckedWork(work, force)
    if len(jobs) == 1:
        with _warnings_as_lines():
            return [checked(jobs[0])]
    outcomes: dict[Job, Outcome] = {}
    with _warnings_as_lines(), progress_bar(len(jobs)) as advance, ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(checked.attempt, job): job for job in jobs}
        for future in as_completed(futures):
            outcomes[futures[future]] = future.result()
            advance()
    return [outcomes[job] for job in jobs]


def report(outcomes: Sequence[Outcome], *, with_psnr: bool = False) -> None:
    """Write the table of a batch and the failures to standard error.

    Raises:
        typer.Exit: A file failed; with the exit code of the first failure.
    """
    from rich.console import Console
    from rich.table import Table

    done = [outcome for outcome in outcomes if outcome.error is None]
    table = Table(box=None, pad_edge=False)
    table.add_column("File", overflow="fold")
    titles = ["Before", "After", "bpp", *(["PSNR"] if with_psnr else []), "Seconds"]
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    for outcome in done:
        row = [f"{outcome.bytes_before:,}", f"{outcome.bytes_after:,}", f"{_bits_per_pixel(outcome):.3f}"]
        if with_psnr:
            row.append("" if outcome.psnr_db is None else f"{outcome.psnr_db:.2f} dB")
        table.add_row(str(outcome.job.source), *row, f"{outcome.seconds:.2f}")
    console = Console(stderr=True, highlight=False)
    if done and len(outcomes) > 1:
        console.print(table)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    for outcome in failed:
        message, source = str(outcome.error), str(outcome.job.source)
        line = message if message.startswith(source) else f"{source}: {message}"
        sys.stderr.write(f"hpcmbal: {visible(line)}\n")
    if failed:
        sys.stderr.write(f"hpcmbal: {len(failed)} of {len(outcomes)} files failed; the others are done.\n")
        raise typer.Exit(getattr(failed[0].error, "exit_code", _EXIT_OS_ERROR))


def read_source(source: Path) -> bytes:
    """The bytes of a job's source."""
    from hpcmbal.images.image_file import read_file

    return sys.stdin.buffer.read() if source == STANDARD_STREAM else read_file(source)


def write_target(target: Path, data: bytes, source: Path) -> None:
    """Write a job's target so that nobody ever sees half a file; not readable by more people than its `source`."""
    if target == STANDARD_STREAM:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    write_bytes(target, data, readable_as=None if source == STANDARD_STREAM else source)


def _files(path: Path, in_folder: Callable[[Path], bool]) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.is_file() and in_folder(file))
    if not found:
        raise DataError(f"{path}: the folder holds no file to work on.")
    return found


def _check_distinct(jobs: Sequence[Job]) -> None:
    seen: dict[Path, Path] = {}
    for job in jobs:
        other = seen.setdefault(job.target.absolute(), job.source)
        if other != job.source:
            raise DataError(f"{other} and {job.source} would both become {job.target}. Do them one at a time.")


def _bits_per_pixel(outcome: Outcome) -> float:
    """Of the compressed file, which is the smaller one but for tiny images: the one with our extension."""
    compressed = outcome.bytes_before if outcome.job.source.suffix == ".hpcm" else outcome.bytes_after
    return 8 * compressed / max(1, outcome.pixels)


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Show our own warnings as one line each, with the file's name; others as Python does."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", HpcmbalWarning)
        show = warnings.showwarning

        def show_line(message: Warning | str, category: type[Warning], *details: object) -> None:
            if issubclass(category, HpcmbalWarning):
                show_warning(getattr(_current, "source", ""), str(message))
            else:
                show(message, category, *details)  # type: ignore[arg-type]

        warnings.showwarning = show_line  # type: ignore[assignment]
        yield


def show_warning(source: object, message: str) -> None:
    """Write a warning about a file as one line."""
    sys.stderr.write(f"hpcmbal: warning: {visible(f'{source}: {message}')}\n")


@contextmanager
def progress_bar(total: int) -> Iterator[Callable[[], None]]:
    """A bar over `total` files on a terminal; call what it gives once for each."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("files", total=total)
        yield lambda: progress.advance(task)
