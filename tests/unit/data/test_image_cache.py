"""What is kept in memory, and what is not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from hpcmbal.data.image_cache import CachedImages
from hpcmbal.errors import DataError

IMAGE_BYTES = 64 * 64 * 3


class CountingSource:
    """Eight random images of 12 KiB, of which number 5 is unreadable; counts the reads of each."""

    def __init__(self) -> None:
        self.reads = [0] * 8

    def __len__(self) -> int:
        return len(self.reads)

    def name(self, index: int) -> str:
        return f"image {index}"

    def read(self, index: int) -> npt.NDArray[np.uint8]:
        self.reads[index] += 1
        if index == 5:
            raise DataError("image 5: broken")
        return np.random.default_rng(index).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def test_what_fits_is_read_once_and_stays_the_same() -> None:
    source = CountingSource()
    cache = CachedImages(source, mebibytes=1)
    for _ in range(3):
        for index in (3, 0, 7):
            np.testing.assert_array_equal(cache.read(index), CountingSource().read(index))
    assert source.reads == [1, 0, 0, 1, 0, 0, 0, 1]


def test_the_budget_is_not_exceeded() -> None:
    source = CountingSource()
    cache = CachedImages(source, mebibytes=2.5 * IMAGE_BYTES / 2**20)
    for _ in range(3):
        for index in (0, 1, 2):
            cache.read(index)
    assert source.reads[:3] == [1, 1, 3]


def test_no_budget_keeps_nothing() -> None:
    source = CountingSource()
    cache = CachedImages(source, mebibytes=0)
    np.testing.assert_array_equal(cache.read(0), cache.read(0))
    assert source.reads[0] == 2


def test_a_shared_budget_is_divided() -> None:
    source = CountingSource()
    cache = CachedImages(source, mebibytes=4 * IMAGE_BYTES / 2**20)
    cache.share_budget(4)
    for _ in range(2):
        for index in (0, 1):
            cache.read(index)
    assert source.reads[:2] == [1, 2]


def test_a_failure_is_remembered_word_for_word() -> None:
    source = CountingSource()
    cache = CachedImages(source, mebibytes=1)
    with pytest.raises(DataError, match=r"^image 5: broken$"):
        cache.read(5)
    with pytest.raises(DataError, match=r"^image 5: broken$"):
        cache.read(5)
    assert source.reads[5] == 1


def test_kept_images_cannot_be_spoiled() -> None:
    image = CachedImages(CountingSource(), mebibytes=1).read(0)
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0, 0] = 1


def test_looks_like_its_source() -> None:
    cache = CachedImages(CountingSource(), mebibytes=1)
    assert len(cache) == 8
    assert cache.name(4) == "image 4"
