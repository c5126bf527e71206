"""An image beside its reconstruction, with captions."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

MARGIN = 12
CAPTION_HEIGHT = 34
FONT_SIZE = 18
PAPER = (255, 255, 255)
INK = (32, 32, 32)


def side_by_side(panels: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Captioned images in one row, on white.

    Args:
        panels: Caption and RGB image of each panel, from left to right; at least one.
    """
    width = sum(image.width for _, image in panels) + MARGIN * (len(panels) + 1)
    height = max(image.height for _, image in panels) + CAPTION_HEIGHT + 2 * MARGIN
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(FONT_SIZE)
    left = MARGIN
    for caption, image in panels:
        draw.text((left, MARGIN), caption, fill=INK, font=font)
        sheet.paste(image, (left, MARGIN + CAPTION_HEIGHT))
        left += image.width + MARGIN
    return sheet
