"""What a batch of files shows: a bar while it runs, then a line or a table, and what failed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from hpcmbal.cli.text import EXIT_INTERRUPTED, EXIT_OS_ERROR, error_text, print_table, say
from hpcmbal.codec.files.batch import Batch, Watcher
from hpcmbal.codec.files.job import Outcome
from hpcmbal.errors import SettingsError, setting
from hpcmbal.output_checks import OutputExistsError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from hpcmbal.codec.files.plan import Plan
    from hpcmbal.settings.coding import FilesSettings

SHOWN_EXISTING = 3


class BatchView(Watcher):
    """A bar over the files on a terminal, and warnings as lines."""

    def __init__(self, progress: Progress) -> None:
        self.stopping_since_interrupt = False
        self._progress = progress
        self._task: TaskID | None = None

    def begin(self, plan: Plan) -> None:
        """Show the bar, and what is left out."""
        if plan.left_out:
            say(f"hpcmbal: {plan.left_out}")
        if len(plan.jobs) > 1:
            self._task = self._progress.add_task("files", total=len(plan.jobs))

    def worked(self, share: float) -> None:
        """Show a bar for a single file."""
        if self._task is None:
            self._task = self._progress.add_task("file", total=1)
        self._progress.update(self._task, completed=min(share, 0.999))

    def ended(self, outcome: Outcome) -> None:
        """Move the bar."""
        for warning in outcome.warnings:
            say(f"hpcmbal: warning: {outcome.job.source}: {warning}")
        if self._task is not None:
            self._progress.advance(self._task)

    def stopping(self, in_work: int) -> None:
        """Say so at once."""
        self.stopping_since_interrupt = True
        files = "1 file" if in_work == 1 else f"{in_work} files"
        say(f"hpcmbal: interrupted: {files} in work will be finished; Ctrl-C again ends at once.")


@contextmanager
def batch_view() -> Iterator[BatchView]:
    """Show a batch; a second Ctrl-C leaves the process at once, whatever its threads are doing."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        view = BatchView(progress)
        try:
            yield view
        except KeyboardInterrupt:
            if view.stopping_since_interrupt:
                progress.stop()
                say("hpcmbal: interrupted.")
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(EXIT_INTERRUPTED)
            raise


def check_json(settings: FilesSettings, *, as_json: bool) -> None:
    """Refuse `--json` where standard output is for the file itself.

    Raises:
        SettingsError: It is.
    """
    if as_json and settings.writes_stream:
        raise SettingsError("--json and the file itself would both go to standard output. Give --output a name.")


def report(batch: Batch, *, as_json: bool, describe: Callable[[Outcome], str]) -> None:
    """Tell what became of the files: one line, or a table on standard error; JSON on standard output.

    Args:
        batch: All of them.
        as_json: Write JSON; errors are told all the same.
        describe: The line about a single file.

    Raises:
        typer.Exit: A file failed, with the exit code of the first failure; or Ctrl-C was pressed, with 130.
        HpcmbalError: The only file failed.
        OSError: Likewise.
    """
    if as_json:
        typer.echo(json.dumps([_as_json(outcome) for outcome in batch.outcomes], indent=1, allow_nan=False))
    done = [outcome for outcome in batch.outcomes if outcome.error is None]
    if len(batch.plan.jobs) == 1 and not batch.plan.done_before:
        if batch.failed and batch.failed[0].error is not None:
            raise batch.failed[0].error
        if not as_json:
            say(describe(done[0]))
        return
    if done and not as_json:
        _show_table(done)
    if batch.plan.done_before:
        say(f"hpcmbal: {_files(len(batch.plan.done_before))} left out, as the output exists.")
    _show_failures(batch)


def _show_failures(batch: Batch) -> None:
    failed = batch.failed
    existing = [outcome.job.target for outcome in failed if isinstance(outcome.error, OutputExistsError)]
    for outcome in failed:
        if outcome.job.target not in existing:
            say(f"hpcmbal: {_error(outcome)}")
    if existing:
        names = ", ".join(map(str, existing[:SHOWN_EXISTING])) + (", ..." if len(existing) > SHOWN_EXISTING else "")
        say(
            f"hpcmbal: {_files(len(existing))} not written, as the output exists ({names}): {setting('skip_existing')} "
            f"leaves them out, {setting('force')} overwrites them."
        )
    if batch.interrupted:
        say(f"hpcmbal: interrupted with {len(batch.outcomes)} of {_files(len(batch.plan.jobs))} done.")
        raise typer.Exit(EXIT_INTERRUPTED)
    if len(failed) > len(existing):
        rest = "" if len(failed) == len(batch.outcomes) else "; the others are done"
        say(f"hpcmbal: {len(failed)} of {_files(len(batch.outcomes))} failed{rest}.")
    if failed:
        raise typer.Exit(getattr(failed[0].error, "exit_code", EXIT_OS_ERROR))


def _show_table(done: list[Outcome]) -> None:
    with_psnr = any(outcome.psnr_db is not None for outcome in done)
    with_coding = any(outcome.quality is not None or outcome.lossless for outcome in done)
    extra = [*(["Quality"] if with_coding else []), *(["PSNR"] if with_psnr else [])]
    titles = ["File", "Before", "After", "bpp", *extra, "Seconds"]
    rows = [
        [
            str(outcome.job.source),
            f"{outcome.bytes_before:,}",
            f"{outcome.bytes_after:,}",
            f"{outcome.bpp:.3f}",
            *([quality_text(outcome)] if with_coding else []),
            *([psnr_text(outcome)] if with_psnr else []),
            f"{outcome.seconds:.2f}",
        ]
        for outcome in done
    ]
    print_table(titles, rows, right=titles[1:], to_stderr=True)


def psnr_text(outcome: Outcome) -> str:
    """The PSNR of a verified file: `31.24 dB`, or `exact`."""
    if outcome.psnr_db is None:
        return ""
    return "exact" if outcome.psnr_db == float("inf") else f"{outcome.psnr_db:.2f} dB"


def quality_text(outcome: Outcome) -> str:
    """The quality that was found for a file: `43.2`, or `lossless`."""
    if outcome.lossless:
        return "lossless"
    return "" if outcome.quality is None else f"{outcome.quality:.2f}"


def _as_json(outcome: Outcome) -> dict[str, Any]:
    exact, done = outcome.psnr_db == float("inf"), outcome.error is None
    return {
        "source": str(outcome.job.source),
        "target": str(outcome.job.target),
        "bytes_before": outcome.bytes_before if done else None,
        "bytes_after": outcome.bytes_after if done else None,
        "bpp": outcome.bpp if done else None,
        "psnr_db": None if exact else outcome.psnr_db,
        "exact": exact if outcome.psnr_db is not None else None,
        "quality": outcome.quality,
        "lossless": outcome.lossless,
        "seconds": outcome.seconds,
        "warnings": list(outcome.warnings),
        "error": _error(outcome) or None,
    }


def _error(outcome: Outcome) -> str:
    return "" if outcome.error is None else error_text(outcome.error)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
