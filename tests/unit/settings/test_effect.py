"""A setting that cannot take effect is an error for whoever typed it, not for a recipe that states it."""

from __future__ import annotations

import re

import pytest

from hpcmbal.errors import SettingsError
from hpcmbal.settings import TrainSettings, load_train_settings, setting_paths
from hpcmbal.settings.effect import TAKES_EFFECT_IF
from hpcmbal.settings.flags import FLAG_OF_PATH, command_line_words


def test_a_gamma_with_plain_adam_is_refused_in_words_of_the_flag() -> None:
    expected = (
        r"^--gamma-s1 0.01 \(balancing.gamma_s1\): has no effect while balancing.name is none .*"
        r"add --use-hierarchical .* --preset hierarchical, or leave --gamma-s1 out$"
    )
    with pytest.raises(SettingsError) as caught:
        load_train_settings("standard", {}, {"--gamma-s1": "0.01"})
    assert re.search(expected, caught.value.told(command_line_words))


@pytest.mark.parametrize(
    ("preset", "overrides", "reason"),
    [
        ("quickstart", {"optimizer.matrix_lr_factor": 5}, "optimizer.name is soap"),
        ("standard", {"schedule.factor": 0.5}, r"schedule.name is cosine .* add schedule.name=step"),
        ("standard", {"tracking.wandb_project": "p"}, "tracking.tracker is none .* add tracking.tracker=wandb"),
        ("balanced", {"balancing.gamma_s2": 0.1}, "loss.tasks is two"),
        ("balanced", {"balancing.scale_weights": [1, 1, 1]}, "loss.tasks is two"),
        ("balanced", {"balancing.update_mode": "next_batch", "balancing.update_every": 1}, "update_mode is next_batch"),
        ("balanced", {"balancing.name": "qp", "balancing.w_lr": 1}, "add balancing.name=linear"),
        ("balanced", {"balancing.aggregator": "MGDA"}, "balancing.name is linear"),
        ("standard", {"balancing.anneal_from": 0.5}, "balancing.name is none; .* take a preset that balances"),
        ("variable-nano", {"loss.lmbda": 0.01}, r"loss.variable_rate is true .*add loss.variable_rate=false"),
        ("standard-nano", {"loss.lmbda_min": 0.01}, "loss.variable_rate is false"),
        ("hierarchical", {"loss.share_learning_rate": 0.01}, "loss.decomposition is measured"),
    ],
)
def test_a_setting_in_vain_says_what_it_needs(preset: str, overrides: dict[str, object], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        load_train_settings(preset, overrides)


def test_a_recipe_may_state_what_the_user_turns_off() -> None:
    settings = load_train_settings("hierarchical", {"balancing.name": "none"})
    assert settings.balancing.gamma_s1 == 0.008


def test_a_condition_on_an_invalid_setting_is_not_judged() -> None:
    with pytest.raises(SettingsError, match=r"^balancing.name = liner: must be one of [^:]*$"):
        load_train_settings("hierarchical", {"balancing.name": "liner", "balancing.w_lr": 0.1})


def test_tables_speak_of_settings_that_exist() -> None:
    known = setting_paths(TrainSettings).keys()
    assert known >= TAKES_EFFECT_IF.keys()
    assert known >= {condition.path for conditions in TAKES_EFFECT_IF.values() for condition in conditions}
    assert known >= FLAG_OF_PATH.keys()
