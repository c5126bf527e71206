"""The one writer: there is the whole of a file or folder, or what was there before.

What is written first goes beside its place under a random name that is made exclusively, so that neither a planted link
nor another process can be in the way. It is flushed to the disk and renamed; on any error it is removed. The rules:

- a link's target is written, and the link stays;
- what is no regular file (a pipe, a device) is written into, once everything that goes there is known;
- a file that is replaced keeps its permissions, a new one follows the umask;
- folders above the place are made.

Logs are the exception: they grow line by line, in place, and never through a link (`append_to`).
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hpcmbal.errors import DataError, setting

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PARTIAL_PREFIX, PARTIAL_SUFFIX = ".hpcmbal-", ".partial"
"""Around the random name of what is not finished. It does not hold the final name, which may fill all 255 bytes."""

ABANDONED_SECONDS = 60.0
"""Age at which an unfinished folder that no process holds may be taken for one of a process that was killed."""


def write_bytes(path: Path, data: bytes, *, readable_as: Path | None = None) -> None:
    """Write a file.

    Args:
        path: Its place; the module says what happens to which kind.
        data: All of it.
        readable_as: A file than which this one may not be readable by more people, such as the input that it shows.

    Raises:
        OSError: It cannot be written; what was there before is untouched.
    """
    with replacement(path, readable_as=readable_as) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    r"""Write a text in UTF-8; what UTF-8 does not have, such as odd bytes of a file's name, becomes `\udcff`.

    Raises:
        OSError: It cannot be written; what was there before is untouched.
    """
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def write_by_path(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file with a function that takes no open file, only a path.

    Args:
        path: Its place.
        write: Is called with the path of an empty file, to fill or to replace.

    Raises:
        OSError: It cannot be written; what was there before is untouched. Other errors of `write` pass as they are.
    """
    with _staged(path, None) as partial:
        write(partial)


@contextmanager
def replacement(path: Path, *, readable_as: Path | None = None) -> Iterator[IO[bytes]]:
    """A new file, open for writing, that takes the place of `path` when the block ends without an error.

    Args:
        path: Its place.
        readable_as: See `write_bytes`.

    Raises:
        OSError: It cannot be written; what was there before is untouched.
    """
    with _staged(path, readable_as) as partial:
        raw = _File(os.open(partial, os.O_WRONLY | os.O_NOFOLLOW), "wb")
        try:
            with io.BufferedWriter(raw) as file:
                yield file
        except Exception as error:  # whatever the writer made of it: the system's own error says more
            if raw.failure is not None and error is not raw.failure:
                raise raw.failure from error
            raise


def append_to(path: Path) -> IO[str]:
    """A log, open for adding text in UTF-8 at its end; made if it is not there.

    Its name is known before it is made, so that whoever may write into its folder could plant a link there.

    Raises:
        DataError: There is a link, a pipe or another thing that is no regular file.
        OSError: It cannot be opened.
    """
    check_log(path)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    return open(path, "a", encoding="utf-8", opener=lambda name, _: os.open(name, flags, 0o666))


