"""Damaged files of every format that Pillow reads end in our error, or are read; nothing else ever comes out."""

from __future__ import annotations

import io
import struct
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from reader_fuzz import reader_fuzz

from hpcmbal.errors import DataError
from hpcmbal.images import guard
from hpcmbal.images.formats import source_formats
from hpcmbal.images.guard import opened
from hpcmbal.images.image_file import read_picture
from hpcmbal.images.picture import PictureWarning
from hpcmbal.images.pixel_limit import DEFAULT_PIXEL_LIMIT, pixel_limit_or_default

LIMIT = 4096


def samples() -> dict[str, bytes]:
    """A small file of every format that this Pillow writes and that is read here, with metadata where it may be."""
    generator = np.random.default_rng(7)
    modes: dict[str, Image.Image] = {
        "RGB": Image.fromarray(generator.integers(0, 256, (12, 10, 3), dtype=np.uint8)),
        "P": Image.fromarray(generator.integers(0, 256, (12, 10, 3), dtype=np.uint8)).quantize(8),
        "1": Image.fromarray(generator.integers(0, 2, (12, 10), dtype=np.uint8).astype(bool)),
        "CMYK": Image.fromarray(generator.integers(0, 256, (12, 10, 4), dtype=np.uint8), "RGBA").convert("CMYK"),
        "I;16": Image.fromarray(generator.integers(0, 65536, (12, 10), dtype=np.uint16)),
    }
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "text"
    Image.init()
    files = {}
    for name in source_formats():
        for mode, image in modes.items():
            out = io.BytesIO()
            if name not in Image.SAVE:
                continue
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)
                    image.save(out, name, exif=exif)
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue  # not a mode of this format
            files[f"{name} {mode}"] = out.getvalue()
    return files


SAMPLES = samples()


