"""One file to read and one to write, and what became of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from hpcmbal.errors import HpcmbalError
from hpcmbal.settings.coding import STANDARD_STREAM

STREAM = Path(STANDARD_STREAM)


@dataclass(frozen=True)
class Job:
    """A file to read and one to write; either may be the standard stream `-`."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes:
        job: Its paths.
        bytes_before: Size of what was read.
        bytes_after: Size of what was written.
        compressed_bytes: Size of the compressed file, whichever of the two that is.
        pixels: Width times height.
        psnr_db: Quality of the decoded picture, if it was measured; infinite if it is exact.
        quality: That a file was coded at, if it was looked for; None else.
        lossless: The compressed file keeps every pixel.
        seconds: Time it took.
        error: Why it failed; None if it did not.
        warnings: What the picture lost.
    """

    job: Job
    bytes_before: int = 0
    bytes_after: int = 0
    compressed_bytes: int = 0
    pixels: int = 0
    psnr_db: float | None = None
    quality: float | None = None
    lossless: bool = False
    seconds: float = 0.0
    error: HpcmbalError | OSError | None = None
    warnings: tuple[str, ...] = ()

    @property
    def bpp(self) -> float:
        """Bits per pixel of the compressed file."""
        return 8 * self.compressed_bytes / max(1, self.pixels)


def read_source(source: Path) -> bytes:
    """The bytes of a job's source.

    Raises:
        DataError: It cannot be read.
    """
    from hpcmbal.images.file_bytes import read_file

    return sys.stdin.buffer.read() if source == STREAM else read_file(source)


def write_target(job: Job, data: bytes) -> None:
    """Write a job's target, readable by nobody who could not read its source; see `hpcmbal.atomic_file`.

    Raises:
        OSError: It cannot be written; what was there before is untouched.
    """
    from hpcmbal.atomic_file import write_bytes

    if job.target == STREAM:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        write_bytes(job.target, data, readable_as=None if job.source == STREAM else job.source)
