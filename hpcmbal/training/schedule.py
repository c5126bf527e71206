"""Learning-rate schedules: pure functions of the step. A new one is a function and a line in `SCHEDULES`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from hpcmbal.settings.plugins import load_plugin

if TYPE_CHECKING:
    from hpcmbal.settings import ScheduleSettings

Schedule = Callable[["ScheduleSettings", float], float]
"""Settings and the fraction of training done, in [0, 1], to the factor of the learning rate."""


def constant(settings: ScheduleSettings, fraction: float) -> float:
    """The peak rate throughout."""
    del settings, fraction
    return 1.0


def step(settings: ScheduleSettings, fraction: float) -> float:
    """Multiplied by `factor` at every milestone passed."""
    return settings.factor ** sum(fraction >= milestone for milestone in settings.milestones)


def cosine(settings: ScheduleSettings, fraction: float) -> float:
    """Half a cosine from the peak to `final_factor`."""
    return settings.final_factor + (1 - settings.final_factor) * 0.5 * (1 + math.cos(math.pi * fraction))


def wsd(settings: ScheduleSettings, fraction: float) -> float:
    """Warm-up, stable, decay: the peak rate, and over the last `decay_fraction` down to `final_factor` as 1 - sqrt.

    The stable part does not depend on the length of the training, so one run serves many lengths (Haegele et al.,
    "Scaling laws and compute-optimal training beyond fixed training durations", 2024: 1 - sqrt beats a line).
    """
    return _decayed(settings, (fraction - (1 - settings.decay_fraction)) / settings.decay_fraction, peak=1.0)


def _decayed(settings: ScheduleSettings, fraction: float, *, peak: float) -> float:
    """From `peak` to `final_factor` (or `peak`, if that is lower) as 1 - sqrt of the fraction of the decay done."""
    final = min(settings.final_factor, peak)
    return final + (peak - final) * (1 - math.sqrt(min(1.0, max(0.0, fraction))))


SCHEDULES: dict[str, Schedule] = {"constant": constant, "step": step, "cosine": cosine, "wsd": wsd}


def learning_rate_factor(settings: ScheduleSettings, step_number: int, total_steps: int | None) -> float:
    """Factor of the base learning rates for one step.

    Args:
        settings: Name and shape of the schedule, and the length of its linear warm-up.
        step_number: The step about to be done, from 0.
        total_steps: Length of the training; None where nothing depends on it yet (constant, wsd before its decay).

    Raises:
        SettingsError: The schedule is unknown.
    """
    schedule: Schedule = SCHEDULES.get(settings.name) or load_plugin("schedules", settings.name)
    warm_up = min(1.0, (step_number + 1) / settings.warmup_steps) if settings.warmup_steps else 1.0
    if total_steps is None:
        return warm_up * schedule(settings, 0.0)
    begin = settings.decay_start
    if settings.name == "wsd" and begin is not None:
        done = (step_number - begin) / max(1, total_steps - begin)
        return warm_up * (_decayed(settings, done, peak=settings.decay_from) if done > 0 else settings.decay_from)
    return warm_up * schedule(settings, step_number / total_steps)


def decay_step(settings: ScheduleSettings, total_steps: int | None) -> int | None:
    """Steps done when the decay begins: the last moment at which the rate is that of the stable phase.

    None for schedules without a stable phase, and while the length of the training is unknown.
    """
    if settings.name != "wsd":
        return None
    if settings.decay_start is not None or total_steps is None:
        return settings.decay_start
    return math.floor((1 - settings.decay_fraction) * total_steps)
