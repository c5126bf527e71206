"""Tiles give what the whole image gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from hpcmbal.codec.tiles import analyse, analysis_halo, spans, synthesis_halo, synthesise, tile_shape
from hpcmbal.core.model import HPCM, get_variant
from hpcmbal.core.model.latent_codec import encode_latents

WHOLE = 1 << 40


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(8).integers(0, 256, (300, 140, 3)).astype(np.uint8)


@pytest.mark.parametrize("tile_pixels", [1, 5000, 20_000])
def test_latents_are_the_same_in_tiles(tiny: Any, pixels: np.ndarray, tile_pixels: int) -> None:
    lmbda = tiny.lmbda_of(tiny.rate_of(30))
    whole = analyse(tiny.network, pixels, lmbda, WHOLE)
    assert whole.shape == (1, 16, 20, 12)
    tiles = analyse(tiny.network, pixels, lmbda, tile_pixels)
    # oneDNN may choose other kernels for other sizes: equal but for the last bits, so the same symbols.
    torch.testing.assert_close(tiles, whole, rtol=0, atol=2e-6 * float(whole.abs().max()))
    with torch.no_grad():
        z = tiny.network.h_a(whole)
    assert encode_latents(tiny.exact, tiles, z).segments == encode_latents(tiny.exact, whole, z).segments


@pytest.mark.parametrize("tile_pixels", [1, 5000, 20_000])
def test_pixels_are_the_same_in_tiles(tiny: Any, pixels: np.ndarray, tile_pixels: int) -> None:
    y_hat = analyse(tiny.network, pixels, None).round().double()
    whole = synthesise(tiny.network, y_hat, pixels.shape[:2], None, WHOLE)
    tiles = synthesise(tiny.network, y_hat, pixels.shape[:2], None, tile_pixels)
    assert tiles.shape == pixels.shape
    assert np.abs(tiles.astype(int) - whole).max() <= 1


@pytest.mark.parametrize(("length", "part", "halo"), [(1, 1, 0), (20, 7, 3), (375, 80, 7), (64, 100, 8)])
def test_spans_cover_a_side_once(length: int, part: int, halo: int) -> None:
    cut = list(spans(length, part, halo))
    assert [i for span in cut for i in range(span.start, span.stop)] == list(range(length))
    for span in cut:
        assert span.stop - span.start <= part
        assert span.outer_start == max(0, span.start - halo)
        assert span.outer_stop == min(length, span.stop + halo)


def test_tiles_are_square_and_higher_in_narrow_images() -> None:
    assert tile_shape(1000, 1280 * 1280) == (80, 80)
    assert tile_shape(10, 1280 * 1280) == (640, 10)
    assert tile_shape(1000, 1) == (1, 1)


@pytest.mark.parametrize("rows", [1, 15, 17, 64, 65])
def test_any_height_is_padded_and_cropped(tiny: Any, rows: int) -> None:
    image = np.full((rows, 3), 200, dtype=np.uint8)
    y = analyse(tiny.network, image, None, 1)
    assert y.shape[2:] == (-(-rows // 64) * 4, 4)
    assert synthesise(tiny.network, y, image.shape, None, 1).shape == (rows, 3, 3)


@pytest.mark.parametrize("name", ["hpcm-nano", "hpcm-small", "hpcm-base", "hpcm-1b"])
def test_halos_cover_the_receptive_field(name: str) -> None:
    """A change outside the halo changes nothing; found by the gradient, on the layers' skeleton with few channels."""
    variant = get_variant(name)
    with torch.device("meta"):
        model = HPCM(variant)
    analysis, synthesis = analysis_halo(model.g_a), synthesis_halo(model.g_s)
    reach = sum(
        (2 ** (level + 1)) * stage.blocks + 2**level * (variant.stem_kernel if level == 0 else 2)
        for level, stage in enumerate(variant.analysis)
    )
    assert reach / 2 <= analysis <= 4 * reach
    assert analysis % 16 == 0
    assert 1 <= synthesis <= 64


def test_the_halo_is_needed_and_enough(tiny: Any) -> None:
    halo = analysis_halo(tiny.network.g_a)
    x = torch.rand(1, 3, 4 * halo, 16, requires_grad=True)
    y = tiny.network.g_a(x)
    row = y.shape[2] // 2
    (gradient,) = torch.autograd.grad(y[:, :, row].abs().sum(), x)
    touched = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
    assert touched.min() >= 16 * row - halo
    assert touched.max() < 16 * (row + 1) + halo
    assert touched.min() < 16 * row
