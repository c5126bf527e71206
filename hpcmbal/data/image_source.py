"""What training and validation need from a collection of images, wherever the images live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hpcmbal.images.rgb_image import RgbImage


class ImageSource(Protocol):
    """A fixed, ordered collection of images that are decoded one at a time."""

    def __len__(self) -> int:
        """The number of images, readable or not."""
        ...

    def name(self, index: int) -> str:
        """What to call image `index` in messages: its path, or the name of a bundled photograph."""
        ...

    def read(self, index: int) -> RgbImage:
        """Decode image `index` to `[height, width, 3]` uint8; callers must not write into it.

        Raises:
            DataError: The image cannot be read; the message starts with its name.
        """
        ...
