"""Figures: every curve can be told apart without colour, and the same results give the same file."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from hpcmbal.plotting.figure_file import FIGURE_FORMATS, figure_bytes, save_figures
from hpcmbal.plotting.rd_curves import (
    MOST_CURVES,
    DrawnCurve,
    TimedPoint,
    rd_figure,
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
    (axes,) = rd_figure(curves(MOST_CURVES), "PSNR (dB)").axes
    lines = axes.get_lines()
    assert len({line.get_marker() for line in lines}) == MOST_CURVES
    assert len({line.get_color() for line in lines}) == MOST_CURVES
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


@pytest.mark.slow
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
    figure = time_figure([TimedPoint("a", 0.1, 0.5, 30.0), TimedPoint("b", 2.0, 0.1, 28.0)])
    paths = save_figures({"run.v1.2": figure}, tmp_path)
    assert [path.name for path in paths] == ["run.v1.2.png", "run.v1.2.svg", "run.v1.2.pdf"]
    assert min(Image.open(io.BytesIO(paths[0].read_bytes())).size) > 500


def test_every_curve_is_labelled_at_its_end_in_its_colour_and_labels_do_not_overlap() -> None:
    drawn = [
        DrawnCurve(f"codec-{i} with a name of two lines", [(0.1, 30.0), (0.5, 35 + 0.01 * i)])
        for i in range(MOST_CURVES)
    ]
    figure = rd_figure(drawn, "PSNR (dB)")
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    assert [text.get_color() for text in axes.texts] == [line.get_color() for line in axes.get_lines()]
    boxes = sorted((Text.get_window_extent(text) for text in axes.texts), key=lambda box: box.y0)
    assert all(lower.y1 <= upper.y0 + 1 for lower, upper in itertools.pairwise(boxes))
    assert all(axes.bbox.x1 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_one_curve_more_than_a_figure_holds_is_an_error() -> None:
    with pytest.raises(ValueError, match="at most 6 curves; found 7"):
        rd_figure(curves(MOST_CURVES + 1), "PSNR (dB)")


@pytest.mark.parametrize(
    "name", [r"$\frac{$", "$x_{$ & 50%", 20_000 * "x", "_hidden", "a\nb\x1b[31m", "\udcff", "漢字"]
)
@pytest.mark.parametrize(
    "extension", [form if form == "svg" else pytest.param(form, marks=pytest.mark.slow) for form in FIGURE_FORMATS]
)
def test_any_name_can_be_drawn(name: str, extension: str) -> None:
    figure = rd_figure([DrawnCurve(name, curve.points) for curve in curves(2)], "PSNR (dB)", name)
    assert len(figure_bytes(figure, extension)) > 1000
    assert all(len(text.get_text()) < 100 for text in figure.axes[0].texts)
    figure = time_figure([TimedPoint(name, 0.1, 0.5, 30.0)], name)
    assert len(figure_bytes(figure, extension)) > 1000
    assert len(figure.legends[0].get_texts()) == 1


def test_pdfs_embed_their_fonts_as_truetype() -> None:
    """Type 3 fonts are refused by many journals, and cannot be selected or searched."""
    data = figure_bytes(rd_figure(curves(2), "PSNR (dB)"), "pdf")
    assert b"/FontFile2" in data
    assert b"/Type3" not in data
