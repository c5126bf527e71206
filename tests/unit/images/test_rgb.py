"""How files become RGB, and which files are refused."""

from __future__ import annotations

import shutil
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from hpcmbal.errors import DataError
from hpcmbal.images.formats import source_extensions, source_formats
from hpcmbal.images.image_file import read_rgb

if TYPE_CHECKING:
    from pathlib import Path

ORIENTATION = 0x0112


def random_pixels(generator: np.random.Generator, *shape: int) -> npt.NDArray[np.uint8]:
    return generator.integers(0, 256, shape, dtype=np.uint8)


def png_of_16_bits(values: npt.NDArray[np.uint16], colour_type: int) -> bytes:
    """A PNG with 16 bits per sample (colour type 0 gray, 2 RGB), written by hand because Pillow writes no RGB ones."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class TestModes:
    def test_rgb_is_returned_exactly(self, tmp_path: Path, generator: np.random.Generator) -> None:
        pixels = random_pixels(generator, 7, 11, 3)
        Image.fromarray(pixels).save(tmp_path / "a.png")
        image = read_rgb(tmp_path / "a.png")
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
        np.testing.assert_array_equal(image, pixels)

    def test_one_pixel_is_an_image(self, tmp_path: Path) -> None:
        Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "a.png")
        assert read_rgb(tmp_path / "a.png").tolist() == [[[1, 2, 3]]]

    def test_grayscale_has_equal_channels(self, tmp_path: Path, generator: np.random.Generator) -> None:
        pixels = random_pixels(generator, 7, 11)
        Image.fromarray(pixels).save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_rgb(tmp_path / "a.png"), np.stack([pixels] * 3, axis=2))

    def test_bilevel_is_black_and_white(self, tmp_path: Path, generator: np.random.Generator) -> None:
        bits = generator.integers(0, 2, (7, 11)).astype(bool)
        Image.fromarray(bits).save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_rgb(tmp_path / "a.png")[:, :, 1], np.where(bits, 255, 0))

    def test_palette_is_looked_up(self, tmp_path: Path, generator: np.random.Generator) -> None:
        entries, colours = random_pixels(generator, 7, 11) % 4, random_pixels(generator, 4, 3)
        image = Image.fromarray(entries, "L")
        image.putpalette(colours.tobytes())
        image.save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_rgb(tmp_path / "a.png"), colours[entries])

    @pytest.mark.parametrize("suffix", ["png", "gif"])
    def test_transparent_palette_entry_becomes_white(
        self, tmp_path: Path, generator: np.random.Generator, suffix: str
    ) -> None:
        entries, colours = random_pixels(generator, 7, 11) % 4, random_pixels(generator, 4, 3)
        image = Image.fromarray(entries, "L")
        image.putpalette(colours.tobytes())
        image.save(tmp_path / f"a.{suffix}", transparency=2, optimize=False)
        colours[2] = 255
        np.testing.assert_array_equal(read_rgb(tmp_path / f"a.{suffix}"), colours[entries])

    def test_palette_with_translucent_entries_is_composited(self, tmp_path: Path) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([0, 0, 0, 0, 0, 0])
        image.putdata([0, 1])
        image.save(tmp_path / "a.png", transparency=bytes([255, 55]))
        assert read_rgb(tmp_path / "a.png").tolist() == [[[0, 0, 0], [200, 200, 200]]]

    def test_transparent_colour_of_rgb_becomes_white(self, tmp_path: Path) -> None:
        image = Image.new("RGB", (2, 1), (9, 8, 7))
        image.putpixel((1, 0), (1, 2, 3))
        image.save(tmp_path / "a.png", transparency=(1, 2, 3))
        assert read_rgb(tmp_path / "a.png").tolist() == [[[9, 8, 7], [255, 255, 255]]]

    def test_alpha_is_composited_over_white(self, tmp_path: Path, generator: np.random.Generator) -> None:
        pixels = random_pixels(generator, 16, 16, 4)
        Image.fromarray(pixels).save(tmp_path / "a.png")
        alpha = pixels[:, :, 3:] / 255.0
        expected = pixels[:, :, :3] * alpha + 255.0 * (1 - alpha)
        assert np.abs(read_rgb(tmp_path / "a.png") - expected).max() <= 1

    def test_gray_with_alpha_is_composited_over_white(self, tmp_path: Path) -> None:
        Image.new("LA", (1, 1), (0, 55)).save(tmp_path / "a.png")
        assert read_rgb(tmp_path / "a.png").tolist() == [[[200, 200, 200]]]

    def test_16_bit_gray_is_scaled_and_rounded(self, tmp_path: Path, generator: np.random.Generator) -> None:
        values = generator.integers(0, 65536, (7, 11), dtype=np.uint16)
        values[0, :3] = (0, 300, 65535)
        (tmp_path / "a.png").write_bytes(png_of_16_bits(values, 0))
        image = read_rgb(tmp_path / "a.png")
        np.testing.assert_array_equal(image[:, :, 2], np.rint(values / 257.0))
        assert image[0, :3, 0].tolist() == [0, 1, 255]

    def test_16_bit_gray_tiff_is_scaled(self, tmp_path: Path, generator: np.random.Generator) -> None:
        values = generator.integers(0, 65536, (7, 11), dtype=np.uint16)
        Image.fromarray(values).save(tmp_path / "a.tif")
        np.testing.assert_array_equal(read_rgb(tmp_path / "a.tif")[:, :, 0], np.rint(values / 257.0))

    def test_16_bit_rgb_is_scaled(self, tmp_path: Path, generator: np.random.Generator) -> None:
        values = generator.integers(0, 65536, (7, 11, 3), dtype=np.uint16)
        (tmp_path / "a.png").write_bytes(png_of_16_bits(values, 2))
        assert np.abs(read_rgb(tmp_path / "a.png") - values / 257.0).max() <= 1

    def test_float_from_0_to_1_is_scaled(self, tmp_path: Path, generator: np.random.Generator) -> None:
        values = generator.random((7, 11), dtype=np.float32)
        Image.fromarray(values).save(tmp_path / "a.tif")
        np.testing.assert_array_equal(read_rgb(tmp_path / "a.tif")[:, :, 0], np.rint(values.astype(float) * 255))

    @pytest.mark.parametrize(
        ("values", "found"),
        [
            (np.array([[0.0, 1.5]], dtype=np.float32), "from 0 to 1.5"),
            (np.array([[-0.5, 1.0]], dtype=np.float32), "from -0.5 to 1"),
            (np.array([[np.nan, 0.5]], dtype=np.float32), "from nan to nan"),
            (np.array([[7, 65536]], dtype=np.int32), "from 7 to 65536"),
        ],
    )
    def test_values_without_an_8_bit_meaning_are_refused(
        self, tmp_path: Path, values: npt.NDArray[np.generic], found: str
    ) -> None:
        Image.fromarray(values).save(tmp_path / "a.tif")
        with pytest.raises(DataError, match=rf"a\.tif.*{found}; allowed are values from 0 to"):
            read_rgb(tmp_path / "a.tif")

    def test_cmyk_jpeg_keeps_its_colours(self, tmp_path: Path) -> None:
        Image.new("RGB", (32, 32), (200, 40, 90)).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
        assert np.abs(read_rgb(tmp_path / "a.jpg").astype(int) - [200, 40, 90]).max() <= 4

    def test_lab_becomes_srgb(self, tmp_path: Path) -> None:
        # L* = 53.6 without colour (a* = b* = 0 are 128 here) is sRGB 128.
        Image.new("LAB", (4, 4), (137, 128, 128)).save(tmp_path / "a.tif")
        assert np.abs(read_rgb(tmp_path / "a.tif").astype(int) - 128).max() <= 2


class TestOrientation:
    @pytest.mark.parametrize(
        ("orientation", "upright"),
        [
            (1, lambda stored: stored),
            (2, lambda stored: stored[:, ::-1]),
            (3, lambda stored: stored[::-1, ::-1]),
            (4, lambda stored: stored[::-1]),
            (5, lambda stored: stored.transpose(1, 0, 2)),
            (6, lambda stored: np.rot90(stored, -1)),
            (7, lambda stored: np.rot90(stored, 2).transpose(1, 0, 2)),
            (8, lambda stored: np.rot90(stored, 1)),
            (9, lambda stored: stored),
        ],
    )
    @pytest.mark.parametrize("suffix", ["png", "tif"])
    def test_is_applied_once(self, tmp_path: Path, generator, orientation: int, upright, suffix: str) -> None:
        stored = random_pixels(generator, 5, 9, 3)
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        Image.fromarray(stored).save(tmp_path / f"a.{suffix}", exif=exif)
        np.testing.assert_array_equal(read_rgb(tmp_path / f"a.{suffix}"), upright(stored))

    def test_a_rotated_jpeg_stands_upright(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        Image.new("RGB", (40, 16)).save(tmp_path / "a.jpg", exif=exif)
        assert read_rgb(tmp_path / "a.jpg").shape == (40, 16, 3)


class TestFrames:
    @pytest.mark.parametrize("suffix", ["gif", "png", "tif", "webp"])
    def test_the_first_is_used(self, tmp_path: Path, suffix: str) -> None:
        frames = [Image.new("RGB", (16, 16), colour) for colour in ((255, 0, 0), (0, 255, 0))]
        options = {"lossless": True} if suffix == "webp" else {}
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **options)
        assert (read_rgb(tmp_path / f"a.{suffix}") == [255, 0, 0]).all()


class TestRefusals:
    def test_text_named_png(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_text("hello")
        with pytest.raises(DataError, match=r"a\.png: not an image .*: the file is of an unknown kind\. Convert"):
            read_rgb(tmp_path / "a.png")

    def test_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").touch()
        with pytest.raises(DataError, match=r"a\.jpg: not an image"):
            read_rgb(tmp_path / "a.jpg")

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"a\.jpg: cannot be read: No such file"):
            read_rgb(tmp_path / "a.jpg")

    def test_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="cannot be read: Is a directory"):
            read_rgb(tmp_path)

    @pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "bmp", "gif"])
    @pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
    def test_truncated_image(self, tmp_path: Path, generator, suffix: str, share: float) -> None:
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(random_pixels(generator, 64, 64, 3)).save(path)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        with pytest.raises(DataError, match=rf"a\.{suffix}: "):
            read_rgb(path)

    def test_damaged_files_never_raise_anything_else(self, tmp_path: Path, generator: np.random.Generator) -> None:
        pixels = Image.fromarray(random_pixels(generator, 16, 16, 3))
        refused = 0
        for suffix in ("jpg", "png", "gif", "tif", "bmp", "webp", "tga", "ico", "psd"):
            path = tmp_path / f"a.{suffix}"
            if suffix == "psd":
                path.write_bytes(b"8BPS\0\1" + generator.bytes(200))
            else:
                pixels.save(path)
            intact = np.frombuffer(path.read_bytes(), dtype=np.uint8)
            for _ in range(30):
                damaged = intact.copy()
                damaged[generator.integers(0, min(damaged.size, 120), 4)] = generator.integers(0, 256, 4)
                path.write_bytes(damaged.tobytes())
                try:
                    image = read_rgb(path, pixel_limit=100_000)
                except DataError as error:
                    assert str(error).startswith(str(path))  # noqa: PT017
                    refused += 1
                except UserWarning:  # Pillow's remark on damaged metadata, an error only under pytest
                    continue
                else:
                    assert image.ndim == 3
        assert refused > 50

    def test_postscript_is_never_handed_to_ghostscript(self, tmp_path: Path) -> None:
        Image.new("RGB", (8, 8)).save(tmp_path / "a.eps")
        shutil.move(tmp_path / "a.eps", tmp_path / "a.png")
        with pytest.raises(DataError, match=r"a\.png: not an image .*: the file is a PostScript document"):
            read_rgb(tmp_path / "a.png")

    def test_image_above_the_pixel_limit(self, tmp_path: Path) -> None:
        Image.new("L", (11, 10)).save(tmp_path / "a.png")
        assert read_rgb(tmp_path / "a.png", pixel_limit=110).shape == (10, 11, 3)
        with pytest.raises(DataError, match=r"a\.png: is too large: found 11 x 10 pixels, allowed are 109"):
            read_rgb(tmp_path / "a.png", pixel_limit=109)
        with pytest.raises(DataError, match=r"a\.png: is too large: found 110 pixels, allowed are 20"):
            read_rgb(tmp_path / "a.png", pixel_limit=20)

    def test_pixel_limit_may_exceed_that_of_pillow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        Image.new("L", (11, 10)).save(tmp_path / "a.png")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
        assert read_rgb(tmp_path / "a.png", pixel_limit=110).shape == (10, 11, 3)
        assert Image.MAX_IMAGE_PIXELS == 10


def test_names_may_be_in_any_script(tmp_path: Path) -> None:
    path = tmp_path / "Übergröße 写真 🐈.PNG"
    Image.new("RGB", (2, 3)).save(path)
    assert read_rgb(path).shape == (3, 2, 3)


def test_stubs_and_programs_are_not_source_formats() -> None:
    assert {"PNG", "JPEG", "WEBP", "TIFF"} <= set(source_formats())
    assert not {"EPS", "WMF", "MPEG", "HPCM"} & set(source_formats())
    assert {".png", ".jpg", ".jpeg", ".webp", ".tif"} <= source_extensions()
    assert not {".eps", ".pdf", ".mpg", ".hpcm"} & source_extensions()
