"""Figures: every curve can be told apart without colour, and the same results give the same file."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hpcmbal.plotting.rd_curves import (
    FIGURE_FORMATS,
    DrawnCurve,
    TimedPoint,
    figure_bytes,
    rd_figure,
    save_figure,
    scale_rate_figure,
    time_figure,
)


def curves(count: int) -> list[DrawnCurve]:
    rng = np.random.default_rng(0)
    return [
        DrawnCurve(
            f"codec {i}",
            [(0.1 * 2**k, 28 + 3 * k + rng.uniform(0, 1)) for k in range(5)],
            "model" if i == 0 else "anchor",
        )
        for i in range(count)
    ]


def test_curves_differ_in_marker_and_line_not_only_in_colour() -> None:
    (axes,) = rd_figure(curves(8), "PSNR (dB)").axes
    lines = axes.get_lines()
    assert len({line.get_marker() for line in lines}) == 8
    styles = [(line._unscaled_dash_pattern, line.get_linewidth()) for line in lines]
    assert all(a != b for a, b in itertools.pairwise(styles))


def test_neighbouring_colours_differ_in_gray_too() -> None:
    """What a printer without colour makes of bars that lie on each other; hatches come on top of that."""
    figure = scale_rate_figure(["a"], {"z": [1.0], "s1": [1.0], "s2": [1.0], "s3": [1.0]})
    patches = [patch for patch in figure.axes[0].patches if patch.get_height() == 1.0]
    gray = [float(np.dot(patch.get_facecolor()[:3], [0.299, 0.587, 0.114])) for patch in patches]
    hatches = [patch.get_hatch() or "" for patch in patches]
    assert len(set(zip(np.round(gray, 2), hatches, strict=True))) == 4
    assert all(abs(a - b) > 0.1 for a, b in itertools.pairwise(gray))


@pytest.mark.parametrize("extension", FIGURE_FORMATS)
def test_the_same_results_give_the_same_file(extension: str) -> None:
    first, second = (figure_bytes(rd_figure(curves(3), "PSNR (dB)", "title"), extension) for _ in range(2))
    assert first == second


def test_the_figure_is_about_the_models_rates() -> None:
    near = DrawnCurve("ours", [(0.1, 28.0), (0.2, 30.0), (0.4, 33.0)], "model")
    far = DrawnCurve("jpeg", [(0.15, 25.0), (0.3, 28.0), (1.0, 35.0), (6.0, 45.0)])
    (axes,) = rd_figure([near, far], "PSNR (dB)").axes
    assert axes.get_xlim()[1] == pytest.approx(0.5)
    (alone,) = rd_figure([DrawnCurve("ours", [(5.0, 28.0), (6.0, 29.0)], "model"), far], "PSNR (dB)").axes
    assert alone.get_xlim()[1] > 6


def test_names_keep_their_dots(tmp_path: Path) -> None:
    paths = save_figure(
        time_figure([TimedPoint("a", 0.1, 0.5, 30.0), TimedPoint("b", 2.0, 0.1, 28.0)]), tmp_path / "run.v1.2"
    )
    assert [path.name for path in paths] == ["run.v1.2.png", "run.v1.2.svg", "run.v1.2.pdf"]
    assert min(Image.open(io.BytesIO(paths[0].read_bytes())).size) > 500


def test_long_names_are_wrapped_and_their_legend_fits_beside_the_points() -> None:
    name = "experiment-{}-with-a-very-long-description-of-all-its-settings-lr-0.001"
    figure = time_figure([TimedPoint(name.format(i), 1.0 + i, 0.1 * (i + 1), 30.0) for i in range(10)])
    figure_bytes(figure, "png")
    legend = figure.legends[0].get_window_extent()
    assert legend.x0 >= figure.axes[0].get_window_extent().x1
    assert legend.y0 >= 0
    assert legend.x1 <= figure.bbox.x1
    assert figure.axes[0].get_window_extent().width > figure.bbox.width / 2
