"""What a training shows while it runs: a live bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Table
from rich.text import Text

from hpcmbal.cli.text import clock_text, message

if TYPE_CHECKING:
    from hpcmbal.training.result import TrainResult

LINE_SECONDS = 10.0
"""Smallest pause between two lines where there is no terminal."""

PACE_SECONDS = 30.0
"""Over how much of the last time the pace is taken."""

_SHOWN = (("j", "J", "{:.3f}"), ("bpp", "bpp", "{:.4f}"), ("psnr_db", "PSNR", "{:.2f} dB"))
_WEIGHTS, _EFFECTIVE, _CONTRIBUTIONS, _GAMMA = "weights/", "effective_weights/", "scale_contrib/", "gamma/"


def describe(metrics: Mapping[str, float]) -> str:
    """J, bpp and PSNR in one line, as far as they are known: `J 2.613  bpp 0.4012  PSNR 27.11 dB`."""
    parts = []
    for name, label, form in _SHOWN:
        value = next((metrics[key] for key in (name, f"train/{name}", f"val/{name}") if key in metrics), None)
        if value is not None:
            parts.append(f"{label} {form.format(value)}")
    return "  ".join(parts)


def task_weights(metrics: Mapping[str, float]) -> dict[str, float]:
    """The tasks' weights in `metrics`, by task."""
    return {key.removeprefix(_WEIGHTS): value for key, value in metrics.items() if key.startswith(_WEIGHTS)}


def build_reporter(*, to_stderr: bool = False, step_seconds: float | None = None) -> TerminalReporter | LineReporter:
    """A live display for a terminal, or plain lines; on standard error if standard output is for data.

    Args:
        to_stderr: Standard output is for data.
        step_seconds: What a step took in the pre-flight: the speed that is shown until a step is done.
    """
    console = Console(stderr=to_stderr, highlight=False)
    pace = Pace(step_seconds)
    return TerminalReporter(console, pace) if console.is_terminal else LineReporter(console, pace=pace)


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Something that moves on a terminal while nothing else is shown."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield
        return
    with console.status(f"{text} ..."):
        yield


