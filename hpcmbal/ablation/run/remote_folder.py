"""A folder at an fsspec URL: whole files in, whole files out."""

from __future__ import annotations

import posixpath
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpcmbal.atomic_file import PARTIAL_PREFIX, PARTIAL_SUFFIX, write_by_path
from hpcmbal.errors import DataError, HpcmbalError, MissingExtraError, SettingsError, setting
from hpcmbal.visible_text import without_credentials

DRIVERS = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}
"""Packages of the object stores that fsspec itself leaves out."""


@dataclass(frozen=True)
class RemoteFolder:
    """A folder of an fsspec file system.

    Attributes:
        fs: The file system.
        root: The folder's path in it.
        shown: The folder as messages name it, without names and passwords of users.
    """

    fs: Any = field(repr=False)
    root: str
    shown: str = ""

    def folder(self, name: str) -> RemoteFolder:
        """The folder `name` in this one."""
        return RemoteFolder(self.fs, posixpath.join(self.root, name), posixpath.join(self.shown, name))

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
                f"{self.shown} cannot be reached: {without_credentials(str(error))}. Check the name, the network and "
                "the credentials that its driver finds (for S3: the environment, ~/.aws, or the machine's role)."
            ) from error

    def files(self) -> list[str]:
        """Names of all finished files below the folder, relative to it, sorted; none if there is no folder.

        Raises:
            DataError: A name would lead out of the folder that it is copied to. Whoever may write to a bucket chooses
                the names in it.
        """
        self.fs.invalidate_cache()
        found = self.fs.find(self.root)
        names = [path[len(self.root) :].removeprefix("/") for path in found]
        # Some stores have an object for a folder itself, whose name ends in a slash.
        files = [_checked_name(name, self.shown) for name in names if name and not name.endswith("/")]
        return sorted(name for name in files if not name.endswith(PARTIAL_SUFFIX))

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


def _checked_name(name: str, folder: str) -> str:
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\\" in part or ":" in part or not part.isprintable() for part in parts):
        raise DataError(
            f"{folder} holds an object named {ascii(name)[:120]}, which is no path inside a folder. Nothing was "
            f"copied; remove it, or choose another {setting('output')}."
        )
    return name


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
    shown = without_credentials(url)
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError(f"Writing to {shown}", "cluster") from error
    kind = url.partition("://")[0]
    try:
        fs, root = fsspec.url_to_fs(url)
    except ImportError as error:
        driver = f"pip install {DRIVERS[kind]}" if kind in DRIVERS else str(error)
        raise SettingsError(
            f"{shown}: fsspec's driver for {kind}:// is missing, here or on a worker: {driver}"
        ) from error
    except ValueError as error:
        raise SettingsError(
            f"{shown}: fsspec does not know {kind}://. Give a folder, or a URL such as s3://bucket/study "
            f"({without_credentials(str(error))})."
        ) from error
    return RemoteFolder(fs, root.rstrip("/"), shown.rstrip("/"))
