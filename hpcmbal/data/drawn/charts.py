"""Charts as plotting programs draw them: lines, bars, points, areas, pies and maps of colours."""

from __future__ import annotations

import math
from random import Random

from PIL import Image

from hpcmbal.data.drawn.fonts import FAMILIES, Fonts
from hpcmbal.data.drawn.palette import Palette, blend, draw_palette
from hpcmbal.data.drawn.sheet import Point, Sheet, Style
from hpcmbal.data.drawn.words import label, number


class _Frame:
    """The axes of a chart: a box in the drawing, and points in it by their fractions."""

    def __init__(self, left: float, top: float, right: float, bottom: float) -> None:
        self.left, self.top, self.right, self.bottom = left, top, right, bottom

    def at(self, x: float, y: float) -> Point:
        return self.left + x * (self.right - self.left), self.bottom - y * (self.bottom - self.top)


def draw_chart(random: Random, fonts: Fonts, size: int) -> Image.Image:
    """A part of a chart, or all of a small one."""
    palette = draw_palette(random)
    side = random.uniform(190, 560)  # whatever the crop: labels have the sizes that they have
    beyond = max(0.0, side - 0.8 * size)
    origin = (random.uniform(-0.1 * size, beyond), random.uniform(-0.1 * size, beyond))
    sheet = Sheet(fonts, size, palette.paper, origin=origin, factor=random.choice((1, 2, 2, 3)))
    text = Style(FAMILIES[random.choice(("sans", "sans", "times", "serif"))][0], random.randint(8, 15), palette.ink)
    frame = _Frame(5 * text.pixels, 3 * text.pixels, side - text.pixels, side - 3.5 * text.pixels)
    if random.random() < 0.1:
        _pie(random, sheet, palette, frame)
    else:
        _axes(random, sheet, palette, frame, text)
        random.choice((_lines, _lines, _bars, _points, _area, _map))(random, sheet, palette, frame)
        if random.random() < 0.5:
            _legend(random, sheet, palette, frame, text)
    if random.random() < 0.7:
        sheet.text((frame.left, text.pixels), label(random, 5), text._replace(pixels=round(text.pixels * 1.3)))
    return sheet.image()


def _axes(random: Random, sheet: Sheet, palette: Palette, frame: _Frame, text: Style) -> None:
    rows, columns = random.randint(3, 8), random.randint(3, 8)
    grid = blend(palette.paper, palette.quiet, 0.5)
    lined = random.random()
    for row in range(rows + 1):
        x, y = frame.at(0, row / rows)
        if lined < 0.6:
            sheet.line([(x, y), (frame.right, y)], grid)
        sheet.line([(x - 4, y), (x, y)], palette.ink)
        caption = number(random)
        sheet.text((x - 6 - sheet.width_of(caption, text), y - text.pixels * 0.6), caption, text)
    for column in range(columns + 1):
        x, y = frame.at(column / columns, 0)
        if lined < 0.4:
            sheet.line([(x, y), (x, frame.top)], grid)
        sheet.line([(x, y), (x, y + 4)], palette.ink)
        caption = number(random)
        sheet.text((x - sheet.width_of(caption, text) / 2, y + 6), caption, text)
    box = [(frame.left, frame.top), (frame.left, frame.bottom), (frame.right, frame.bottom)]
    sheet.line([*box, (frame.right, frame.top), box[0]] if random.random() < 0.6 else box, palette.ink)
    caption = label(random)
    middle = (frame.left + frame.right - sheet.width_of(caption, text)) / 2
    sheet.text((middle, frame.bottom + 1.6 * text.pixels + 4), caption, text)


def _curve(random: Random, count: int) -> list[float]:
    """Values in [0, 1]: a walk, a wave or a saturating course."""
    kind, phase, level = random.random(), random.uniform(0, 6), random.uniform(0.2, 0.8)
    if kind < 0.4:
        return [
            0.5 + 0.4 * math.sin(phase + i / count * random.choice((6.0, 6.0, 6.1)) * (1 + phase)) for i in range(count)
        ]
    if kind < 0.7:
        return [level * (1 - math.exp(-(1 + phase) * i / count)) + random.uniform(0, 0.04) for i in range(count)]
    values = [level]
    for _ in range(count - 1):
        values.append(min(1.0, max(0.0, values[-1] + random.gauss(0, 0.08))))
    return values