class Pace:
    """How fast a training goes: steps per second of the last half minute of training, validations left out.

    Args:
        step_seconds: What a step took in the pre-flight: what is told until a step without a validation is done.
        clock: Seconds.
    """

    def __init__(self, step_seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._measured = 1 / step_seconds if step_seconds else None
        self._clock = clock
        self._recent: deque[tuple[float, int]] = deque()
        self.begin(0)

    def begin(self, step: int) -> None:
        """The training begins after `step` steps."""
        self._step, self._since = step, self._clock()
        self._counts = True

    def interrupted(self) -> None:
        """Something else was done since the last step."""
        self._counts = False

    def step(self, step: int) -> None:
        """`step` steps are done."""
        now = self._clock()
        if self._counts and step > self._step:
            self._recent.append((now - self._since, step - self._step))
            while sum(seconds for seconds, _ in self._recent) > PACE_SECONDS and len(self._recent) > 1:
                self._recent.popleft()
        self._step, self._since, self._counts = step, now, True

    def told(self, steps_left: float | None) -> str:
        """Steps per second and the time that so many steps take: `1.25 steps/s  0:40 left`."""
        seconds = sum(seconds for seconds, _ in self._recent)
        speed = sum(steps for _, steps in self._recent) / seconds if seconds else self._measured
        if not speed:
            return "-.-- steps/s"
        left = "" if steps_left is None else f"  {clock_text(steps_left / speed)} left"
        return f"{speed:.2f} steps/s{left}"


class LineReporter:
    """A line per validation and message, and at most one every ten seconds about the steps."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic, pace: Pace | None = None) -> None:
        self._console = console
        self._clock = clock
        self._total = 0
        self._spoke_at = 0.0
        self._pace = pace or Pace(clock=clock)
        self._metrics: Mapping[str, float] = {}

    def __enter__(self) -> Self:
        """Nothing to prepare."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to tidy up."""

    def start(self, total_steps: int | None, initial_step: int) -> None:
        """The training begins at `initial_step` (0, or where it resumes) of `total_steps`, if that is known."""
        self._total = total_steps or 0
        self._pace.begin(initial_step)
        self._spoke_at = self._clock()

    def length(self, total_steps: int) -> None:
        """There will be `total_steps` steps."""
        self._total = total_steps

    def step(self, step: int, metrics: Mapping[str, float]) -> None:
        """`step` steps are done; `metrics` of the last one, empty between two lines of the log."""
        self._metrics = metrics or self._metrics
        self._pace.step(step)
        now = self._clock()
        if now - self._spoke_at < LINE_SECONDS and step != self._total:
            return
        self._spoke_at = now
        pace = self._pace.told(self._total - step)
        self._line(f"step {step}/{self._total}  {pace}  {describe(self._metrics)}")
        weights = task_weights(self._metrics)
        if weights:
            self._line("  weights " + "  ".join(f"{name} {value:.3f}" for name, value in weights.items()))

    def validation(self, step: int, metrics: Mapping[str, float]) -> None:
        """The validation images were coded with the weights after `step` steps."""
        self._pace.interrupted()
        self._line(f"validation at step {step}: {describe(metrics)}")

    def message(self, text: str) -> None:
        """Something worth a line."""
        self._line(text)

    def finish(self, result: TrainResult) -> None:
        """The training is over; a line says how."""
        self._line(result.summary)

    def _line(self, text: str) -> None:
        self._console.print(message(text.rstrip()), markup=False, soft_wrap=True)


class TerminalReporter:
    """A progress bar with speed, time left, J, bpp and PSNR; beneath it the tasks' weights while they are balanced."""

    def __init__(self, console: Console, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()
        self._progress = _TrainingProgress(console, self._pace)
        self._lines = LineReporter(console, pace=self._pace)

    def __enter__(self) -> Self:
        """Nothing is shown before `start`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was found, whatever happened."""
        self._progress.stop()

    def start(self, total_steps: int | None, initial_step: int) -> None:
        """Show the bar."""
        self._pace.begin(initial_step)
        self._task = self._progress.add_task("training", total=total_steps, completed=initial_step, numbers="")
        self._progress.start()

    def length(self, total_steps: int) -> None:
        """Draw the bar for another length."""
        self._progress.update(self._task, total=total_steps)

    def step(self, step: int, metrics: Mapping[str, float]) -> None:
        """Move the bar."""
        self._pace.step(step)
        self._progress.update(self._task, completed=step)
        if metrics:
            self._progress.update(self._task, numbers=describe(metrics))
            self._progress.balance = dict(metrics)

    def validation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write a line above the bar."""
        self._lines.validation(step, metrics)

    def message(self, text: str) -> None:
        """Write a line above the bar."""
        self._lines.message(text)

    def finish(self, result: TrainResult) -> None:
        """Stop the bar and say how it ended."""
        self._progress.stop()
        self._lines.finish(result)


class _TrainingProgress(Progress):
    """The bar, and a table of the balance once there are weights to show."""

    def __init__(self, console: Console, pace: Pace) -> None:
        self.balance: dict[str, float] = {}
        super().__init__(
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _PaceColumn(pace),
            TextColumn("{task.fields[numbers]}"),
            console=console,
            refresh_per_second=2,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """What is drawn at every refresh."""
        yield self.make_tasks_table(self.tasks)
        if task_weights(self.balance):
            yield balance_table(self.balance)


class _PaceColumn(ProgressColumn):
    """Steps per second and the time left."""

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace

    def render(self, task: Task) -> Text:
        left = None if task.total is None else task.total - task.completed
        return Text(self._pace.told(left), style="progress.data.speed")


def balance_table(metrics: Mapping[str, float]) -> Table:
    """Each task's loss, its weight (softmax of the logits), the weight in effect, and its gamma."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("task", style="cyan")
    for title in ("loss", "weight", "effective", "gamma"):
        table.add_column(title, justify="right")
    for task, weight in task_weights(metrics).items():
        loss = metrics.get(f"train/{task}", metrics.get(task))
        effective = metrics.get(f"{_EFFECTIVE}{task}")
        gamma = metrics.get(f"{_GAMMA}{task.partition('_')[0]}", metrics.get(f"{_GAMMA}s1"))  # two tasks share s1's
        table.add_row(task, _number(loss), _number(weight), _number(effective), _number(gamma, digits=4))
    contributions = {key: value for key, value in metrics.items() if key.startswith(_CONTRIBUTIONS)}
    if contributions:
        text = "  ".join(f"{key.removeprefix(_CONTRIBUTIONS)} {value:.3f}" for key, value in contributions.items())
        table.caption, table.caption_justify = f"scale contributions  {text}", "left"
    return table


def _number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"
