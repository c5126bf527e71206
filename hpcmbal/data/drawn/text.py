"""Pages of text and listings of programs."""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple

from PIL import Image

from hpcmbal.data.drawn.fonts import FAMILIES, WITHOUT_SPACE, Fonts
from hpcmbal.data.drawn.palette import Palette, blend, draw_palette
from hpcmbal.data.drawn.sheet import Sheet, Style
from hpcmbal.data.drawn.words import code_line, label, sentence

SMALLEST, LARGEST = 7, 48
"""Heights of running text in pixels."""


class _Page(NamedTuple):
    """How a page is set: colours, file names of its fonts, their height in pixels."""

    palette: Palette
    family: tuple[str, str, str]
    pixels: int


def draw_page(random: Random, fonts: Fonts, size: int) -> Image.Image:
    """A part of a page: paragraphs with headings, in one to three columns, in any of the families."""
    palette = draw_palette(random)
    family = FAMILIES[random.choice(list(FAMILIES))]
    pixels = round(SMALLEST * math.pow(LARGEST / SMALLEST, random.random() ** 1.5))
    sheet = Sheet(fonts, size, palette.paper, factor=1)
    width = random.uniform(0.5, 1.6) * size
    left = random.uniform(-0.5 * width, 0.25 * size)
    while left < size:
        _column(random, sheet, _Page(palette, family, pixels), left, left + width)
        left += width + pixels * random.uniform(1, 3)
    return sheet.image()


def _column(random: Random, sheet: Sheet, page: _Page, left: float, right: float) -> None:
    palette, family, pixels = page
    spacing = pixels * random.uniform(1.05, 1.7)
    top = -random.uniform(0, 2 * spacing)
    while top < sheet.size:
        kind = random.random()
        if kind < 0.12:
            heading = Style(family[1], round(pixels * random.uniform(1.2, 2.2)), _ink(random, palette))
            set_line(sheet, left, top, label(random, 4), heading)
            top += heading.pixels * 1.6
        elif kind < 0.2:
            middle = top + spacing / 2
            sheet.line([(left, middle), (right, middle)], palette.quiet)
            top += spacing
        else:
            style = Style(family[2 if kind < 0.3 else 0], pixels, _ink(random, palette))
            for _ in range(random.randint(2, 9)):
                # About half a height a letter, five and a blank a word.
                count = max(1, round((right - left) / (pixels * 3.0)))
                set_line(sheet, left, top, sentence(random, count), style)
                top += spacing
            top += spacing * random.uniform(0.2, 0.8)


def draw_listing(random: Random, fonts: Fonts, size: int) -> Image.Image:
    """A part of an editor: lines of code, coloured by what they are, with numbers beside them."""
    palette = draw_palette(random)
    family = FAMILIES["mono" if random.random() < 0.8 else "typewriter"]
    pixels = random.randint(9, 22)
    kinds = ("keyword", "name", "number", "string", "comment", "sign")
    plain = random.random() < 0.3
    colours = {
        kind: palette.ink if plain or kind in ("name", "sign") else random.choice(palette.accents) for kind in kinds
    }
    colours["comment"] = palette.quiet
    sheet = Sheet(fonts, size, palette.paper, factor=1)
    spacing, indent = round(pixels * random.uniform(1.15, 1.6)), 0
    letter = sheet.width_of("n", Style(family[0], pixels, palette.ink))
    left, number = random.uniform(-8 * letter, 3 * letter), random.randint(1, 900)
    marked = random.randint(0, size // spacing * 3)
    for row, top in enumerate(range(-random.randint(0, spacing), size, spacing)):
        if row == marked:
            sheet.rectangle((0, top), (size, top + spacing), blend(palette.paper, palette.ink, 0.12))
        sheet.text((left, top), f"{number + row:4d}", Style(family[0], pixels, palette.quiet))
        x = left + (6 + 4 * indent) * letter
        for kind, part in code_line(random) if random.random() < 0.9 else []:
            style = Style(family[1 if kind == "keyword" else 0], pixels, colours[kind])
            sheet.text((x, top), part, style)
            x += len(part) * letter
        indent = min(5, max(0, indent + random.choice((-1, 0, 0, 1))))
    return sheet.image()


def set_line(sheet: Sheet, left: float, top: float, text: str, style: Style) -> None:
    """Set a line of text; word by word where the font has no blank."""
    if not style.font.startswith(WITHOUT_SPACE):
        sheet.text((left, top), text, style)
        return
    for word in text.split():
        if left > sheet.size:
            return
        sheet.text((left, top), word, style)
        left += sheet.width_of(word, style) + style.pixels / 3


def _ink(random: Random, palette: Palette) -> tuple[int, int, int]:
    return palette.ink if random.random() < 0.85 else random.choice(palette.accents)
