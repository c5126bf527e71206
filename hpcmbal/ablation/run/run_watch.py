"""How far running trainings are, read from their logs: the same for every engine."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from hpcmbal.ablation.plan.plan import PlannedRun
from hpcmbal.ablation.run.execution import horizon_folder
from hpcmbal.training.trackers import log_of

TAIL_BYTES = 8192
FRESH_SECONDS = 60.0
"""A log that has not grown for so long belongs to a run that waits."""


class StudyWatch:
    """Looks at the logs of runs.

    Args:
        folder: Of the study, as this process sees it.
        runs: Those that are being done.
    """

    def __init__(self, folder: Path, runs: Sequence[PlannedRun]) -> None:
        # The log of each run, and those of its cooled-down copies, which begin at their horizon.
        self._logs: dict[str, list[tuple[int, Path]]] = {}
        for run in runs:
            place = folder / run.folder
            places = [(0, place), *((horizon, horizon_folder(place, horizon)) for horizon in run.horizons)]
            self._logs[run.name] = [(start, log_of(path)) for start, path in places]
        self._started = time.time()

    def steps(self) -> dict[str, int]:
        """Steps done of every run that has a log, by the run's name."""
        found = {
            name: [step - start for start, path in logs if (step := _last_step(path)) is not None]
            for name, logs in self._logs.items()
        }
        return {name: sum(steps) for name, steps in found.items() if steps}

    def running(self) -> list[str]:
        """Names of runs whose log has grown lately, since the watch began."""
        since = max(self._started, time.time() - FRESH_SECONDS)
        return [
            name
            for name, logs in self._logs.items()
            if any((changed := _changed(path)) is not None and changed >= since for _, path in logs)
        ]


def _changed(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _last_step(path: Path) -> int | None:
    """Step of the last whole line of a log; None if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            return int(json.loads(line)["step"])
        except (ValueError, KeyError, TypeError):
            continue
    return None
