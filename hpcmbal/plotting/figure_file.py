"""Figures as files: the same figure gives the same bytes, in every format."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hpcmbal.atomic_file import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE_FORMATS = ("png", "svg", "pdf")


def save_figures(figures: Mapping[str, Figure], folder: Path, formats: Sequence[str] = FIGURE_FORMATS) -> list[Path]:
    """Write every figure, under its name (which may hold dots), in each format, and return the paths."""
    paths = []
    for name, figure in figures.items():
        for extension in formats:
            paths.append(folder / f"{name}.{extension}")
            save_figure(figure, paths[-1])
    return paths


def save_figure(figure: Figure, path: Path) -> None:
    """Write the figure in the format that the path's suffix names."""
    write_bytes(path, figure_bytes(figure, path.suffix[1:].lower()))


def figure_bytes(figure: Figure, extension: str) -> bytes:
    """The figure as a file of that format; the same figure gives the same bytes. PDFs embed their fonts as TrueType."""
    import matplotlib as mpl

    stream = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "hpcmbal", "pdf.fonttype": 42}), warnings.catch_warnings():
        # Names may be in any script; what the font lacks is drawn as a box.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="constrained_layout not applied")  # a picture of one row
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(extension)
        if figure.get_layout_engine() is not None:  # laid out once, not for each file again
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
        figure.savefig(stream, format=extension, dpi=160, metadata=metadata)
    return stream.getvalue()
