"""How far running trainings are, read from their logs: the same for every engine."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from hpcmbal.ablation.plan.plan import PlannedRun
from hpcmbal.training.trackers import LOG_FILE

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
        self._logs = {run.name: folder / run.folder / "logs" / LOG_FILE for run in runs}
        self._started = time.time()

    def steps(self) -> dict[str, int]:
        """Steps done of every run that has a log, by the run's name."""
        found = {name: _last_step(path) for name, path in self._logs.items()}
        return {name: step for name, step in found.items() if step is not None}

    def running(self) -> list[str]:
        """Names of runs whose log has grown lately, since the watch began."""
        since = max(self._started, time.time() - FRESH_SECONDS)
        return [name for name, path in self._logs.items() if (time_ := _changed(path)) is not None and time_ >= since]


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
