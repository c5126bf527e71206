"""Keeping a training within its hours: how many steps still fit, and what becomes of the schedule."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from hpcmbal.training.schedule import decay_step

if TYPE_CHECKING:
    from hpcmbal.settings import ScheduleSettings

STEPS_IN_MEAN = 50
"""The time of a step is the mean over so many: long enough for updates that come every ten steps (SOAP)."""
FIRST_SAVING_SECONDS = 1.0
"""What saving is believed to take before one was timed."""


class TimeLimit:
    """Measures steps, validations and savings, and counts the steps that still fit.

    Args:
        seconds: What the call may take.
        started: When it began, by `clock`.
        clock: Seconds that only ever rise.
    """

    def __init__(self, seconds: float, started: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._end = started + seconds
        self._clock = clock
        self._steps: deque[float] = deque(maxlen=STEPS_IN_MEAN)
        self._first: float | None = None
        self.validation_seconds = 0.0
        self.saving_seconds = FIRST_SAVING_SECONDS

    def now(self) -> float:
        """The time, in seconds."""
        return self._clock()

    def add_step(self, seconds: float) -> None:
        """Note what a step took, with the making of its batch. The first one, which warms up, counts until a second."""
        if self._first is None:
            self._first = seconds
        else:
            self._steps.append(seconds)

    def step_seconds(self, *, validate_every: int, save_freq: int) -> float:
        """What a step takes, with its share of validations and savings."""
        own = statistics.fmean(self._steps) if self._steps else self._first or 0.0
        return own + self.validation_seconds / validate_every + self.saving_seconds / save_freq

    def room(self, *, validate_every: int, save_freq: int) -> int:
        """How many more steps fit before the last validation and saving must begin; not negative."""
        step = self.step_seconds(validate_every=validate_every, save_freq=save_freq)
        left = self._end - self._clock() - self.validation_seconds - 1.5 * self.saving_seconds - step
        return max(0, math.floor(left / step)) if step > 0 else 0


class Course(NamedTuple):
    """A decay and its end, in steps of the run."""

    decay_start: int
    total_steps: int


def course_in_time(settings: ScheduleSettings, step: int, total_steps: int | None, room: int) -> Course | None:
    """The decay that fits when `room` more steps do; None while the planned course fits, or no decay is due yet.

    A stable phase ends when what is left is `decay_fraction` of the whole. A decay that would end too late is
    shortened so that the rate goes on from where it is.

    Args:
        settings: Of a wsd schedule; other schedules have no such course.
        step: Steps done.
        total_steps: The planned length, if it is known.
        room: Steps that still fit.
    """
    if settings.name != "wsd":
        return None
    end = step + room
    if total_steps is not None and end >= total_steps:
        return None
    begin = decay_step(settings, total_steps)
    if begin is not None and total_steps is not None and step > begin:
        done = (step - begin) / (total_steps - begin)
        return Course(min(step, round((step - done * end) / (1 - done))), end) if done < 1 else None
    if room == 0 or room > settings.decay_fraction * end:
        return None
    return Course(step, end)
