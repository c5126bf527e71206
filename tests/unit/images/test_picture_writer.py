"""What is written is what is read: size and transparency or an error, metadata or a warning."""

from __future__ import annotations

import re
import struct
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from reader_fuzz import reader_fuzz

from hpcmbal.errors import DataError, SettingsError
from hpcmbal.images.image_file import read_picture
from hpcmbal.images.picture import Picture, PictureWarning, colour_of, flattened
from hpcmbal.images.picture_writer import write_picture

GENERATOR = np.random.default_rng(4)
RGB = np.kron(GENERATOR.integers(0, 256, (16, 24, 3)), np.ones((8, 8, 1))).astype(np.uint8)
GRAY = RGB[..., 0]
SOFT = np.repeat(np.linspace(0, 255, 192).astype(np.uint8)[None], 128, axis=0)
HARD = np.where(SOFT > 99, 255, 0).astype(np.uint8)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta/>"


def exif() -> bytes:
    block = Image.Exif()
    block[0x010E] = "text"
    return block.tobytes()


def gray_profile(gamma: float) -> bytes:
    """A display of gray with that gamma, in the fewest tags."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)
    table = struct.pack(">I4sII4sII", 2, b"wtpt", 156, len(white), b"kTRC", 156 + len(white), len(curve))
    head = struct.pack(">4xI4s4s4s12x4s28x", 0x02100000, b"mntr", b"GRAY", b"XYZ ", b"acsp")
    body = head + white[8:] + bytes(48) + table + white + curve
    return struct.pack(">I", len(body) + 4) + body


FULL = Picture(RGB, None, SRGB, exif(), XMP)


def read(data: bytes) -> Picture:
    return read_picture(data, "picture")


@pytest.mark.parametrize("pixels", [RGB, GRAY])
@pytest.mark.parametrize("alpha", [None, SOFT])
@pytest.mark.parametrize("extension", [".png", ".TIFF", ".tga"])
def test_exact_formats_give_every_pixel_back(pixels: np.ndarray, alpha: np.ndarray | None, extension: str) -> None:
    picture = read(write_picture(Picture(pixels, alpha), extension))
    np.testing.assert_array_equal(picture.pixels, pixels)
    np.testing.assert_array_equal(picture.alpha, alpha)


@pytest.mark.parametrize("extension", [".png", ".webp", ".tif", ".jpg", ".avif"])
def test_formats_with_metadata_hold_all_of_it(extension: str) -> None:
    picture = read(write_picture(FULL, extension))
    assert (picture.icc, picture.xmp) == (SRGB, XMP)
    assert picture.exif is not None
    assert b"text" in picture.exif


@pytest.mark.parametrize("extension", [".bmp", ".ppm", ".tga", ".jp2"])
def test_metadata_that_is_lost_is_told(extension: str) -> None:
    with pytest.warns(PictureWarning, match=r"cannot hold the picture's (ICC profile, )?EXIF and XMP; left out"):
        data = write_picture(FULL, extension)
    assert read(data).pixels.shape == RGB.shape


def test_a_palette_is_told() -> None:
    with pytest.warns(PictureWarning, match="GIF holds a palette of few colours"):
        write_picture(Picture(RGB), ".gif")


def test_exif_that_is_too_long_for_jpeg_is_left_out_and_told() -> None:
    block = Image.Exif()
    block[0x010E] = "x" * 70_000
    with pytest.warns(PictureWarning, match="JPEG cannot hold the picture's EXIF; left out"):
        data = write_picture(replace(FULL, exif=block.tobytes()), ".jpg")
    assert read(data).icc == SRGB


@pytest.mark.parametrize("extension", [".png", ".webp", ".tif", ".jpg", ".avif"])
def test_what_cameras_write_is_held_directories_of_their_own_among_it(extension: str) -> None:
    block = Image.Exif()
    block[0x010F] = "Camera"
    block.get_ifd(0x8769).update({0x9003: "2020:01:02 03:04:05", 0x829A: 0.01, 0x927C: b"maker"})
    block.get_ifd(0x8825).update({1: "N", 2: (1.0, 2.0, 3.0)})
    block.get_ifd(0x8769)[0xA005] = {1: "R98"}
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        data = write_picture(replace(FULL, exif=block.tobytes()), extension)
    expected = (
        ["TIFF cannot hold the picture's EXIF entries on interoperability; left out."] if extension == ".tif" else []
    )
    assert [str(note.message) for note in notes] == expected
    found = Image.Exif()
    found.load(read(data).exif)
    assert found[0x010F] == "Camera"
    assert found.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
    assert found.get_ifd(0x8825)[2] == (1.0, 2.0, 3.0)


def test_entries_that_tiff_cannot_write_are_told_and_the_others_kept() -> None:
    import struct

    entries = struct.pack("<HHII", 0x010E, 2, 4, 0x00636261) + struct.pack("<HHII", 0x011A, 10, 1, 38)
    block = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + entries + bytes(4) + struct.pack("<ii", -1, 0)
    with pytest.warns(PictureWarning, match="left out: XResolution"):
        data = write_picture(replace(FULL, exif=block), ".tif")
    written = read(data)
    assert written.exif is not None
    assert b"abc" in written.exif
    assert written.xmp == XMP


@pytest.mark.parametrize(
    ("extension", "size"), [(".png", 2 << 20), pytest.param(".jpg", 17 << 20, marks=pytest.mark.slow)]
)
def test_a_profile_that_could_not_be_read_back_is_an_error(extension: str, size: int) -> None:
    """Pillow writes PNG with any profile, and reads none of more than a mebibyte."""
    profile = GENERATOR.integers(0, 256, size, dtype=np.uint8).tobytes()
    with pytest.raises(DataError, match=rf"ICC profile of {size:,} bytes is more than (PNG|JPEG) can hold.*Use \.tif"):
        write_picture(Picture(RGB, icc=profile), extension)
    assert read(write_picture(Picture(RGB, icc=profile), ".tif")).icc == profile


class TestSize:
    def test_icons_are_not_shrunk(self) -> None:
        with pytest.raises(DataError, match="written as ICO: of 192 x 128 pixels, 128 x 85 would be left"):
            write_picture(Picture(RGB), ".ico")

    def test_nor_made_square(self) -> None:
        with pytest.raises(DataError, match="written as ICNS: of 192 x 128 pixels, .* would be left"):
            write_picture(Picture(RGB), ".icns")

    def test_an_icon_of_a_size_that_there_is_is_written(self) -> None:
        assert read(write_picture(Picture(RGB[:64, :64], SOFT[:64, :64]), ".ico")).pixels.shape == (64, 64, 3)

    def test_sides_beyond_the_format_are_refused(self) -> None:
        with pytest.raises(DataError, match="cannot be written as WEBP"):
            write_picture(Picture(np.zeros((1, 16_384), np.uint8)), ".webp")


class TestAlpha:
    @pytest.mark.parametrize("extension", [".jpg", ".ppm", ".bmp", ".pcx"])
    @pytest.mark.parametrize("pixels", [RGB, GRAY])
    def test_is_never_dropped(self, extension: str, pixels: np.ndarray) -> None:
        with pytest.raises(DataError, match=r"no transparent pixels\. Flatten it with background=COLOUR, or use \.png"):
            write_picture(Picture(pixels, HARD), extension)

    def test_is_never_hardened(self) -> None:
        with pytest.raises(DataError, match="written as GIF, which has no partly transparent pixels"):
            write_picture(Picture(RGB, SOFT), ".gif")

    def test_hard_alpha_is_kept_where_there_is_no_other(self) -> None:
        with pytest.warns(PictureWarning, match="palette"):
            data = write_picture(Picture(RGB, HARD), ".gif")
        np.testing.assert_array_equal(read(data).alpha, HARD)

    @pytest.mark.parametrize("extension", [".jpg", ".ppm"])
    def test_alpha_that_hides_nothing_need_not_be_held(self, extension: str) -> None:
        assert read(write_picture(Picture(RGB, np.full_like(SOFT, 255)), extension)).alpha is None

    @pytest.mark.parametrize("extension", [".jpg", ".ppm", ".ico"])
    def test_flattened_pictures_can_be_written(self, extension: str) -> None:
        picture = flattened(Picture(RGB[:64, :64], SOFT[:64, :64]), colour_of("white"))
        assert read(write_picture(picture, extension)).pixels.shape == (64, 64, 3)


class TestGrayProfile:
    """A profile of gray cannot be applied to RGB, so the colours are converted where a file holds RGB."""

    picture = Picture(GRAY, SOFT, gray_profile(gamma=1.0))

    @pytest.mark.parametrize(("extension", "background"), [(".webp", None), (".png", "#204080")])
    def test_is_converted_where_the_file_holds_rgb(self, extension: str, background: str | None) -> None:
        with pytest.warns(PictureWarning, match="gray is converted to sRGB"):
            found = read(write_picture(self.picture, extension, background=background, quality=100))
        assert found.icc is None
        opaque = SOFT == 255
        linear = GRAY[opaque] / 255  # a gamma of 1 is linear light, which sRGB writes as brighter values
        expected = 255 * np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
        assert np.abs(found.pixels[opaque] - expected[:, None]).mean() < 4

    def test_is_kept_where_the_file_holds_gray(self) -> None:
        for background in (None, "white"):
            found = read(write_picture(self.picture, ".png", background=background))
            assert found.icc == self.picture.icc
            assert found.gray

    def test_that_is_damaged_is_left_out(self) -> None:
        damaged = replace(self.picture, icc=b"x" * 16 + b"GRAY" + b"x" * 200)
        with pytest.warns(PictureWarning, match="gray is converted to sRGB"):
            assert read(write_picture(damaged, ".webp")).icc is None


class TestFlattening:
    def test_is_compositing(self) -> None:
        picture = flattened(Picture(RGB, SOFT, SRGB), (10, 200, 30))
        share = SOFT[..., None] / 255
        assert np.abs(picture.pixels - (RGB * share + np.array([10, 200, 30]) * (1 - share))).max() <= 0.5
        assert picture.alpha is None
        assert picture.icc == SRGB

    @pytest.mark.parametrize(("background", "gray"), [((7, 7, 7), True), ((7, 8, 7), False)])
    def test_gray_stays_gray_over_gray(self, background: tuple[int, int, int], gray: bool) -> None:
        picture = flattened(Picture(GRAY, np.zeros_like(GRAY)), background)
        assert picture.gray == gray
        assert (picture.pixels == (7 if gray else background)).all()

    def test_what_is_opaque_stays(self) -> None:
        picture = Picture(RGB)
        assert flattened(picture, (0, 0, 0)) is picture

    @pytest.mark.parametrize("text", ["whiteish", "#12", "rgb(1,2)", ""])
    def test_colours_are_names_or_numbers(self, text: str) -> None:
        with pytest.raises(
            SettingsError, match=rf"background={re.escape(text)} is no colour\. Give a name such as white"
        ):
            colour_of(text)

    def test_a_background_is_opaque(self) -> None:
        with pytest.raises(SettingsError, match="background=#00000080 is not opaque"):
            colour_of("#00000080")


@pytest.mark.parametrize("extension", [".xyz", "", ".hpcm", ".pdf", ".eps", ".psd"])
def test_formats_that_are_not_written_and_read_are_refused(extension: str) -> None:
    with pytest.raises(SettingsError, match=rf"cannot be written as '{extension}'"):
        write_picture(Picture(RGB), extension)


def test_nothing_is_said_when_nothing_is_lost() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_picture(FULL, ".png")
        write_picture(Picture(RGB, SOFT), ".webp")


BLOCKS = st.binary(max_size=80) | st.binary(max_size=80).map(lambda data: b"Exif\0\0II*\0\x08\0\0\0\2\0" + data)


@reader_fuzz(150)
@given(
    exif=BLOCKS,
    icc=st.binary(min_size=1, max_size=40),
    xmp=st.binary(min_size=1, max_size=40),
    extension=st.sampled_from([".png", ".jpg", ".webp", ".tif", ".avif", ".bmp", ".jp2"]),
)
def test_metadata_from_files_that_nobody_vouches_for_end_in_a_picture(
    exif: bytes, icc: bytes, xmp: bytes, extension: str
) -> None:
    """A compressed file may hold any bytes as EXIF, ICC profile and XMP; the picture is written all the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = write_picture(Picture(GRAY[:16, :16], None, icc, exif, xmp), extension)
        assert read(data).pixels.shape[:2] == (16, 16)
