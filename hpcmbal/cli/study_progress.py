"""What a study shows while it runs: one bar over all of it and a line for each running run, or plain lines."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from hpcmbal.cli.text import clock_text, message

if TYPE_CHECKING:
    from hpcmbal.ablation.plan.plan import PlannedRun
    from hpcmbal.ablation.run.records import RunRecord

LOOK_SECONDS = 1.0
LINE_SECONDS = 30.0
"""Pause between two lines about the whole study where there is no terminal."""


class StepsOfRuns(Protocol):
    """Knows how far runs are: `hpcmbal.ablation.run.run_watch.StudyWatch`."""

    def steps(self) -> dict[str, int]:
        """Steps done, by the run's name."""

    def running(self) -> list[str]:
        """Names of runs that are going on."""


def build_progress(
    folder: Path, runs: Sequence[PlannedRun], steps: Mapping[str, int], *, to_stderr: bool = False
) -> StudyProgress:
    """The progress of `runs`, each of so many `steps` by its name, in the study's `folder`."""
    from hpcmbal.ablation.run.run_watch import StudyWatch

    console = Console(stderr=to_stderr, highlight=False)
    return StudyProgress(console, StudyWatch(folder, runs), {run.name: steps[run.name] for run in runs})


class StudyProgress:
    """A context in which a thread looks at the runs and draws.

    Args:
        console: Where to show it.
        watch: Knows how far the runs are.
        totals: Steps of each run, by its name.

    Attributes:
        ended: Runs that ended, well or not.
    """

    def __init__(self, console: Console, watch: StepsOfRuns, totals: Mapping[str, int]) -> None:
        self.ended = 0
        self._console, self._watch, self._totals = console, watch, totals
        self._ended: set[str] = set()
        self._before: int | None = None
        self._since: tuple[float, int] | None = None
        self._spoke_at = time.monotonic()
        self._display = _Display(console, totals) if console.is_terminal and totals else None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, name="study-progress", daemon=True)

    def __enter__(self) -> Self:
        """Begin to look."""
        if self._display is not None:
            self._display.live.start()
        if self._totals:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was found."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._display is not None:
            self._display.live.stop()

    def record(self, run: PlannedRun, records: Sequence[RunRecord]) -> None:
        """A run has ended: a line says how, with the last horizon's results at the ends of its curve."""
        self.ended += 1
        self._ended.add(run.name)
        failed = next((record for record in records if record.status == "failed"), None)
        last = [record for record in records if record.horizon == records[-1].horizon]
        ends = {record.lmbda: record for record in (last[0], last[-1])}.values()
        if failed is not None:
            how = f"failed: {failed.reason}"
        else:
            how = ", ".join(f"J {end.j:.3f}  bpp {end.bpp:.4f}  PSNR {end.psnr_db:.2f} dB" for end in ends)
        self._say(f"{self.ended}/{len(self._totals)}  {run.name}: {how}")

    def _look(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            done = self._watch.steps()
            done |= {name: self._totals[name] for name in self._ended}
            running = [name for name in self._watch.running() if name not in self._ended]
            if self._display is not None:
                self._display.show(done, running, self.ended)
            else:
                self._line(sum(done.values()))

    def _line(self, done: int) -> None:
        """A plain line now and then, with the speed since this call's first steps were seen."""
        now = time.monotonic()
        if self._before is None:
            self._before = done
        elif self._since is None and done != self._before:
            self._since = now, done
        if now - self._spoke_at < LINE_SECONDS:
            return
        self._spoke_at = now
        total = sum(self._totals.values())
        told = f"step {done:,}/{total:,} of all runs"
        if self._since is not None and done > self._since[1]:
            speed = (done - self._since[1]) / (now - self._since[0])
            told += f"  {speed:.2f} steps/s  {clock_text((total - done) / speed)} left"
        self._say(told)

    def _say(self, text: str) -> None:
        self._console.print(message(text), markup=False, soft_wrap=True)


class _Display:
    """One bar over the study, and beneath it the runs that are going on."""

    def __init__(self, console: Console, totals: Mapping[str, int]) -> None:
        self._totals = totals
        self._lines: list[str] = []
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("left"),
            speed_estimate_period=120,
        )
        self._task: TaskID | None = None
        self.live = Live(get_renderable=self._renderable, console=console, refresh_per_second=2, transient=True)

    def show(self, done: Mapping[str, int], running: Sequence[str], ended: int) -> None:
        """Take over what was seen."""
        completed, total = sum(done.values()), sum(self._totals.values())
        text = f"{ended}/{len(self._totals)} runs"
        if self._task is None:
            self._task = self._bar.add_task(text, total=total, completed=completed)
        self._bar.update(self._task, completed=completed, description=text)
        self._lines = [f"  {name}: step {done.get(name, 0):,} of {self._totals[name]:,}" for name in running]

    def _renderable(self) -> RenderableType:
        return Group(self._bar, *(Text(line, overflow="ellipsis", no_wrap=True) for line in self._lines))
