"""Maps over a picture: bits by scale, errors, previews, and the rate of each channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hpcmbal.plotting.labels import figure_label
from hpcmbal.plotting.style import SCALE_COLOURS, empty_figure, figure_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from hpcmbal.images.rgb_image import RgbImage

PANEL_INCHES = 4.6
"""Longer side of a picture in a figure of several."""


def map_figure(
    picture: RgbImage,
    maps: Mapping[str, npt.NDArray[np.float64]],
    unit: str,
    *,
    blocks: Mapping[str, int] | None = None,
    one_scale: bool = True,
) -> Figure:
    """Values over a gray picture, one panel each.

    Args:
        picture: `[H, W, 3]` uint8.
        maps: By title, `[h, w]`.
        unit: Of the values.
        blocks: By title, the pixels a side that a value stands for; 1 if not given.
        one_scale: The same colours mean the same in all panels.
    """
    highest = max(float(np.quantile(values, 0.995)) for values in maps.values()) or 1.0
    with figure_style():
        figure, places = _panels(picture, len(maps))
        drawn: AxesImage | None = None
        for axes, (title, values) in zip(places, maps.items(), strict=True):
            side = (blocks or {}).get(title, 1)
            top = highest if one_scale else float(np.quantile(values, 0.995)) or 1.0
            axes.imshow(picture.mean(axis=2), cmap="gray", vmin=0, vmax=255)
            extent = (-0.5, values.shape[1] * side - 0.5, values.shape[0] * side - 0.5, -0.5)
            drawn = axes.imshow(
                values, cmap="magma", vmin=0, vmax=top, extent=extent, alpha=0.78, interpolation="nearest"
            )
            axes.set_xlim(-0.5, picture.shape[1] - 0.5)
            axes.set_ylim(picture.shape[0] - 0.5, -0.5)
            axes.set_title(figure_label(title, 60), fontsize=10, loc="left")
            if not one_scale:
                figure.colorbar(drawn, ax=axes, shrink=0.85, label=unit)
        if drawn is not None and one_scale:
            figure.colorbar(drawn, ax=places, shrink=0.85, label=unit)
        return figure


def strip_figure(pictures: Mapping[str, RgbImage]) -> Figure:
    """Pictures of one size, each under its title."""
    first = next(iter(pictures.values()))
    with figure_style():
        figure, places = _panels(first, len(pictures))
        for axes, (title, picture) in zip(places, pictures.items(), strict=True):
            axes.imshow(picture, interpolation="nearest")
            axes.set_title(figure_label(title, 60), fontsize=10, loc="left")
        return figure


def channel_figure(bits: Mapping[str, npt.NDArray[np.float64]], pixels: int) -> Figure:
    """Bits per pixel of every channel, stacked by scale, from the most expensive to the cheapest.

    Args:
        bits: By scale, of each channel.
        pixels: Of the picture.
    """
    rates = {scale: values / pixels for scale, values in bits.items()}
    order = np.argsort(-sum(rates.values()))
    with figure_style():
        figure = empty_figure(9.6, 4.0)
        axes = figure.add_subplot()
        bottom = np.zeros(len(order))
        for scale, values in rates.items():
            axes.bar(range(len(order)), values[order], 1.0, bottom=bottom, color=SCALE_COLOURS[scale], label=scale)
            bottom += values[order]
        axes.set_xlim(-1, len(order))
        axes.set_xlabel("Channel of the latents, by rate")
        axes.set_ylabel("Rate (bits per pixel)")
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
        axes.legend(title="coded in", frameon=False)
        return figure


def _panels(picture: RgbImage, count: int) -> tuple[Figure, Sequence[Axes]]:
    columns = min(count, 2)
    rows = -(-count // columns)
    height, width = picture.shape[:2]
    scale = PANEL_INCHES / max(height, width)
    figure = empty_figure(columns * scale * width + 1.2, rows * (scale * height + 0.45))
    places = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in places:
        axes.set_xticks([])
        axes.set_yticks([])
    for axes in places[count:]:
        axes.set_axis_off()
    return figure, places[:count]
