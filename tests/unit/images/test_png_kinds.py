"""Every colour type and depth that PNG has, with and without transparency and interlacing, against the standard."""

from __future__ import annotations

import io
import warnings

import numpy as np
import numpy.typing as npt
import png
import pytest
from PIL import Image

from hpcmbal.errors import DataError
from hpcmbal.images.image_file import read_picture
from hpcmbal.images.picture import Picture, PictureWarning, picture_of, rgb_of

SIZE = (11, 13)
Samples = npt.NDArray[np.int64]

kinds = pytest.mark.parametrize(("colour_type", "depth"), png.KINDS)


def samples_of(colour_type: int, depth: int) -> Samples:
    """All values if they are few, random ones else."""
    generator = np.random.default_rng(100 * colour_type + depth)
    samples = generator.integers(0, 2**depth, (*SIZE, png.CHANNELS[colour_type]))
    samples[0, :2] = [[0], [2**depth - 1]]
    return samples


def palette_of(depth: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(depth).integers(0, 256, (2**depth, 3), dtype=np.uint8)


def file_of(colour_type: int, depth: int, *, transparent: bytes | None = None, interlaced: bool = False) -> bytes:
    palette = palette_of(depth).tobytes() if colour_type == png.PALETTE else None
    samples = samples_of(colour_type, depth)
    return png.png(samples, colour_type, depth, palette=palette, transparent=transparent, interlaced=interlaced)


def read(data: bytes) -> Picture:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PictureWarning)
        return read_picture(data, "picture")


def expected(colour_type: int, depth: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64] | None]:
    """Pixels and alpha on the scale of 8 bits, not rounded."""
    samples = samples_of(colour_type, depth)
    if colour_type == png.PALETTE:
        return palette_of(depth)[samples[..., 0]].astype(float), None
    scaled = samples * (255 / (2**depth - 1))
    if colour_type in (png.GRAY_ALPHA, png.RGB_ALPHA):
        return (scaled[..., 0] if colour_type == png.GRAY_ALPHA else scaled[..., :3]), scaled[..., -1]
    return (scaled[..., 0] if colour_type == png.GRAY else scaled), None


@kinds
@pytest.mark.parametrize("interlaced", [False, True])
def test_pixels_are_those_of_the_standard(colour_type: int, depth: int, interlaced: bool) -> None:
    picture = read(file_of(colour_type, depth, interlaced=interlaced))
    pixels, alpha = expected(colour_type, depth)
    # Of 16 bits in colour, Pillow hands out the upper 8.
    tolerance = 1.0 if depth == 16 else 0.01
    found = picture.pixels
    if colour_type == png.GRAY_ALPHA and found.ndim == 3:
        found = found[..., 0]  # Pillow reads 16-bit gray with alpha as RGBA
    assert np.abs(found - pixels).max() <= tolerance
    assert (picture.alpha is None) == (alpha is None)
    if alpha is not None:
        assert np.abs(picture.alpha - alpha).max() <= tolerance


@kinds
def test_sixteen_bits_are_told_and_eight_are_not(colour_type: int, depth: int) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_picture(file_of(colour_type, depth), "picture")
    assert [str(warning.message)[:30] for warning in caught] == ["The image has 16 bits a channe"] * (depth == 16)


@pytest.mark.parametrize("depth", png.DEPTHS[png.GRAY])
@pytest.mark.parametrize("interlaced", [False, True])
def test_one_gray_value_is_transparent(depth: int, interlaced: bool) -> None:
    samples = samples_of(png.GRAY, depth)
    value = int(samples[3, 4, 0])
    picture = read(file_of(png.GRAY, depth, transparent=value.to_bytes(2, "big"), interlaced=interlaced))
    np.testing.assert_array_equal(picture.alpha, np.where(samples[..., 0] == value, 0, 255))


def test_the_values_0_to_3_of_two_bits_with_1_transparent() -> None:
    picture = read(png.png(np.array([[0, 1, 2, 3]]), png.GRAY, 2, transparent=b"\0\1"))
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[255, 0, 255, 255]]
    assert picture.pixels.tolist() == [[0, 85, 170, 255]]


@pytest.mark.parametrize("depth", png.DEPTHS[png.RGB])
def test_one_colour_is_transparent(depth: int) -> None:
    samples = samples_of(png.RGB, depth)
    samples[5, 6] = samples[7, 8] = samples[3, 4]
    colour = samples[3, 4]
    data = png.png(samples, png.RGB, depth, transparent=colour.astype(">u2").tobytes())
    np.testing.assert_array_equal(read(data).alpha, np.where((samples == colour).all(axis=2), 0, 255))


def test_sixteen_bits_are_compared_in_all_of_them() -> None:
    """Two colours that differ only in their lower bytes: one is transparent, the other is not."""
    samples = np.array([[[0x1234, 0x0005, 0xFFFF], [0x1234, 0x0006, 0xFFFF]]])
    picture = read(png.png(samples, png.RGB, 16, transparent=samples[0, 1].astype(">u2").tobytes()))
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[255, 0]]


@pytest.mark.parametrize("depth", png.DEPTHS[png.PALETTE])
@pytest.mark.parametrize("count", [1, 2])
def test_palette_entries_are_transparent(depth: int, count: int) -> None:
    samples = samples_of(png.PALETTE, depth)[..., 0]
    entries = bytes([0, 128][:count])
    alpha = np.full(2**depth, 255)
    alpha[:count] = list(entries)
    picture = read(file_of(png.PALETTE, depth, transparent=entries))
    np.testing.assert_array_equal(picture.alpha, alpha[samples])


@kinds
@pytest.mark.parametrize("with_value", [False, True])
@pytest.mark.parametrize("loaded", [False, True])
def test_equal_pictures_on_every_call_and_the_image_stays(
    colour_type: int, depth: int, with_value: bool, loaded: bool
) -> None:
    transparent = None
    if with_value and colour_type in (png.GRAY, png.RGB):
        transparent = samples_of(colour_type, depth)[3, 4].astype(">u2").tobytes()
    with (
        Image.open(io.BytesIO(file_of(colour_type, depth, transparent=transparent))) as image,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", PictureWarning)
        if loaded:
            image.load()
        before = dict(image.info), image.mode, image.size
        first, second = picture_of(image), picture_of(image)
        assert before == (dict(image.info), image.mode, image.size)
    for name in ("pixels", "alpha", "icc", "exif", "xmp", "source_format"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    if transparent is not None:
        assert first.alpha is not None
        assert first.alpha[3, 4] == 0
        assert 0 < (first.alpha == 0).sum() < first.alpha.size


def test_training_sees_the_same_pixels_over_white() -> None:
    data = png.png(np.array([[0, 1, 2, 3]]), png.GRAY, 2, transparent=b"\0\1")
    with Image.open(io.BytesIO(data)) as image:
        assert rgb_of(image)[0, :, 1].tolist() == [0, 255, 170, 255]


@pytest.mark.parametrize("depth", png.DEPTHS[png.PALETTE])
def test_a_palette_type_without_a_palette_is_a_damaged_picture(depth: int) -> None:
    data = png.png(np.zeros((1, 1), np.uint8), png.PALETTE, depth)
    with pytest.raises(DataError, match=r"picture: cannot be decoded: .*Replace it by an intact copy"):
        read(data)
