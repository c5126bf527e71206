"""Pillow reads and writes our files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hpcmbal
from hpcmbal.codec import codec, codec_model
from hpcmbal.errors import BitstreamError


@pytest.fixture
def known(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model is the one that every id finds."""
    monkeypatch.setattr(codec_model, "find_codec_model", lambda *_args, **_options: tiny)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_images_are_saved_and_opened(tiny: Any, mode: str) -> None:
    values = np.random.default_rng(1).integers(0, 256, (18, 25, 4), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).convert(mode).save(file, "HPCM", model=tiny, quality=90)
    with Image.open(io.BytesIO(file.getvalue())) as image:
        assert (image.format, image.mode, image.size) == ("HPCM", mode, (25, 18))
        expected = codec.decompress(file.getvalue(), model=tiny)
        np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_images_are_saved_exactly(mode: str) -> None:
    values = np.random.default_rng(1).integers(0, 256, (80, 90, 4), dtype=np.uint8)
    image, file = Image.fromarray(values).convert(mode), io.BytesIO()
    image.save(file, "HPCM", lossless=True)
    with Image.open(io.BytesIO(file.getvalue())) as opened:
        assert (opened.mode, opened.info["mode"]) == (mode, "lossless")
        assert opened.tobytes() == image.tobytes()


def test_the_extension_is_known() -> None:
    assert Image.registered_extensions()[".hpcm"] == "HPCM"


def test_damage_is_our_error(tiny: Any) -> None:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "HPCM", model=tiny)
    with pytest.raises(BitstreamError, match="ends inside tile 1"):
        Image.open(io.BytesIO(file.getvalue()[:-1]))


def test_the_facade_has_what_it_says() -> None:
    assert hpcmbal.compress is codec.compress
    assert hpcmbal.decompress is codec.decompress
    assert callable(hpcmbal.load_model)
    with pytest.raises(AttributeError, match="no attribute 'shrink'"):
        _ = hpcmbal.shrink
