"""What an evaluation may write over and remove: what it wrote itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from hpcmbal.errors import SettingsError
from hpcmbal.evaluation.evaluation_images import EvaluationImages
from hpcmbal.evaluation.output import check_folder, keep_only


def test_what_was_written_before_goes_and_nothing_else(tmp_path: Path) -> None:
    names = ("report.html", "cost.csv", "figures/rd-psnr.png", "notes.txt")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    keep_only(tmp_path, [tmp_path / name for name in names[:3]])
    keep_only(tmp_path, [tmp_path / "report.html"])
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"report.html", "notes.txt", "written.json"}


@pytest.mark.parametrize("listed", ['["../precious", "/etc/hostname", 3, ""]', '"precious"', "[", "{}"])
def test_a_list_that_is_not_ours_removes_nothing(tmp_path: Path, listed: str) -> None:
    (tmp_path / "precious").write_text("x")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "written.json").write_text(listed)
    keep_only(folder, [])
    assert (tmp_path / "precious").exists()
    assert json.loads((folder / "written.json").read_text()) == []


def test_other_things_need_force(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "results.json").write_text("{}")
    check_folder(tmp_path)  # one image set of several, whose evaluation was interrupted
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(SettingsError, match=r"other things than an evaluation \(notes.txt\)"):
        check_folder(tmp_path)
    check_folder(tmp_path, force=True)


def test_a_table_that_nobody_wrote_here_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("{}")
    (tmp_path / "cost.csv").write_text("mine")
    check_folder(tmp_path)
    with pytest.raises(SettingsError, match=r"\(cost.csv\)"):
        check_folder(tmp_path, ["cost.csv"])
    keep_only(tmp_path, [tmp_path / "cost.csv"])
    check_folder(tmp_path, ["cost.csv"])


def test_what_images_lose_is_said(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    Image.new("RGBA", (16, 16), (1, 2, 3, 4)).save(tmp_path / "b.png")
    Image.new("I;16", (16, 16)).save(tmp_path / "c.png")
    described = EvaluationImages.from_folder(tmp_path).describe()
    assert described["note"] == (
        "coded as 8-bit RGB: b.png without its transparency, c.png without its 16 bits a channel"
    )
