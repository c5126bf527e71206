"""Is a picture drawn, so that coding it exactly may be worth a try? A cheap test on a sample of its pixels.

In drawings, text and screens most pixels follow from their neighbours without any error; in photographs noise sees to
it that hardly one does. The test looks at blocks spread over the picture, so that its time does not grow with it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

SMALL_PIXELS = 64 * 64
"""Pictures up to this many pixels are always worth a try."""
FOLLOWING, FOLLOWING_GRAY = 0.8, 0.88
"""Share of the pixels that follow from their neighbours, from which on a picture counts as drawn. Measured on Kodak,
CID22 and CLIC 2025: photographs have up to 0.77, in gray 0.86, but for one cut out on white; drawings and text 0.88
to 1."""
SMOOTH, SMOOTH_EDGES = 0.5, 0.0005
"""A gradient in two directions has a smaller share, but, other than a photograph, next to no pixel that is off by more
than 2."""
FEW_COLOURS = 32
"""Colours in use up to which a picture counts as drawn; a gray photograph has more."""
BLOCK = 32
"""Side of a block of the sample."""
BLOCKS_A_SIDE = 4

Pixels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.int32]


def may_be_drawn(pixels: Pixels) -> bool:
    """Whether lossless coding of `[H, W, 3]` or `[H, W]` uint8 may be smaller than learned coding."""
    height, width = pixels.shape[:2]
    if height * width <= SMALL_PIXELS or min(height, width) == 1:
        return True
    blocks = list(_sample(pixels))
    if np.unique(np.concatenate([_packed(block).ravel() for block in blocks])).size <= FEW_COLOURS:
        return True
    errors = np.concatenate([_errors(block).ravel() for block in blocks])
    following, edges = float(np.mean(errors == 0)), float(np.mean(errors > 2))
    enough = FOLLOWING_GRAY if pixels.ndim == 2 else FOLLOWING
    return following >= enough or (following >= SMOOTH and edges < SMOOTH_EDGES)


def _sample(pixels: Pixels) -> Iterator[Values]:
    """Blocks `[1 or 3, h, w]` at the places of a grid, or all of a small picture."""
    rows, columns = (_starts(side) for side in pixels.shape[:2])
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    for top in rows:
        for left in columns:
            yield planes[:, top : top + BLOCK, left : left + BLOCK].astype(np.int32)


def _starts(side: int) -> list[int]:
    count = max(1, min(BLOCKS_A_SIDE, side // BLOCK))
    return [int(start) for start in np.linspace(0, max(0, side - BLOCK), count)]


def _packed(block: Values) -> Values:
    """Every pixel as one number."""
    packed: Values = block[0]
    for plane in block[1:]:
        packed = (packed << 8) + plane
    return packed


def _errors(block: Values) -> Values:
    """How far each pixel is, in its worst channel, from the best of four guesses.

    They are its left neighbour, the one above, their mean, and the plane through three neighbours.
    """
    here, left, up, corner = block[:, 1:, 1:], block[:, 1:, :-1], block[:, :-1, 1:], block[:, :-1, :-1]
    guesses = (left, up, left + up - corner, (left + up) // 2)
    errors: Values = np.minimum.reduce([np.abs(here - guess).max(axis=0) for guess in guesses])
    return errors
