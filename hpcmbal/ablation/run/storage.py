"""Where a study lives: a folder that every worker sees, or an fsspec URL of which each worker holds a copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hpcmbal.errors import SettingsError, setting
from hpcmbal.visible_text import begins_url

URL_MARK = "://"


class StudyStorage(Protocol):
    """A study's place, for the process that leads it and for those that do its runs; picklable.

    Whoever works on the study works in ordinary local folders; a storage decides what becomes of their contents.
    """

    def run_folder(self, name: str) -> AbstractContextManager[Path]:
        """A local folder for one run, in the process that does it.

        It holds what an earlier attempt left: the newest complete checkpoint, logs, the record. What it holds at the
        end is kept, whether or not the block ends with an exception; checkpoints and logs are kept on the way, too.

        Args:
            name: The run's folder relative to the study's, such as `runs/none/lmbda-0.013/seed-0`.

        Raises:
            OSError: The place cannot be read or written.
        """
        ...

    def study_folder(self) -> AbstractContextManager[Path]:
        """The study as a local folder, in the process that leads it: its files, records and logs, not checkpoints.

        At the end, `publish` is called.
        """
        ...

    def collect(self, folder: Path) -> None:
        """Bring records and logs of runs that other processes did into `folder`, which `study_folder` gave."""
        ...

    def publish(self, folder: Path) -> None:
        """Keep the files of `folder` that are no run's: the resolved study, results, figures, the report."""
        ...


@dataclass(frozen=True)
class LocalStorage:
    """A folder that every process of the study sees at the same path: a disk, NFS, Lustre. Nothing is copied.

    Args:
        folder: The study's folder.
    """

    folder: Path

    @contextmanager
    def run_folder(self, name: str) -> Iterator[Path]:
        """The run's folder itself."""
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        yield path

    @contextmanager
    def study_folder(self) -> Iterator[Path]:
        """The study's folder itself."""
        self.folder.mkdir(parents=True, exist_ok=True)
        yield self.folder

    def collect(self, folder: Path) -> None:
        """Nothing to do: it is there already."""

    def publish(self, folder: Path) -> None:
        """Nothing to do: it is there already."""


def open_storage(location: str) -> StudyStorage:
    """The storage that `location` names: a URL (`s3://bucket/study`) or a folder.

    Raises:
        MissingExtraError: A URL without fsspec.
        SettingsError: A URL whose file system is unknown, or needs a driver that is not installed.
    """
    if URL_MARK in location:
        from hpcmbal.ablation.run.fsspec_storage import FsspecStorage

        return FsspecStorage.open(location)
    if begins_url(location):
        raise SettingsError(f"{setting('output', location)} has one slash after its scheme; a URL has two.")
    return LocalStorage(Path(location).absolute())
