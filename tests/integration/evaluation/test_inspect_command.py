"""`hpcmbal inspect`: its maps add up to the rates and errors that they show; it writes pictures and one page."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import chelsea

import hpcmbal
from hpcmbal.cli.app import main
from hpcmbal.codec.codec_model import load_codec_model
from hpcmbal.evaluation.codecs.model_codec import estimate_image
from hpcmbal.evaluation.inspection import error_bands, inspect_image
from hpcmbal.images.psnr import psnr_db

SIZE = (150, 203)


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return np.ascontiguousarray(chelsea()[60 : 60 + SIZE[0], 80 : 80 + SIZE[1]])


@pytest.fixture
def photo(photograph: np.ndarray, tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(photograph).save(path)
    return path


def test_maps_add_up_to_the_rates_of_each_scale(photograph: np.ndarray) -> None:
    model = load_codec_model("hpcm-nano")
    found = inspect_image(model, photograph, 40)
    expected = estimate_image(model.network, photograph, 40)
    for name, values in found.bits.items():
        assert values.sum() / 8 == pytest.approx(expected.scale_bytes[name], rel=1e-4)
    for name, values in found.channel_bits.items():
        assert values.sum() == pytest.approx(found.bits[name].sum(), rel=1e-6)
    assert found.blocks == {"z": 64, "s1": 16, "s2": 16, "s3": 16}
    assert found.bpp == pytest.approx(expected.file_bytes * 8 / (SIZE[0] * SIZE[1]), rel=1e-4)


def test_previews_improve_and_end_at_the_whole_file(photograph: np.ndarray) -> None:
    model = load_codec_model("hpcm-nano")
    found = inspect_image(model, photograph, 40)
    sizes = [preview.file_bytes for preview in found.previews.values()]
    qualities = [preview.psnr_db for preview in found.previews.values()]
    assert sizes == sorted(sizes)
    assert qualities == sorted(qualities)
    data = hpcmbal.compress(Image.fromarray(photograph), model, 40)
    assert sizes[-1] == len(data)
    whole = np.array(hpcmbal.decompress(data, model=model))
    assert (found.previews["s3"].image == whole).all()


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (1, 5)])
def test_errors_split_orthogonally_whatever_the_size(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    first, second = rng.integers(0, 256, (2, *size, 3), dtype=np.uint8)
    bands = error_bands(first, second)
    energy = sum((band**2).mean() for band in bands.values())
    assert 10 * np.log10(255**2 / energy) == pytest.approx(psnr_db(first, second), abs=1e-9)
    assert bands["coarse"].shape == size


@pytest.mark.slow
def test_the_command_writes_pictures_and_a_page_that_loads_nothing(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["inspect", str(photo), "-q", "40", "-o", str(out)]) == 0
    assert re.match(
        r"0\.\d{4} bpp \(z 0\.\d{4}, s1 0\.\d{4}, s2 0\.\d{4}, s3 0\.\d{4}\), \d\d\.\d\d dB", capsys.readouterr().out
    )
    for name in ("bits", "errors", "previews", "channels"):
        assert min(Image.open(io.BytesIO((out / f"{name}.png").read_bytes())).size) > 300
    page = (out / "index.html").read_text(encoding="utf-8")
    assert all(address.startswith("data:") for address in re.findall(r"""(?:src|href)\s*=\s*["\']([^"\']*)""", page))
    assert page.count("<img") == 4
    assert main(["inspect", str(photo), "-o", str(out)]) == 3
    assert "exists already" in capsys.readouterr().err


@pytest.mark.slow
def test_colours_under_transparency_are_those_that_are_coded(
    photograph: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alpha = np.zeros((*SIZE, 1), np.uint8)
    Image.fromarray(np.concatenate([photograph, alpha], axis=2)).save(tmp_path / "a.png")
    Image.fromarray(photograph).save(tmp_path / "b.png")
    told = []
    for name in ("a", "b"):
        assert main(["inspect", str(tmp_path / f"{name}.png"), "-o", str(tmp_path / name)]) == 0
        told.append(capsys.readouterr().out.partition("Page")[0])
    assert told[0] == told[1]
    assert "without its alpha" in (tmp_path / "a" / "index.html").read_text(encoding="utf-8")


def test_an_animation_is_refused(photograph: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = [Image.fromarray(photograph), Image.fromarray(photograph[::-1])]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert main(["inspect", str(tmp_path / "a.gif"), "-o", str(tmp_path / "out")]) == 3
    assert "has 2 frames" in capsys.readouterr().err