def read_or_refuse(data: bytes) -> None:
    """Any error but ours fails the test. Warnings of decoders are no errors, and none of them stops a picture."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = read_picture(data, "picture", pixel_limit=LIMIT)
        except DataError:
            return
        assert picture.pixels.dtype == np.uint8
        assert picture.pixels.shape[0] * picture.pixels.shape[1] <= LIMIT


def test_the_samples_cover_the_formats_of_the_world() -> None:
    formats = {name.split()[0] for name in SAMPLES}
    assert {"PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "AVIF", "JPEG2000", "ICO", "TGA", "SGI"} <= formats


@pytest.mark.parametrize("name", SAMPLES)
@reader_fuzz(25)
@given(data=st.data())
def test_damaged_files_are_read_or_refused(name: str, data: Any) -> None:
    content = bytearray(SAMPLES[name])
    # Headers are short and decide most: half of the damage goes there.
    places = st.integers(0, len(content) - 1) | st.integers(0, min(63, len(content) - 1))
    for place in data.draw(st.lists(places, max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    read_or_refuse(bytes(content[:cut]))


@reader_fuzz(300)
@given(st.sampled_from(sorted(SAMPLES)), st.integers(0, 64), st.binary(max_size=400))
def test_anything_behind_a_real_beginning_is_read_or_refused(name: str, kept: int, rest: bytes) -> None:
    read_or_refuse(SAMPLES[name][:kept] + rest)


@pytest.mark.parametrize(
    "raised",
    [AssertionError(), MemoryError(), NotImplementedError("x"), RecursionError(), StopIteration(), UserWarning("x")],
)
def test_whatever_a_decoder_raises_is_a_damaged_picture(monkeypatch: pytest.MonkeyPatch, raised: Exception) -> None:
    def load(_image: object) -> None:
        raise raised

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", load)
    with pytest.raises(DataError, match="picture: cannot be decoded: ") as caught:
        read_picture(SAMPLES["PNG RGB"], "picture")
    assert caught.value.__cause__ is not None


def test_an_interruption_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_image: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", load)
    with pytest.raises(KeyboardInterrupt):
        read_picture(SAMPLES["PNG RGB"], "picture")


class TestPixelLimit:
    @pytest.mark.parametrize("name", ["PNG RGB", "JPEG RGB", "TIFF RGB", "WEBP RGB", "GIF P", "BMP RGB", "AVIF RGB"])
    def test_is_exact_and_whatever_pillows_guard_is(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3)
        assert read_picture(SAMPLES[name], "picture", pixel_limit=120).pixels.size == 360
        with pytest.raises(DataError, match=r"picture: is too large: found 1[02] x 1[02] pixels, allowed are 119"):
            read_picture(SAMPLES[name], "picture", pixel_limit=119)
        with pytest.raises(DataError, match=r"picture: is too large: found .* pixels, allowed are 9\."):
            read_picture(SAMPLES[name], "picture", pixel_limit=9)
        assert Image.MAX_IMAGE_PIXELS == 3

    def test_comes_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert pixel_limit_or_default() == DEFAULT_PIXEL_LIMIT
        monkeypatch.setenv("HPCMBAL_MAX_PIXELS", "119")
        assert (pixel_limit_or_default(), pixel_limit_or_default(7)) == (119, 7)
        with pytest.raises(DataError, match="allowed are 119"):
            read_picture(SAMPLES["PNG RGB"], "picture")

    @pytest.mark.parametrize("text", ["0", "-1", "1e6", "many", "٣"])
    def test_is_a_number_of_at_least_1(self, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        from hpcmbal.errors import SettingsError

        monkeypatch.setenv("HPCMBAL_MAX_PIXELS", text)
        with pytest.raises(SettingsError, match=f"HPCMBAL_MAX_PIXELS should be a whole number .*Found '{text}'"):
            pixel_limit_or_default()

    def test_two_at_the_same_time_leave_pillows_guard_as_it_was(self) -> None:
        before = Image.MAX_IMAGE_PIXELS
        with opened(SAMPLES["PNG RGB"], 1000):
            with opened(SAMPLES["JPEG RGB"], 2000):
                assert Image.MAX_IMAGE_PIXELS == 2000
            assert Image.MAX_IMAGE_PIXELS == 1000
        assert before == Image.MAX_IMAGE_PIXELS
        assert guard._limits_in_use == []


class TestCameraRaw:
    @pytest.mark.parametrize(("tag", "value"), [(254, 1), (254, 9), (50706, b"\1\4\0\0")])
    def test_previews_are_no_pictures(self, tag: int, value: object) -> None:
        out = io.BytesIO()
        Image.new("RGB", (8, 6)).save(out, "TIFF", tiffinfo={tag: value})
        with pytest.raises(DataError, match=r"picture: is a small preview .*raw files.*Develop it first"):
            read_picture(out.getvalue(), "picture")

    def test_other_tiffs_are(self) -> None:
        out = io.BytesIO()
        Image.new("RGB", (8, 6)).save(out, "TIFF", tiffinfo={254: 0})
        assert read_picture(out.getvalue(), "picture").pixels.shape == (6, 8, 3)

    def test_canon_raw_is_known_by_its_mark(self) -> None:
        out = io.BytesIO()
        Image.new("RGB", (8, 6)).save(out, "TIFF")
        data = bytearray(out.getvalue())
        (start,) = struct.unpack_from("<I", data, 4)
        directory = bytes(data[start:])
        # The mark lies where the directory of a plain file would begin; that goes to the end.
        data[4:8], data[8:10] = struct.pack("<I", len(data)), b"CR"
        with pytest.raises(DataError, match="raw files"):
            read_picture(bytes(data) + directory, "picture")


def test_our_own_files_are_no_pictures_whatever_their_name() -> None:
    with pytest.raises(DataError, match=r"picture: is an \.hpcm file already.*`hpcmbal decompress` decodes it"):
        read_picture(b"HPCM\x10rest", "picture")


@pytest.mark.parametrize(
    ("start", "kind"),
    [(b"%PDF-1.7", "a PDF document"), (b"\0\0\0\x18ftypheic", "a HEIC image"), (b"PK\3\4", "a ZIP archive")],
)
def test_other_files_are_called_by_their_kind(start: bytes, kind: str) -> None:
    with pytest.raises(DataError, match=f"picture: not an image in a format that can be read .*: the file is {kind}"):
        read_picture(start + bytes(50), "picture")


def test_eight_bit_bmp_of_a_width_with_16_in_its_stride_is_not_deep() -> None:
    out = io.BytesIO()
    Image.new("RGB", (272, 2)).save(out, "BMP")
    read_picture(out.getvalue(), "picture")  # a warning would be an error here


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n" + bytes(40), b"\xff\xd8\xff\xe0" + bytes(40), b"II*\0" + bytes(40)]
)
def test_a_damaged_file_of_a_format_that_is_read_is_called_damaged(data: bytes) -> None:
    with pytest.raises(DataError, match=r"begins as a (PNG|JPEG|TIFF) image, but is damaged, or of a rare kind"):
        read_picture(data, "picture")


def test_floating_point_values_are_called_so() -> None:
    out = io.BytesIO()
    Image.new("F", (4, 4), 0.5).save(out, "TIFF")
    with pytest.warns(PictureWarning, match="floating-point values; they are reduced to 8 bits"):
        read_picture(out.getvalue(), "picture")
