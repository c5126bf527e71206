"""The policies on resume: one for every setting, the same in the code and in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hpcmbal.errors import SettingsError
from hpcmbal.settings import TrainSettings, load_train_settings, setting_paths
from hpcmbal.settings.resume import ON_RESUME, PLACES, OnResume, changes_on_resume, check_resumable, resumed_base

OTHER: dict[str, dict[str, object]] = {
    "model.name": {"model.name": "hpcm-small"},
    "optimizer.name": {"optimizer.name": "soap"},
    "optimizer.amsgrad": {"optimizer.amsgrad": True},
    "loss.tasks": {"loss.tasks": "two", "balancing.preserve_lambda": False},
    "loss.decomposition": {"loss.decomposition": "fixed"},
    "balancing.name": {"balancing.name": "log1p"},
    "training.seed": {"training.seed": 5},
    "finetune.learning_rates": {"finetune.learning_rates": "g_a=0.5"},
    "finetune.freeze": {"finetune.freeze": "g_a", "finetune.init_from": "m"},
    "finetune.layer_decay": {"finetune.layer_decay": 0.9},
    "finetune.early_stopping": {"finetune.early_stopping": {"patience": 3}},
    "finetune.rounded": {"finetune.rounded": True, "finetune.init_from": "m"},
    "finetune.init_strict": {"finetune.init_strict": True, "finetune.init_from": "m"},
    "finetune.init_from": {"finetune.init_from": "m"},
}
"""For each setting that cannot change, a change of it."""


@pytest.fixture
def saved() -> TrainSettings:
    return load_train_settings("hierarchical-nano", {"data.train": "photos", "output.log_dir": "logs"})


def test_every_setting_has_a_policy() -> None:
    assert ON_RESUME.keys() == setting_paths(TrainSettings).keys(), "a new setting needs a line in ON_RESUME"


def test_the_documentation_has_the_same_table(repository: Path) -> None:
    section = (repository / "docs" / "training.md").read_text(encoding="utf-8").partition("## Resuming")[2]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)
    told = {name: set(re.findall(r"`(\w+\.\w+)`", cell)) for name, cell in rows if "on resuming" not in name}
    assert set(told) == {policy.value for policy in OnResume}
    for policy in OnResume:
        known = {path for path, chosen in ON_RESUME.items() if chosen is policy}
        if policy is OnResume.NEW:
            assert told[policy.value] <= known
        else:
            assert told[policy.value] == known


@pytest.mark.parametrize("path", [path for path, p in ON_RESUME.items() if p in (OnResume.SAME, OnResume.CHECKPOINT)])
def test_what_cannot_take_effect_is_refused_with_both_values(saved: TrainSettings, path: str) -> None:
    wanted = load_train_settings(None, OTHER[path], base=saved.model_dump())
    with pytest.raises(SettingsError, match=rf"cannot change: {path} was .*, now .*start a new run"):
        check_resumable(saved, wanted)


def test_everything_else_may_be_new_and_is_told(saved: TrainSettings) -> None:
    changes = {"optimizer.learning_rate": 1e-6, "balancing.scale_weights": "1,1,8", "training.ema_decay": 0.9}
    wanted = load_train_settings(None, changes, base=saved.model_dump())
    check_resumable(saved, wanted)
    assert changes_on_resume(saved, wanted) == [
        "optimizer.learning_rate was 0.001, now 1e-06",
        "balancing.scale_weights was 0.3,0.4,0.3, now 1.0,1.0,8.0",
        "training.ema_decay was 0.0, now 0.9",
    ]
    assert changes_on_resume(saved, saved) == []


def test_without_a_preset_all_but_the_places_are_the_checkpoints(saved: TrainSettings) -> None:
    base = resumed_base(saved, preset=False)
    assert {f"{section}.{field}" for section, values in base.items() for field in values} == {*ON_RESUME} - {*PLACES}
    assert load_train_settings(None, base=base).loss == saved.loss


def test_under_a_preset_images_and_seed_are_the_checkpoints(saved: TrainSettings) -> None:
    assert resumed_base(saved, preset=True) == {
        "data": {"train": saved.data.train, "val": None, "drawn_fraction": 0.0},
        "training": {"seed": 0},
        "finetune": saved.finetune.model_dump(),
    }
