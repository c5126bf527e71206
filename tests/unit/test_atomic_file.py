"""The one writer: whole or not at all, never through a planted link, with the permissions that people expect."""

from __future__ import annotations

import errno
import os
import re
import resource
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from hpcmbal.atomic_file import (
    ABANDONED_SECONDS,
    PARTIAL_PREFIX,
    PARTIAL_SUFFIX,
    append_to,
    folder_replacement,
    replacement,
    write_by_path,
    write_bytes,
    write_text,
)
from hpcmbal.errors import DataError


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@contextmanager
def small_files() -> Iterator[None]:
    """No file may grow beyond 1,000 bytes, as under `ulimit -f`; pytest's own output may be such a file."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def by_bytes(path: Path, data: bytes) -> None:
    write_bytes(path, data)


def by_file(path: Path, data: bytes) -> None:
    with replacement(path) as file:
        file.write(data)


def by_path(path: Path, data: bytes) -> None:
    write_by_path(path, lambda partial: partial.write_bytes(data))


def by_another_file(path: Path, data: bytes) -> None:
    """As libraries do that make a private file of their own and rename it."""

    def write(partial: Path) -> None:
        own = partial.with_name("own")
        own.write_bytes(data)
        own.chmod(0o600)
        own.rename(partial)

    write_by_path(path, write)


writers = pytest.mark.parametrize("write", [by_bytes, by_file, by_path, by_another_file])
Writer = Callable[[Path, bytes], None]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestWholeOrNothing:
    @writers
    def test_a_file_and_the_folders_above_it_are_made(self, tmp_path: Path, write: Writer) -> None:
        write(tmp_path / "a" / "b" / "file", b"data")
        assert (tmp_path / "a" / "b" / "file").read_bytes() == b"data"
        assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["file"]

    @writers
    def test_a_file_is_replaced(self, tmp_path: Path, write: Writer) -> None:
        write(tmp_path / "file", b"a long first version")
        write(tmp_path / "file", b"second")
        assert (tmp_path / "file").read_bytes() == b"second"

    @pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
    def test_an_error_leaves_what_was_there_and_nothing_else(self, tmp_path: Path, error: BaseException) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"before")
        with pytest.raises(type(error)), replacement(path) as file:  # noqa: PT012
            file.write(b"half")
            raise error
        assert path.read_bytes() == b"before"
        assert list(tmp_path.iterdir()) == [path]

    @writers
    def test_a_limit_of_the_system_names_the_file(self, tmp_path: Path, write: Writer) -> None:
        path = tmp_path / "file"
        with small_files(), pytest.raises(OSError, match="File too large") as caught:
            write(path, bytes(5000))
        assert caught.value.errno == errno.EFBIG
        assert write is by_another_file or caught.value.filename == str(path)
        assert [found.name for found in tmp_path.iterdir() if found.name != "own"] == []

    def test_a_limit_is_named_whatever_a_library_makes_of_it(self, tmp_path: Path) -> None:
        def save(file: IO[bytes]) -> None:
            try:
                file.write(bytes(50_000))
            except OSError:
                raise RuntimeError("unexpected position") from None

        limit, error = small_files(), pytest.raises(OSError, match=r"File too large: .*/file'")
        with limit, error, replacement(tmp_path / "file") as file:
            save(file)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("length", [1, 240, 241, 254, 255])
    def test_names_may_have_any_length_that_the_system_allows(self, tmp_path: Path, length: int) -> None:
        path = tmp_path / ("n" * length)
        write_bytes(path, b"data")
        assert path.read_bytes() == b"data"

    def test_names_that_are_no_text_are_written(self, tmp_path: Path) -> None:
        path = tmp_path / os.fsdecode(b"\xff\x1b[31m\n.png")
        write_bytes(path, b"data")
        assert path.read_bytes() == b"data"

    def test_longer_names_are_refused_by_the_system(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="File name too long: .*nnn'"):
            write_bytes(tmp_path / ("n" * 256), b"data")

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(IsADirectoryError, match=re.escape(str(tmp_path))):
            write_bytes(tmp_path, b"data")

    def test_texts_are_utf_8_and_odd_bytes_of_names_are_escaped(self, tmp_path: Path) -> None:
        write_text(tmp_path / "file", "x̂ " + os.fsdecode(b"\xff"))
        assert (tmp_path / "file").read_bytes() == "x̂ \\udcff".encode()


class TestLinks:
    def test_the_target_of_a_link_is_written_and_the_link_stays(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        target, link = tmp_path / "folder" / "target", tmp_path / "link"
        target.write_bytes(b"before")
        link.symlink_to(Path("folder", "target"))
        write_bytes(link, b"after")
        assert link.is_symlink()
        assert target.read_bytes() == b"after"

    def test_a_link_that_leads_nowhere_yet_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("target")
        write_bytes(tmp_path / "link", b"data")
        assert (tmp_path / "target").read_bytes() == b"data"
        assert (tmp_path / "link").is_symlink()

    def test_a_link_to_itself_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("link")
        with pytest.raises(OSError, match="symbolic links"):
            write_bytes(tmp_path / "link", b"data")

    def test_a_planted_link_is_not_followed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Even if somebody guessed the random name."""
        victim = tmp_path / "victim"
        victim.write_bytes(b"precious")
        monkeypatch.setattr("secrets.token_hex", lambda _count: "guessed")
        (tmp_path / f"{PARTIAL_PREFIX}guessed{PARTIAL_SUFFIX}").symlink_to(victim)
        with pytest.raises(FileExistsError, match="File exists"):
            write_bytes(tmp_path / "file", b"data")
        assert victim.read_bytes() == b"precious"

    def test_partial_names_differ_each_time(self, tmp_path: Path) -> None:
        names = set()
        for _ in range(5):
            with replacement(tmp_path / "file"):
                names |= {path.name for path in tmp_path.iterdir() if path.name.endswith(PARTIAL_SUFFIX)}
        assert len(names) == 5


