"""Kills sessions of processes for good; run as a program, those named on its standard input once that ends.

The program outlives a test process that is itself killed, and then sees the end of its input: no node stays behind.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path


def living(session: int) -> list[int]:
    """Processes of a session that are no zombies: a raylet, its workers, whatever else `ray start` began."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            state = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(state[3]) == session and state[0] != "Z":
                found.append(int(entry.name))
    return found


def kill_session(session: int) -> None:
    """Kill -9, until nothing is left: a raylet may have started a worker in the meantime."""
    deadline = time.monotonic() + 30
    while pids := living(session):
        assert time.monotonic() < deadline, f"processes {pids} do not die"
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


if __name__ == "__main__":
    for number in [int(line) for line in sys.stdin]:
        kill_session(number)
