"""Settings of any command: every problem at once, in the words of whoever gave them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import ClassVar

import pytest
from pydantic import Field

import hpcmbal
from hpcmbal.errors import HpcmbalError, SettingsError, setting, told
from hpcmbal.settings import (
    CommandSettings,
    Condition,
    Contradiction,
    InvalidSettingsError,
    TrainSettings,
    load_train_settings,
)
from hpcmbal.settings.check import build
from hpcmbal.settings.flags import command_line_words
from hpcmbal.settings.layers import merge, option_layer, set_layer
from hpcmbal.settings.pictures import PlotRunSettings
from hpcmbal.settings.section import FloatTriple


class Bake(CommandSettings):
    """Made up for these tests."""

    dish: str = Field(description="What to bake.")
    minutes: int = Field(30, ge=1, description="How long.")
    degrees: float | None = Field(None, gt=0, description="How hot.")
    fan: bool = Field(False, description="Use the fan.")
    fan_speed: int = Field(1, ge=1, description="Of the fan.")
    raw: bool = Field(False, description="Do not bake at all.")
    layers: FloatTriple = Field((1, 1, 1), description="Of the cake.")

    takes_effect_if: ClassVar[Mapping[str, tuple[Condition, ...]]] = {
        "fan_speed": (Condition("fan", (True,)),),
        "degrees": (Condition("raw", (False,)),),
    }

    def contradictions(self) -> list[Contradiction]:
        if self.degrees is not None and self.minutes > 60:
            return [Contradiction("degrees", f"burns; make {setting('minutes')} at most 60", ("minutes",))]
        return []


def problems_of(**values: object) -> str:
    with pytest.raises(InvalidSettingsError) as caught:
        Bake(**values)  # type: ignore[arg-type]
    return str(caught.value)


def test_python_hears_all_problems_at_once_in_its_own_words() -> None:
    message = problems_of(minutes=0, fan_sped=3, fan_speed=2, degrees=-1.0)
    assert message.startswith("5 problems with the settings:")
    assert "dish: is missing" in message
    assert "minutes = 0: must be greater than or equal to 1" in message
    assert "fan_sped = 3: is no setting; perhaps you mean 'fan_speed'" in message
    assert (
        "fan_speed = 2: has no effect while fan is false (it needs true); add fan=true, or leave fan_speed" in message
    )
    assert "degrees = -1.0: must be greater than 0" in message


def test_outside_text_cannot_forge_a_line_or_reach_the_terminal() -> None:
    message = problems_of(minutes="3\n  2. all is well \x1b[2J", **{"a\nb": 1})
    assert message.startswith("3 problems with the settings:")
    assert len(message.splitlines()) == 4
    assert r"minutes = 3\n  2. all is well \x1b[2J" in message
    assert r"a\nb = 1: is no setting" in message


def test_outside_text_cannot_forge_the_mention_of_a_setting() -> None:
    forged = setting("quality", setting("force").removesuffix("\ue002"))
    assert told(forged, command_line_words) == r"--quality \ue000force"


def test_the_command_line_hears_the_same_in_its_words() -> None:
    typed = option_layer({"dish": "pie", "minutes": "90", "degrees": "200", "fan_speed": "2"})
    with pytest.raises(InvalidSettingsError) as caught:
        build(Bake, merge(typed, set_layer({"fann": "1"}, typed=True)))
    message = caught.value.told(command_line_words)
    assert "--degrees 200: burns; make --minutes at most 60" in message
    assert "--fan-speed 2: has no effect while --fan is false (it needs true); add --fan, or leave --fan-spe" in message
    assert "--set fann=1: is no setting; perhaps you mean 'fan'" in message


def test_a_switch_that_leaves_another_setting_nothing_to_do_is_not_told_to_be_false() -> None:
    assert problems_of(dish="tartare", raw=True, degrees=90) == (
        "degrees = 90: has no effect with raw; leave one of them out"
    )


def test_a_field_that_another_section_has_is_found_there() -> None:
    with pytest.raises(SettingsError, match="training.batch_size = 4: is no setting; perhaps you mean 'data.batch_si"):
        load_train_settings("quickstart", {"training.batch_size": 4})


COMMANDS = {name: getattr(hpcmbal, name) for name in hpcmbal.__all__ if name.endswith("Settings")}


@pytest.mark.parametrize("kind", COMMANDS.values(), ids=COMMANDS)
def test_every_command_tells_what_is_wrong_whichever_setting_it_is(kind: type[CommandSettings]) -> None:
    for name in kind.model_fields:
        with pytest.raises(InvalidSettingsError, match=r"nothing = 1: is no setting"):
            kind(**{name: -1, "nothing": 1})


@pytest.mark.parametrize("kind", [kind for kind in COMMANDS.values() if "device" in kind.model_fields])
def test_every_command_spells_a_device_alike(kind: type[CommandSettings]) -> None:
    with pytest.raises(InvalidSettingsError, match="device = gpu: must be auto .*, cpu, cuda, or one GPU such as cuda"):
        kind(device="gpu")


def test_what_must_be_given_once_at_least_says_so() -> None:
    with pytest.raises(SettingsError, match=r"^runs: must be at least one$"):
        PlotRunSettings(runs=())


def test_a_contradiction_with_an_invalid_setting_is_not_told() -> None:
    assert problems_of(dish="pie", degrees=200, minutes="long").startswith("minutes = long: must be a valid integer")


def test_a_default_that_is_stated_is_not_in_vain() -> None:
    stated = Bake(dish="pie", fan_speed=1)
    assert Bake.model_validate(stated.model_dump()) == stated
    assert Bake.model_validate_json(stated.model_dump_json()) == stated


def test_stored_settings_are_not_judged_for_effect_but_for_everything_else() -> None:
    assert Bake.stored({"dish": "pie", "fan_speed": 3}).fan_speed == 3
    with pytest.raises(SettingsError, match="minutes = 0: must be greater"):
        Bake.stored({"dish": "pie", "minutes": 0})


def test_sections_may_be_objects_or_mappings_from_python() -> None:
    settings = TrainSettings.model_validate({"training": {"max_steps": 1}, "loss": {"tasks": "five"}})
    assert TrainSettings(training=settings.training, loss=settings.loss) == settings
    with pytest.raises(SettingsError, match="balancing.gamma_s1 = 0.1: has no effect while balancing.name is none"):
        TrainSettings.model_validate({"training": {"max_steps": 1}, "balancing": {"gamma_s1": 0.1}})


@pytest.mark.parametrize("typed", ["0.3 0.4", "0.3,0.4,0.2,0.1", ""])
def test_a_list_of_the_wrong_length_says_how_many_are_needed(typed: str) -> None:
    assert "must be three numbers, for example 0.3,0.4,0.3; found" in problems_of(dish="pie", layers=typed)


def test_problems_survive_the_way_from_another_process() -> None:
    with pytest.raises(InvalidSettingsError) as caught:
        Bake()  # type: ignore[call-arg]
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.problems) == (str(caught.value), caught.value.problems)


def test_any_error_mentions_settings_in_the_reader_s_words() -> None:
    error = HpcmbalError(f"Too large. Raise {setting('max_pixels')}, or give {setting('loss.tasks', 'five')}.")
    assert str(error) == "Too large. Raise max_pixels, or give loss.tasks=five."
    assert error.told(command_line_words) == "Too large. Raise --max-pixels, or give --use-hierarchical."
