"""Ctrl-C and SIGTERM become a wish that the trainer fulfils between two steps, after saving."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Context in which SIGINT and SIGTERM set `requested`. A second Ctrl-C stops at once, without saving.

    Outside the main thread, where Python lets nobody handle signals, it does nothing.

    Args:
        acknowledge: Called once with the signal's name, at once and in a thread of its own: the main one may be in the
            middle of writing, or in a step that takes minutes.
    """

    def __init__(self, acknowledge: Callable[[str], None] | None = None) -> None:
        self.requested = False
        self._acknowledge = acknowledge
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Take the signals over."""
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give them back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self.requested and self._acknowledge is not None:
            name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
            threading.Thread(target=self._acknowledge, args=(name,), daemon=True).start()
        self.requested = True
