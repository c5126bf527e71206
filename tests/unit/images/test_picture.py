"""Every image mode becomes what the documentation says, and comes back."""

from __future__ import annotations

import io
from contextlib import nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms

from hpcmbal.errors import DataError, SettingsError
from hpcmbal.images.image_file import read_picture
from hpcmbal.images.picture import Picture, PictureWarning, image_of, picture_of
from hpcmbal.images.picture_writer import write_picture

GENERATOR = np.random.default_rng(4)
RGB = GENERATOR.integers(0, 256, (9, 13, 3)).astype(np.uint8)
GRAY = RGB[..., 0]
ALPHA = RGB[..., 1]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def stored(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, image_format, **options)
    return out.getvalue()


def read(data: bytes) -> Picture:
    return read_picture(data, "picture")


def array(image: Image.Image) -> npt.NDArray[Any]:
    return np.asarray(image)


@pytest.mark.parametrize("channels", [RGB, GRAY, np.dstack([RGB, ALPHA]), np.dstack([GRAY, ALPHA])])
def test_8_bit_modes_come_back(channels: npt.NDArray[np.uint8]) -> None:
    picture = read(stored(Image.fromarray(channels)))
    np.testing.assert_array_equal(array(image_of(picture)), channels)
    assert picture.gray == (channels.ndim == 2 or channels.shape[2] == 2)


def test_bilevel_becomes_gray() -> None:
    image = Image.fromarray(GRAY).convert("1")
    np.testing.assert_array_equal(read(stored(image)).pixels, array(image.convert("L")))


def test_palettes_are_looked_up() -> None:
    image = Image.fromarray(RGB).quantize(16)
    picture = read(stored(image))
    np.testing.assert_array_equal(picture.pixels, array(image.convert("RGB")))
    assert picture.alpha is None


def test_a_transparent_palette_entry_becomes_alpha() -> None:
    image = Image.fromarray(RGB).quantize(16)
    picture = read(stored(image, transparency=3))
    np.testing.assert_array_equal(picture.alpha, np.where(array(image) == 3, 0, 255))


def test_a_transparent_gray_becomes_alpha() -> None:
    picture = read(stored(Image.fromarray(GRAY), transparency=int(GRAY[2, 3])))
    assert picture.gray
    np.testing.assert_array_equal(picture.alpha, np.where(GRAY[2, 3] == GRAY, 0, 255))


def test_16_bit_gray_is_reduced_with_a_warning() -> None:
    values = GENERATOR.integers(0, 65_536, (5, 6)).astype(np.uint16)
    with pytest.warns(PictureWarning, match="16 bits a channel"):
        picture = read(stored(Image.fromarray(values)))
    np.testing.assert_array_equal(picture.pixels, np.rint(values / 257))


def test_16_bit_colour_is_reduced_with_a_warning() -> None:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(range(12)) for _ in range(2))
    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    with pytest.warns(PictureWarning, match="16 bits a channel"):
        picture = read(png)
    assert picture.pixels[0].tolist() == [[0, 2, 4], [6, 8, 10]]


def test_values_without_an_8_bit_meaning_are_refused() -> None:
    image = Image.fromarray(np.array([[0.5, 7.0]], dtype=np.float32))
    message = "mode F with values from 0.5 to 7; allowed are values from 0 to 1"
    with pytest.raises(DataError, match=message):
        picture_of(image)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_other_colour_spaces_become_rgb(mode: str) -> None:
    image = Image.fromarray(RGB).convert(mode)
    told = pytest.warns(PictureWarning, match="CMYK colours; they are converted") if mode == "CMYK" else nullcontext()
    with told:
        picture = read(stored(image, "TIFF"))
    np.testing.assert_array_equal(picture.pixels, array(image.convert("RGB")))