def _lines(random: Random, sheet: Sheet, palette: Palette, frame: _Frame) -> None:
    for colour in palette.accents:
        count = random.choice((5, 8, 20, 60))
        points = [frame.at(i / (count - 1), value) for i, value in enumerate(_curve(random, count))]
        sheet.line(points, colour, random.choice((1, 1.5, 2, 3)))
        if count <= 20 and random.random() < 0.6:
            for point in points:
                _marker(random.choice(("dot", "box")), sheet, point, random.uniform(2, 4), colour)


def _bars(random: Random, sheet: Sheet, palette: Palette, frame: _Frame) -> None:
    count, groups = random.randint(3, 12), random.randint(1, min(3, len(palette.accents)))
    outline = palette.ink if random.random() < 0.3 else None
    width = 0.8 / count / groups
    for i in range(count):
        for group in range(groups):
            left = (i + 0.1) / count + group * width
            height = random.uniform(0.05, 1)
            sheet.rectangle(frame.at(left, height), frame.at(left + width, 0), palette.accents[group], outline)


def _points(random: Random, sheet: Sheet, palette: Palette, frame: _Frame) -> None:
    for colour in palette.accents[:3]:
        x0, y0, spread = random.random(), random.random(), random.uniform(0.03, 0.2)
        kind, radius = random.choice(("dot", "box", "ring")), random.uniform(1, 4)
        for _ in range(random.randint(10, 120)):
            point = frame.at(min(1, max(0, random.gauss(x0, spread))), min(1, max(0, random.gauss(y0, spread))))
            _marker(kind, sheet, point, radius, colour)


def _area(random: Random, sheet: Sheet, palette: Palette, frame: _Frame) -> None:
    for colour in palette.accents[:3]:
        values = _curve(random, 40)
        points = [frame.at(i / 39, value) for i, value in enumerate(values)]
        sheet.polygon([frame.at(0, 0), *points, frame.at(1, 0)], blend(palette.paper, colour, random.uniform(0.3, 0.9)))
        sheet.line(points, colour, 2)


def _map(random: Random, sheet: Sheet, palette: Palette, frame: _Frame) -> None:
    rows, columns = random.randint(3, 16), random.randint(3, 16)
    low, high = palette.accents[0], palette.accents[1]
    for row in range(rows):
        for column in range(columns):
            corner = frame.at(column / columns, (row + 1) / rows)
            other = frame.at((column + 1) / columns, row / rows)
            sheet.rectangle(corner, other, blend(low, high, random.random()))


def _pie(random: Random, sheet: Sheet, palette: Palette, frame: _Frame) -> None:
    centre = frame.at(0.5, 0.5)
    radius = 0.45 * min(frame.right - frame.left, frame.bottom - frame.top)
    angle = random.uniform(0, 360)
    shares = [random.uniform(0.2, 1) for _ in range(random.randint(3, 7))]
    for i, share in enumerate(shares):
        extent = 360 * share / sum(shares)
        colour = palette.accents[i % len(palette.accents)]
        sheet.slice(centre, radius, (angle, angle + extent), blend(colour, palette.ink, 0.12 * (i // 2)))
        angle += extent


def _legend(random: Random, sheet: Sheet, palette: Palette, frame: _Frame, text: Style) -> None:
    left, top = frame.at(random.uniform(0.05, 0.6), random.uniform(0.5, 0.95))
    row = text.pixels * 1.4
    sheet.rectangle(
        (left, top), (left + 9 * text.pixels, top + row * (len(palette.accents) + 0.4)), palette.paper, palette.quiet
    )
    for i, colour in enumerate(palette.accents):
        y = top + row * (i + 0.7)
        sheet.line([(left + 4, y), (left + 4 + 2 * text.pixels, y)], colour, 2)
        sheet.text((left + 8 + 2 * text.pixels, y - text.pixels * 0.6), label(random, 1)[:9], text)


def _marker(kind: str, sheet: Sheet, point: Point, radius: float, colour: tuple[int, int, int]) -> None:
    if kind == "box":
        sheet.rectangle((point[0] - radius, point[1] - radius), (point[0] + radius, point[1] + radius), colour)
    else:
        sheet.ellipse(point, (radius, radius), colour if kind == "dot" else None, colour)
