"""Windows, buttons, lists and tables, as screens show them."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from PIL import Image

from hpcmbal.data.drawn.fonts import FAMILIES, Fonts
from hpcmbal.data.drawn.gradients import gradient_image
from hpcmbal.data.drawn.palette import WHITE, Palette, blend, draw_palette
from hpcmbal.data.drawn.sheet import Point, Sheet, Style
from hpcmbal.data.drawn.words import label, number, sentence


class _Screen(NamedTuple):
    """What every control is drawn with."""

    random: Random
    sheet: Sheet
    palette: Palette
    text: Style
    radius: float


def draw_interface(random: Random, fonts: Fonts, size: int) -> Image.Image:
    """A part of a screen: a bar, a list at its side, and rows of controls or a table, over a plain or shaded ground."""
    palette = draw_palette(random)
    origin = (random.uniform(0, 0.6) * size, random.uniform(0, 0.6) * size)
    sheet = Sheet(fonts, size, palette.paper, origin=origin, factor=random.choice((1, 1, 2)))
    if random.random() < 0.25:
        sheet.paste(gradient_image(random, size))
    text = Style(FAMILIES[random.choice(("sans", "sans", "grotesque", "serif"))][0], random.randint(9, 17), palette.ink)
    radius = random.choice((0, 0, 3, 6, 10))
    width, height = (max(size, 200) * random.uniform(1.1, 1.8) for _ in range(2))
    screen = _Screen(random, sheet, palette, text, radius)
    bar = text.pixels * random.uniform(1.8, 3)
    _panel(sheet, palette, (4, 4), (width, height), radius)
    accent = palette.accents[0]
    sheet.rectangle(
        (4, 4),
        (width, 4 + bar),
        accent if random.random() < 0.5 else blend(palette.paper, palette.ink, 0.1),
        None,
        radius,
    )
    sheet.text(
        (16, 4 + (bar - text.pixels) / 2),
        label(random),
        text._replace(colour=WHITE if sum(accent) < 450 else palette.ink),
    )
    for i in range(3):
        sheet.ellipse(
            (width - 16 - i * 1.4 * text.pixels, 4 + bar / 2),
            (text.pixels * 0.4,) * 2,
            palette.accents[i % len(palette.accents)],
        )
    side = random.uniform(0, 0.45) * width if random.random() < 0.6 else 0.0
    if side > 40:
        _list(screen, (8, 8 + bar), (side, height))
    body = ((side + 12, 12 + bar), (width - 8, height - 8))
    random.choice((_form, _form, _table, _icons))(screen, *body)
    if random.random() < 0.3:
        left, top = random.uniform(0.2, 0.7) * size, random.uniform(0.2, 0.7) * size
        sheet.rectangle(
            (left + 5, top + 6),
            (left + 0.7 * size + 5, top + 0.5 * size + 6),
            blend(palette.paper, (0, 0, 0), 0.4),
            None,
            radius,
        )
        _panel(sheet, palette, (left, top), (left + 0.7 * size, top + 0.5 * size), radius)
        sheet.text((left + 12, top + 10), sentence(random, 3), text)
        _button(screen, left + 12, top + 0.4 * size - text.pixels)
    return sheet.image()


def _panel(sheet: Sheet, palette: Palette, corner: Point, other: Point, radius: float) -> None:
    sheet.rectangle(corner, other, blend(palette.paper, WHITE, 0.3), palette.quiet, radius)


def _button(screen: _Screen, left: float, top: float) -> float:
    """A button with a caption; returns where it ends."""
    random, sheet, palette, text, radius = screen
    caption = label(random, 2)
    right = left + sheet.width_of(caption, text) + 2 * text.pixels
    fill = random.choice((*palette.accents, palette.paper))
    sheet.rectangle((left, top), (right, top + 2 * text.pixels), fill, palette.quiet, radius)
    colour = WHITE if fill != palette.paper and sum(fill) < 420 else palette.ink
    sheet.text((left + text.pixels, top + 0.4 * text.pixels), caption, text._replace(colour=colour))
    return right


def _list(screen: _Screen, corner: Point, other: Point) -> None:
    random, sheet, palette, text, _ = screen
    row, chosen = text.pixels * random.uniform(1.5, 2.2), random.randint(0, 8)
    sheet.rectangle(corner, other, blend(palette.paper, palette.ink, 0.05))
    top, i = corner[1], 0
    while top < other[1]:
        if i == chosen:
            sheet.rectangle((corner[0], top), (other[0], top + row), blend(palette.paper, palette.accents[-1], 0.6))
        if random.random() < 0.7:
            sheet.rectangle((corner[0] + 6, top + 3), (corner[0] + row, top + row - 3), random.choice(palette.accents))
        sheet.text((corner[0] + row + 6, top + (row - text.pixels) / 2), label(random, 2), text)
        top, i = top + row, i + 1


def _form(screen: _Screen, corner: Point, other: Point) -> None:
    random, sheet, palette, text, radius = screen
    row, top = text.pixels * 2.6, corner[1]
    while top + row < other[1]:
        kind, left = random.random(), corner[0]
        if kind < 0.3:
            for _ in range(random.randint(1, 3)):
                left = _button(screen, left, top) + 8
        elif kind < 0.55:
            sheet.text((left, top + 0.5 * text.pixels), label(random, 2), text)
            left += text.pixels * 8
            sheet.rectangle(
                (left, top), (other[0], top + 2 * text.pixels), blend(palette.paper, WHITE, 0.8), palette.quiet, radius
            )
            sheet.text((left + 6, top + 0.4 * text.pixels), sentence(random, 2), text._replace(colour=palette.quiet))
        elif kind < 0.8:
            box = text.pixels
            sheet.rectangle((left, top), (left + box, top + box), WHITE, palette.ink, 0 if radius < 5 else box / 2)
            if random.random() < 0.5:
                sheet.line(
                    [(left + 2, top + box / 2), (left + box / 2, top + box - 3), (left + box - 2, top + 2)],
                    palette.accents[0],
                    2,
                )
            sheet.text((left + 1.6 * box, top - 1), sentence(random, 4), text)
        else:
            middle, part = top + text.pixels, random.random()
            end = left + part * (other[0] - left)
            sheet.rectangle((left, middle - 2), (other[0], middle + 2), palette.quiet, None, 2)
            sheet.rectangle((left, middle - 2), (end, middle + 2), palette.accents[0], None, 2)
            sheet.ellipse((end, middle), (text.pixels * 0.5,) * 2, WHITE, palette.quiet)
        top += row


def _table(screen: _Screen, corner: Point, other: Point) -> None:
    random, sheet, palette, text, _ = screen
    row, columns = text.pixels * 1.7, random.randint(2, 5)
    width = (other[0] - corner[0]) / columns
    striped, ruled = random.random() < 0.5, random.random() < 0.6
    top, i = corner[1], 0
    while top + row < other[1]:
        if i == 0 or (striped and i % 2):
            sheet.rectangle(
                (corner[0], top), (other[0], top + row), blend(palette.paper, palette.ink, 0.15 if i == 0 else 0.05)
            )
        for column in range(columns):
            left = corner[0] + column * width
            content = label(random, 1) if column == 0 or i == 0 else number(random)
            sheet.text((left + 5, top + 0.25 * text.pixels), content[: int(width / text.pixels * 1.6)], text)
            if ruled:
                sheet.rectangle((left, top), (left + width + 1, top + row + 1), None, palette.quiet)
        top, i = top + row, i + 1


def _icons(screen: _Screen, corner: Point, other: Point) -> None:
    random, sheet, palette, text, radius = screen
    cell = text.pixels * random.uniform(4, 6)
    top = corner[1]
    while top + cell < other[1]:
        left = corner[0]
        while left + cell < other[0]:
            colour, inner = random.choice(palette.accents), cell * 0.6
            sheet.rectangle((left, top), (left + inner, top + inner), colour, None, radius)
            shape = random.randrange(3)
            middle = (left + inner / 2, top + inner / 2)
            if shape == 0:
                sheet.ellipse(middle, (inner / 4, inner / 4), WHITE)
            elif shape == 1:
                sheet.polygon(
                    [
                        (middle[0] - inner / 4, middle[1] - inner / 4),
                        (middle[0] + inner / 4, middle[1]),
                        (middle[0] - inner / 4, middle[1] + inner / 4),
                    ],
                    WHITE,
                )
            else:
                sheet.rectangle(
                    (middle[0] - inner / 4, middle[1] - inner / 6),
                    (middle[0] + inner / 4, middle[1] + inner / 6),
                    WHITE,
                )
            sheet.text((left, top + inner + 3), label(random, 1)[:7], text._replace(pixels=max(8, text.pixels - 3)))
            left += cell
        top += cell
