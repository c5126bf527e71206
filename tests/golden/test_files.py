"""Files written long ago decode to the same pictures: format version 1 never changes.

`GENERATE_EXPECTED=1 pytest tests/golden` writes the files anew, which is only right together with a new format version.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hpcmbal.codec.bitstream import read_container
from hpcmbal.codec.codec import compress_picture, decompress_container
from hpcmbal.images.picture import Picture

FOLDER = Path(__file__).parent / "files"
GENERATE = bool(os.environ.get("GENERATE_EXPECTED"))
NAMES = ("colour", "gray_alpha", "one_pixel")


def smooth_noise(height: int, width: int, channels: int, seed: int) -> npt.NDArray[np.uint8]:
    generator = np.random.default_rng(seed)
    coarse = np.kron(generator.normal(0, 60, (height // 8 + 1, width // 8 + 1, channels)), np.ones((8, 8, 1)))
    fine = generator.normal(0, 12, (height, width, channels))
    return np.clip(128 + coarse[:height, :width] + fine, 0, 255).astype(np.uint8)


def picture(name: str) -> Picture:
    if name == "colour":
        return Picture(
            smooth_noise(72, 100, 3, seed=1), icc=b"profile " * 40, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"
        )
    if name == "gray_alpha":
        alpha = np.where(np.indices((33, 47)).sum(0) > 40, 255, 0).astype(np.uint8)
        return Picture(smooth_noise(33, 47, 1, seed=2)[..., 0], alpha=alpha)
    return Picture(np.array([[[200, 30, 90]]], dtype=np.uint8))


@pytest.fixture(scope="module", autouse=True)
def generated(tiny: Any) -> None:
    if GENERATE:
        FOLDER.mkdir(exist_ok=True)
        for name in NAMES:
            data = compress_picture(picture(name), tiny, quality=70)
            (FOLDER / f"{name}.hpcm").write_bytes(data)
            np.save(FOLDER / f"{name}.npy", decompress_container(read_container(data), tiny).pixels)


@pytest.mark.parametrize("name", NAMES)
def test_golden_files_decode_to_the_same_picture(name: str, tiny: Any) -> None:
    container = read_container((FOLDER / f"{name}.hpcm").read_bytes())
    decoded = decompress_container(container, tiny)
    expected = np.load(FOLDER / f"{name}.npy")
    assert decoded.pixels.shape == expected.shape
    # The symbols are exact (their checksums were compared); g_s is float32 and may differ in its last bit.
    assert np.abs(decoded.pixels.astype(int) - expected.astype(int)).max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_golden_files_keep_what_lies_beside_the_pixels(name: str, tiny: Any) -> None:
    original = picture(name)
    decoded = decompress_container(read_container((FOLDER / f"{name}.hpcm").read_bytes()), tiny)
    assert (decoded.icc, decoded.exif, decoded.gray) == (original.icc, original.exif, original.gray)
    if original.alpha is None:
        assert decoded.alpha is None
    else:
        np.testing.assert_array_equal(decoded.alpha, original.alpha)


def test_the_tiny_model_has_its_id(tiny: Any) -> None:
    container = read_container((FOLDER / "one_pixel.hpcm").read_bytes())
    assert container.header.model_id == tiny.model_id
