"""One process at a time leads a study: two would train in the same folders."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpcmbal.atomic_file import append_to
from hpcmbal.errors import SettingsError, setting

LOCK_FILE = ".lock"


@contextmanager
def study_lock(folder: Path) -> Iterator[None]:
    """Hold the study in `folder`; the system lets go of it when this process ends, however it ends.

    Raises:
        SettingsError: Another process holds it.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with append_to(folder / LOCK_FILE) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError(
                f"Another hpcmbal ablate is at work in {folder}. Wait for it, or choose another {setting('output')}."
            ) from error
        yield
