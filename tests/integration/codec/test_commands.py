"""compress, decompress and info through the real command line."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hpcmbal.cli.app import main


def test_there_and_back(run: Any, photos: Path) -> None:
    assert run("compress", photos / "a.png") == 0
    assert run("decompress", photos / "a.hpcm", "-o", photos / "back.png") == 0
    with Image.open(photos / "back.png") as image:
        assert (image.size, image.mode) == ((50, 40), "RGB")


def test_a_folder_with_a_table(run: Any, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compress", photos, "-o", tmp_path / "out", "--verify", "--workers", 2) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.hpcm", "b.hpcm", "c.hpcm"]
    table = capsys.readouterr().err
    assert all(word in table for word in ("Before", "After", "bpp", "PSNR", "dB"))
    assert run("decompress", tmp_path / "out") == 0
    with Image.open(tmp_path / "out" / "b.jpg") as gray, Image.open(tmp_path / "out" / "c.webp") as colour:
        assert (gray.mode, colour.mode) == ("L", "RGBA")


def test_one_bad_file_does_not_stop_the_others(
    run: Any, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "bad.png").write_bytes(b"junk")
    assert run("compress", photos, "-o", tmp_path / "out") == 3
    assert len(list((tmp_path / "out").iterdir())) == 3
    errors = capsys.readouterr().err
    assert "bad.png: not an image" in errors
    assert "1 of 4 files failed" in errors


def test_outputs_are_not_overwritten_without_force(run: Any, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "a.hpcm").write_bytes(b"precious")
    assert run("compress", photos / "a.png") == 3
    assert (photos / "a.hpcm").read_bytes() == b"precious"
    assert "exists already. Overwrite it with --force" in capsys.readouterr().err
    assert run("compress", photos / "a.png", "--force") == 0
    assert (photos / "a.hpcm").read_bytes().startswith(b"HPCM")


def test_nothing_is_left_where_writing_fails(run: Any, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert run("compress", photos / "a.png", "-o", tmp_path / "file" / "a.hpcm") != 0
    assert not list(tmp_path.glob("**/*.partial"))


class _Standard(io.TextIOWrapper):
    """A standard stream over bytes in memory."""

    def __init__(self, data: bytes = b"") -> None:
        self.bytes = io.BytesIO(data)
        super().__init__(self.bytes, write_through=True)


def test_standard_streams(run: Any, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Standard((photos / "a.png").read_bytes()))
    out = _Standard()
    monkeypatch.setattr(sys, "stdout", out)
    assert run("compress", "-") == 0
    compressed = out.bytes.getvalue()
    assert compressed.startswith(b"HPCM")
    monkeypatch.setattr(sys, "stdin", _Standard(compressed))
    out = _Standard()
    monkeypatch.setattr(sys, "stdout", out)
    assert run("decompress", "-") == 0
    assert Image.open(io.BytesIO(out.bytes.getvalue())).size == (50, 40)


def test_bits_per_pixel_are_those_of_the_compressed_file_whatever_its_name(
    run: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("compress", photos / "a.png", "-o", tmp_path / "a.hpcm") == 0
    data = (tmp_path / "a.hpcm").read_bytes()
    (tmp_path / "download").write_bytes(data)
    bpp = f"{8 * len(data) / (50 * 40):.3f} bpp"
    monkeypatch.setattr(sys, "stdin", _Standard(data))
    for source in ("-", tmp_path / "download"):
        capsys.readouterr()
        assert run("decompress", source, "-o", tmp_path / "back.png", "--force") == 0
        assert bpp in capsys.readouterr().err


def test_a_cut_off_file_gives_a_preview_on_request(run: Any, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("compress", photos / "a.png")
    data = (photos / "a.hpcm").read_bytes()
    (photos / "cut.hpcm").write_bytes(data[:-1])
    assert run("decompress", photos / "cut.hpcm") == 4
    errors = capsys.readouterr().err
    assert f"hpcmbal: {photos / 'cut.hpcm'}: The file ends inside segment s3" in errors
    assert "Decode what is complete with --allow-truncated." in errors
    (photos / "short.hpcm").write_bytes(data[:20])
    assert run("decompress", photos / "short.hpcm", "-o", photos / "s.png") == 4
    assert "--allow-truncated" not in capsys.readouterr().err, "nothing in it is complete"
    assert run("decompress", photos / "cut.hpcm", "--allow-truncated") == 0
    assert run("info", photos / "cut.hpcm") == 0
    assert "incomplete: The file ends inside segment s3" in capsys.readouterr().out


def test_info_needs_no_model(run: Any, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("compress", photos / "a.png", "--quality", 30)
    capsys.readouterr()
    assert main(["info", str(photos / "a.hpcm"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["width"], facts["height"], facts["quality"]) == (50, 40, 30)
    assert [part["name"] for part in facts["parts"]] == ["container", "z", "s1", "s2", "s3"]
    assert sum(part["bytes"] for part in facts["parts"]) == facts["bytes"] == (photos / "a.hpcm").stat().st_size


def test_a_missing_model_is_a_clear_error(
    photos: Path, run: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("compress", photos / "a.png")
    monkeypatch.delenv("HPCMBAL_MODEL_DIR")
    assert main(["decompress", str(photos / "a.hpcm"), "-o", str(photos / "back.png")]) == 5
    assert "which wrote this file, was not found. Searched:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["compress", "missing.png"], 3, "missing.png: cannot be read"),
        (["compress", "{photos}/a.png", "--quality", "0"], 2, "--quality 0: must be greater than or equal to 1"),
        (["compress", "{photos}", "-o", "{photos}/a.png"], 2, "is a file, but a folder is needed here"),
        (
            ["decompress", "{photos}/a.png", "-o", "{photos}/x.png"],
            4,
            "a.png: not an .hpcm file: it is a PNG image",
        ),
        (
            ["compress", "{photos}/a.png", "--max-pixels", "1999"],
            3,
            "allowed are 1,999. Scale it down, or raise --max-pixels",
        ),
        (["compress", "-", "{photos}/a.png"], 2, "stands alone"),
    ],
)
def test_errors_name_the_problem(  # noqa: PLR0917 (pytest fills them by name)
    arguments: list[str], code: int, message: str, run: Any, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*(argument.format(photos=photos) for argument in arguments)) == code
    assert message in capsys.readouterr().err