class TestLogs:
    def test_lines_are_added_in_utf_8(self, tmp_path: Path) -> None:
        for line in ("x̂\n", "y\n"):
            with append_to(tmp_path / "log") as log:
                log.write(line)
        assert (tmp_path / "log").read_bytes() == "x̂\ny\n".encode()

    @pytest.mark.parametrize("target", ["victim", "nowhere"])
    def test_a_planted_link_is_refused(self, tmp_path: Path, target: str) -> None:
        (tmp_path / "victim").write_text("kept")
        (tmp_path / "log").symlink_to(tmp_path / target)
        with pytest.raises(DataError, match=r"log is no regular file but a link"):
            append_to(tmp_path / "log")
        assert (tmp_path / "victim").read_text() == "kept"
        assert not (tmp_path / "nowhere").exists()

    def test_one_that_is_planted_at_the_last_moment_is_not_followed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "log").symlink_to(tmp_path / "victim")
        monkeypatch.setattr("hpcmbal.atomic_file.check_log", lambda _: None)
        with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
            append_to(tmp_path / "log")
        assert not (tmp_path / "victim").exists()

    def test_a_pipe_that_nobody_reads_is_refused_rather_than_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "log")
        with pytest.raises(DataError, match=r"log is no regular file"):
            append_to(tmp_path / "log")


class TestPlacesThatAreNoFiles:
    @writers
    def test_a_pipe_is_written_into(self, tmp_path: Path, write: Writer) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        received: list[bytes] = []
        reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
        reader.start()
        write(pipe, b"data")
        reader.join()
        assert received == [b"data"]
        assert stat.S_ISFIFO(pipe.stat().st_mode)

    def test_a_device_is_written_into(self) -> None:
        write_bytes(Path("/dev/null"), b"data")
        assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)

    @writers
    def test_a_full_device_is_named(self, write: Writer) -> None:
        with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
            write(Path("/dev/full"), b"data")

    def test_an_open_pipe_by_its_descriptor_is_written_into(self) -> None:
        reading, writing = os.pipe()
        write_bytes(Path(f"/dev/fd/{writing}"), b"data")
        os.close(writing)
        with os.fdopen(reading, "rb") as file:
            assert file.read() == b"data"

    def test_an_open_file_that_lost_its_name_is_written_into(self, tmp_path: Path) -> None:
        with (tmp_path / "file").open("w+b") as file:
            (tmp_path / "file").unlink()
            write_bytes(Path(f"/proc/self/fd/{file.fileno()}"), b"data")
            assert file.read() == b"data"
        assert list(tmp_path.iterdir()) == []


