"""Programs of others that an evaluation runs: found, named by version and hash, run with a time limit."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from hpcmbal.errors import HpcmbalError, MissingExtraError
from hpcmbal.evaluation.file_hash import file_hash

TIMEOUT_SECONDS = 3600.0


def run_program(command: Sequence[str], result: Path | None = None, timeout: float = TIMEOUT_SECONDS) -> str:
    """Run a program to its end and return what it said on both outputs; a program that is late is killed.

    Args:
        command: Program and arguments; no shell.
        result: A file that must be there afterwards.
        timeout: In seconds.

    Raises:
        HpcmbalError: It could not be started, failed, was late, or left no result.
    """
    text = " ".join(command)
    try:
        done = subprocess.run(  # noqa: S603 -- programs that this package names or the user installed
            command, capture_output=True, check=False, timeout=timeout, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise HpcmbalError(f"'{text}' did not end within {timeout:g} seconds.") from error
    except OSError as error:
        raise HpcmbalError(f"'{text}' could not be started: {error.strerror}.") from error
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    if done.returncode or (result is not None and not result.is_file()):
        raise HpcmbalError(f"'{text}' failed with code {done.returncode}: {said.strip()[-400:]}")
    return said


@cache
def find_ffmpeg(feature: str) -> str:
    """The ffmpeg of the package imageio-ffmpeg, which is the same everywhere, else one found on the path.

    Raises:
        MissingExtraError: There is neither.
    """
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        found = shutil.which("ffmpeg")
        if found is None:
            raise MissingExtraError(feature, "video") from error
        return found


@cache
def program_hash(path: str) -> str:
    """See `file_hash`; programs are large, and stay what they are."""
    return file_hash(Path(path))


@cache
def ffmpeg_version(path: str) -> str:
    """The first line of what it says about itself, without the copyright."""
    return run_program([path, "-version"]).partition("\n")[0].partition(" Copyright")[0]
