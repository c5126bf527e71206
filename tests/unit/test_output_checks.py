"""Outputs that may not be written are refused before any work is done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hpcmbal.errors import DataError
from hpcmbal.output_checks import OutputExistsError, check_outputs


@pytest.mark.parametrize("force", [False, True])
def test_an_output_is_refused_that_is_an_input_a_folder_below_a_file_or_named_twice(
    tmp_path: Path, force: bool
) -> None:
    (tmp_path / "folder").mkdir()
    photo, hard, soft = tmp_path / "photo.png", tmp_path / "hard.png", tmp_path / "soft.png"
    photo.write_bytes(b"precious")
    os.link(photo, hard)
    soft.symlink_to("photo.png")
    for output in (photo, hard, soft, tmp_path / "folder" / ".." / "photo.png"):
        with pytest.raises(DataError, match=r"\.png is an input too, and would be destroyed"):
            check_outputs([output], [photo], force=force)
    with pytest.raises(DataError, match="folder is a folder, and a file is to be written"):
        check_outputs([tmp_path / "folder"], [], force=force)
    with pytest.raises(DataError, match=r"photo\.png is no folder, so nothing can lie below it"):
        check_outputs([photo / "deep" / "x.png"], [], force=force)
    with pytest.raises(DataError, match=r"new\.png would be written 2 times"):
        check_outputs([tmp_path / "new.png", tmp_path / "folder" / ".." / "new.png"], [], force=force)


def test_an_output_that_exists_needs_force_and_a_pipe_does_not(tmp_path: Path) -> None:
    old, pipe = tmp_path / "old.png", tmp_path / "pipe"
    old.write_bytes(b"precious")
    os.mkfifo(pipe)
    with pytest.raises(OutputExistsError, match="exists already"):
        check_outputs([old], [], force=False)
    check_outputs([old], [], force=True)
    check_outputs([pipe, tmp_path / "new" / "x.png"], [], force=False)
