"""Unreadable files of a training set: each is named and skipped, and too many stop the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpcmbal.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

FILES_PER_ALLOWED_BAD_FILE = 100
"""A run stops when more than 1 % of its files are unreadable. Below 100 files that is the first bad one."""

_NAMED_IN_ERROR = 3


@dataclass(frozen=True)
class BadFile:
    """A file that could not be read.

    Attributes:
        index: Its index in the training set.
        reason: What was wrong; starts with the file's name.
    """

    index: int
    reason: str


def allowed_bad_files(dataset_size: int) -> int:
    """How many unreadable files a training set of `dataset_size` files may have: 1 %, rounded down.

    >>> [allowed_bad_files(size) for size in (1, 99, 100, 209, 1000)]
    [0, 0, 1, 2, 10]
    """
    return dataset_size // FILES_PER_ALLOWED_BAD_FILE


class BadFileTally:
    """Counts the distinct unreadable files of one run.

    Args:
        dataset_size: The number of files of the training set.
    """

    def __init__(self, dataset_size: int) -> None:
        self._dataset_size = dataset_size
        self._found: dict[int, BadFile] = {}

    def __len__(self) -> int:
        """The number of distinct unreadable files so far."""
        return len(self._found)

    def add(self, bad_files: Iterable[BadFile]) -> tuple[BadFile, ...]:
        """Count `bad_files` and return those that were not known before.

        Raises:
            DataError: More than 1 % of the training set's files are now known to be unreadable.
        """
        new = tuple({bad.index: bad for bad in bad_files if bad.index not in self._found}.values())
        self._found.update((bad.index, bad) for bad in new)
        allowed = allowed_bad_files(self._dataset_size)
        if len(self._found) > allowed:
            named = [bad.reason for bad in self._found.values()][:_NAMED_IN_ERROR]
            if len(self._found) > len(named):
                named.append(f"and {len(self._found) - len(named)} more.")
            raise DataError(
                f"Too many unreadable training files: found {len(self._found)} among {self._dataset_size}, allowed are "
                f"{allowed} (1 %, rounded down). " + " ".join(named)
            )
        return new
