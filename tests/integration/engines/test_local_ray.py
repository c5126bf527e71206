"""The Ray engine on a Ray of this machine alone, and the commands that use it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import chelsea
from tiny import write_variable_model

from hpcmbal.cli.app import main
from hpcmbal.engines.engine import Lost
from hpcmbal.errors import DataError

pytestmark = pytest.mark.slow

TASKS = Path(__file__).with_name("ray_tasks.py")


@pytest.fixture(scope="module")
def tasks() -> Any:
    """The module of tasks, as workers find it."""
    sys.path.insert(0, str(TASKS.parent))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(TASKS.parent), os.environ.get("PYTHONPATH")]))
    import ray_tasks

    return ray_tasks


@pytest.fixture(scope="module")
def engine(ray_installed: None, tasks: Any) -> Iterator[Any]:
    from hpcmbal.engines.ray_engine import RayEngine

    with RayEngine(None, retries=2) as found:
        yield found


def results(engine: Any, function: Any, tasks: list[str]) -> list[Any]:
    """What came, by task; each exactly once."""
    found: list[tuple[int, Any]] = []
    engine.run(function, tasks, lambda index, result: found.append((index, result)))
    assert sorted(index for index, _ in found) == list(range(len(tasks)))
    return [result for _, result in sorted(found, key=lambda pair: pair[0])]


def test_every_task_ends_once_and_nothing_is_on_the_terminal(
    engine: Any, tasks: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    a, lost, b, threads, gpus = results(engine, tasks.answer, ["a", "die", "b", "threads", "gpus"])
    assert (a, b, threads, gpus) == ("A", "B", (1, "1"), "")
    assert isinstance(lost, Lost)
    assert "died, 3 times" in lost.reason
    time.sleep(1)  # Ray's own messages come late
    assert capfd.readouterr() == ("", "")


def test_a_process_that_dies_is_started_again(engine: Any, tasks: Any, tmp_path: Path) -> None:
    assert results(engine, tasks.die_twice, [str(tmp_path)]) == [2]


def test_an_error_of_a_task_ends_the_call(engine: Any, tasks: Any) -> None:
    with pytest.raises(DataError, match="an image is missing"):
        results(engine, tasks.answer, ["a", "fail", "b"])


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for index in range(3):
        crop = chelsea()[index * 20 : index * 20 + 64, 100 : 100 + 96 + 8 * index]
        Image.fromarray(np.ascontiguousarray(crop)).save(folder / f"photo.{index}.png")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_variable_model(tmp_path_factory.mktemp("models"))


def test_compress_writes_the_files_that_it_writes_here(
    engine: Any, photographs: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    for path in photographs.iterdir():
        (tmp_path / "photos" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "photos" / "bad.png").write_bytes(b"junk")
    common = ["compress", str(tmp_path / "photos"), "--model", str(model), "-q", "60"]
    assert main([*common, "-o", str(tmp_path / "here")]) == 3
    capsys.readouterr()
    assert main([*common, "-o", str(tmp_path / "ray"), "--engine", "ray"]) == 3
    shown = capsys.readouterr().err
    assert "bad.png: not an image" in shown
    assert "1 of 4 files failed" in shown
    here, there = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("here", "ray"))
    assert len(here) == 3
    assert here == there


def test_eval_gives_the_numbers_that_it_gives_here(engine: Any, photographs: Path, model: Path, tmp_path: Path) -> None:
    common = ["eval", "-m", str(model), "-q", "20,80", "-d", str(photographs), "-a", "jpeg", "--viewer", "0"]
    assert main([*common, "-o", str(tmp_path / "here"), "-j", "1"]) == 0
    assert main([*common, "-o", str(tmp_path / "ray"), "--engine", "ray"]) == 0
    here, there = (json.loads((tmp_path / name / "results.json").read_text()) for name in ("here", "ray"))
    assert without_times(here) == without_times(there)


@pytest.fixture
def compress_photographs(photographs: Path, model: Path, tmp_path: Path) -> list[str]:
    """A command that only lacks options."""
    return ["compress", str(photographs), "--model", str(model), "-o", str(tmp_path / "out")]


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        times = ("encoding_time", "decoding_time", "workers")
        return {key: without_times(item) for key, item in value.items() if key not in times}
    return [without_times(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--address", "auto"], "--address auto: has no effect while --engine is local"),
        (["--cpus-per-task", "2"], "--cpus-per-task 2: has no effect while --engine is local"),
        (["--engine", "ray", "--workers", "3"], "--workers 3: has no effect while --engine is ray"),
        (["--engine", "ray", "--device", "cuda"], "needs --gpus-per-task 1"),
        (["--engine", "ray", "--device", "cpu", "--gpus-per-task", "1"], "reserves what --device cpu does not use"),
        (["--engine", "ray", "--cpus-per-task", "1000"], "No node of the Ray cluster has the 1000 CPUs"),
    ],
)
def test_options_that_could_not_take_effect(
    engine: Any, compress_photographs: list[str], capsys: pytest.CaptureFixture[str], options: list[str], problem: str
) -> None:
    assert main([*compress_photographs, *options]) == 2
    assert problem in capsys.readouterr().err


def test_ctrl_c_lets_running_tasks_save(ray_installed: None, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(TASKS), str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("started-*")):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline, "no task within two minutes"
            time.sleep(0.1)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "KeyboardInterrupt" in errors
    started = {path.name.removeprefix("started-") for path in tmp_path.glob("started-*")}
    assert {path.name.removeprefix("saved-") for path in tmp_path.glob("saved-*")} == started
