"""Drawings in lines and flat colours: curves, hatching, plans and cartoons."""

from __future__ import annotations

import math
from random import Random

from PIL import Image

from hpcmbal.data.drawn.fonts import Fonts
from hpcmbal.data.drawn.palette import Palette, draw_palette
from hpcmbal.data.drawn.sheet import Point, Sheet

CURVE_POINTS = 24


def draw_line_art(random: Random, fonts: Fonts, size: int) -> Image.Image:
    """Flat shapes with outlines, curves over them, and sometimes hatching; hard or smooth edges."""
    palette = draw_palette(random)
    sheet = Sheet(fonts, size, palette.paper, factor=random.choice((1, 2, 2, 3)))
    width = random.choice((1, 1, 1.5, 2, 3, 5))
    coloured = random.random() < 0.6
    for _ in range(random.randint(2, 12)):
        shape = _blob(random, size) if random.random() < 0.6 else _polygon(random, size)
        fill = random.choice((*palette.accents, palette.quiet, palette.paper)) if coloured else palette.paper
        sheet.polygon(shape, fill)
        sheet.line([*shape, shape[0]], palette.ink, width)
    for _ in range(random.randint(0, 8)):
        points = [(random.uniform(-0.2, 1.2) * size, random.uniform(-0.2, 1.2) * size) for _ in range(4)]
        sheet.line(_bezier(*points), _line_colour(random, palette), random.choice((1, width, 2 * width)))
    if random.random() < 0.35:
        _hatching(random, sheet, palette)
    return sheet.image()


def _line_colour(random: Random, palette: Palette) -> tuple[int, int, int]:
    return palette.ink if random.random() < 0.7 else random.choice(palette.accents)


def _blob(random: Random, size: int) -> list[Point]:
    """A closed, smooth shape."""
    x, y = random.uniform(0, size), random.uniform(0, size)
    radius, stretch = random.uniform(0.05, 0.45) * size, random.uniform(0.4, 1)
    waves = [(n, random.uniform(0, 0.5 / n), random.uniform(0, 6.3)) for n in range(2, 6)]
    points = []
    for i in range(3 * CURVE_POINTS):
        angle = 2 * math.pi * i / (3 * CURVE_POINTS)
        r = radius * (1 + sum(height * math.sin(n * angle + phase) for n, height, phase in waves))
        points.append((x + r * math.cos(angle), y + stretch * r * math.sin(angle)))
    return points


def _polygon(random: Random, size: int) -> list[Point]:
    """A box, a triangle or another regular shape, turned."""
    x, y, radius = random.uniform(0, size), random.uniform(0, size), random.uniform(0.05, 0.5) * size
    corners, turn = random.randint(3, 8), random.choice((0.0, math.pi / 4, random.uniform(0, 3)))
    return [
        (
            x + radius * math.cos(turn + 2 * math.pi * i / corners),
            y + radius * math.sin(turn + 2 * math.pi * i / corners),
        )
        for i in range(corners)
    ]


def _bezier(a: Point, b: Point, c: Point, d: Point) -> list[Point]:
    points = []
    for i in range(CURVE_POINTS + 1):
        t = i / CURVE_POINTS
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
        points.append(
            (
                sum(weight * point[0] for weight, point in zip(weights, (a, b, c, d), strict=True)),
                sum(weight * point[1] for weight, point in zip(weights, (a, b, c, d), strict=True)),
            )
        )
    return points


def _hatching(random: Random, sheet: Sheet, palette: Palette) -> None:
    size, step = sheet.size, random.randint(3, 14)
    slope, crossed = random.choice((0.0, 1.0, random.uniform(-2, 2))), random.random() < 0.4
    start, end = sorted((random.uniform(0, size), random.uniform(0, size)))
    for offset in range(-2 * size, 3 * size, step):
        sheet.line([(start, offset + slope * start), (end, offset + slope * end)], palette.ink)
        if crossed:
            sheet.line([(start, offset - slope * start), (end, offset - slope * end)], palette.ink)
