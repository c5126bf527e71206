"""compress --lossless, --lossy, --target-..., --total and --effort through the real command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hpcmbal.cli.app import main
from hpcmbal.codec import refine
from hpcmbal.codec.bitstream import read_container


@pytest.fixture
def drawing(photos: Path) -> Path:
    cells = np.random.default_rng(3).integers(0, 2, (9, 9, 3), dtype=np.uint8) * 255
    Image.fromarray(np.kron(cells, np.ones((16, 16, 1), dtype=np.uint8))).save(photos / "drawing.png")
    return photos / "drawing.png"


def packaged(*arguments: object) -> int:
    """Run with the packaged model, or with none."""
    return main([str(argument) for argument in arguments])


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("name", ["a.png", "drawing.png"])
def test_lossless_keeps_every_pixel(photos: Path, drawing: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert packaged("compress", photos / name, "--lossless", "--verify", "-o", photos / "x.hpcm") == 0
    line = capsys.readouterr().err
    assert line.rstrip().endswith("bpp, lossless, exact")
    assert packaged("decompress", photos / "x.hpcm", "-o", photos / "back.png") == 0
    with Image.open(photos / "back.png") as back, Image.open(photos / name) as original:
        assert back.tobytes() == original.tobytes()
    capsys.readouterr()
    assert packaged("info", photos / "x.hpcm") == 0
    shown = capsys.readouterr().out
    assert "format 2" in shown
    assert "lossless" in shown
    assert "model" not in shown


def test_drawings_are_exact_unless_told_otherwise(drawing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert packaged("compress", drawing, "--verify", "--json") == 0
    (exact,) = told(capsys)
    assert (exact["lossless"], exact["exact"]) == (True, True)
    assert packaged("compress", drawing, "--lossy", "--verify", "--json", "--force") == 0
    (lossy,) = told(capsys)
    assert (lossy["lossless"], lossy["exact"]) == (False, False)
    assert lossy["bytes_after"] > exact["bytes_after"]


def test_lossless_commands_load_no_torch(drawing: Path, photos: Path) -> None:
    program = (
        "import sys\n"
        "from hpcmbal.cli.app import main\n"
        "for line in sys.argv[1:]:\n"
        "    assert main(line.split('|')) in (0, None), line\n"
        "assert 'torch' not in sys.modules, 'torch is loaded'"
    )
    lines = [
        f"compress|{drawing}|--lossless|--verify",
        f"info|{drawing.with_suffix('.hpcm')}",
        f"decompress|{drawing.with_suffix('.hpcm')}|-o|{photos / 'back.png'}",
    ]
    done = subprocess.run([sys.executable, "-c", program, *lines], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_size_for_each_file(run: Any, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compress", photos, "-o", tmp_path / "out", "--target-bytes", 2500, "--json") == 0
    for outcome in told(capsys):
        size = Path(outcome["target"]).stat().st_size
        assert size == outcome["bytes_after"] <= 2500
        assert outcome["lossless"] or 1 <= outcome["quality"] <= 100


def test_a_size_for_all_files(run: Any, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {}
    for quality in (1, 100):
        assert run("compress", photos, "-o", tmp_path / str(quality), "-q", quality, "--json", "--lossy") == 0
        sizes[quality] = sum(outcome["bytes_after"] for outcome in told(capsys))
    bound = (sizes[1] + sizes[100]) // 2
    (photos / "bad.png").write_bytes(b"junk")  # fails, and stops nothing
    arguments = ("compress", photos, "-o", tmp_path / "out", "--target-bytes", bound, "--total", "--lossy")
    assert run(*arguments, "--json") == 3
    good = [outcome for outcome in told(capsys) if outcome["error"] is None]
    assert len({outcome["quality"] for outcome in good}) == 1
    assert 0.98 * bound <= sum(outcome["bytes_after"] for outcome in good) <= bound
    assert run(*arguments, "--force") == 3
    assert "all files together: " in capsys.readouterr().err


def test_a_psnr_is_told_with_its_quality(run: Any, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for quality in (1, 100):
        assert run("compress", photos / "a.png", "--lossy", "-q", quality, "--verify", "--json", "--force") == 0
        (found[quality],) = told(capsys)
    bound = (found[1]["psnr_db"] + found[100]["psnr_db"]) / 2
    assert run("compress", photos / "a.png", "--lossy", "--target-psnr", bound, "--verify", "--force") == 0
    assert ", quality " in (line := capsys.readouterr().err)
    assert float(line.rstrip().removesuffix(" dB").rpartition(" ")[2]) >= bound - 0.01


def test_effort(run: Any, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(refine, "STEPS", (0, *[4] * 9))
    assert run("compress", photos / "a.png", "--effort", 3, "--lossy", "--json") == 0
    (outcome,) = told(capsys)
    assert not read_container(Path(outcome["target"]).read_bytes()).header.lossless


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lossless", "-q", "30"], "--quality 30: has no effect"),
        (["--lossless", "--effort", "2"], "--effort 2: has no effect"),
        (["--lossless", "--precision", "float32"], "--precision float32: has no effect"),
        (["--lossless", "--target-bpp", "1"], "--target-bpp 1: has no effect"),
        (["--lossless"], "--model {model}: has no effect"),
        (["--lossless", "--lossy"], "contradicts --lossy; leave one of them out"),
        (["-q", "30", "--target-bpp", "1"], "--target-bpp 1: contradicts --quality"),
        (["--target-psnr", "30", "--target-bpp", "1"], "contradicts --target-bpp"),
        (["--target-bytes", "9999", "--total", "--effort", "2"], "--total: finds the quality of single passes"),
        (["--target-psnr", "30", "--total"], "--total: needs --target-bytes or --target-bpp"),
        (["--effort", "10"], "--effort 10: must be less than or equal to 9"),
        (["--target-bytes", "0"], "--target-bytes 0: must be greater than or equal to 1"),
        (["--target-bpp", "inf"], "--target-bpp inf: "),
        (["--target-bytes", "20"], "--target-bytes 20 is out of reach: "),
        (["--target-psnr", "99", "--lossy"], "--target-psnr 99 is out of reach: "),
    ],
)
def test_choices_that_cannot_be_are_told(  # noqa: PLR0917 (pytest fills them by name)
    run: Any, photos: Path, models: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("compress", photos / "a.png", *arguments) == 2
    assert message.format(model=models / "mine.safetensors") in capsys.readouterr().err
    assert not (photos / "a.hpcm").exists()


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (["--target-psnr", "1"], "quality 1 is the smallest: --target-psnr asks for less"),
        (["--target-bpp", "500"], "quality 100 is the best: --target-bpp allows more"),
        (["--target-bytes", "99999999", "--total"], "quality 100 is the best: --target-bytes allows more"),
    ],
)
def test_a_target_beyond_the_qualities_is_told_in_one_line(  # noqa: PLR0917 (pytest fills them by name)
    run: Any, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], target: list[str], told: str
) -> None:
    assert run("compress", photos / "a.png", "-o", tmp_path / "one.hpcm", "--lossy", *target) == 0
    assert capsys.readouterr().err.count(f"hpcmbal: {told}.") == 1
    assert run("compress", photos, "-o", tmp_path / "out", "--lossy", *target) == 0
    assert capsys.readouterr().err.count(f"hpcmbal: 3 of 3 files: {told}.") == 1
