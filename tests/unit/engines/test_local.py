"""Tasks in processes: answers, killed processes, thread shares, and an end that leaves nobody behind."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hpcmbal.engines.engine import Lost
from hpcmbal.engines.local import LocalEngine
from hpcmbal.errors import HpcmbalError, SettingsError

TASKS = '''
"""Importable by the processes that the engine starts."""
import os, pathlib, signal, time
from hpcmbal.errors import DataError


def double(number):
    return 2 * number


def threads(_):
    return os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"]


def die_at_first(path):
    marker = pathlib.Path(path)
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "second attempt"


def die(path):
    with open(path, "a") as file:
        file.write("x")
    os.kill(os.getpid(), signal.SIGKILL)


def leave(_):
    os._exit(7)


def refuse(text):
    raise DataError(text)


def fail(text):
    raise ZeroDivisionError(text)


def large(count):
    return bytes(count)


def meet(folder):
    """Waits for another task to come, as long as there may be one; says how many were there at once."""
    mine = pathlib.Path(folder, str(os.getpid()))
    mine.touch()
    deadline = time.monotonic() + float(os.environ["MEET_SECONDS"])
    while len(os.listdir(folder)) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    seen = len(os.listdir(folder))
    time.sleep(0.05)  # the other one sees this one, too
    mine.unlink()
    return seen


def save_when_asked(folder):
    """Like a training: SIGTERM lets it save before it ends, SIGINT (a terminal's Ctrl-C) must not reach it."""
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    pathlib.Path(folder, f"started-{os.getpid()}").touch()
    while not asked:
        time.sleep(0.01)
    time.sleep(0.2)
    pathlib.Path(folder, f"saved-{os.getpid()}").touch()
    raise KeyboardInterrupt
'''

DRIVER = """
import sys
sys.path.insert(0, {folder!r})
import engine_tasks
from hpcmbal.engines.local import LocalEngine
if __name__ == "__main__":
    try:
        LocalEngine(jobs=2).run(engine_tasks.save_when_asked, [{folder!r}] * 3, print)
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.fixture
def tasks(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "engine_tasks.py").write_text(TASKS, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "engine_tasks", raising=False)
    import engine_tasks  # type: ignore[import-not-found]

    return engine_tasks


def answers(engine: LocalEngine, function: Callable[[Any], Any], tasks: list[Any]) -> list[Any]:
    found: dict[int, Any] = {}

    def keep(index: int, result: Any) -> None:
        assert index not in found
        found[index] = result

    engine.run(function, tasks, keep)
    return [found[index] for index in range(len(tasks))]


def test_every_task_is_answered_once(tasks: ModuleType) -> None:
    assert answers(LocalEngine(jobs=2), tasks.double, [3, 4, 5]) == [6, 8, 10]


def test_no_tasks_no_answers() -> None:
    assert answers(LocalEngine(), str, []) == []


def test_an_answer_may_be_larger_than_a_pipe(tasks: ModuleType) -> None:
    (answer,) = answers(LocalEngine(), tasks.large, [5_000_000])
    assert len(answer) == 5_000_000


@pytest.mark.parametrize(("jobs", "seconds"), [(1, "0.2"), (2, "60")])
def test_as_many_at_once_as_there_are_jobs(
    tasks: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, seconds: str
) -> None:
    monkeypatch.setenv("MEET_SECONDS", seconds)
    assert max(answers(LocalEngine(jobs=jobs), tasks.meet, [str(tmp_path)] * 2)) == jobs


def test_each_process_has_its_share_of_threads(tasks: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpcmbal.engines.local.available_cpus", lambda: 6)
    assert LocalEngine(jobs=2).threads == 3
    assert LocalEngine(jobs=8).threads == 1
    assert answers(LocalEngine(jobs=2), tasks.threads, [0]) == [("3", "3")]


def test_a_killed_process_is_started_once_more(tasks: ModuleType, tmp_path: Path) -> None:
    assert answers(LocalEngine(), tasks.die_at_first, [str(tmp_path / "marker")]) == ["second attempt"]


def test_a_task_that_is_killed_again_is_lost_with_its_signal(tasks: ModuleType, tmp_path: Path) -> None:
    attempts = tmp_path / "attempts"
    (lost,) = answers(LocalEngine(), tasks.die, [str(attempts)])
    assert isinstance(lost, Lost)
    assert "killed 2 times by signal 9 (SIGKILL)" in lost.reason
    assert attempts.read_text(encoding="utf-8") == "xx"


def test_a_process_that_leaves_without_an_answer_is_lost_with_its_exit_code(tasks: ModuleType) -> None:
    (lost,) = answers(LocalEngine(), tasks.leave, [0])
    assert isinstance(lost, Lost)
    assert "with exit code 7" in lost.reason


def test_an_expected_error_keeps_its_message_and_exit_code(tasks: ModuleType) -> None:
    with pytest.raises(HpcmbalError, match="no such folder") as caught:
        answers(LocalEngine(), tasks.refuse, ["no such folder"])
    assert caught.value.exit_code == 3


def test_a_defect_shows_its_traceback(tasks: ModuleType) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)engine_tasks.py.*ZeroDivisionError: sums"):
        answers(LocalEngine(), tasks.fail, ["sums"])


def test_jobs_are_positive() -> None:
    with pytest.raises(SettingsError, match="jobs must be at least 1, found 0"):
        LocalEngine(jobs=0)


def started(folder: Path, count: int) -> list[int]:
    deadline = time.monotonic() + 60
    while len(found := list(folder.glob("started-*"))) < count:
        assert time.monotonic() < deadline, "tasks did not start"
        time.sleep(0.02)
    return [int(path.name.partition("-")[2]) for path in found]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with Path(f"/proc/{pid}/stat").open(encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


@pytest.fixture
def driver(tmp_path: Path) -> Any:
    (tmp_path / "engine_tasks.py").write_text(TASKS, encoding="utf-8")
    script = tmp_path / "driver.py"
    script.write_text(DRIVER.format(folder=str(tmp_path)), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_engine_waits_until_its_processes_have_saved(driver: Any, tmp_path: Path, number: int) -> None:
    pids = started(tmp_path, 2)
    # As a terminal does it: Ctrl-C goes to the whole group, `kill` to one process.
    os.killpg(driver.pid, number) if number == signal.SIGINT else os.kill(driver.pid, number)
    out, err = driver.communicate(timeout=60)
    assert (out, err) == ("interrupted\n", "")
    assert {path.name for path in tmp_path.glob("saved-*")} == {f"saved-{pid}" for pid in pids}
    assert all(gone(pid) for pid in pids)


@pytest.mark.slow
def test_tests_of_signals_pass_in_the_background_of_a_script(tmp_path: Path) -> None:
    """A shell without job control starts what goes to the background with SIGINT ignored, and children inherit that."""
    tests = f"{shlex.quote(__file__)} -k an_interrupted_engine"
    script = f"{shlex.quote(sys.executable)} -m pytest -q -p no:cacheprovider {tests} > out.txt 2>&1 & wait $!"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environment, timeout=200, check=False)
    assert done.returncode == 0, (tmp_path / "out.txt").read_text(encoding="utf-8")


def test_processes_end_with_an_engine_that_is_killed(driver: Any, tmp_path: Path) -> None:
    pids = started(tmp_path, 2)
    driver.kill()
    driver.wait()
    deadline = time.monotonic() + 20
    while not all(gone(pid) for pid in pids):
        assert time.monotonic() < deadline, "an orphan goes on"
        time.sleep(0.02)
    assert list(tmp_path.glob("saved-*")) == []