def check_log(path: Path) -> None:
    """Refuse a place of a log, before it is read, where something else is than a regular file; nothing may be there.

    Raises:
        DataError: There is a link, a pipe or another thing that is no regular file.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise DataError(
                f"{path} is no regular file but a link, a pipe or the like, and logs are not written through those. "
                f"Remove it, or choose another {setting('output')}."
            )


@contextmanager
def folder_replacement(folder: Path) -> Iterator[Path]:
    """A new, empty folder to fill, which takes the place of `folder` when the block ends without an error.

    Unfinished folders beside it whose process was killed are removed first: a run that is killed again and again must
    not fill the disk.

    Raises:
        OSError: It cannot be written; the folder that was there before is untouched.
    """
    place = Path(os.path.realpath(folder))
    place.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(place.parent)
    partial = _partial_name(place.parent)
    with _named(folder, partial):
        partial.mkdir()
        descriptor = os.open(partial, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with suppress(OSError):  # some file systems have no locks; there, nothing is ever taken for abandoned
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield partial
            _flush_tree(partial)
            _swap_folders(partial, place)
        except BaseException:  # an interruption, too, leaves nothing half-written
            shutil.rmtree(partial, ignore_errors=True)
            raise
        finally:
            os.close(descriptor)
    _flush_folder(place.parent)


class _File(io.FileIO):
    """A file that remembers why it could not be written: libraries in between report a full disk in their own ways."""

    failure: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        """Write as `io.FileIO` does."""
        try:
            return super().write(data)
        except OSError as error:
            self.failure = error
            raise


@contextmanager
def _staged(path: Path, readable_as: Path | None) -> Iterator[Path]:
    """An empty file whose content goes to `path` when the block ends without an error."""
    with _named(path):
        found = _status(path)
        place = Path(os.path.realpath(path))
        regular = found is None or (stat.S_ISREG(found.st_mode) and _is(place, found))
    if not regular:
        with tempfile.TemporaryDirectory(prefix=PARTIAL_PREFIX) as folder:
            staged = Path(folder, "content")
            staged.touch()
            yield staged
            with _named(path):
                _write_into(path, staged)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial_name(place.parent)
    with _named(path, partial):
        mode = _make(partial, found, _allowed(readable_as))
        try:
            yield partial
            _flush_file(partial)
            partial.chmod(mode)  # again: the block may have put another file there
            partial.replace(place)
        except BaseException:  # an interruption, too, leaves nothing half-written
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
    _flush_folder(place.parent)


@contextmanager
def _named(path: Path, partial: Path | None = None) -> Iterator[None]:
    """Errors of the system name the place that the caller asked for, not the file of a random name."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename not in {None, None if partial is None else str(partial)}:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _status(path: Path) -> os.stat_result | None:
    """Of what `path` leads to; None if nothing is there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return found


def _is(place: Path, found: os.stat_result) -> bool:
    """Whether `place` names the file `found`: a path below /proc may lead to a file that has no name any more."""
    try:
        return os.path.samestat(place.stat(), found)
    except OSError:
        return False


def _allowed(readable_as: Path | None) -> int:
    """The permissions that an output may have: all, or for the group and others only if they may read `readable_as`."""
    if readable_as is None:
        return 0o7777
    found = readable_as.stat()
    if not stat.S_ISREG(found.st_mode):
        return 0o7777
    return 0o7700 | (0o070 if found.st_mode & stat.S_IRGRP else 0) | (0o007 if found.st_mode & stat.S_IROTH else 0)


def _make(partial: Path, found: os.stat_result | None, allowed: int) -> int:
    """Make an empty file that nobody may read who may not read the final one; returns the final permissions."""
    wanted = allowed & (0o666 if found is None else stat.S_IMODE(found.st_mode))
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, wanted & 0o666 | 0o600)
    try:
        # A new file's are what the umask left of them.
        return stat.S_IMODE(os.fstat(descriptor).st_mode) if found is None else wanted
    finally:
        os.close(descriptor)


def _write_into(path: Path, staged: Path) -> None:
    flags = os.O_WRONLY | os.O_NOCTTY | (os.O_TRUNC if stat.S_ISREG(path.stat().st_mode) else 0)
    with staged.open("rb") as source, os.fdopen(os.open(path, flags), "wb") as target:
        shutil.copyfileobj(source, target)


def _swap_folders(partial: Path, place: Path) -> None:
    if not place.exists():
        partial.rename(place)
        return
    partial.chmod(stat.S_IMODE(place.stat().st_mode))
    old = _partial_name(place.parent)
    place.rename(old)
    try:
        partial.rename(place)
    except OSError:
        old.rename(place)
        raise
    shutil.rmtree(old)


def _remove_abandoned(folder: Path) -> None:
    for unfinished in folder.glob(f"{PARTIAL_PREFIX}*{PARTIAL_SUFFIX}/"):
        with suppress(OSError):
            if time.time() - unfinished.stat().st_mtime < ABANDONED_SECONDS:
                continue
            descriptor = os.open(unfinished, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(unfinished, ignore_errors=True)
            finally:
                os.close(descriptor)


def _partial_name(folder: Path) -> Path:
    return folder / f"{PARTIAL_PREFIX}{secrets.token_hex(8)}{PARTIAL_SUFFIX}"


def _flush_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            _flush_file(path)
        elif path.is_dir():
            _flush_folder(path)
    _flush_folder(folder)


def _flush_file(path: Path) -> None:
    # Not by the descriptor that wrote it: the block may have put another file there.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    """Make a rename inside `folder` survive a power cut, where the system can."""
    with suppress(OSError):  # the file is there; some systems cannot flush folders
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
