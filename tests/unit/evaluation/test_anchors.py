"""Anchors: their numbers are those of a plain Pillow round trip, and what made them is written down."""

from __future__ import annotations

import io
import shutil
from functools import partial

import numpy as np
import pytest
from PIL import Image
from skimage.data import chelsea
from skimage.metrics import peak_signal_noise_ratio

from hpcmbal.errors import SettingsError
from hpcmbal.evaluation.anchors import PILLOW_FORMATS, PillowAnchor
from hpcmbal.evaluation.curve import BPP, PSNR
from hpcmbal.evaluation.external import PROGRAMS, ProgramAnchor
from hpcmbal.evaluation.find_quality import find_quality
from hpcmbal.evaluation.image_codec import measure
from hpcmbal.evaluation.selection import build_anchor

FAST = ["jpeg", "webp", "jxl", "jpeg2000"]


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return np.ascontiguousarray(chelsea()[40:120, 100:196])


def skip_without_plugin(name: str) -> None:
    if name == "jxl":
        pytest.importorskip("pillow_jxl", reason="the anchor jxl needs the extra 'jxl'")


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("jpeg", {"format": "JPEG", "quality": 55, "subsampling": "4:4:4", "optimize": True, "progressive": True}),
        ("webp", {"format": "WEBP", "quality": 60, "method": 6}),
        (
            "avif",
            {
                "format": "AVIF",
                "quality": 42,
                "subsampling": "4:4:4",
                "speed": 4,
                "autotiling": False,
                "max_threads": 1,
                "advanced": {"tune": "psnr"},
            },
        ),
    ],
)
def test_numbers_are_those_of_a_pillow_round_trip(
    photograph: np.ndarray, name: str, settings: dict[str, object]
) -> None:
    stream = io.BytesIO()
    Image.fromarray(photograph).save(stream, **settings)
    decoded = np.asarray(Image.open(io.BytesIO(stream.getvalue())).convert("RGB"))
    sample = measure(PillowAnchor(name), photograph, 4)
    assert sample[BPP] == len(stream.getvalue()) * 8 / (80 * 96)
    assert sample[PSNR] == pytest.approx(peak_signal_noise_ratio(photograph, decoded), abs=1e-9)


def test_avif_is_tuned_for_what_it_is_compared_in() -> None:
    """As libavif comes, it gives up PSNR for looks, and would make a weak anchor."""
    image = np.ascontiguousarray(chelsea()[40:136, 100:228])
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "AVIF", quality=50, subsampling="4:4:4", speed=4)
    untuned = peak_signal_noise_ratio(image, np.asarray(Image.open(stream).convert("RGB")))
    target = len(stream.getvalue()) * 8 / (96 * 128)
    anchor = PillowAnchor("avif")
    tuned = find_quality(image, partial(anchor.code_at, image), anchor.scale, "bpp", target).sample
    assert tuned[BPP] <= target
    assert tuned[PSNR] > untuned + 0.1


@pytest.mark.parametrize("name", FAST)
def test_more_quality_is_more_bits_and_more_psnr(photograph: np.ndarray, name: str) -> None:
    skip_without_plugin(name)
    anchor = PillowAnchor(name)
    first, last = (measure(anchor, photograph, point) for point in (0, len(anchor.points) - 1))
    assert first[BPP] < last[BPP]
    assert first[PSNR] + 5 < last[PSNR]


@pytest.mark.parametrize("name", PILLOW_FORMATS)
def test_eight_qualities_and_their_description(name: str) -> None:
    skip_without_plugin(name)
    described = PillowAnchor(name).describe()
    assert len(described["qualities"]) == len(set(described["qualities"])) == 8
    assert "Pillow" in described["encoder"]
    assert any(digit.isdigit() for digit in described["encoder"].partition("(")[2])
    assert described["settings"]


@pytest.mark.parametrize("name", sorted(set(PILLOW_FORMATS) - {"webp"} - {"jxl"}))
def test_colour_is_not_subsampled(name: str) -> None:
    """A red-green checkerboard of equal luma survives at high quality: in 4:2:0 it turns to mud."""
    board = np.zeros((64, 64, 3), np.uint8)
    board[..., 0] = np.where(np.indices((64, 64)).sum(0) % 2, 200, 40)
    board[..., 1] = np.where(np.indices((64, 64)).sum(0) % 2, 40, 122)
    anchor = PillowAnchor("avif" if name == "avif-slow" else name, (60.0,) if name == "jpeg2000" else (100.0,))
    assert measure(anchor, board, 0)[PSNR] > 28


def test_unknown_anchors_are_refused_with_the_choice() -> None:
    with pytest.raises(SettingsError, match=r"No anchor 'gif'. Choose from: jpeg, webp, avif, .*x265"):
        build_anchor("gif")


def test_a_program_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SettingsError, match="'x265' needs the program 'ffmpeg', which is not in PATH"):
        ProgramAnchor("x265")


@pytest.mark.parametrize("name", PROGRAMS)
def test_external_programs_round_trip(photograph: np.ndarray, name: str) -> None:
    if shutil.which(PROGRAMS[name].encode[0]) is None:
        pytest.skip(f"needs the program {PROGRAMS[name].encode[0]}")
    anchor = ProgramAnchor(name)
    samples = [measure(anchor, photograph, point) for point in (0, 7)]
    assert samples[0][BPP] < samples[1][BPP]
    assert samples[0][PSNR] + 5 < samples[1][PSNR]
    assert "{quality}" in anchor.describe()["encode_command"]
