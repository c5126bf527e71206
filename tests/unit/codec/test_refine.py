"""Effort: latents refined by gradient are never worse, and the same wherever they are cut."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hpcmbal.codec import learned, refine
from hpcmbal.codec.bitstream import write_container
from hpcmbal.codec.codec import code_picture
from hpcmbal.codec.codec_model import CodecModel
from hpcmbal.codec.coding_options import CodingOptions
from hpcmbal.codec.learned import LearnedEncoder, decode_learned
from hpcmbal.codec.refine import STEPS, refine_latents, regions
from hpcmbal.codec.targets import Target
from hpcmbal.errors import SettingsError
from hpcmbal.images.picture import Picture
from hpcmbal.settings.coding import HIGHEST_EFFORT

RATE = 50 * 256


@pytest.fixture(scope="module")
def picture() -> Picture:
    generator = np.random.default_rng(6)
    coarse = Image.fromarray(generator.integers(0, 256, (12, 15, 3), dtype=np.uint8))
    return Picture(np.asarray(coarse.resize((150, 120), Image.Resampling.BICUBIC)))


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refine, "STEPS", (0, *[12] * HIGHEST_EFFORT))


def lmbda(tiny: Any) -> float:
    return tiny.rates.lmbda_at(50)


@pytest.mark.usefixtures("few_steps")
def test_files_get_better_by_j_and_decode_as_ever(tiny: Any, picture: Picture) -> None:
    encoder = LearnedEncoder(picture, tiny)
    plain, refined = encoder.encode(RATE), encoder.refined(RATE, 1)
    assert encoder.cost(refined, lmbda(tiny)) < encoder.cost(plain, lmbda(tiny))
    decoded = decode_learned(refined.container, tiny, 3)
    assert np.abs(decoded.pixels.astype(int) - encoder.pixels(refined)).max() <= 1


@pytest.mark.usefixtures("few_steps")
def test_a_refinement_that_made_it_worse_is_dropped(
    tiny: Any, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refine, "LEARNING_RATE", 50.0)
    encoder = LearnedEncoder(picture, tiny)
    assert write_container(encoder.refined(RATE, 1).container) == write_container(encoder.encode(RATE).container)


def test_effort_0_is_the_single_pass(tiny: Any, picture: Picture) -> None:
    encoder = LearnedEncoder(picture, tiny)
    assert encoder.refined(RATE, 0).container == encoder.encode(RATE).container
    assert len(STEPS) == HIGHEST_EFFORT + 1
    assert list(STEPS) == sorted(set(STEPS))


@pytest.mark.slow
@pytest.mark.usefixtures("few_steps")
def test_it_is_deterministic_and_leaves_the_model_alone(tiny: Any, picture: Picture) -> None:
    before = {name: value.clone() for name, value in tiny.network.state_dict().items()}
    files = [code_picture(picture, tiny, CodingOptions(effort=1)).data for _ in range(2)]
    assert files[0] == files[1]
    for name, value in tiny.network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in tiny.network.parameters())


@pytest.mark.usefixtures("few_steps")
def test_gray_and_alpha(tiny: Any, picture: Picture) -> None:
    gray = Picture(picture.pixels[..., 0], alpha=picture.pixels[..., 1])
    encoder = LearnedEncoder(gray, tiny)
    assert encoder.cost(encoder.refined(RATE, 1), lmbda(tiny)) < encoder.cost(encoder.encode(RATE), lmbda(tiny))


@pytest.mark.slow
@pytest.mark.usefixtures("few_steps")
def test_progress_rises_to_one(tiny: Any, picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refine, "TILE", 8)
    monkeypatch.setattr(refine, "MOST_LATENTS", 0)
    told: list[float] = []
    LearnedEncoder(picture, tiny).refined(RATE, 1, told.append)
    assert told == sorted(told)
    assert told[-1] == 1
    assert len(told) == 12 * len(list(regions(8, 12)))


@pytest.mark.slow
@pytest.mark.usefixtures("few_steps")
def test_large_pictures_are_refined_in_tiles(tiny: Any, picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = LearnedEncoder(picture, tiny)
    plain = encoder.cost(encoder.encode(RATE), lmbda(tiny))
    whole = encoder.cost(encoder.refined(RATE, 1), lmbda(tiny))
    monkeypatch.setattr(refine, "TILE", 8)
    monkeypatch.setattr(refine, "MOST_LATENTS", 0)
    tiles = encoder.cost(encoder.refined(RATE, 1), lmbda(tiny))
    assert tiles < plain
    assert tiles - whole < 0.5 * (plain - whole)


@pytest.mark.parametrize(("height", "width"), [(4, 4), (32, 48), (100, 36), (60, 200)])
def test_regions_cover_the_latents_once(height: int, width: int) -> None:
    seen = np.zeros((height, width), dtype=int)
    for region in regions(height, width):
        seen[region.kept] += 1
        for outer, kept, inside in zip(region.outer, region.kept, region.kept_inside, strict=True):
            assert outer.start % 8 == kept.start % 8 == 0
            assert (outer.stop - outer.start) % 4 == 0
            assert (outer.start + inside.start, outer.start + inside.stop) == (kept.start, kept.stop)
            assert kept.stop - kept.start <= 1.5 * refine.TILE or height * width <= refine.MOST_LATENTS
    assert (seen == 1).all()


def test_what_is_no_larger_than_a_tile_with_its_halo_is_one_tile() -> None:
    assert [region.kept for region in regions(32, 72)] == [(slice(0, 32), slice(0, 72))]
    assert len(list(regions(32, 76))) > 1


def test_the_region_asks_for_its_pixels_only(tiny: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    y, z = torch.randn(1, 16, 8, 8, generator=generator), torch.randn(1, 8, 2, 2, generator=generator)
    asked: list[tuple[slice, slice]] = []

    def pixels(part: tuple[slice, slice]) -> torch.Tensor:
        asked.append(part)
        return torch.rand(1, 3, 120, 100, generator=generator)  # the picture ends before its latents do

    refined_y, refined_z = refine_latents(tiny.network, pixels, y, z, lmbda=0.01, effort=1)
    assert asked == [(slice(0, 8), slice(0, 8))]
    assert refined_y.shape == y.shape
    assert not torch.equal(refined_y, y)
    assert not torch.equal(refined_z, z)


@pytest.mark.usefixtures("few_steps")
def test_products_in_bfloat16_are_as_good(tiny: Any, picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this processor multiplies: elsewhere it is slow, and the same."""
    encoder = LearnedEncoder(picture, tiny, "float32")
    costs = [encoder.cost(encoder.encode(RATE), lmbda(tiny)), encoder.cost(encoder.refined(RATE, 1), lmbda(tiny))]
    monkeypatch.setattr(learned, "encoder_dtype", lambda *_: torch.bfloat16)
    costs.append(encoder.cost(encoder.refined(RATE, 1), lmbda(tiny)))
    assert costs[0] - costs[2] > 0.8 * (costs[0] - costs[1]) > 0


@pytest.mark.usefixtures("few_steps")
def test_a_refined_file_still_reaches_its_target(tiny: Any, picture: Picture) -> None:
    bound = len(code_picture(picture, tiny, CodingOptions(60, mode="learned")).data)
    found = code_picture(picture, tiny, CodingOptions(target=Target("bytes", bound), effort=1))
    assert len(found.data) <= bound


def test_a_model_that_does_not_say_its_lmbda_is_refused(picture: Picture) -> None:
    made = runpy.run_path(str(Path(__file__).parents[2] / "golden" / "tiny_model.py"))
    fixed = CodecModel(made["tiny_model"](made["tiny_variant"](rate_levels=0)), "fixed")
    with pytest.raises(SettingsError, match="effort=2 weighs bits against errors, and fixed does not say how"):
        code_picture(picture, fixed, CodingOptions(effort=2))
