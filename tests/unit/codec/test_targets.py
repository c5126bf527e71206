"""A size or a PSNR instead of a quality."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hpcmbal.codec.bitstream import read_container
from hpcmbal.codec.codec import code_picture, compress, compress_picture, decompress_container
from hpcmbal.codec.codec_model import CodecModel
from hpcmbal.codec.coding_options import CodingOptions
from hpcmbal.codec.header import RATE_STEPS
from hpcmbal.codec.learned import LearnedEncoder
from hpcmbal.codec.targets import RATE_RESOLUTION, OutOfReachError, Target, reach
from hpcmbal.errors import SettingsError
from hpcmbal.images.picture import Picture
from hpcmbal.images.psnr import psnr_db


@pytest.fixture(scope="module")
def picture() -> Picture:
    generator = np.random.default_rng(5)
    coarse = Image.fromarray(generator.integers(0, 256, (20, 26, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((200, 160), Image.Resampling.BICUBIC), dtype=float)
    return Picture(np.clip(smooth + generator.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def ends(tiny: Any, picture: Picture) -> tuple[int, int]:
    small, large = (len(compress_picture(picture, tiny, quality, mode="learned")) for quality in (1, 100))
    assert small < 0.8 * large
    return small, large


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_best_quality_within_a_size(tiny: Any, picture: Picture, ends: tuple[int, int], share: float) -> None:
    bound = round(ends[0] + share * (ends[1] - ends[0]))
    reached = reach(LearnedEncoder(picture, tiny), Target("bytes", bound))
    found = code_picture(picture, tiny, CodingOptions(target=Target("bytes", bound)))
    assert 0.99 * bound <= len(found.data) <= bound
    assert found.trials == reached.trials <= 12
    assert found.quality == read_container(found.data).header.rate / RATE_STEPS
    # The quality that is told gives such a file again, whatever was coded before.
    assert len(compress_picture(picture, tiny, found.quality)) == pytest.approx(len(found.data), rel=0.002)
    if len(found.data) < 0.995 * bound:
        assert len(compress_picture(picture, tiny, found.quality + 2 * RATE_RESOLUTION / RATE_STEPS)) > bound


def test_bits_per_pixel_are_those_of_the_whole_file(tiny: Any, picture: Picture, ends: tuple[int, int]) -> None:
    bpp = 8 * sum(ends) / 2 / (160 * 200)
    assert (
        0.99 * bpp
        <= 8 * len(compress(Image.fromarray(picture.pixels), tiny, target=Target("bpp", bpp))) / 32_000
        <= bpp
    )


def test_the_smallest_file_of_a_psnr(tiny: Any, picture: Picture) -> None:
    def psnr(data: bytes) -> float:
        return psnr_db(picture.pixels, decompress_container(read_container(data), tiny).pixels)

    worst, best = (psnr(compress_picture(picture, tiny, quality, mode="learned")) for quality in (1, 100))
    low, high = sorted((worst, best))
    bound = (low + high) / 2
    found = code_picture(picture, tiny, CodingOptions(target=Target("psnr", bound)))
    assert psnr(found.data) >= bound - 1e-3


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            Target("bytes", 60),
            r"target_bytes=60 is out of reach: golden-tiny gives at least [\d,]+ bytes here, at quality 1\.",
        ),
        (Target("bpp", 0.001), r"gives at least 0\.\d+ bpp here, at quality 1\. Ask for more"),
        (
            Target("psnr", 70),
            r"target_psnr=70 is out of reach: .* at most [\d.]+ dB here, at quality 100\. Ask for less",
        ),
    ],
)
def test_what_no_quality_reaches_is_refused(tiny: Any, picture: Picture, target: Target, message: str) -> None:
    with pytest.raises(OutOfReachError, match=message):
        code_picture(picture, tiny, CodingOptions(target=target))


def test_more_room_than_the_best_quality_needs_gives_the_best_quality(
    tiny: Any, picture: Picture, ends: tuple[int, int]
) -> None:
    found = code_picture(picture, tiny, CodingOptions(target=Target("bytes", 10 * ends[1])))
    assert (found.quality, len(found.data)) == (100, ends[1])


class TestDrawings:
    drawing = Picture(
        np.kron(np.random.default_rng(3).integers(0, 2, (9, 9, 3)), np.ones((16, 16, 1))).astype(np.uint8) * 255
    )

    def test_are_exact_where_that_is_within_the_size(self, tiny: Any) -> None:
        exact = compress_picture(self.drawing, None, mode="lossless")
        assert code_picture(self.drawing, tiny, CodingOptions(target=Target("bytes", len(exact)))).data == exact

    def test_are_exact_where_no_quality_reaches_a_psnr(self, tiny: Any) -> None:
        found = code_picture(self.drawing, tiny, CodingOptions(target=Target("psnr", 80)))
        assert read_container(found.data).header.lossless
        with pytest.raises(OutOfReachError, match="out of reach"):
            code_picture(self.drawing, tiny, CodingOptions(target=Target("psnr", 80), mode="learned"))


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_targets_are_positive_numbers(value: float) -> None:
    with pytest.raises(SettingsError, match="target_bytes should be a positive number"):
        Target("bytes", value)


@pytest.mark.parametrize(("kind", "value"), [("foo", 3), ("bytes", "x"), ("psnr", True)])
def test_targets_of_other_kinds_are_refused(kind: Any, value: Any) -> None:
    with pytest.raises(SettingsError, match=r"should be (one of bytes, bpp, psnr|a positive number)"):
        Target(kind, value)


def test_models_of_one_rate_have_none(picture: Picture) -> None:
    made = runpy.run_path(str(Path(__file__).parents[2] / "golden" / "tiny_model.py"))
    fixed = CodecModel(made["tiny_model"](made["tiny_variant"](rate_levels=0)), "fixed")
    with pytest.raises(SettingsError, match="fixed has one rate, so there is no quality to find. Leave target_bpp out"):
        code_picture(picture, fixed, CodingOptions(target=Target("bpp", 1)))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"mode": "lossless", "quality": 30, "effort": 2}, "keeps every pixel: quality and effort cannot change it"),
        ({"mode": "lossless", "target": Target("bpp", 1)}, "target cannot change it"),
        ({"quality": 30, "target": Target("bpp", 1)}, "Give quality or a target for it to be found, not both"),
        ({"mode": "lossless", "precision": "float32"}, "keeps every pixel: precision cannot change it"),
        ({"precision": "half"}, "precision should be auto or float32. Found 'half'"),
        ({"effort": 10}, "effort should be 0 to 9. Found 10"),
        ({"mode": "exact"}, "mode should be one of auto, learned, lossless. Found 'exact'"),
    ],
)
def test_choices_are_checked_together(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        CodingOptions(**choices)
