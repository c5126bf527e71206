"""What all reports share: one HTML file that holds everything, opens anywhere and loads nothing."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING

from hpcmbal.plotting.figure_file import figure_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARK = "@@"
"""Around the name of each part in a template."""

WIDE_INCHES, WIDE_RATIO = 9.5, 1.8
"""Figures of this width, or this ratio of width to height, take a whole line."""

PIXELS_PER_INCH = 110
"""At most: a figure alone on its line must not grow beyond what its type was chosen for."""


def fill_page(package: str, template: str, parts: Mapping[str, str]) -> str:
    """A page from its template.

    Args:
        package: Whose `data` folder holds the template.
        template: Name of the file.
        parts: HTML by name; `@@STYLE@@` is the style that all reports share.
    """
    style = files("hpcmbal.evaluation.report").joinpath("data", "page.css").read_text(encoding="utf-8")
    page = files(package).joinpath("data", template).read_text(encoding="utf-8")
    # Split, not replaced one after another: a value that looks like a placeholder stays as it is.
    first, *rest = page.split(MARK)
    pieces = [first]
    for index, piece in enumerate(rest):
        pieces.append({"STYLE": style, **parts}[piece] if index % 2 == 0 else piece)
    return "".join(pieces)


def figure_html(alt: str, figure: Figure) -> str:
    """The figure drawn into the page as SVG; a tap, or a key on it, enlarges it and makes it small again."""
    width, height = figure.get_size_inches()
    return _enlarging(alt, "svg+xml", figure_bytes(figure, "svg"), (width, height), "")


def photo_html(alt: str, png: bytes) -> str:
    """A figure of photographs as a PNG, which dark pages show as it is; it enlarges like others."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        width, height = image.size
    return _enlarging(alt, "png", png, (width / PIXELS_PER_INCH, height / PIXELS_PER_INCH), ' class="photo"')


def _enlarging(alt: str, kind: str, data: bytes, inches: tuple[float, float], attributes: str) -> str:
    width, height = inches
    wide = " wide" if width >= min(WIDE_INCHES, WIDE_RATIO * height) else ""
    style = f"--ratio: {width / height:.3f}; max-width: {PIXELS_PER_INCH * width:.0f}px"
    source = base64.b64encode(data).decode()
    return (
        f'<details class="figure{wide}" style="{style}"><summary title="Enlarge">'
        f'<img{attributes} alt="{html.escape(alt)}" src="data:image/{kind};base64,{source}"></summary></details>'
    )


def json_html(value: object) -> str:
    """A value for people to read."""
    return f"<pre>{html.escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"
