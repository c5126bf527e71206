"""Colours that go together: paper and ink, and accents from pale to saturated."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from random import Random

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)


@dataclass(frozen=True)
class Palette:
    """What a picture is drawn with.

    Attributes:
        paper: The background.
        ink: Text and outlines; far from the paper in lightness.
        quiet: Between both: grids, borders, secondary text.
        accents: Colours of what should be seen.
    """

    paper: Colour
    ink: Colour
    quiet: Colour
    accents: tuple[Colour, ...]


def draw_palette(random: Random) -> Palette:
    """Mostly dark ink on white or nearly white paper, sometimes the reverse, sometimes coloured paper."""
    kind = random.random()
    if kind < 0.55:
        paper, ink = _grey(random, 238, 255), _grey(random, 0, 60)
        if random.random() < 0.5:
            paper, ink = WHITE, BLACK if random.random() < 0.5 else ink
    elif kind < 0.8:
        paper, ink = _grey(random, 0, 48), _grey(random, 200, 255)
    else:
        light = random.random() < 0.6
        paper = hue(random.random(), random.uniform(0.1, 0.9), random.uniform(0.85, 1.0) if light else 0.3)
        ink = _grey(random, 0, 40) if light else _grey(random, 215, 255)
    accents = tuple(
        hue(random.random(), random.uniform(0.5, 1.0), random.uniform(0.55, 1.0)) for _ in range(random.randint(2, 6))
    )
    return Palette(paper, ink, blend(paper, ink, random.uniform(0.15, 0.5)), accents)


def hue(angle: float, saturation: float, value: float) -> Colour:
    """A colour by hue, saturation and value, each in [0, 1]."""
    red, green, blue = colorsys.hsv_to_rgb(angle, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def blend(first: Colour, second: Colour, part: float) -> Colour:
    """`part` of the way from the first colour to the second."""
    red, green, blue = (round(one + (two - one) * part) for one, two in zip(first, second, strict=True))
    return red, green, blue


def _grey(random: Random, low: int, high: int) -> Colour:
    level = random.randint(low, high)
    return level, level, level
