"""Pictures of few large pixels and few colours: sprites, tiles, patterns."""

from __future__ import annotations

from random import Random

import numpy as np
import numpy.typing as npt
from PIL import Image

from hpcmbal.data.drawn.fonts import Fonts
from hpcmbal.data.drawn.palette import BLACK, WHITE, draw_palette

_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], dtype=np.float32) / 16

Indices = npt.NDArray[np.intp]


def draw_pixel_art(random: Random, fonts: Fonts, size: int) -> Image.Image:
    """Sprites on a ground, tiles side by side, or a dithered shade, each pixel drawn 1 to 8 pixels large."""
    del fonts
    palette = draw_palette(random)
    colours = np.array((palette.paper, palette.ink, *palette.accents, BLACK, WHITE), dtype=np.uint8)
    scale = random.choice((1, 2, 3, 4, 4, 6, 8))
    side = -(-size // scale) + 1
    generator = np.random.default_rng(random.getrandbits(32))
    kind = random.random()
    if kind < 0.45:
        grid = _sprites(random, generator, side, len(colours))
    elif kind < 0.8:
        grid = _tiles(random, generator, side, len(colours))
    else:
        grid = _dithered(random, side)
    large = np.kron(grid, np.ones((scale, scale), dtype=np.intp))
    top, left = random.randrange(scale), random.randrange(scale)
    return Image.fromarray(colours[large[top : top + size, left : left + size]])


def _sprites(random: Random, generator: np.random.Generator, side: int, colours: int) -> Indices:
    """Figures, each the mirror image of its half, with an outline."""
    grid: Indices = np.zeros((side, side), dtype=np.intp)
    for _ in range(random.randint(2, 14)):
        height, half = random.randint(4, 12), random.randint(2, 6)
        shape = generator.random((height, half)) < 0.6
        few = generator.integers(2, colours, 3)
        figure = np.where(shape, few[generator.integers(0, 3, (height, 1))], 0)  # in stripes, as clothes and limbs are
        sprite = np.pad(np.concatenate((figure, figure[:, ::-1]), axis=1), 1)
        filled = sprite > 0
        near = filled.copy()
        for axis, shift in ((0, 1), (0, -1), (1, 1), (1, -1)):
            near |= np.roll(filled, shift, axis)
        sprite = np.where(near & ~filled, 1, sprite)
        top, left = random.randint(-4, side), random.randint(-4, side)
        rows, columns = slice(max(0, top), top + sprite.shape[0]), slice(max(0, left), left + sprite.shape[1])
        part = grid[rows, columns]
        cut = sprite[max(0, -top) :, max(0, -left) :][: part.shape[0], : part.shape[1]]
        part[cut > 0] = cut[cut > 0]
    return grid


def _tiles(random: Random, generator: np.random.Generator, side: int, colours: int) -> Indices:
    """A few small tiles, laid out at random or in rows."""
    edge, count = random.choice((2, 4, 8, 8, 16)), random.randint(1, 4)
    few = generator.choice(colours, min(colours, random.randint(2, 4)), replace=False)
    tiles = few[generator.integers(0, len(few), (count, edge, edge))]
    if random.random() < 0.5:  # plain tiles with a border: bricks, boards
        tiles = np.broadcast_to(few[generator.integers(0, len(few), (count, 1, 1))], tiles.shape).copy()
        tiles[:, 0, :] = tiles[:, :, 0] = few[0]
    cells = -(-side // edge)
    layout = generator.integers(0, count, (cells, cells))
    rows = [np.concatenate([tiles[tile] for tile in row], axis=1) for row in layout]
    grid: Indices = np.concatenate(rows, axis=0)[:side, :side].astype(np.intp)
    return grid


def _dithered(random: Random, side: int) -> Indices:
    """Two colours, mixed in ordered dither along a slope."""
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32) / side
    level = random.random() * rows + random.random() * columns
    threshold = np.tile(_BAYER, (-(-side // 4), -(-side // 4)))[:side, :side]
    grid: Indices = np.where(level > threshold, 2, 3).astype(np.intp)
    return grid