class TestPermissions:
    @writers
    @pytest.mark.parametrize(("mask", "expected"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
    def test_new_files_follow_the_umask(self, tmp_path: Path, write: Writer, mask: int, expected: int) -> None:
        os.umask(mask)
        write(tmp_path / "file", b"data")
        assert mode(tmp_path / "file") == expected

    @writers
    @pytest.mark.parametrize("permissions", [0o600, 0o640, 0o666, 0o755, 0o444])
    def test_a_replaced_file_keeps_its_own(self, tmp_path: Path, write: Writer, permissions: int) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"before")
        path.chmod(permissions)
        write(path, b"after")
        assert mode(path) == permissions

    def test_nobody_reads_early_what_nobody_may_read(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.touch(0o600)
        with replacement(path):
            (partial,) = tmp_path.glob(f"*{PARTIAL_SUFFIX}")
            assert mode(partial) == 0o600

    @pytest.mark.parametrize(
        ("source", "expected"), [(0o600, 0o600), (0o640, 0o640), (0o644, 0o644), (0o400, 0o600), (0o666, 0o644)]
    )
    def test_an_output_is_no_more_readable_than_its_input(self, tmp_path: Path, source: int, expected: int) -> None:
        (tmp_path / "input").touch()
        (tmp_path / "input").chmod(source)
        write_bytes(tmp_path / "output", b"data", readable_as=tmp_path / "input")
        assert mode(tmp_path / "output") == expected

    def test_nor_is_one_that_is_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "input").touch(0o600)
        (tmp_path / "output").touch(0o644)
        write_bytes(tmp_path / "output", b"data", readable_as=tmp_path / "input")
        assert mode(tmp_path / "output") == 0o600

    def test_what_comes_from_a_device_has_no_permissions_to_keep(self, tmp_path: Path) -> None:
        write_bytes(tmp_path / "output", b"data", readable_as=Path("/dev/null"))
        assert mode(tmp_path / "output") == 0o644


class TestFolders:
    def test_a_folder_is_there_when_it_is_complete(self, tmp_path: Path) -> None:
        with folder_replacement(tmp_path / "runs" / "one") as folder:
            (folder / "a").write_text("1")
            assert not (tmp_path / "runs" / "one").exists()
        assert (tmp_path / "runs" / "one" / "a").read_text() == "1"
        assert mode(tmp_path / "runs" / "one") == 0o755

    def test_a_folder_is_replaced_as_a_whole(self, tmp_path: Path) -> None:
        (tmp_path / "one").mkdir(mode=0o750)
        (tmp_path / "one" / "old").touch()
        with folder_replacement(tmp_path / "one") as folder:
            (folder / "new").touch()
        assert [path.name for path in (tmp_path / "one").iterdir()] == ["new"]
        assert mode(tmp_path / "one") == 0o750
        assert [path.name for path in tmp_path.iterdir()] == ["one"]

    def test_an_error_leaves_the_old_folder(self, tmp_path: Path) -> None:
        (tmp_path / "one").mkdir()
        (tmp_path / "one" / "old").touch()
        with pytest.raises(ValueError, match="half"), folder_replacement(tmp_path / "one") as folder:  # noqa: PT012
            (folder / "new").touch()
            raise ValueError("half")
        assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["one", "one/old"]

    def test_what_a_killed_process_left_is_removed(self, tmp_path: Path) -> None:
        abandoned = tmp_path / f"{PARTIAL_PREFIX}1234{PARTIAL_SUFFIX}"
        fresh = tmp_path / f"{PARTIAL_PREFIX}5678{PARTIAL_SUFFIX}"
        for path in (abandoned, fresh):
            path.mkdir()
        os.utime(abandoned, (0, abandoned.stat().st_mtime - 2 * ABANDONED_SECONDS))
        with folder_replacement(tmp_path / "one"):
            assert not abandoned.exists()
            assert fresh.exists()

    def test_what_a_living_process_fills_is_kept(self, tmp_path: Path) -> None:
        with folder_replacement(tmp_path / "one") as first:
            os.utime(first, (0, 0))
            with folder_replacement(tmp_path / "two"):
                pass
            (first / "a").touch()
        assert (tmp_path / "one" / "a").exists()
