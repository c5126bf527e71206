"""Runs codecs over images, in parallel where that is harmless, and never measures the same thing twice."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

from hpcmbal.engines.engine import Engine, Lost
from hpcmbal.errors import HpcmbalError, setting
from hpcmbal.evaluation.codecs.image_codec import ImageCodec, Sample, measure
from hpcmbal.evaluation.curves.curve import Column, Curve, mean_results
from hpcmbal.evaluation.environment import describe_environment
from hpcmbal.evaluation.evaluation_images import EvaluationImages
from hpcmbal.evaluation.extra_metrics import ExtraMetrics
from hpcmbal.evaluation.sample_store import SampleStore, sample_key
from hpcmbal.images.image_file import read_rgb

if TYPE_CHECKING:
    from types import TracebackType

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told what is worked on, how many samples of it are done and how many there are."""


def silent(_name: str, _done: int, _total: int) -> None:
    """The progress that nobody is told."""


class _Task(NamedTuple):
    key: str
    image: int
    point: int
    extra_keys: dict[str, str]


class Runner:
    """Measures codecs on one set of images; a context manager, because of its worker processes.

    Args:
        images: What to code.
        store: Where samples are kept.
        workers: Processes for the codecs that allow it.
        progress: Told about every sample.
        extra: Metrics beside PSNR and MS-SSIM. What was measured without one is coded again for it.
        engine: Measures everything, models as well, in the place of `workers`; each of its tasks is one sample. Paths
            of images and checkpoints must be absolute, and mean the same wherever it works.
    """

    def __init__(
        self,
        images: EvaluationImages,
        store: SampleStore,
        *,
        workers: int = 1,
        progress: Progress = silent,
        engine: Engine | None = None,
        extra: ExtraMetrics | None = None,
    ) -> None:
        self.images = images
        self._store = store
        self._workers = workers
        self._progress = progress
        self._engine = engine
        self._extra = extra or ExtraMetrics()
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        """Nothing is started before it is needed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the workers; what they had not begun is not done."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def evaluate(self, codec: ImageCodec) -> Curve:
        """Every image at every operating point, as a curve.

        Raises:
            HpcmbalError: An image could not be measured; what was measured is kept.
        """
        description = codec.describe()
        total = len(self.images.paths) * len(codec.points)
        tasks = [task for task in self._tasks(codec, description) if self._stored(task) is None]
        # Point by point, because another point may be another checkpoint to load.
        tasks.sort(key=lambda task: task.point)
        done = total - len(tasks)
        workers = self._workers if codec.in_processes and self._engine is None else 1
        now: dict[str, object] = {"environment": describe_environment(), "workers": workers}
        self._store.measured_under(now)
        self._progress(codec.name, done, total)

        def keep(task: _Task, sample: Sample) -> None:
            nonlocal done
            for name, key in task.extra_keys.items():
                self._store.add(key, {name: sample.pop(name)})
            self._store.add(task.key, sample)
            done += 1
            self._progress(codec.name, done, total)

        if self._engine is not None:
            self._run_on(self._engine, codec, tasks, keep)
        else:
            for task, sample in self._run(codec, tasks):
                keep(task, sample)
        return self._curve(codec, description, now)

    def _tasks(self, codec: ImageCodec, description: dict[str, Any]) -> Iterator[_Task]:
        # The points of a codec are its own business: which others there are does not change a sample.
        settings = {key: value for key, value in description.items() if key not in ("qualities", "points")}
        extra = self._extra.versions()
        for image, digest in enumerate(self.images.hashes):
            for point, label in enumerate(codec.points):
                keys = {
                    name: sample_key({**settings, "metric": [name, version]}, label, digest)
                    for name, version in extra.items()
                }
                yield _Task(sample_key(settings, label, digest), image, point, keys)

    def _stored(self, task: _Task) -> Sample | None:
        """What is known about a task, if it is everything."""
        parts = [self._store.get(key) for key in (task.key, *task.extra_keys.values())]
        return None if None in parts else {key: value for part in parts if part for key, value in part.items()}

    def _run(self, codec: ImageCodec, tasks: Sequence[_Task]) -> Iterator[tuple[_Task, Sample]]:
        if codec.in_processes and self._workers > 1 and len(tasks) > 1:
            yield from self._run_in_processes(codec, tasks)
            return
        with _one_thread() if codec.in_processes else nullcontext():
            for task in tasks:
                yield task, measure(codec, read_rgb(self.images.paths[task.image]), task.point, self._extra)

    def _run_on(
        self, engine: Engine, codec: ImageCodec, tasks: Sequence[_Task], keep: Callable[[_Task, Sample], None]
    ) -> None:
        lost: list[str] = []

        def on_result(index: int, result: Sample | Lost) -> None:
            if isinstance(result, Lost):
                lost.append(f"{self.images.names[tasks[index].image]}: {result.reason}")
            else:
                keep(tasks[index], result)

        paths = self.images.paths
        work = [(codec, paths[task.image], task.point, self._extra) for task in tasks]
        engine.run(_measure_one, work, on_result)
        if lost:
            raise HpcmbalError(
                f"{len(lost)} measurements of '{codec.name}' are missing; the first is of {lost[0]}. What was measured "
                "is kept: run the same command again."
            )

    def _run_in_processes(self, codec: ImageCodec, tasks: Sequence[_Task]) -> Iterator[tuple[_Task, Sample]]:
        if self._pool is None:
            # Spawned, not forked: a fork of a process with torch's threads may hang.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._workers, mp_context=context, initializer=_start_worker)
        paths = self.images.paths
        running: dict[Future[Sample], _Task] = {
            self._pool.submit(_measure_file, codec, paths[task.image], task.point, self._extra): task for task in tasks
        }
        try:
            while running:
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield running.pop(future), future.result()
        except BrokenProcessPool as error:
            raise HpcmbalError(
                f"A worker process of '{codec.name}' was killed, probably for lack of memory. What was measured is "
                f"kept: do the same again with {setting('workers', 1)}."
            ) from error

    def _curve(self, codec: ImageCodec, description: dict[str, Any], now: dict[str, object]) -> Curve:
        columns: dict[str, list[Sample]] = {name: [] for name in self.images.names}
        tasks = list(self._tasks(codec, description))
        first, *further = self._store.conditions([task.key for task in tasks]) or [now]
        for task in tasks:
            sample = self._stored(task)
            assert sample is not None, "evaluate() measured it"  # noqa: S101
            columns[self.images.names[task.image]].append(sample)
        samples = {name: _as_columns(found) for name, found in columns.items()}
        meta = {
            "kind": "measured",
            "codec": {**description, "points": list(codec.points)},
            "image_set": self.images.describe(),
            **({"metrics": self._extra.versions()} if self._extra.names else {}),
            **first,
            **({"also_measured_under": further} if further else {}),
        }
        summary = description.get("encoder") or description.get("model") or codec.name
        return Curve(codec.name, mean_results(samples), str(summary), meta, samples)


def _as_columns(samples: Sequence[Sample]) -> dict[str, Column]:
    return {key: tuple(sample.get(key) for sample in samples) for key in samples[0]}


def _measure_file(codec: ImageCodec, path: Path, point: int, extra: ExtraMetrics) -> Sample:
    return measure(codec, read_rgb(path), point, extra)


def _measure_one(task: tuple[ImageCodec, Path, int, ExtraMetrics]) -> Sample:
    return _measure_file(*task)


def _start_worker() -> None:
    import torch

    torch.set_num_threads(1)
    # A parent that was killed cannot stop its workers, which would wait for its next task forever.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """As in a worker process, where the numbers and the times must be the same."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
