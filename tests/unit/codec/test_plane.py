"""Alpha comes back bit for bit, and unpacking is bounded."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reader_fuzz import reader_fuzz

from hpcmbal.codec.plane import decode_plane, deflate, encode_plane, inflate
from hpcmbal.errors import BitstreamError


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20)))
def test_a_plane_comes_back(plane: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_plane(encode_plane(plane), *plane.shape), plane)


@pytest.mark.parametrize(("axis", "filters"), [((0, 1), 3), ((1,), 1), ((0,), 2)])
def test_a_ramp_is_coded_as_its_differences(axis: tuple[int, ...], filters: int) -> None:
    indices = np.indices((64, 64))
    generator = np.random.default_rng(0)
    plane = sum((indices[a] for a in axis), start=np.zeros((64, 64), dtype=np.int64))
    if len(axis) == 1:  # random offsets across the ramp, so that differences across it do not help
        offsets = generator.integers(0, 256, 64)
        plane = plane * 3 + (offsets[:, None] if axis == (1,) else offsets[None, :])
    data = encode_plane(plane.astype(np.uint8))
    assert data[0] == filters
    assert len(data) < 250


@reader_fuzz(100)
@given(st.binary(max_size=200), st.integers(1, 30), st.integers(1, 30))
def test_garbage_is_refused(data: bytes, height: int, width: int) -> None:
    with pytest.raises(BitstreamError, match="(?i)chunk alpha"):
        decode_plane(data, height, width)


def test_a_plane_of_another_size_is_refused() -> None:
    data = encode_plane(np.zeros((4, 5), dtype=np.uint8))
    with pytest.raises(BitstreamError, match="holds 20 values, the image 24"):
        decode_plane(data, 4, 6)
    with pytest.raises(BitstreamError, match="unpacks to more than 16 bytes"):
        decode_plane(data, 4, 4)


def test_a_bomb_is_not_unpacked() -> None:
    with pytest.raises(BitstreamError, match="Chunk icc unpacks to more than 1,000 bytes"):
        inflate(deflate(bytes(100_000_000)), 1000, "chunk icc")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: d[:-3], "is incomplete"),
        (lambda d: d + b"x", "bytes behind its end"),
        (lambda d: b"?" + d, "unpacked"),
    ],
)
def test_damage_is_refused(damage: object, message: str) -> None:
    with pytest.raises(BitstreamError, match=message):
        inflate(damage(deflate(b"hello")), 100, "chunk exif")  # type: ignore[operator]


def test_deflate_is_zlib() -> None:
    assert zlib.decompress(deflate(b"abc")) == b"abc"
