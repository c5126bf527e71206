"""`hpcmbal presets`: list, show, validate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from hpcmbal.cli.app import main
from hpcmbal.settings import load_train_settings, preset_names


def test_list_names_every_preset_with_its_description(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "list"]) == 0
    rows = dict(line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert tuple(rows) == preset_names()
    assert all(rows.values())


def test_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["hierarchical-adaptive"]["extends"] == ["hierarchical", "standard"]


@pytest.mark.parametrize("full", [[], ["--full"]])
@pytest.mark.parametrize("name", ["standard", "hierarchical-adaptive-nano"])
def test_what_show_prints_is_a_preset_with_the_same_settings(
    name: str, full: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["presets", "show", name, *full]) == 0
    copy = tmp_path / f"{name}.yaml"
    copy.write_text(capsys.readouterr().out, encoding="utf-8")
    assert load_train_settings(str(copy)) == load_train_settings(name)


def test_show_says_which_preset_states_a_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "show", "cautious"]) == 0
    out = capsys.readouterr().out
    assert "  name: cautious  # cautious\n" in out
    assert "  learning_rate: 5.0e-05  # standard\n" in out
    assert yaml.safe_load(out)["optimizer"]["name"] == "cautious"


def test_show_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "show", "standard", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["training"] == {"epochs": 3000}


def test_validate_accepts_all_that_ship(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "validate"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{name}: valid" for name in preset_names()]


def test_validate_names_every_bad_file_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("extends: standard\nloss: {lmbda: -1}\ndata: {batchsize: 2}\n", encoding="utf-8")
    assert main(["presets", "validate", "standard", str(bad)]) == 2
    captured = capsys.readouterr()
    assert captured.out == "standard: valid\n"
    assert "loss.lmbda = -1 in preset 'bad': must be greater than 0" in captured.err
    assert "perhaps you mean 'data.batch_size'" in captured.err
    assert captured.err.endswith(f"1 of 2 presets cannot be used: {bad}.\n")


def test_an_unknown_preset_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "show", "hierarchial"]) == 2
    assert "perhaps you mean 'hierarchical'" in capsys.readouterr().err


def test_show_tells_what_learns_and_at_which_rate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["presets", "show", "finetune-encoder-nano"]) == 0
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert "#   g_a: 336,640 at 0.0001" in lines
    assert "#   gains: 1,024 at 0.0001, 1,024 frozen" in lines
    assert "#   g_s: 336,515 frozen" in lines
    copy = tmp_path / "copy.yaml"
    copy.write_text(shown)
    ours, theirs = (load_train_settings(name) for name in ("finetune-encoder-nano", str(copy)))
    assert ours.finetune == theirs.finetune
    assert main(["presets", "show", "standard-nano"]) == 0
    assert "learn, and at which" not in capsys.readouterr().out


def test_show_keeps_the_order_in_which_the_last_that_matches_counts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: finetune-nano\nfinetune: {learning_rates: {'g_s.*': 0.1, '*': 3.0, context: 2.0}}\n")
    assert main(["presets", "show", str(path)]) == 0
    shown = capsys.readouterr().out
    copy = tmp_path / "copy.yaml"
    copy.write_text(shown)
    assert main(["presets", "show", str(copy)]) == 0
    parts = [line for line in capsys.readouterr().out.splitlines() if line.startswith("#   ")]
    assert parts == [line for line in shown.splitlines() if line.startswith("#   ")]
    assert any("g_s" in line for line in parts)


def test_validate_finds_parts_that_do_not_exist(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("extends: finetune-nano\nfinetune: {freeze: [nonsense], learning_rates: {nada: 2}}\n")
    assert main(["presets", "validate", str(path)]) == 2
    told = capsys.readouterr()
    assert "nonsense" in told.out + told.err
    assert "nada" in told.out + told.err
    assert main(["presets", "show", str(path)]) == 2
    assert capsys.readouterr().out == ""
