"""Anchors through Pillow: their numbers are those of a plain Pillow round trip, and what made them is written down."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from skimage.data import chelsea
from skimage.metrics import peak_signal_noise_ratio

from hpcmbal.evaluation.codecs.image_codec import measure
from hpcmbal.evaluation.codecs.pillow_anchor import PILLOW_ANCHORS
from hpcmbal.evaluation.codecs.selection import OWN_ANCHORS
from hpcmbal.evaluation.curves.bd_rate import bd_rate
from hpcmbal.evaluation.curves.curve import BPP, PSNR

NAMES = [anchor.name for anchor in PILLOW_ANCHORS]
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
    sample = measure(OWN_ANCHORS[name], photograph, 4)
    assert sample[BPP] == len(stream.getvalue()) * 8 / (80 * 96)
    assert sample[PSNR] == pytest.approx(peak_signal_noise_ratio(photograph, decoded), abs=1e-9)


def test_avif_is_tuned_for_what_it_is_compared_in() -> None:
    """As libavif comes, it gives up PSNR for looks, and would make a weak anchor."""
    image = np.ascontiguousarray(chelsea()[40:168, 100:260])
    anchor = replace(OWN_ANCHORS["avif"], qualities=(20, 35, 50, 65))
    as_it_comes, tuned = [], []
    for point, quality in enumerate(anchor.qualities):
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "AVIF", quality=quality, subsampling="4:4:4", speed=4)
        psnr = peak_signal_noise_ratio(image, np.asarray(Image.open(stream).convert("RGB")))
        as_it_comes.append((len(stream.getvalue()) * 8 / (128 * 160), psnr))
        sample = measure(anchor, image, point)
        tuned.append((sample[BPP], sample[PSNR]))
    assert bd_rate(as_it_comes, tuned) < -2.0


@pytest.mark.parametrize("name", FAST)
def test_more_quality_is_more_bits_and_more_psnr(photograph: np.ndarray, name: str) -> None:
    skip_without_plugin(name)
    anchor = OWN_ANCHORS[name]
    first, last = (measure(anchor, photograph, point) for point in (0, len(anchor.points) - 1))
    assert first[BPP] < last[BPP]
    assert first[PSNR] + 5 < last[PSNR]


@pytest.mark.parametrize("name", NAMES)
def test_eight_qualities_and_their_description(name: str) -> None:
    skip_without_plugin(name)
    described = OWN_ANCHORS[name].describe()
    assert len(described["qualities"]) == len(set(described["qualities"])) == 8
    assert "Pillow" in described["encoder"]
    assert any(digit.isdigit() for digit in described["encoder"].partition("(")[2])
    assert described["settings"]


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"webp"} - {"jxl"}))
def test_colour_is_not_subsampled(name: str) -> None:
    """A red-green checkerboard of equal luma survives at high quality: in 4:2:0 it turns to mud."""
    board = np.zeros((64, 64, 3), np.uint8)
    board[..., 0] = np.where(np.indices((64, 64)).sum(0) % 2, 200, 40)
    board[..., 1] = np.where(np.indices((64, 64)).sum(0) % 2, 40, 122)
    best = (60.0,) if name == "jpeg2000" else (100.0,)
    anchor = replace(OWN_ANCHORS["avif" if name == "avif-slow" else name], qualities=best)
    assert measure(anchor, board, 0)[PSNR] > 28


@pytest.mark.parametrize("side", [8, 176, 400])
def test_jpeg_of_noise_fits_whatever_its_size(side: int) -> None:
    noise = np.random.default_rng(side).integers(0, 256, (side, side, 3)).astype(np.uint8)
    for quality in (5, 88, 95, 100):
        coded = OWN_ANCHORS["jpeg"].code_at(noise, quality)
        assert coded.reconstruction.shape == noise.shape
