"""Curves of trainings: one colour for a task in all panels, the run in the title, legends that hide nothing."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from hpcmbal.errors import DataError
from hpcmbal.plotting.run_curves import LINE_COLOURS, TASK_NAMES, plot_run, run_figure, series
from hpcmbal.settings.pictures import PlotRunSettings
from hpcmbal.training.trackers import read_log

TASKS = TASK_NAMES[2:]


def log(steps: int = 40) -> list[dict[str, float]]:
    return [
        {
            "step": step,
            "time/seconds": 0.5 * step,
            "train/j": 2 + math.exp(-step / 10),
            "gamma/s1": 0.01,
            "gamma/s2": 0.02,
        }
        | {f"weights/{task}": 0.2 + 0.01 * number for number, task in enumerate(TASKS)}
        | {f"train/{task}": 1.0 / (number + 1) for number, task in enumerate(TASKS)}
        for step in range(1, steps)
    ]


def test_a_task_has_one_colour_in_all_panels() -> None:
    figure = run_figure({"hierarchical": log()})
    colours: dict[str, set[str]] = {}
    for axes in figure.axes:
        for line in axes.get_lines():
            if line.get_label() in LINE_COLOURS:
                colours.setdefault(line.get_label(), set()).add(line.get_color())
    assert set(TASKS) <= set(colours)
    assert all(len(found) == 1 for found in colours.values())
    assert len(set.union(*(colours[task] for task in TASKS))) == len(TASKS)


def test_the_run_is_in_the_title_and_legends_are_outside() -> None:
    figure = run_figure({r"$\frac{$ run": log()})
    FigureCanvasAgg(figure).draw()
    assert figure.get_suptitle() == r"Run $\frac{$ run"
    legends = [(axes, axes.get_legend()) for axes in figure.axes if axes.get_legend()]
    assert len(legends) == 4
    assert all(legend.get_window_extent().x0 >= axes.bbox.x1 for axes, legend in legends)


def test_several_runs_are_named_in_title_and_legend() -> None:
    figure = run_figure({"adam": log(), "soap": log()})
    assert figure.get_suptitle() == "Runs adam, soap"
    assert [text.get_text() for text in figure.axes[1].get_legend().get_texts()] == ["adam, training", "soap, training"]


def test_the_figure_of_a_run_of_any_name_is_a_file_like_any_other(tmp_path: Path) -> None:
    """The same run gives the same bytes, fonts are TrueType, and letters that the font lacks warn nobody."""
    path = tmp_path / "漢字.jsonl"
    path.write_text("\n".join(map(json.dumps, log())), encoding="utf-8")
    files = [tmp_path / "a.pdf", tmp_path / "b.pdf"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for file in files:
            plot_run(PlotRunSettings(runs=[path], output=file))
    first, second = (file.read_bytes() for file in files)
    assert first == second
    assert b"/FontFile2" in first
    assert b"/Type3" not in first


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[1]\n3\n", "line 1: an object is needed; found a list"),
        (b"junk\n{}\n", "line 1: not JSON"),
        (b"\x89PNG\xff\n", "is no log of a training"),
        (None, r"cannot be read: No such file or directory\. Give the folder of a run"),
    ],
)
def test_what_is_no_log_is_told_in_one_line(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "metrics.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=told):
        read_log(path)


def test_seconds_go_on_where_a_training_was_resumed() -> None:
    seconds = (1.0, 5.0, 2.0, 4.0, 1.0)
    lines = [{"step": step, "time/seconds": value, "train/j": 1.0} for step, value in enumerate(seconds)]
    assert series(lines, "train/j", "time/seconds")[0] == [1.0, 5.0, 7.0, 9.0, 10.0]
    assert series(lines, "train/j")[0] == [0, 1, 2, 3, 4]


def test_a_value_that_only_rounding_moves_is_a_flat_line_at_its_value() -> None:
    lines = [{"step": step, "train/j": 1.0, "lmbda_eff_ratio": 1 + 1e-13 * (step % 2)} for step in range(9)]
    figure = run_figure({"run": lines})
    FigureCanvasAgg(figure).draw()
    (axes,) = [axes for axes in figure.axes if axes.get_title() == "Effective lambda"]
    low, high = axes.get_ylim()
    assert 0.9 < low < 0.996
    assert 1.004 < high < 1.1
    assert axes.get_legend().get_texts()[0].get_text() == "lmbda_eff_ratio"
    assert axes.yaxis.get_offset_text().get_text() == ""


def test_values_that_are_no_numbers_are_not_drawn() -> None:
    lines: list[dict[str, Any]] = [
        {"step": 1, "train/j": "x"},
        {"step": "y", "train/j": 2.0},
        {"step": 2, "train/j": None},
    ]
    lines += [{"step": 3, "train/j": math.inf}, {"step": 4, "train/j": True}, {"step": 5, "train/j": 3.0}, {}]
    assert series(lines, "train/j") == ([5], [3.0])
    assert run_figure({"run": lines}).axes
