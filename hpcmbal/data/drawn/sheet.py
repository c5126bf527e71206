"""A window of the size of a crop onto a larger drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

from hpcmbal.data.drawn.fonts import Fonts
from hpcmbal.data.drawn.palette import Colour

Point = tuple[float, float]


class Style(NamedTuple):
    """How text is set: a font's file name (see `FAMILIES`), its height in pixels, its colour."""

    font: str
    pixels: int
    colour: Colour


class Sheet:
    """Shapes are drawn `factor` times as large and shrunk, which smooths their edges; text is set on the result.

    Coordinates are pixels of the drawing, of which the crop shows what lies right of and below `origin`.

    Args:
        fonts: Where fonts come from.
        size: Side of the crop.
        paper: Its background.
        origin: The drawing's coordinates of the crop's upper left corner.
        factor: 1 for hard edges.
    """

    def __init__(self, fonts: Fonts, size: int, paper: Colour, *, origin: Point = (0, 0), factor: int = 2) -> None:
        self.fonts, self.size, self.factor, self.origin = fonts, size, factor, origin
        self._image = Image.new("RGB", (size * factor, size * factor), paper)
        self._draw = ImageDraw.Draw(self._image)
        self._texts: list[tuple[Point, str, Style]] = []

    def paste(self, image: Image.Image) -> None:
        """Lay a picture of the crop's size under everything."""
        self._image.paste(image.resize(self._image.size, Image.Resampling.BILINEAR))

    def line(self, points: Sequence[Point], colour: Colour, width: float = 1) -> None:
        """A line through points."""
        self._draw.line([self._at(point) for point in points], colour, self._width(width), joint="curve")

    def polygon(self, points: Sequence[Point], fill: Colour | None, outline: Colour | None = None) -> None:
        """A closed shape; an outline is one pixel wide."""
        self._draw.polygon([self._at(point) for point in points], fill, outline, self._width(1))

    def rectangle(
        self, corner: Point, other: Point, fill: Colour | None, outline: Colour | None = None, radius: float = 0
    ) -> None:
        """A box between its upper left and lower right corners, rounded if `radius` is positive."""
        (left, top), (right, bottom) = self._at(corner), self._at(other)
        if right <= left or bottom <= top:
            return
        box = (
            (left, top, right - 1, bottom - 1) if right - left > 1 and bottom - top > 1 else (left, top, right, bottom)
        )
        if radius > 0:
            self._draw.rounded_rectangle(box, radius * self.factor, fill, outline, self._width(1))
        else:
            self._draw.rectangle(box, fill, outline, self._width(1))

    def ellipse(self, centre: Point, radii: Point, fill: Colour | None, outline: Colour | None = None) -> None:
        """An ellipse; an outline is one pixel wide."""
        self._draw.ellipse(self._box(centre, radii), fill, outline, self._width(1))

    def slice(self, centre: Point, radius: float, angles: Point, fill: Colour) -> None:
        """A slice of a pie between two angles in degrees."""
        self._draw.pieslice(self._box(centre, (radius, radius)), *angles, fill)

    def text(self, corner: Point, text: str, style: Style) -> None:
        """Text whose first glyph has its upper left corner there."""
        x, y = corner[0] - self.origin[0], corner[1] - self.origin[1]
        if x < self.size and -2 * style.pixels < y < self.size:
            self._texts.append(((x, y), text, style))

    def width_of(self, text: str, style: Style) -> float:
        """How wide a text is, in pixels."""
        return self.fonts.get(style.font, style.pixels).getlength(text)

    def image(self) -> Image.Image:
        """The crop."""
        image = self._image.reduce(self.factor) if self.factor > 1 else self._image
        draw = ImageDraw.Draw(image)
        for (x, y), text, style in self._texts:
            draw.text((round(x), round(y)), text, style.colour, self.fonts.get(style.font, style.pixels))
        return image

    def _at(self, point: Point) -> tuple[int, int]:
        return (
            round((point[0] - self.origin[0]) * self.factor),
            round((point[1] - self.origin[1]) * self.factor),
        )

    def _box(self, centre: Point, radii: Point) -> tuple[int, int, int, int]:
        left, top = self._at((centre[0] - abs(radii[0]), centre[1] - abs(radii[1])))
        right, bottom = self._at((centre[0] + abs(radii[0]), centre[1] + abs(radii[1])))
        return left, top, max(left, right), max(top, bottom)

    def _width(self, width: float) -> int:
        return max(1, round(width * self.factor))
