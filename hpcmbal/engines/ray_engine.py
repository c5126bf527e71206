"""Tasks on a Ray cluster, or on a Ray of this machine alone: Ray schedules, places and retries."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from hpcmbal.engines.engine import Lost, Result, Task
from hpcmbal.engines.ray_connection import Demand, check_fits, import_ray, join
from hpcmbal.engines.threads import use_threads

RETRIES = 3
"""How often a task is started again after its process or its node died."""
MAX_IN_FLIGHT = 2000
"""Tasks that Ray knows of at a time: more than a cluster runs at once, few enough for the driver's bookkeeping."""
STOP_SECONDS = 300.0
"""How long running tasks may take to save after Ctrl-C; a second Ctrl-C does not wait."""


class RayEngine:
    """An `Engine` on Ray; a context manager, which leaves the cluster (or stops the local one) at the end.

    The driver must run on a node of the cluster. Every node is expected to have the same Python environment, with
    this package in it, and to see images and models under the same paths: nothing is shipped but tasks and results.

    What happens when something dies: a worker's or a node's death starts its tasks again elsewhere, up to `retries`
    times; then the task is `Lost`. A result that arrived is never asked for again. With the driver, or the node of the
    driver, the call ends, and Ray stops its tasks.

    Args:
        address: None starts Ray on this machine for the time of the engine; "auto" joins the cluster that this machine
            belongs to; HOST:PORT joins that one.
        cpus_per_task: What Ray reserves for a task, and (rounded down, at least 1) how many threads it may use.
        gpus_per_task: Likewise; a task sees only its own GPUs.
        retries: See above.
    """

    def __init__(
        self, address: str | None, cpus_per_task: float = 1, gpus_per_task: float = 0, *, retries: int = RETRIES
    ) -> None:
        self.demand = Demand(cpus_per_task, gpus_per_task)
        self._address = address
        self._retries = retries
        self._ray: Any = None
        self._joined = False

    def __enter__(self) -> Self:
        """Join the cluster.

        Raises:
            MissingExtraError: Ray is not installed.
            SettingsError: No node could ever run a task.
            HpcmbalError: There is no cluster at the address, or it has another version of Ray or Python.
        """
        self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `close`."""
        self.close()

    def close(self) -> None:
        """Leave the cluster, unless this process had joined it before; a local Ray ends."""
        if self._joined:
            self._ray.shutdown()
        self._ray, self._joined = None, False

    def run(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        on_result: Callable[[int, Result | Lost], None],
    ) -> None:
        """See `Engine`; errors as for `__enter__`."""
        ray = self._connect()
        threads = max(1, int(self.demand.cpus))
        call = ray.remote(_call).options(
            num_cpus=self.demand.cpus,
            num_gpus=self.demand.gpus,
            max_retries=self._retries,
            scheduling_strategy="SPREAD",
            name=f"hpcmbal {getattr(function, '__name__', type(function).__name__)}",
        )
        waiting = deque(enumerate(tasks))
        running: dict[Any, int] = {}
        try:
            while waiting or running:
                while waiting and len(running) < MAX_IN_FLIGHT:
                    index, task = waiting.popleft()
                    running[call.remote(function, task, threads, hide_gpus=not self.demand.gpus)] = index
                for finished in _finished(ray, list(running)):
                    result = self._result(finished)
                    on_result(running.pop(finished), result)
        except BaseException:  # an interruption, too, stops the tasks that run
            self._stop(list(running))
            raise

    def _connect(self) -> Any:
        if self._ray is None:
            ray = import_ray(self._retries)
            self._joined = not ray.is_initialized()
            if self._joined:
                join(ray, self._address)
            self._ray = ray
            check_fits(ray, self.demand)
        return self._ray

    def _result(self, reference: Any) -> Any:
        """What the task returned, or why it will not."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            raise error.cause from error
        except errors.OutOfMemoryError:
            return Lost(
                f"its node ran out of memory, {self._times}; ask for more CPUs per task, so that fewer share it"
            )
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.LocalRayletDiedError):
            return Lost(f"its worker process or its node died, {self._times} (killed, or out of memory?)")
        except errors.ObjectLostError:
            return Lost("the node that held its result died, and it could not be made again")

    @property
    def _times(self) -> str:
        return f"{self._retries + 1} times"

    def _stop(self, references: Sequence[Any]) -> None:
        """Drop what has not begun and interrupt what runs, as Ctrl-C would; wait until all have saved and returned."""
        if not references:
            return
        for reference in references:
            self._ray.cancel(reference)
        try:
            _, left = self._ray.wait(list(references), num_returns=len(references), timeout=STOP_SECONDS)
        except KeyboardInterrupt:
            left = references
        for reference in left:
            self._ray.cancel(reference, force=True)


def _finished(ray: Any, references: list[Any]) -> Sequence[Any]:
    """Wait for one result, and take all that are there by then: asking costs time for every one that is not."""
    ray.wait(references, num_returns=1)
    ready, _ = ray.wait(references, num_returns=len(references), timeout=0)
    return list(ready)


def _call(function: Callable[[Task], Result], task: Task, threads: int, *, hide_gpus: bool) -> Result:
    """What a worker does."""
    if hide_gpus:
        # Ray shows the node's GPUs to tasks that asked for none; "auto" would then take one that is somebody else's.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    use_threads(threads)
    return function(task)