def test_lab_becomes_srgb() -> None:
    lab = Image.frombytes("LAB", (2, 1), bytes([128, 0, 0, 255, 0, 0]))
    with pytest.warns(PictureWarning, match="Lab colours; they are converted to RGB"):
        picture = picture_of(lab)
    assert picture.reduced == "Lab colours"
    assert np.abs(picture.pixels.astype(int) - [[[119] * 3, [255] * 3]]).max() <= 2


def test_a_cmyk_profile_that_is_none_is_told() -> None:
    image = Image.fromarray(RGB).convert("CMYK")
    with pytest.warns(PictureWarning, match=r"ICC profile is not usable|CMYK colours") as told:
        picture = read(stored(image, "TIFF", icc_profile=b"not a profile"))
    assert picture.icc is None
    assert len(told) == 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_dropped(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = orientation, "a description"
    image = Image.fromarray(RGB)
    picture = read(stored(image, exif=exif))
    from PIL import ImageOps

    image.getexif()[0x0112] = orientation
    np.testing.assert_array_equal(picture.pixels, array(ImageOps.exif_transpose(image)))
    kept = Image.Exif()
    assert picture.exif is not None
    kept.load(picture.exif)
    assert kept[0x010E] == "a description"
    assert kept.get(0x0112, 1) == 1


def test_damaged_exif_is_left_out_with_a_warning() -> None:
    image = Image.fromarray(RGB)
    image.info["exif"] = b"Exif\0\0garbage"
    with pytest.warns(PictureWarning, match="EXIF data is damaged"):
        assert picture_of(image).exif is None


def test_icc_profiles_are_kept() -> None:
    picture = read(stored(Image.fromarray(RGB), icc_profile=SRGB))
    assert picture.icc == SRGB
    assert image_of(picture).info["icc_profile"] == SRGB


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animations_and_pages_are_refused(image_format: str) -> None:
    frames = [Image.fromarray(np.roll(RGB, shift, axis=0)) for shift in range(3)]
    data = stored(frames[0], image_format, save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="picture: has 3 frames or pages; a file holds one"):
        read(data)


def test_a_camera_jpeg_with_a_preview_behind_it_is_one_picture() -> None:
    image = Image.fromarray(RGB)
    picture = read(stored(image, "MPO", save_all=True, append_images=[image]))
    assert picture.pixels.shape == RGB.shape


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"junk", "picture: not an image in a format that can be read .*: the file is of an unknown kind"),
        (stored(Image.fromarray(RGB))[:-40], "picture: cannot be decoded"),
        (b"", "picture: not an image .*: the file is empty"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(data)


def test_the_pixel_limit_is_ours_and_not_pillows() -> None:
    data = stored(Image.new("L", (100, 100)))
    with pytest.raises(DataError, match="found 100 x 100 pixels, allowed are 9,999"):
        read_picture(data, "picture", pixel_limit=9_999)
    with pytest.raises(DataError, match="found 10,000 pixels, allowed are 100"):
        read_picture(data, "picture", pixel_limit=100)
    assert read_picture(data, "picture", pixel_limit=10_000).pixels.shape == (100, 100)


@pytest.mark.parametrize("extension", [".png", ".webp", ".TIFF", ".jpg"])
def test_pictures_are_written_with_what_lies_beside_them(extension: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "text"
    data = write_picture(Picture(RGB, None, SRGB, b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")), extension)
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["icc_profile"] == SRGB
        assert image.getexif()[0x010E] == "text"


def test_formats_that_cannot_hold_it_are_named() -> None:
    with pytest.raises(DataError, match="cannot be written as JPEG"):
        write_picture(Picture(RGB, ALPHA), ".jpg")
    with pytest.raises(SettingsError, match=r"cannot be written as '\.xyz'"):
        write_picture(Picture(RGB), ".xyz")


def test_what_is_no_image_of_pillow_is_told_so() -> None:
    with pytest.raises(DataError, match="An image of Pillow is needed. Found str. Open files with PIL.Image.open"):
        picture_of("photo.png")  # type: ignore[arg-type]
