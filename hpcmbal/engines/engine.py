"""What every engine does: call one function for each of many tasks, somewhere, and tell how each call ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Lost:
    """A task whose process ended before it returned, as often as the engine was willing to try.

    Attributes:
        reason: What became of it, for people: "killed by signal 9 (out of memory?)", "its node died 3 times".
    """

    reason: str


class Engine(Protocol):
    """Runs independent tasks in parallel.

    A function says itself what went wrong with its task (its result type has a place for that); an exception that
    leaves it is a mistake of ours and ends the whole call. What an engine reports as `Lost` is what no function can
    report: that its process was killed.
    """

    def run(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        on_result: Callable[[int, Result | Lost], None],
    ) -> None:
        """Call `function` for every task.

        Args:
            function: Importable by name in another process; a task that is started again after its process died must
                go on where it was, or do the same again.
            tasks: Picklable.
            on_result: Called in this process, once for each task, in order of completion, with its index.

        Raises:
            KeyboardInterrupt: Ctrl-C, after running tasks were asked to save and stop.
        """
        ...
