"""Bands over runs, and the looks of arms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hpcmbal.plotting.arm_curves import ArmPoint, arm_curve_figure
from hpcmbal.plotting.bands import BandPanel, band_figure, band_over_runs
from hpcmbal.plotting.figure_file import figure_bytes
from hpcmbal.plotting.intervals import IntervalRow, interval_figure
from hpcmbal.plotting.style import REFERENCE_LOOK, arm_looks


def test_a_band_spans_the_runs_at_the_steps_that_all_have() -> None:
    band = band_over_runs([([10, 20, 30], [1.0, 2.0, 4.0]), ([10, 30, 40], [4.0, 8.0, 9.0])])
    assert (band.steps, band.middle, band.low, band.high) == ([10, 30], [2.5, 6.0], [1.0, 4.0], [4.0, 8.0])
    assert band_over_runs([([10, 30], [1.0, 4.0]), ([10, 30], [4.0, 9.0])], geometric=True).middle == pytest.approx(
        [2.0, 6.0]
    )


def test_no_run_and_no_common_step_give_no_band() -> None:
    assert band_over_runs([]) is None
    assert band_over_runs([([1], [1.0]), ([2], [1.0])]) is None


def test_arms_differ_in_colour_and_line_and_the_reference_is_black() -> None:
    looks = arm_looks(["a", "plain", *"bcdefg"], "plain")
    assert looks["plain"] == REFERENCE_LOOK
    assert len({look.colour for look in looks.values()}) == 8
    neighbours = [look.dashes for arm, look in looks.items() if arm != "plain"]
    assert all(one != other for one, other in itertools.pairwise(neighbours))


def test_the_first_steps_do_not_take_up_a_logarithmic_axis() -> None:
    steps = list(range(0, 1001, 10))
    band = band_over_runs([(steps, [200.0 if step < 30 else 2.0 + 10 * np.exp(-step / 200) for step in steps])])
    figure = band_figure([BandPanel("", {"plain": band}, "J", logarithmic=True)], arm_looks(["plain"], "plain"), "J")
    assert figure.axes[0].get_ylim()[1] < 15


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
def test_every_panel_is_drawn_and_every_arm_is_in_the_legend_once(count: int) -> None:
    looks = arm_looks(["plain", "a-rather-long-name-of-an-arm"], "plain")
    bands = {arm: band_over_runs([([1, 2], [1.0, 2.0]), ([1, 2], [1.5, 2.5])]) for arm in looks}
    figure = band_figure([BandPanel(str(i), bands) for i in range(count)], looks, "title", "note")
    assert [axes.get_title(loc="left") for axes in figure.axes[:count]] == [str(i) for i in range(count)]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(looks)
    assert figure_bytes(figure, "png")[:4] == b"\x89PNG"


def test_an_endless_interval_is_cut_not_the_values() -> None:
    """Two seeds give intervals of hundreds of percent; the two values must stay readable."""
    row = IntervalRow("a", 1.0, (-400.0, 500.0), [0.5, 1.5], REFERENCE_LOOK, "not distinguishable")
    (axes,) = interval_figure({"J (%)": [row]}, "title", "note").axes
    low, high = axes.get_xlim()
    assert -10 < low < 0
    assert 1.5 < high < 10


def test_bars_reach_from_the_lowest_to_the_highest_seed() -> None:
    points = [ArmPoint(0.2, 30.0, [(0.1, 29.0), (0.3, 31.5)]), ArmPoint(0.4, 33.0, [(0.4, 33.0)])]
    (axes,) = arm_curve_figure({"plain": points}, arm_looks(["plain"], "plain"), "title").axes
    ends = [segment for bar in axes.collections for segment in bar.get_segments()]
    assert np.allclose(ends[0], [(0.1, 30.0), (0.3, 30.0)])
    assert np.allclose(ends[2], [(0.2, 29.0), (0.2, 31.5)])
