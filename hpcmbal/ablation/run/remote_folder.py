"""A folder at an fsspec URL: whole files in, whole files out."""

from __future__ import annotations

import posixpath
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcmbal.atomic_file import PARTIAL_PREFIX, PARTIAL_SUFFIX, write_by_path
from hpcmbal.errors import HpcmbalError, MissingExtraError, SettingsError

DRIVERS = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}
"""Packages of the object stores that fsspec itself leaves out."""


@dataclass(frozen=True)
class RemoteFolder:
    """A folder of an fsspec file system.

    Attributes:
        fs: The file system.
        root: The folder's path in it.
    """

    fs: Any
    root: str

    def folder(self, name: str) -> RemoteFolder:
        """The folder `name` in this one."""
        return RemoteFolder(self.fs, posixpath.join(self.root, name))

    def check_reachable(self) -> None:
        """Ask once for the folder, which need not exist.

        Raises:
            HpcmbalError: Its place does not answer, or knows us not.
        """
        try:
            self.fs.info(self.root)
        except FileNotFoundError:
            return
        except _driver_errors() as error:
            raise HpcmbalError(
                f"{self.fs.unstrip_protocol(self.root)} cannot be reached: {error}. Check the name, the network and "
                "the credentials that its driver finds (for S3: the environment, ~/.aws, or the machine's role)."
            ) from error

    def files(self) -> list[str]:
        """Names of all finished files below the folder, relative to it, sorted; none if there is no folder."""
        self.fs.invalidate_cache()
        found = self.fs.find(self.root)
        names = (path[len(self.root) :].lstrip("/") for path in found)
        return sorted(name for name in names if not name.endswith(PARTIAL_SUFFIX))

    def upload(self, path: Path, name: str) -> None:
        """Put a local file at `name`: under another name first, then moved, so that nobody reads half a file."""
        target = posixpath.join(self.root, name)
        folder = posixpath.dirname(target)
        partial = posixpath.join(folder, f"{PARTIAL_PREFIX}{uuid.uuid4().hex}{PARTIAL_SUFFIX}")
        self.fs.makedirs(folder, exist_ok=True)
        self.fs.put_file(str(path), partial)
        self.fs.mv(partial, target)

    def upload_directly(self, path: Path, name: str) -> None:
        """Put a local file at `name` of which readers learn only later: without the second copy of a move."""
        target = posixpath.join(self.root, name)
        self.fs.makedirs(posixpath.dirname(target), exist_ok=True)
        self.fs.put_file(str(path), target)

    def fetch(self, name: str, path: Path) -> None:
        """Put the file `name` at the local `path`."""
        write_by_path(path, lambda partial: self.fs.get_file(posixpath.join(self.root, name), str(partial)))

    def download(self, folder: Path, *, leave_out: str) -> None:
        """Put all files below this folder into the local `folder`, but those in folders called `leave_out`."""
        for name in self.files():
            if leave_out not in name.split("/"):
                self.fetch(name, folder / name)

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is fine."""
        try:
            self.fs.rm_file(posixpath.join(self.root, name))
        except FileNotFoundError:
            return


def _driver_errors() -> tuple[type[Exception], ...]:
    """What drivers raise; those of S3 have a tree of their own beside OSError."""
    botocore: Any = sys.modules.get("botocore.exceptions")
    return (OSError, botocore.BotoCoreError) if botocore else (OSError,)


def connect(url: str) -> RemoteFolder:
    """The folder at `url`.

    Raises:
        MissingExtraError: fsspec is not installed.
        SettingsError: fsspec does not know the kind of URL, or its driver is not installed.
    """
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError(f"Writing to {url}", "cluster") from error
    kind = url.partition("://")[0]
    try:
        fs, root = fsspec.url_to_fs(url)
    except ImportError as error:
        driver = f"pip install {DRIVERS[kind]}" if kind in DRIVERS else str(error)
        raise SettingsError(
            f"{url}: fsspec's driver for {kind}:// is missing, here or on a worker: {driver}"
        ) from error
    except ValueError as error:
        raise SettingsError(
            f"{url}: fsspec does not know {kind}://. Give a folder, or a URL such as s3://bucket/study ({error})."
        ) from error
    return RemoteFolder(fs, root.rstrip("/"))
