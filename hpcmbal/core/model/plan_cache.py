"""Coding plans that are kept for the next picture of the same size, within a budget of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, Protocol, TypeVar

BUDGET_BYTES = 256 << 20
"""What all plans together may take, in a process."""
LARGEST_BYTES = 8 << 20
"""The largest plan that is kept, of 0.4 megapixels in hpcm-nano. To build a larger one is little beside coding (5 ms a
megapixel), and memory from which large plans come and go falls to pieces."""


class Sized(Protocol):
    """What can be kept."""

    @property
    def size_bytes(self) -> int:
        """Memory that it takes, or will."""
        ...


Plan = TypeVar("Plan", bound=Sized)


class PlanCache(Generic[Plan]):
    """The most recently used plans, as many as the budget holds; safe for threads.

    Args:
        budget_bytes: Of all plans together.
        largest_bytes: Larger plans are not kept.
    """

    def __init__(self, budget_bytes: int = BUDGET_BYTES, largest_bytes: int = LARGEST_BYTES) -> None:
        self._budget, self._largest = budget_bytes, largest_bytes
        self._plans: OrderedDict[Hashable, Plan] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._plans)

    @property
    def size_bytes(self) -> int:
        """What the kept plans take."""
        return sum(plan.size_bytes for plan in self._plans.values())

    def get(self, key: Hashable, build: Callable[[], Plan]) -> Plan:
        """The plan of `key`, built if it is not there."""
        with self._lock:
            if key in self._plans:
                self._plans.move_to_end(key)
                return self._plans[key]
        plan = build()  # outside of the lock: threads of other sizes need not wait
        if plan.size_bytes <= self._largest:
            with self._lock:
                self._plans[key] = plan
                while self.size_bytes > self._budget:
                    self._plans.popitem(last=False)
        return plan
