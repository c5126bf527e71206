"""Bands of rows give what the whole picture gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hpcmbal.codec import streaming
from hpcmbal.codec.codec import compress
from hpcmbal.codec.codec_model import CodecModel
from hpcmbal.codec.streaming import analyse, encoder_transform, row_layers, synthesise
from hpcmbal.core.model import HPCM, get_variant
from hpcmbal.core.model.latent_codec import encode_latents
from hpcmbal.core.model.row_stream import push_rows
from hpcmbal.errors import NumericalError

WHOLE = 1 << 40


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(8).integers(0, 256, (300, 140, 3)).astype(np.uint8)


@pytest.mark.parametrize("band_pixels", [1, 5000, 20_000])
def test_latents_are_the_same_in_bands(tiny: Any, pixels: np.ndarray, band_pixels: int) -> None:
    transform = tiny.encoder("float32")
    whole = analyse(transform, pixels, 64, WHOLE)
    assert whole.shape == (1, 16, 20, 12)
    bands = analyse(transform, pixels, 64, band_pixels)
    # Kernels may differ with the size: equal but for the last bits, so the same symbols.
    torch.testing.assert_close(bands, whole, rtol=0, atol=2e-6 * float(whole.abs().max()))
    with torch.no_grad():
        z = tiny.network.h_a(whole)
    assert encode_latents(tiny.exact, bands, z).segments == encode_latents(tiny.exact, whole, z).segments


@pytest.mark.parametrize("band_pixels", [1, 5000, 20_000])
def test_pixels_are_the_same_in_bands(tiny: Any, pixels: np.ndarray, band_pixels: int) -> None:
    y_hat = analyse(tiny.encoder("float32"), pixels, 64).round().double()
    whole = synthesise(tiny.network, y_hat, pixels.shape[:2], None, WHOLE)
    bands = synthesise(tiny.network, y_hat, pixels.shape[:2], None, band_pixels)
    assert bands.shape == pixels.shape
    assert np.abs(bands.astype(int) - whole).max() <= 1


@pytest.mark.parametrize("name", ["hpcm-nano", "hpcm-small"])
@pytest.mark.parametrize("rows", [16, 32, 112])
@torch.no_grad()
def test_every_transform_gives_in_bands_what_it_gives_at_once(name: str, rows: int) -> None:
    torch.manual_seed(rows)
    model = HPCM(get_variant(name)).eval()
    x = torch.rand(1, 3, 112, 48)
    parts = [
        push_rows(layers, x[:, :, start : start + rows], last=start + rows >= 112)
        for layers in [list(row_layers(model.g_a))]
        for start in range(0, 112, rows)
    ]
    y = torch.cat([part for part in parts if part is not None], dim=2)
    torch.testing.assert_close(y, model.g_a(x), rtol=0, atol=1e-6)
    layers = list(row_layers(model.g_s))
    parts = [push_rows(layers, y[:, :, row : row + 1], last=row == y.shape[2] - 1) for row in range(y.shape[2])]
    x_hat = torch.cat([part for part in parts if part is not None], dim=2)
    torch.testing.assert_close(x_hat, model.g_s(y), rtol=0, atol=1e-6)


@torch.no_grad()
def test_the_released_layouts_have_layers_for_bands() -> None:
    for name in ("hpcm-base", "hpcm-1b"):
        with torch.device("meta"):
            model = HPCM(get_variant(name))
        blocks = sum(stage.blocks for stage in model.variant.analysis)
        assert len(list(row_layers(model.g_a))) == len(list(row_layers(model.g_s))) == blocks + 4


def test_a_layer_without_rows_is_named() -> None:
    with pytest.raises(NumericalError, match="a Softplus cannot be computed in bands"):
        list(row_layers(torch.nn.Sequential(torch.nn.Softplus())))


@pytest.mark.parametrize("rows", [1, 15, 17, 64, 65])
def test_any_height_is_padded_and_cropped(tiny: Any, rows: int) -> None:
    image = np.full((rows, 3), 200, dtype=np.uint8)
    y = analyse(tiny.encoder("float32"), image, 64, 1)
    assert y.shape[2:] == (-(-rows // 64) * 4, 4)
    assert synthesise(tiny.network, y, image.shape, None, 1).shape == (rows, 3, 3)


def test_the_encoders_copy_takes_pixels_as_they_are(tiny: Any, pixels: np.ndarray) -> None:
    """And leaves the model's own transform alone, in either precision."""
    before = {name: value.clone() for name, value in tiny.network.g_a.state_dict().items()}
    x = torch.from_numpy(pixels[:288, :128].copy()).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        expected = tiny.network.g_a(x / 255)
        torch.testing.assert_close(encoder_transform(tiny.network.g_a, "float32")(x), expected, rtol=1e-4, atol=1e-5)
        rounded = encoder_transform(tiny.network.g_a, "auto")(x.to(next(tiny.encoder("auto").parameters()).dtype))
    assert float((rounded.float() - expected).abs().max()) < 0.05 * float(expected.abs().max())
    assert all(torch.equal(value, before[name]) for name, value in tiny.network.g_a.state_dict().items())


@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_the_number_of_threads_changes_no_latent(tiny: Any, pixels: np.ndarray, precision: str) -> None:
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(analyse(tiny.encoder(precision), pixels, 64))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*found)


def test_with_float32_a_processor_that_multiplies_bfloat16_writes_what_others_write(
    tiny: Any, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def file_on(multiplies: bool, precision: Any) -> bytes:
        monkeypatch.setattr(streaming, "multiplies_bfloat16", lambda: multiplies)
        return compress(Image.fromarray(pixels), CodecModel(tiny.network, "tiny"), mode="learned", precision=precision)

    elsewhere = file_on(False, "auto")
    assert file_on(True, "float32") == elsewhere
    assert file_on(True, "auto") != elsewhere


def test_every_layer_computes_in_the_memory_layout_of_what_the_chain_is_given() -> None:
    # A band in another layout makes every later layer convert: half as much time again, and the same pixels.
    layers, layouts = list(row_layers(encoder_transform(HPCM(get_variant("hpcm-nano")).g_a, "float32"))), []

    def watched(compute: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def watch(rows: Tensor) -> Tensor:
            layouts.append(rows.is_contiguous(memory_format=torch.channels_last))
            return compute(rows)

        return watch

    for layer in layers:
        layer.compute = watched(layer.compute)
    for start in range(0, 192, 64):
        rows = torch.rand(1, 3, 64, 64).contiguous(memory_format=torch.channels_last)
        push_rows(layers, rows, last=start == 128)
    assert len(layouts) == 3 * len(layers)
    assert all(layouts)
