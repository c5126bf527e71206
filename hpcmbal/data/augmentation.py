"""Random crops, scales and flips, each a function of (seed, epoch, index) and of nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from hpcmbal.errors import SettingsError

if TYPE_CHECKING:
    from hpcmbal.images.rgb_image import RgbImage


@dataclass(frozen=True)
class Augmentation:
    """Turns an image of any size into a square crop.

    The same (seed, epoch, index) gives the same crop of the same image in every process, at every worker count and
    after every resume, because each call starts its own generator.

        image -> mirrored at its edges where smaller than the crop
              -> random window of patch_size / scale, shrunk to patch_size (antialiased)
              -> mirrored left-right and upside down, each with probability 1/2

    Attributes:
        patch_size: Side of the crop in pixels.
        seed: Chooses the sequence of crops; not negative.
        flips: Whether to flip, left-right and upside down independently of each other.
        min_downscale: Smallest scale, in (0, 1]; scales are drawn log-uniformly from here to 1. Scales that would make
            an image smaller than the crop are not used: the range ends where its shorter side just fits.

    Raises:
        SettingsError: A field is out of its range.
    """

    patch_size: int
    seed: int = 0
    flips: bool = True
    min_downscale: float = 1.0

    def __post_init__(self) -> None:
        problems = []
        if self.patch_size < 1:
            problems.append(f"patch_size must be at least 1 pixel, found {self.patch_size}")
        if self.seed < 0:
            problems.append(f"seed must not be negative, found {self.seed}")
        if not 0 < self.min_downscale <= 1:
            problems.append(f"min_downscale must be above 0 and at most 1 (off), found {self.min_downscale}")
        if problems:
            raise SettingsError("Augmentation: " + "; ".join(problems) + ".")

    def __call__(self, image: RgbImage, epoch: int, index: int) -> RgbImage:
        """The crop of `image` (`[height, width, 3]` uint8) that sample `index` is in `epoch`.

        Returns:
            `[patch_size, patch_size, 3]` uint8; may share memory with `image`, so it must not be written into.
        """
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, epoch, index])))
        # All drawn at once, so that no switch shifts the randomness of another.
        scale_draw, top_draw, left_draw, mirror_draw, upside_down_draw = generator.random(5).tolist()
        image = self._large_enough(image, top_draw, left_draw)
        crop = self._crop(image, self._window_side(image, scale_draw), top_draw, left_draw)
        if self.flips and mirror_draw < 0.5:
            crop = crop[:, ::-1]
        if self.flips and upside_down_draw < 0.5:
            crop = crop[::-1]
        return crop

    def _large_enough(self, image: RgbImage, top_draw: float, left_draw: float) -> RgbImage:
        missing_rows, missing_columns = (max(0, self.patch_size - side) for side in image.shape[:2])
        if not missing_rows and not missing_columns:
            return image
        top, left = int(top_draw * (missing_rows + 1)), int(left_draw * (missing_columns + 1))
        # "symmetric" repeats the edge pixel, which also works for an image of one pixel.
        return np.pad(image, ((top, missing_rows - top), (left, missing_columns - left), (0, 0)), mode="symmetric")

    def _window_side(self, image: RgbImage, scale_draw: float) -> int:
        smallest = max(self.min_downscale, self.patch_size / min(image.shape[:2]))
        # Rounding must not leave the image, by an ulp of the power.
        return min(round(self.patch_size * math.pow(smallest, -scale_draw)), *image.shape[:2])

    def _crop(self, image: RgbImage, side: int, top_draw: float, left_draw: float) -> RgbImage:
        top, left = int(top_draw * (image.shape[0] - side + 1)), int(left_draw * (image.shape[1] - side + 1))
        window = image[top : top + side, left : left + side]
        if side == self.patch_size:
            return window
        size = (self.patch_size, self.patch_size)
        # Pillow's filters widen with the factor, so this does not alias.
        return np.asarray(Image.fromarray(np.ascontiguousarray(window)).resize(size, Image.Resampling.BICUBIC))
