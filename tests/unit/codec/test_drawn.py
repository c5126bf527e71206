"""Which pictures are worth a lossless try, and what becomes of them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hpcmbal.codec.bitstream import read_container
from hpcmbal.codec.codec import compress, compress_picture
from hpcmbal.codec.drawn import may_be_drawn
from hpcmbal.images.picture import Picture

PICTURES: Any = runpy.run_path(str(Path(__file__).parents[3] / "benchmarks" / "lossless_or_learned.py"))["PICTURES"]


def photo(height: int, width: int) -> np.ndarray:
    """Smooth colours with a little noise, as a camera gives them."""
    generator = np.random.default_rng(7)
    coarse = Image.fromarray(generator.integers(0, 256, (6, 5, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=float)
    return np.clip(smooth + generator.normal(0, 1.5, smooth.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", PICTURES)
def test_drawn_pictures_are_tried(name: str) -> None:
    image = PICTURES[name]()
    assert may_be_drawn(np.asarray(image.convert("RGB")))
    assert may_be_drawn(np.asarray(image.convert("L")))


@pytest.mark.parametrize(("height", "width"), [(65, 64), (400, 300), (1200, 900), (3, 5000)])
def test_photographs_are_not(height: int, width: int) -> None:
    values = photo(height, width)
    assert not may_be_drawn(values)
    assert not may_be_drawn(values[..., 1])


@pytest.mark.parametrize("shape", [(1, 1), (64, 64), (64, 64, 3), (1, 60_000), (60_000, 1, 3)])
def test_small_and_thin_pictures_always_are(shape: tuple[int, ...]) -> None:
    assert may_be_drawn(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def test_few_colours_are_enough() -> None:
    generator = np.random.default_rng(0)
    assert may_be_drawn(generator.integers(0, 32, (200, 300), dtype=np.uint8))
    assert not may_be_drawn(generator.integers(0, 64, (200, 300), dtype=np.uint8))


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["kodak", "clic2025-valid", "cid22/val"])
def test_real_photographs_are_not_tried(shared_dir: Path, folder: str) -> None:
    files = sorted((shared_dir / "data" / folder).glob("*.png"))
    assert len(files) > 10
    for path in files:
        if path.stem == "4cd6910a0b7b39365fda5df87618d091":  # a web page
            continue
        with Image.open(path) as image:
            assert not may_be_drawn(np.asarray(image.convert("RGB"))), path


class TestChoice:
    def test_a_drawing_is_kept_exactly_where_that_is_smaller(self, tiny: Any) -> None:
        drawing = Picture(np.asarray(PICTURES["pixel art, 320x320"]()))
        learned = compress_picture(drawing, tiny, 50, mode="learned")
        chosen = compress_picture(drawing, tiny, 50)
        assert chosen == compress_picture(drawing, tiny, mode="lossless")
        assert len(chosen) <= len(learned)

    def test_a_photograph_stays_learned(self, tiny: Any) -> None:
        assert not read_container(compress(Image.fromarray(photo(90, 80)), tiny)).header.lossless

    def test_the_learned_file_is_kept_where_it_is_smaller(self, tiny: Any) -> None:
        noise = Picture(np.random.default_rng(0).integers(0, 32, (300, 200), dtype=np.uint8))
        assert may_be_drawn(noise.pixels)
        assert compress_picture(noise, tiny, 1) == compress_picture(noise, tiny, 1, mode="learned")

    def test_small_pictures_try_both(self, tiny: Any) -> None:
        picture = Picture(photo(20, 20))
        sizes = {mode: len(compress_picture(picture, tiny, mode=mode)) for mode in ("learned", "lossless", "auto")}
        assert sizes["auto"] == min(sizes.values())
