"""Lossless files: every pixel, alpha and metadatum comes back, and nothing but such files is accepted."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from hpcmbal.codec import lossless
from hpcmbal.codec.bitstream import Container, read_container, write_container
from hpcmbal.codec.codec import compress, compress_picture, decompress
from hpcmbal.codec.lossless import decode_lossless, encode_lossless
from hpcmbal.errors import BitstreamError, DataError, SettingsError
from hpcmbal.images.picture import Picture


def assert_same(found: Picture, expected: Picture) -> None:
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    assert found.pixels.dtype == np.uint8
    assert (found.alpha is None) == (expected.alpha is None)
    if expected.alpha is not None:
        np.testing.assert_array_equal(found.alpha, expected.alpha)
    for name in ("icc", "exif", "xmp", "source_format"):
        assert getattr(found, name) == getattr(expected, name)


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    height, width = draw(array_shapes(min_dims=2, max_dims=2, max_side=20))
    channels = draw(st.sampled_from([(), (3,)]))
    return Picture(
        draw(arrays(np.uint8, (height, width, *channels))),
        draw(st.one_of(st.none(), arrays(np.uint8, (height, width)))),
        *(draw(st.one_of(st.none(), st.binary(min_size=1, max_size=50))) for _ in range(3)),
        draw(st.sampled_from([None, "JPEG", "TIFF"])),
    )


@given(pictures())
def test_every_picture_comes_back_exactly(picture: Picture) -> None:
    assert_same(decode_lossless(read_container(write_container(encode_lossless(picture)))), picture)


def test_opaque_alpha_stays() -> None:
    picture = Picture(np.zeros((4, 5), np.uint8), alpha=np.full((4, 5), 255, np.uint8))
    assert_same(decode_lossless(encode_lossless(picture)), picture)


def test_pictures_beyond_webp_are_cut_into_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("lossless", "bitstream"):
        monkeypatch.setattr(f"hpcmbal.codec.{module}.TILE_SIDE", 16)
    picture = Picture(np.random.default_rng(0).integers(0, 256, (33, 50, 3), dtype=np.uint8))
    container = encode_lossless(picture)
    assert len(container.tiles) == 3 * 4
    assert_same(decode_lossless(read_container(write_container(container))), picture)


@pytest.mark.slow
def test_a_picture_wider_than_webp() -> None:
    picture = Picture(np.random.default_rng(0).integers(0, 4, (3, 16_400, 3), dtype=np.uint8))
    container = encode_lossless(picture)
    assert len(container.tiles) == 2
    assert_same(decode_lossless(container), picture)


def test_pictures_beyond_the_format_are_refused() -> None:
    with pytest.raises(DataError, match="a side may have at most 65,535"):
        encode_lossless(Picture(np.zeros((1, 65_536), np.uint8)))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_images_of_every_mode_come_back_as_they_are_read(mode: str) -> None:
    generator = np.random.default_rng(1)
    image = Image.fromarray(generator.integers(0, 256, (6, 7, 4), dtype=np.uint8))
    image = image.convert(mode)
    once = decompress(compress(image, mode="lossless"))
    assert once.tobytes() == decompress(compress(once, mode="lossless")).tobytes()
    if mode in ("L", "LA", "RGB", "RGBA"):
        assert once.tobytes() == image.tobytes()


@pytest.mark.filterwarnings("ignore::hpcmbal.images.picture.PictureWarning")
@pytest.mark.parametrize("mode", ["CMYK", "LAB", "HSV", "I;16"])
def test_what_8_bits_cannot_keep_is_not_called_lossless(mode: str) -> None:
    image = Image.new(mode, (6, 7))
    with pytest.raises(DataError, match="which 8-bit RGB or gray cannot keep exactly. Leave lossless out"):
        compress(image, mode="lossless")


def test_a_file_is_no_larger_than_webp_but_for_the_container() -> None:
    picture = Picture(np.kron(np.random.default_rng(3).integers(0, 3, (9, 9, 3)), np.ones((7, 7, 1))).astype(np.uint8))
    out = io.BytesIO()
    Image.fromarray(picture.pixels).save(out, "WEBP", lossless=True, quality=100, method=6)
    assert len(write_container(encode_lossless(picture))) <= out.tell() + 16


def container() -> Container:
    return encode_lossless(Picture(np.random.default_rng(0).integers(0, 9, (9, 12, 3), dtype=np.uint8)))


@pytest.mark.parametrize("tile", [b"", b"\x2f", b"\x2f" + bytes(4), bytes(40)])
def test_what_is_no_bitstream_is_refused(tile: bytes) -> None:
    with pytest.raises(BitstreamError, match="does not start as|tile should have 12 x 9 pixels"):
        decode_lossless(replace(container(), tiles=(tile,)))


def test_a_bitstream_that_ends_early_is_refused() -> None:
    whole = container()
    with pytest.raises(BitstreamError, match="lossless pixels cannot be decoded"):
        decode_lossless(replace(whole, tiles=(whole.tiles[0][:-20],)))


def test_a_pillow_without_webp_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = container()
    monkeypatch.setattr(lossless.features, "check", lambda _: False)
    with pytest.raises(DataError, match="this Pillow was built without it"):
        decode_lossless(whole)


def test_a_quality_has_no_effect_and_is_refused() -> None:
    with pytest.raises(SettingsError, match="keeps every pixel: quality cannot change it"):
        compress(Image.new("L", (5, 5)), quality=30, mode="lossless")


def test_modes_are_checked() -> None:
    with pytest.raises(SettingsError, match="mode should be one of auto, learned, lossless. Found 'exact'"):
        compress(Image.new("L", (5, 5)), mode="exact")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="Mode learned needs a model"):
        compress_picture(Picture(np.zeros((5, 5), np.uint8)), None, mode="learned")


def test_lossless_coding_loads_no_torch() -> None:
    program = (
        "import json, sys, hpcmbal\n"
        "from PIL import Image\n"
        "data = hpcmbal.compress(Image.new('RGB', (9, 9), 'red'), mode='lossless')\n"
        "hpcmbal.decompress(data).load()\n"
        "print(json.dumps('torch' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) is False
