"""The figure and the table of gamma strategies."""

from __future__ import annotations

import csv

import pytest

from hpcmbal.cli.app import main
from hpcmbal.core.balance.gamma import PHASES, STRATEGIES
from hpcmbal.errors import SettingsError
from hpcmbal.plotting.figure_file import save_figure
from hpcmbal.plotting.gammas import gamma_figure, key_epochs, key_values
from hpcmbal.settings.pictures import PlotGammasSettings

INITIAL = (0.008, 0.006, 0.004)
MAGIC = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


def test_key_epochs_are_the_borders_of_the_phases():
    assert key_epochs(3000) == (0, 300, 1500, 2500, 3000)
    assert key_epochs(1) == (0, 0.1, 0.5, 0.833333, 1)


def test_key_values_hold_the_table_of_the_design_times_the_initial_gammas():
    values = {(row.strategy, row.scale): row.gammas for row in key_values(INITIAL, 600)}
    assert values["hierarchical", "s1"] == pytest.approx([0.008, 0.0096, 0.0072, 0.0056, 0.004])
    assert values["hierarchical", "s3"] == pytest.approx([0.0024, 0.0024, 0.004, 0.0044, 0.0052])
    assert values["cosine", "s2"][-1] == pytest.approx(0.003)
    assert values["adaptive min", "s2"] == pytest.approx([0.006, 0.006 * 0.95**11, *3 * [0.003]])
    assert {strategy.partition(" ")[0] for strategy, _ in values} == set(STRATEGIES)


@pytest.mark.parametrize("epochs", [1, 7, 120])
def test_every_panel_shows_every_strategy_from_the_first_epoch_to_the_last(epochs):
    figure = gamma_figure(INITIAL, epochs)
    assert len(figure.axes) == 3
    for axes in figure.axes:
        drawn = {line.get_label(): line for line in axes.lines}
        assert {"fixed", "linear", "cosine", "hierarchical", "adaptive: example"} <= set(drawn)
        for strategy in ("fixed", "linear", "cosine", "hierarchical"):
            x = drawn[strategy].get_xdata()
            assert (x[0], x[-1]) == (0, epochs)
    assert [text.get_text() for text in figure.axes[0].texts] == [phase.name for phase in PHASES]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", MAGIC)
def test_the_suffix_chooses_the_format_and_equal_figures_have_equal_bytes(tmp_path, suffix):
    contents = []
    for name in ("a", "b"):
        path = tmp_path / "new folder" / f"{name}{suffix}"
        save_figure(gamma_figure((0.0, 0.5, 1e-6), 30), path)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]
    assert contents[0].startswith(MAGIC[suffix])


def test_other_suffixes_are_refused():
    with pytest.raises(SettingsError, match=r"output = gammas.jpg: must end in \.png, \.svg, \.pdf"):
        PlotGammasSettings(output="gammas.jpg")


@pytest.mark.parametrize(
    ("initial", "epochs", "message"), [(INITIAL, 0, "at least 1. Found 0"), ((1, 2, -3), 9, "of at least 0")]
)
def test_what_cannot_be_drawn_is_refused(initial, epochs, message):
    with pytest.raises(SettingsError, match=message):
        gamma_figure(initial, epochs)
    with pytest.raises(SettingsError, match=message):
        key_values(initial, epochs)


def test_the_command_writes_figure_and_csv_and_prints_the_table(tmp_path, capsys):
    arguments = ["plot-gammas", "-o", tmp_path / "g.svg", "--epochs", 40, "--csv", tmp_path / "g.csv"]
    assert main(list(map(str, arguments))) == 0
    printed = capsys.readouterr().out
    assert "hierarchical" in printed
    assert "0.0096" in printed
    assert (tmp_path / "g.svg").stat().st_size > 10_000
    with (tmp_path / "g.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 * 3 * 5
    assert {"strategy": "hierarchical", "scale": "s1", "epoch": "4", "gamma": "0.0096"} in rows
