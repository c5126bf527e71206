"""A study at an fsspec URL: each run in a scratch folder of its worker, kept in step with the URL on the way.

```
URL/study.yaml, results.*, figures/, report.html
URL/runs/<arm>/lmbda-0.013/seed-0/
    logs/metrics.jsonl
    checkpoints/step-00001000-3f9a1c/    trainer.pt, model.safetensors, and manifest.json last
    record.json                          after everything else
```

A checkpoint is there when its manifest is, and the manifest holds the hash of every file. Each upload of a checkpoint
has a folder name of its own, so a worker that was believed dead and still writes cannot mix its files with those of
its successor. Single files are uploaded under another name and moved: nobody reads half a file.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from hpcmbal.ablation.plan.plan import RUNS
from hpcmbal.ablation.run.record_file import RECORD_FILE
from hpcmbal.ablation.run.remote_checkpoints import fetch_newest, upload_checkpoints
from hpcmbal.ablation.run.remote_folder import RemoteFolder, connect
from hpcmbal.atomic_file import PARTIAL_SUFFIX
from hpcmbal.model_files.store import CHECKPOINTS
from hpcmbal.training.checkpoint import list_checkpoints

SYNC_SECONDS = 15.0


@dataclass(frozen=True)
class FsspecStorage:
    """A URL that fsspec understands, with its drivers and credentials: `s3://`, `gs://`, `file://`, `sftp://`.

    Args:
        url: The study's place.
        sync_seconds: Longest time from a checkpoint on the worker's disk to the start of its upload.
    """

    url: str = field(repr=False)
    sync_seconds: float = SYNC_SECONDS

    @classmethod
    def open(cls, url: str) -> FsspecStorage:
        """The storage at `url`.

        Raises:
            MissingExtraError: fsspec is not installed.
            SettingsError: fsspec does not know the kind of URL, or its driver is not installed.
            HpcmbalError: The place does not answer, or refuses.
        """
        connect(url).check_reachable()
        return cls(url.rstrip("/"))

    @contextmanager
    def run_folder(self, name: str) -> Iterator[Path]:
        """See `StudyStorage`; the folder is in this machine's temporary place (TMPDIR)."""
        remote = connect(self.url).folder(name)
        with tempfile.TemporaryDirectory(prefix=f"hpcmbal-{name.replace('/', '-')}-") as scratch:
            folder = Path(scratch) / Path(name).name
            folder.mkdir()
            remote.download(folder, leave_out=CHECKPOINTS)
            fetch_newest(remote, folder)
            with _KeptInStep(remote, folder, self.sync_seconds):
                yield folder

    @contextmanager
    def study_folder(self) -> Iterator[Path]:
        """See `StudyStorage`."""
        with tempfile.TemporaryDirectory(prefix="hpcmbal-study-") as scratch:
            folder = Path(scratch) / "study"
            folder.mkdir()
            connect(self.url).download(folder, leave_out=CHECKPOINTS)
            try:
                yield folder
            finally:
                self.publish(folder)

    def collect(self, folder: Path) -> None:
        """See `StudyStorage`."""
        connect(self.url).folder(RUNS).download(folder / RUNS, leave_out=CHECKPOINTS)

    def publish(self, folder: Path) -> None:
        """See `StudyStorage`."""
        remote = connect(self.url)
        for path in sorted(file for file in folder.rglob("*") if file.is_file()):
            name = path.relative_to(folder).as_posix()
            if not name.startswith(f"{RUNS}/"):
                remote.upload(path, name)


class _KeptInStep:
    """While the context lasts, and once more at its end, what is new in a run's folder is uploaded."""

    def __init__(self, remote: RemoteFolder, folder: Path, seconds: float) -> None:
        self._remote, self._folder, self._seconds = remote, folder, seconds
        self._known = _stamps(folder)
        self._uploaded_steps: set[str] = {path.name for path in (folder / CHECKPOINTS).glob("step-*")}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="study-upload", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        self._sync()
        record = self._folder / RECORD_FILE
        if record.is_file():
            self._remote.upload(record, RECORD_FILE)

    def _watch(self) -> None:
        while not self._end.wait(self._seconds):
            try:
                self._sync()
            except OSError:
                continue  # the network comes back, or the last upload, which is made in the open, fails

    def _sync(self) -> None:
        # Checkpoints are listed before logs are read: a log then reaches at least as far as the checkpoint.
        complete = list_checkpoints(self._folder)
        self._upload_files()
        new = [path for path in complete if path.name not in self._uploaded_steps]
        self._uploaded_steps |= upload_checkpoints(self._remote, new)

    def _upload_files(self) -> None:
        for name, stamp in _stamps(self._folder).items():
            if self._known.get(name) != stamp and name != RECORD_FILE:
                self._remote.upload(self._folder / name, name)
                self._known[name] = stamp


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every finished file outside of checkpoints."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(PARTIAL_SUFFIX)]
    inside = {path.relative_to(folder).as_posix(): path.stat() for path in files}
    return {
        name: (status.st_size, status.st_mtime_ns)
        for name, status in sorted(inside.items())
        if CHECKPOINTS not in name.split("/")
    }
