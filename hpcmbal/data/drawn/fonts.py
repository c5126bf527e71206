"""The fonts inside the matplotlib wheel: DejaVu, STIX and Computer Modern, each in a few styles."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

from hpcmbal.errors import DataError

FAMILIES: dict[str, tuple[str, str, str]] = {
    "sans": ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique"),
    "serif": ("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic"),
    "mono": ("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique"),
    "times": ("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic"),
    "roman": ("cmr10", "cmb10", "cmti10"),
    "grotesque": ("cmss10", "cmss10", "cmss10"),
    "typewriter": ("cmtt10", "cmtt10", "cmtt10"),
}
"""File names of each family: regular, bold, italic."""

WITHOUT_SPACE = ("cm",)
"""Beginnings of the fonts whose blank is no glyph: their words are set one by one."""


class Fonts:
    """Opens fonts, each once."""

    def __init__(self) -> None:
        self._folder = _font_folder()
        self._opened: dict[tuple[str, int], ImageFont.FreeTypeFont] = {}

    def get(self, name: str, pixels: int) -> ImageFont.FreeTypeFont:
        """The font of a file name in `FAMILIES`, `pixels` high."""
        key = (name, pixels)
        if key not in self._opened:
            # The basic layout is part of Pillow itself; the other one depends on what is installed.
            path = self._folder / f"{name}.ttf"
            self._opened[key] = ImageFont.truetype(str(path), pixels, layout_engine=ImageFont.Layout.BASIC)
        return self._opened[key]


def _font_folder() -> Path:
    # Found, not imported: matplotlib takes half a second.
    spec = find_spec("matplotlib")
    folder = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" if spec and spec.origin else None
    names = {name for family in FAMILIES.values() for name in family}
    missing = sorted(name for name in names if folder is None or not (folder / f"{name}.ttf").is_file())
    if folder is None or missing:
        raise DataError(
            f"Drawn pictures are set in the fonts of matplotlib's wheel, which lacks {', '.join(missing)}. Install it "
            "from its wheel (pip install --force-reinstall matplotlib), or leave data.drawn_fraction at 0."
        )
    return folder
