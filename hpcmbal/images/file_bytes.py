"""The bytes of a file, whose absence is an error of ours. Imports nothing, so that looking at a file is quick."""

from __future__ import annotations

from pathlib import Path

from hpcmbal.errors import DataError


def read_file(path: Path) -> bytes:
    """The bytes of `path`.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}. Check the path and its permissions.") from error
