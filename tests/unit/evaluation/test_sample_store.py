"""Samples survive an interruption; damage is told, not skipped."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from hpcmbal.errors import DataError
from hpcmbal.evaluation.output import check_folder
from hpcmbal.evaluation.sample_store import SampleStore, sample_key


def test_samples_are_read_again(tmp_path: Path) -> None:
    SampleStore(tmp_path / "s.jsonl").add("k", {"bpp": 0.1, "psnr-rgb": math.inf, "ms-ssim-rgb": None})
    assert SampleStore(tmp_path / "s.jsonl").get("k") == {"bpp": 0.1, "psnr-rgb": math.inf, "ms-ssim-rgb": None}


@pytest.mark.parametrize("cut", range(1, 40, 6))
def test_a_torn_last_line_is_dropped_and_can_be_written_again(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "s.jsonl"
    store = SampleStore(path)
    store.add("first", {"bpp": 0.1})
    store.add("second", {"bpp": 0.2})
    path.write_bytes(path.read_bytes()[:-cut])
    again = SampleStore(path)
    assert (again.get("first"), again.get("second")) == ({"bpp": 0.1}, None)
    again.add("second", {"bpp": 0.3})
    assert SampleStore(path).get("second") == {"bpp": 0.3}
    assert len(SampleStore(path)) == 2


def test_damage_in_the_middle_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text(
        '{"key": "a", "sample": {"bpp": 1}}\nnonsense\n{"key": "b", "sample": {"bpp": 1}}\n', encoding="utf-8"
    )
    with pytest.raises(DataError, match="line 2: damaged"):
        SampleStore(path)


def test_a_key_depends_on_everything_that_changes_numbers() -> None:
    base = ({"codec": "a", "settings": {"x": 1, "y": 2}}, "quality 5", "00ff")
    others = [
        ({"codec": "a", "settings": {"x": 2, "y": 2}}, *base[1:]),
        (base[0], "quality 6", base[2]),
        (*base[:2], "01"),
    ]
    assert len({sample_key(*arguments) for arguments in (base, *others)}) == 4
    assert sample_key({"settings": {"y": 2, "x": 1}, "codec": "a"}, *base[1:]) == sample_key(*base)


@pytest.mark.parametrize("content", ["", "torn", None])
def test_a_planted_link_is_neither_read_nor_written(tmp_path: Path, content: str | None) -> None:
    victim = tmp_path / "victim"
    if content is not None:
        victim.write_text(content, encoding="utf-8")
    (tmp_path / "s.jsonl").symlink_to(victim)
    with pytest.raises(DataError, match=r"s\.jsonl is no regular file but a link"):
        SampleStore(tmp_path / "s.jsonl")
    assert victim.exists() == (content is not None)
    assert content is None or victim.read_text(encoding="utf-8") == content


def test_samples_keep_the_conditions_that_they_were_measured_under(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    for workers, keys in ((1, "ab"), (2, ""), (4, "c")):
        store = SampleStore(path)
        store.measured_under({"workers": workers})
        for key in keys:
            store.add(key, {"bpp": 0.1})
    again = SampleStore(path)
    assert again.conditions("a") == again.conditions("ab") == [{"workers": 1}]
    assert again.conditions("cab") == [{"workers": 1}, {"workers": 4}]
    assert again.conditions("x") == []
    assert (len(again), again.get("c")) == (3, {"bpp": 0.1})


def test_bytes_that_are_no_text_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    SampleStore(path).add("first", {"bpp": 0.1})
    path.write_bytes(b"\xff\xfe\n" + path.read_bytes())
    with pytest.raises(DataError, match=r"s\.jsonl, line 1: damaged\. Remove the file"):
        SampleStore(path)


def test_a_file_in_the_place_of_the_figures_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    SampleStore(tmp_path / "samples.jsonl").add("first", {"bpp": 0.1})
    check_folder(tmp_path)
    (tmp_path / "figures").write_text("precious")
    with pytest.raises(DataError, match="figures is no folder, so nothing can lie below it"):
        check_folder(tmp_path)
