"""Presets: every one that ships is a test case; broken ones are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hpcmbal.errors import SettingsError
from hpcmbal.settings import load_train_settings, preset_directory, preset_names, read_preset

REQUIRED = {
    "quickstart", "standard", "standard-nano", "variable-nano", "cautious", "balanced", "balanced-adaptive",
    "hierarchical", "hierarchical-adaptive", "cautious-nano", "balanced-nano", "hierarchical-nano",
    "hierarchical-adaptive-nano", "finetune-nano", "finetune-encoder-nano", "finetune-context-nano",
    "finetune-rounded-nano", "distill-nano", "finetune-context", "finetune-encoder",
}  # fmt: skip
FULL_SIZE = ("standard", "cautious", "balanced", "balanced-adaptive", "hierarchical", "hierarchical-adaptive")
TWINS = ("standard-nano", "balanced-nano", "hierarchical-nano", "hierarchical-adaptive-nano")


def test_all_presets_ship() -> None:
    assert set(preset_names()) >= REQUIRED


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_valid_described_and_round_trips(name: str, tmp_path: Path) -> None:
    preset = read_preset(name)
    settings = load_train_settings(name)
    assert preset.description
    copy = tmp_path / f"{name}.yaml"
    copy.write_text(yaml.safe_dump(settings.model_dump(mode="json")), encoding="utf-8")
    assert load_train_settings(str(copy)) == settings


@pytest.mark.parametrize("name", FULL_SIZE)
def test_full_size_recipes_share_the_prototypes_numbers(name: str) -> None:
    settings = load_train_settings(name)
    assert settings.model.name == "hpcm-base"
    assert settings.loss.lmbda == 0.013
    assert settings.training.epochs == 3000
    assert (settings.data.batch_size, settings.data.patch_size) == (16, 256)
    assert (settings.optimizer.learning_rate, settings.optimizer.clip_max_norm) == (5e-5, 1.0)


@pytest.mark.parametrize("name", TWINS)
def test_twins_differ_in_nothing_but_the_balancing(name: str) -> None:
    assert _without_balance(name) == _without_balance("standard-nano")


def test_the_cautious_twin_differs_in_nothing_but_the_mask() -> None:
    cautious, standard = (load_train_settings(name).model_dump() for name in ("cautious-nano", "standard-nano"))
    assert cautious["optimizer"].pop("name") == "cautious"
    assert standard["optimizer"].pop("name") == "adam"
    del cautious["output"]["save_path"], standard["output"]["save_path"]
    assert cautious == standard


def _without_balance(name: str) -> dict[str, object]:
    content = load_train_settings(name).model_dump()
    del content["balancing"], content["loss"]["tasks"], content["output"]["save_path"]
    return content


def test_an_unknown_preset_is_answered_with_the_nearest_and_all_names() -> None:
    with pytest.raises(
        SettingsError, match=r"'hierachical' does not exist; perhaps you mean 'hierarchical'.*quickstart"
    ):
        read_preset("hierachical")


def test_a_preset_extends_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("extends: standard-nano\nloss: {lmbda: 0.1}\n", encoding="utf-8")
    (tmp_path / "mine.yaml").write_text("extends: base.yaml\ntraining: {epochs: 2}\n", encoding="utf-8")
    assert read_preset(str(tmp_path / "mine.yaml")).extends == ("base", "standard-nano")
    settings = load_train_settings(str(tmp_path / "mine.yaml"))
    assert (settings.loss.lmbda, settings.training.epochs, settings.training.max_steps) == (0.1, 2, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loss: {lmbda: 1", "not valid YAML"),
        ("- a\n", "must hold fields with values, found list"),
        ("loss: 3\n", r"loss = 3 in preset 'mine': a preset holds"),
        ("loss: {lmbda: 1, lmbda: 2}\n", "'lmbda' is given twice"),
        ("extends: mine.yaml\n", "extends itself: mine -> mine"),
        ("extends: [standard]\n", "'extends' the name of one preset"),
        ("extends: nowhere.yaml\n", r"Preset file .*nowhere.yaml does not exist"),
        ("a: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_preset_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        read_preset(str(tmp_path / "mine.yaml"))


def test_presets_lie_where_the_wheel_or_the_checkout_has_them() -> None:
    assert preset_directory().name == "presets"
    assert (preset_directory() / "standard.yaml").is_file()
