"""Pillow reads and writes our files."""

from __future__ import annotations

import io
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

import hpcmbal
from hpcmbal.codec import codec, codec_model
from hpcmbal.errors import BitstreamError

DESCRIPTION = 0x010E


@pytest.fixture
def known(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model is the one that every id finds."""
    monkeypatch.setattr(codec_model, "find_codec_model", lambda *_args, **_options: tiny)


def photo() -> Image.Image:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (18, 25, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[DESCRIPTION] = "text"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    image.info.update(exif=exif.tobytes(), icc_profile=b"profile", xmp=b"<x/>")
    return image


def saved(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "HPCM", **options)
    return file.getvalue()


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_images_are_saved_and_opened(tiny: Any, mode: str) -> None:
    values = np.random.default_rng(1).integers(0, 256, (18, 25, 4), dtype=np.uint8)
    data = saved(Image.fromarray(values).convert(mode), model=tiny, quality=90)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode, image.size) == ("HPCM", mode, (25, 18))
        expected = codec.decompress(data, model=tiny)
        np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_images_are_saved_exactly(mode: str) -> None:
    values = np.random.default_rng(1).integers(0, 256, (80, 90, 4), dtype=np.uint8)
    image = Image.fromarray(values).convert(mode)
    with Image.open(io.BytesIO(saved(image, lossless=True))) as opened:
        assert (opened.mode, opened.info["mode"]) == (mode, "lossless")
        assert opened.tobytes() == image.tobytes()


def test_metadata_are_there_before_anything_is_decoded(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(photo(), model=tiny)
    monkeypatch.setattr(codec, "decompress", lambda *_args: pytest.fail("was decoded"))
    with Image.open(io.BytesIO(data)) as image:
        assert (image.info["icc_profile"], image.info["xmp"]) == (b"profile", b"<x/>")
        assert image.getexif()[DESCRIPTION] == "text"
        assert image.getexif().get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"


@pytest.mark.parametrize("empty", [None, b""])
def test_arguments_remove_what_the_image_holds(tiny: Any, empty: bytes | None) -> None:
    with Image.open(io.BytesIO(saved(photo(), model=tiny, exif=empty, icc_profile=empty, xmp=empty))) as image:
        assert not {"exif", "icc_profile", "xmp"} & set(image.info)
        assert not dict(image.getexif())


@pytest.mark.parametrize("as_bytes", [False, True])
def test_arguments_beat_what_the_image_holds(tiny: Any, as_bytes: bool) -> None:
    exif = Image.Exif()
    exif[DESCRIPTION] = "other"
    given = exif.tobytes() if as_bytes else exif
    with Image.open(io.BytesIO(saved(photo(), model=tiny, exif=given, icc_profile=b"other"))) as image:
        assert dict(image.getexif()) == {DESCRIPTION: "other"}
        assert (image.info["icc_profile"], image.info["xmp"]) == (b"other", b"<x/>")


def test_saving_changes_nothing_and_gives_equal_bytes(tiny: Any) -> None:
    image = photo()
    image.getexif()[0x0112] = 6
    before = image.tobytes(), dict(image.info), dict(image.getexif())
    first = saved(image, model=tiny)
    assert saved(image, model=tiny) == first
    assert before == (image.tobytes(), dict(image.info), dict(image.getexif()))
    assert Image.open(io.BytesIO(first)).size == (18, 25)


@pytest.fixture
def few_files() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.usefixtures("known", "few_files")
def test_files_are_closed_once_they_are_loaded(tiny: Any, tmp_path: Path) -> None:
    (tmp_path / "a.hpcm").write_bytes(saved(Image.new("RGB", (4, 4)), lossless=True))
    images = [Image.open(tmp_path / "a.hpcm") for _ in range(1)]
    for _ in range(80):
        images.append(Image.open(tmp_path / "a.hpcm"))
        images[-1].load()
    assert images[-1].getpixel((0, 0)) == (0, 0, 0)
    images[0].close()


def test_the_pixel_limit_comes_from_the_environment(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(Image.new("RGB", (5, 4)), model=tiny)
    monkeypatch.setenv("HPCMBAL_MAX_PIXELS", "19")
    with pytest.raises(BitstreamError, match=r"5 x 4 pixels, more than the limit of 19\. .*HPCMBAL_MAX_PIXELS"):
        Image.open(io.BytesIO(data))
    with pytest.raises(BitstreamError, match="more than the limit of 19"):
        hpcmbal.decompress(data, model=tiny)
    assert hpcmbal.decompress(data, model=tiny, pixel_limit=20).size == (5, 4)


def test_the_extension_is_known() -> None:
    assert Image.registered_extensions()[".hpcm"] == "HPCM"


def test_damage_is_our_error(tiny: Any) -> None:
    data = saved(Image.new("RGB", (4, 4)), model=tiny)
    with pytest.raises(BitstreamError, match="ends inside tile 1"):
        Image.open(io.BytesIO(data[:-1]))


def test_the_facade_has_what_it_says() -> None:
    assert hpcmbal.compress is codec.compress
    assert hpcmbal.decompress is codec.decompress
    assert callable(hpcmbal.load_model)
    with pytest.raises(AttributeError, match="no attribute 'shrink'"):
        _ = hpcmbal.shrink
