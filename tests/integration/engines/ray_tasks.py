"""What tests let a Ray cluster do; importable by name in its workers."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from hpcmbal.errors import DataError


def answer(task: str) -> object:
    """Behave as `task` says."""
    if task == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "fail":
        raise DataError("an image is missing")
    if task == "threads":
        import torch

        return torch.get_num_threads(), os.environ["OMP_NUM_THREADS"]
    if task == "gpus":
        return os.environ["CUDA_VISIBLE_DEVICES"]
    print("noise of a task")  # noqa: T201
    return task.upper()


def die_twice(folder: str) -> int:
    """Die until the third attempt."""
    attempt = len(list(Path(folder).iterdir()))
    (Path(folder) / str(attempt)).touch()
    if attempt < 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return attempt


def save_when_asked_to_stop(folder: str) -> None:
    """What a training does: note the wish, save, leave."""
    asked = []
    signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
    (Path(folder) / f"started-{os.getpid()}").touch()
    while not asked:
        time.sleep(0.05)
    (Path(folder) / f"saved-{os.getpid()}").touch()


if __name__ == "__main__":
    from hpcmbal.engines.ray_engine import RayEngine

    sys.path.insert(0, str(Path(__file__).parent))
    import ray_tasks

    with RayEngine(None) as engine:
        engine.run(ray_tasks.save_when_asked_to_stop, [sys.argv[1]] * 50, lambda index, result: None)
