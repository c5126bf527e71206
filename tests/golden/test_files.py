"""Files written long ago decode to the same pictures: no format version ever changes.

`GENERATE_EXPECTED=1 pytest tests/golden` writes the files that are not there yet, of a new format version.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hpcmbal.codec.bitstream import read_container
from hpcmbal.codec.codec import compress_picture, decompress, decompress_container
from hpcmbal.codec.header import format_version
from hpcmbal.images.picture import Picture
from hpcmbal.model_files.find import PACKAGED_MODELS, claimed_id

FOLDER = Path(__file__).parent / "files"
PACKAGED = Path(__file__).parent / "packaged"
GENERATE = bool(os.environ.get("GENERATE_EXPECTED"))
VERSION_1 = ("colour", "gray_alpha", "one_pixel")
LEARNED = (*VERSION_1, "v2_learned")
LOSSLESS = ("v2_lossless", "v2_lossless_gray_alpha")
NAMES = (*LEARNED, *LOSSLESS)
EXIF = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


def smooth_noise(height: int, width: int, channels: int, seed: int) -> npt.NDArray[np.uint8]:
    generator = np.random.default_rng(seed)
    coarse = np.kron(generator.normal(0, 60, (height // 8 + 1, width // 8 + 1, channels)), np.ones((8, 8, 1)))
    fine = generator.normal(0, 12, (height, width, channels))
    return np.clip(128 + coarse[:height, :width] + fine, 0, 255).astype(np.uint8)


def picture(name: str) -> Picture:
    if name == "colour":
        return Picture(smooth_noise(72, 100, 3, seed=1), icc=b"profile " * 40, exif=EXIF)
    if name == "gray_alpha":
        alpha = np.where(np.indices((33, 47)).sum(0) > 40, 255, 0).astype(np.uint8)
        return Picture(smooth_noise(33, 47, 1, seed=2)[..., 0], alpha=alpha)
    if name == "v2_learned":
        return Picture(smooth_noise(9, 14, 3, seed=3), exif=EXIF, xmp=XMP, source_format="JPEG")
    if name == "v2_lossless":
        cells = np.random.default_rng(4).integers(0, 2, (6, 9, 3), dtype=np.uint8) * 255
        return Picture(np.kron(cells, np.ones((5, 5, 1), np.uint8)), None, b"profile " * 40, EXIF, XMP, "WEBP")
    if name == "v2_lossless_gray_alpha":
        values = np.indices((13, 21)).sum(0).astype(np.uint8) // 4
        return Picture(values * 20, alpha=255 - values * 9)
    return Picture(np.array([[[200, 30, 90]]], dtype=np.uint8))


@pytest.fixture(scope="module", autouse=True)
def generated(tiny: Any) -> None:
    for name in NAMES if GENERATE else ():
        path = FOLDER / f"{name}.hpcm"
        if not path.exists():
            lossless = name in LOSSLESS
            path.write_bytes(
                compress_picture(picture(name), tiny, mode="lossless")
                if lossless
                else compress_picture(picture(name), tiny, quality=70, mode="learned")
            )
            if not lossless:
                np.save(path.with_suffix(".npy"), decompress_container(read_container(path.read_bytes()), tiny).pixels)


@pytest.mark.parametrize("name", NAMES)
def test_golden_files_are_of_their_version(name: str) -> None:
    data = (FOLDER / f"{name}.hpcm").read_bytes()
    assert format_version(data) == (1 if name in VERSION_1 else 2)
    assert read_container(data).header.lossless == (name in LOSSLESS)


@pytest.mark.parametrize("name", LEARNED)
def test_golden_files_decode_to_the_same_picture(name: str, tiny: Any) -> None:
    container = read_container((FOLDER / f"{name}.hpcm").read_bytes())
    decoded = decompress_container(container, tiny)
    expected = np.load(FOLDER / f"{name}.npy")
    assert decoded.pixels.shape == expected.shape
    # The symbols are exact (their checksums were compared); g_s is float32 and may differ in its last bit.
    assert np.abs(decoded.pixels.astype(int) - expected.astype(int)).max() <= 1


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_golden_files_decode_to_the_very_picture(name: str) -> None:
    decoded = decompress_container(read_container((FOLDER / f"{name}.hpcm").read_bytes()))
    np.testing.assert_array_equal(decoded.pixels, picture(name).pixels)


@pytest.mark.parametrize("name", NAMES)
def test_golden_files_keep_what_lies_beside_the_pixels(name: str, tiny: Any) -> None:
    original = picture(name)
    decoded = decompress_container(read_container((FOLDER / f"{name}.hpcm").read_bytes()), tiny)
    for kept in ("icc", "exif", "xmp", "source_format", "gray"):
        assert getattr(decoded, kept) == getattr(original, kept)
    if original.alpha is None:
        assert decoded.alpha is None
    else:
        np.testing.assert_array_equal(decoded.alpha, original.alpha)


def test_the_tiny_model_has_its_id(tiny: Any) -> None:
    container = read_container((FOLDER / "one_pixel.hpcm").read_bytes())
    assert container.header.model_id == tiny.model_id


@pytest.mark.parametrize("path", sorted(PACKAGED.glob("*.hpcm")), ids=lambda path: path.stem)
def test_files_of_every_model_that_was_ever_packaged_decode(path: Path) -> None:
    # Written at quality 40 by the model that the file's name says; the id in the file finds it.
    data = path.read_bytes()
    assert read_container(data).header.model_id.hex() == path.stem
    decoded = np.asarray(decompress(data)).astype(int)
    assert np.abs(decoded - np.load(path.with_suffix(".npy"))).max() <= 1


def test_every_packaged_model_has_a_golden_file() -> None:
    weights = PACKAGED_MODELS.rglob("*.safetensors")
    assert {(claimed_id(path) or b"").hex() for path in weights} == {path.stem for path in PACKAGED.glob("*.hpcm")}
