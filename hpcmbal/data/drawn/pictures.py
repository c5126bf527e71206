"""Which samples of a training are drawn, and what is drawn: a pure function of (seed, epoch, index)."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from hpcmbal.data.drawn.charts import draw_chart
from hpcmbal.data.drawn.fonts import Fonts
from hpcmbal.data.drawn.gradients import draw_gradient
from hpcmbal.data.drawn.interface import draw_interface
from hpcmbal.data.drawn.line_art import draw_line_art
from hpcmbal.data.drawn.pixel_art import draw_pixel_art
from hpcmbal.data.drawn.text import draw_listing, draw_page
from hpcmbal.errors import SettingsError

if TYPE_CHECKING:
    from hpcmbal.images.rgb_image import RgbImage

# Keeps these random numbers apart from those of crops and permutations.
_STREAM = 0x44524157

Drawer = Callable[[Random, Fonts, int], Image.Image]

KINDS: dict[str, tuple[Drawer, float]] = {
    "page": (draw_page, 0.28),
    "listing": (draw_listing, 0.1),
    "chart": (draw_chart, 0.2),
    "interface": (draw_interface, 0.17),
    "line art": (draw_line_art, 0.12),
    "gradient": (draw_gradient, 0.06),
    "pixel art": (draw_pixel_art, 0.07),
}
"""What is drawn, and how much of the whole it is."""


class DrawnPictures:
    """Draws crops in the place of some samples of a training.

    The same (seed, epoch, index) gives the same crop in every process, at every worker count and after every resume.

    Args:
        patch_size: Side of the crops in pixels.
        fraction: How many of all samples are drawn, from 0 to 1.
        seed: Chooses them, and what they show; not negative.

    Raises:
        SettingsError: A number is out of its range.
        DataError: matplotlib, whose fonts are used, is not installed from its wheel.
    """

    def __init__(self, patch_size: int, fraction: float, seed: int = 0) -> None:
        if patch_size < 1 or seed < 0 or not 0 <= fraction <= 1:
            raise SettingsError(
                f"DrawnPictures: patch_size must be at least 1 (found {patch_size}), fraction from 0 to 1 (found "
                f"{fraction}), seed not negative (found {seed})."
            )
        self.patch_size, self.fraction, self.seed = patch_size, fraction, seed
        self._fonts = Fonts()

    def replaces(self, epoch: int, index: int) -> bool:
        """Whether sample `index` of `epoch` is drawn instead of taken from its image."""
        return self._random(epoch, index).random() < self.fraction

    def draw(self, epoch: int, index: int, kind: str | None = None) -> RgbImage:
        """The crop of a sample, `[patch_size, patch_size, 3]` uint8; of one of `KINDS` if named."""
        random = self._random(epoch, index)
        random.random()  # the one that decided that it is drawn
        shares = [share for _, share in KINDS.values()]
        chosen = random.choices(list(KINDS), shares)[0]
        return np.asarray(KINDS[kind or chosen][0](random, self._fonts, self.patch_size))

    def _random(self, epoch: int, index: int) -> Random:
        state = np.random.SeedSequence([self.seed, _STREAM, epoch, index]).generate_state(2, np.uint64)
        return Random(int(state[0]) << 64 | int(state[1]))
