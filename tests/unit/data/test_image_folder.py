"""Which files of a folder tree are images, and in which order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from hpcmbal.data.image_folder import ImageFolder
from hpcmbal.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable


def save_images(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (3, 2)).save(root / name, format="PNG")


def names_below(root: Path, folder: ImageFolder) -> list[str]:
    return [Path(folder.name(index)).relative_to(root).as_posix() for index in range(len(folder))]


def test_is_searched_recursively_in_sorted_order(tmp_path: Path) -> None:
    names = ["b.png", "a/z.jpg", "a/b/c.webp", "Ä 写真.png", "B.png"]
    save_images(tmp_path, *names)
    assert names_below(tmp_path, ImageFolder(tmp_path)) == ["B.png", "a/b/c.webp", "a/z.jpg", "b.png", "Ä 写真.png"]


def test_extensions_are_known_in_any_case_and_others_are_left_out(tmp_path: Path) -> None:
    save_images(tmp_path, "a.PNG", "b.JpEg", "c.txt", "d", "e.png.bak")
    assert names_below(tmp_path, ImageFolder(tmp_path)) == ["a.PNG", "b.JpEg"]


def test_our_own_files_are_never_images_whatever_is_in_them(tmp_path: Path) -> None:
    """Pillow reads them once `hpcmbal` is imported; measured as originals, they would flatter every codec."""
    save_images(tmp_path, "a.png", "b.hpcm", "c.HPCM")
    (tmp_path / "damaged.hpcm").write_bytes(b"HPCM\x10")
    assert names_below(tmp_path, ImageFolder(tmp_path)) == ["a.png"]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    save_images(tmp_path, "a.png", "._a.png", ".trash/b.png")
    assert names_below(tmp_path, ImageFolder(tmp_path)) == ["a.png"]


def test_a_folder_may_itself_lie_in_a_hidden_one(tmp_path: Path) -> None:
    save_images(tmp_path / ".cache" / "images", "a.png")
    assert len(ImageFolder(tmp_path / ".cache" / "images")) == 1


def test_several_roots_follow_each_other_as_given(tmp_path: Path) -> None:
    save_images(tmp_path, "x/a.png", "y/b.png")
    assert names_below(tmp_path, ImageFolder(tmp_path / "y", str(tmp_path / "x"))) == ["y/b.png", "x/a.png"]


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    save_images(tmp_path, "elsewhere/a.png", "root/b.png")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "loop").symlink_to(tmp_path / "root")
    assert names_below(tmp_path / "root", ImageFolder(tmp_path / "root")) == ["b.png", "link/a.png"]


def test_images_are_decoded_under_the_pixel_limit(make_folder: Callable[..., Path]) -> None:
    path = make_folder(1)
    height, width = ImageFolder(path).read(0).shape[:2]
    assert ImageFolder(path, pixel_limit=width * height).read(0).shape == (height, width, 3)
    with pytest.raises(DataError, match=r"000\.png: is too large"):
        ImageFolder(path, pixel_limit=width * height - 1).read(0)


def test_an_unreadable_file_is_named_on_reading(make_folder: Callable[..., Path]) -> None:
    folder = ImageFolder(make_folder(2, bad=1))
    assert len(folder) == 3
    assert folder.read(1).dtype == np.uint8
    with pytest.raises(DataError, match=r"002-bad\.png: not an image"):
        folder.read(2)


class TestRefusals:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="nowhere: no such folder"):
            ImageFolder(tmp_path / "nowhere")

    def test_a_file(self, tmp_path: Path) -> None:
        save_images(tmp_path, "a.png")
        with pytest.raises(DataError, match=r"a\.png: not a folder but a file"):
            ImageFolder(tmp_path / "a.png")

    def test_empty(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"no images found\. The folder is empty\. Allowed are .*\.png"):
            ImageFolder(tmp_path)

    def test_no_images_says_what_was_found(self, tmp_path: Path) -> None:
        save_images(tmp_path, "a.txt", "b.TXT", "c/d.json", "e")
        with pytest.raises(DataError, match=r"4 other file\(s\): 2 \.txt, (1 \.json|1 without extension)"):
            ImageFolder(tmp_path)

    def test_one_bad_root_of_several(self, tmp_path: Path) -> None:
        save_images(tmp_path, "x/a.png")
        with pytest.raises(DataError, match="nowhere: no such folder"):
            ImageFolder(tmp_path / "x", tmp_path / "nowhere")

    def test_no_roots(self) -> None:
        with pytest.raises(DataError, match="found 0 paths, at least 1"):
            ImageFolder()

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user")
    def test_a_subfolder_that_cannot_be_listed(self, tmp_path: Path) -> None:
        save_images(tmp_path, "a.png", "locked/b.png")
        (tmp_path / "locked").chmod(0)
        try:
            with pytest.raises(DataError, match="locked: cannot be listed"):
                ImageFolder(tmp_path)
        finally:
            (tmp_path / "locked").chmod(0o700)


def test_folders_are_counted_one_by_one(make_folder: Callable[..., Path]) -> None:
    source = ImageFolder(make_folder(3, name="a"), make_folder(2, name="b"))
    assert source.counts == (3, 2)
    assert len(source) == 5


def test_folders_whose_images_would_count_twice_are_refused(tmp_path: Path) -> None:
    save_images(tmp_path, "a/x.png", "a/sub/y.png", "ab/z.png")
    (tmp_path / "link").symlink_to("a")
    assert ImageFolder(tmp_path / "a", tmp_path / "ab").counts == (2, 1)
    for other in ("a", "link"):
        with pytest.raises(DataError, match=f"{other} is given twice: its images would count twice"):
            ImageFolder(tmp_path / other, tmp_path / "a")
    with pytest.raises(DataError, match=r"sub lies in .*a, whose subfolders are read: its images would count twice"):
        ImageFolder(tmp_path / "a" / "sub", tmp_path / "a")
