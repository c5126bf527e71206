"""Tasks in processes of this machine, so many at once, each with its share of the processors."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any, cast

from hpcmbal.engines.engine import Lost, Result, Task
from hpcmbal.engines.threads import VARIABLES, available_cpus
from hpcmbal.errors import HpcmbalError, SettingsError, setting

ATTEMPTS = 2
"""How often a task is started whose process is killed."""


class LocalEngine:
    """Runs every task in a fresh process.

    A killed process is started once more, then its task is `Lost`. Ctrl-C and SIGTERM to this process become SIGTERM to
    the others, which are waited for; a second Ctrl-C kills them. If this process is killed, they end at once.

    Args:
        jobs: Tasks at once.
        threads: Threads of each; the processors divided by `jobs` if not given.

    Raises:
        SettingsError: `jobs` is not positive.
    """

    def __init__(self, jobs: int = 1, threads: int | None = None) -> None:
        if jobs < 1:
            raise SettingsError(f"{setting('jobs')} must be at least 1, found {jobs}.")
        self.jobs = jobs
        self.threads = threads or max(1, available_cpus() // jobs)

    def run(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        on_result: Callable[[int, Result | Lost], None],
    ) -> None:
        """Call `function` for every task; see `Engine.run`."""
        waiting = deque(range(len(tasks)))
        attempts: Counter[int] = Counter()
        running: dict[Connection, _Job] = {}
        with _sigterm_as_ctrl_c():
            try:
                while waiting or running:
                    while waiting and len(running) < self.jobs:
                        index = waiting.popleft()
                        attempts[index] += 1
                        job = _start(index, pickle.dumps((function, tasks[index])), self.threads)
                        running[job.connection] = job
                    for connection in wait(list(running)):
                        job = running.pop(cast("Connection", connection))
                        outcome = job.outcome()
                        if isinstance(outcome, Lost) and attempts[job.index] < ATTEMPTS:
                            waiting.appendleft(job.index)
                        else:
                            on_result(job.index, outcome)
            finally:
                _stop(list(running.values()))


@dataclass(frozen=True)
class _Job:
    """A running process, and the end of the pipe through which its answer comes."""

    index: int
    process: SpawnProcess
    connection: Connection

    def outcome(self) -> Any:
        """What the process answered, once its pipe has something or is closed."""
        try:
            kind, content = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            return Lost(_ending(self.process.exitcode or 0))
        finally:
            self.connection.close()
        self.process.join()
        if kind == "error":
            exit_code, message = content
            error = HpcmbalError(message)
            error.exit_code = exit_code
            raise error
        if kind == "defect":
            raise RuntimeError(f"A task ended with an exception:\n{content}")
        return content


def _ending(exit_code: int) -> str:
    if exit_code == -signal.SIGKILL:
        return f"killed {ATTEMPTS} times by signal 9 (SIGKILL), which is how Linux ends processes when memory runs out"
    if exit_code < 0:
        return f"killed {ATTEMPTS} times by signal {-exit_code} ({signal.Signals(-exit_code).name})"
    return f"its process ended {ATTEMPTS} times without an answer, with exit code {exit_code}"


def _start(index: int, task: bytes, threads: int) -> _Job:
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    # Categories of libraries would be imported with their filters, before the number of threads is set.
    filters = [item for item in warnings.filters if item[2].__module__ == "builtins"]
    # Not a daemon: those may not have the processes of their own that load images.
    process = context.Process(target=_work, args=(theirs, task, threads, filters))
    # The new process inherits the mask: a terminal's Ctrl-C reaches only this process, which asks the others to stop.
    # The tracker is started first, because starting it lifts the mask.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return _Job(index, process, ours)


def _stop(jobs: Sequence[_Job]) -> None:
    """Ask processes to save and stop, and wait until they have; kill them if that is interrupted."""
    for job in jobs:
        job.process.terminate()
    try:
        for job in jobs:
            job.process.join()
    finally:
        for job in jobs:
            job.process.kill()
            job.process.join()


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _work(connection: Connection, task: bytes, threads: int, filters: list[Any]) -> None:
    """What a process does: one task, and its answer into the pipe."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for name in VARIABLES:
        os.environ[name] = str(threads)
    warnings.filters[:] = filters  # type: ignore[index]
    connection.send(_answer(task, threads))
    connection.close()


def _answer(task: bytes, threads: int) -> tuple[str, object]:
    try:
        function, argument = pickle.loads(task)  # noqa: S301 - made by this program a moment ago
        if (torch := sys.modules.get("torch")) is not None:
            torch.set_num_threads(threads)
        return "result", function(argument)
    except KeyboardInterrupt:  # it was asked to stop, and saved
        sys.exit(128 + signal.SIGTERM)
    except HpcmbalError as error:
        return "error", (error.exit_code, str(error))
    except Exception:  # noqa: BLE001 - a process boundary: the traceback is shown by the parent
        return "defect", traceback.format_exc()


def _end_with_parent() -> None:
    """An orphan would go on writing into a folder in which a restarted study works too."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
