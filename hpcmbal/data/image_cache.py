"""Decoded images kept in memory, so that a small data set is decoded once and not once an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpcmbal.errors import DataError

if TYPE_CHECKING:
    from hpcmbal.data.image_source import ImageSource
    from hpcmbal.images.rgb_image import RgbImage


class CachedImages:
    """An image source that remembers what it decoded, and what it could not decode.

    Images are kept as they are first read until the budget is full, and none is ever dropped: visits come in random
    order, where dropping the oldest would keep nothing useful. A source that fits is therefore decoded exactly once.
    Every process has its own cache.

    Args:
        source: Where the images come from.
        mebibytes: The budget for decoded pixels in MiB; 0 keeps no image.
    """

    def __init__(self, source: ImageSource, *, mebibytes: float) -> None:
        self.source = source
        self._free_bytes = mebibytes * 2**20
        self._images: dict[int, RgbImage] = {}
        self._failures: dict[int, str] = {}

    def __len__(self) -> int:
        """The number of images of the source."""
        return len(self.source)

    def name(self, index: int) -> str:
        """The source's name of image `index`."""
        return self.source.name(index)

    def read(self, index: int) -> RgbImage:
        """Image `index`, `[height, width, 3]` uint8 and read-only, from memory where possible.

        Raises:
            DataError: The image cannot be read; also when that was found earlier, without trying again.
        """
        image = self._images.get(index)
        if image is not None:
            return image
        if index in self._failures:
            raise DataError(self._failures[index])
        try:
            image = self.source.read(index)
        except DataError as error:
            self._failures[index] = str(error)
            raise
        if image.nbytes <= self._free_bytes:
            self._free_bytes -= image.nbytes
            image.setflags(write=False)
            self._images[index] = image
        return image

    def share_budget(self, processes: int) -> None:
        """Leave this process its part of the unused budget when `processes` fill a cache each."""
        self._free_bytes /= processes
