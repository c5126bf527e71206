"""YAML from anywhere: plain values or one line that says what is wrong, quickly."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from reader_fuzz import reader_fuzz

from hpcmbal.errors import SettingsError
from hpcmbal.settings import EvalSettings, load_train_settings, read_preset, setting_paths
from hpcmbal.settings.evaluation import load_eval_settings
from hpcmbal.settings.train import TrainSettings
from hpcmbal.settings.yaml_file import parse_yaml, read_yaml

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 10)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

HOSTILE = {
    "alias bomb": (BOMB, r"more than 20,000 values.*HPCMBAL_MAX_YAML_VALUES raises this limit"),
    "merge bomb": (MERGES, "more than 20,000 values"),
    "its own part": ("a: &a [*a]", r"'\*a' repeats what it is itself a part of"),
    "deep lists": ("a: " + "[" * 3000 + "]" * 3000, "nested more than 40 deep|exceeded maximum nesting depth"),
    "deep blocks": ("".join(" " * i + "a:\n" for i in range(300)), "nested more than 40 deep"),
    "list as a key": ("? [1, 2]\n: 3", "a key must be a word or a number"),
    "mapping as a key": ("{{a: 1}: 2}", "a key must be a word or a number"),
    "no integer": ("a: !!int abc", "'abc' cannot be read as int"),
    "empty integer": ("a: !!int ''", "cannot be read as int"),
    "no number": ("a: !!float abc", "'abc' cannot be read as float"),
    "no truth": ("a: !!bool abc", "'abc' cannot be read as bool"),
    "5,000 digits": ("a: " + "9" * 5000, "'9999999999.* cannot be read as int"),
    "bytes": ("a: !!binary aGk=", "'binary' is no plain value"),
    "sets": ("a: !!set {x, y}", "'set' is no plain value"),
    "objects": ("a: !!python/object/apply:os.system ['true']", "'python/object/apply:os.system' is no plain value"),
    "dates by tag": ("a: !!timestamp abc", "'timestamp' is no plain value"),
    "escape sequences": (r'a: "\e[2J"', "a text holds control characters"),
    "half a character": (r'a: "\ud800"', "control characters|not valid YAML"),
    "repeated keys": ("a: 1\na: 2", "'a' is given twice"),
    "unknown alias": ("a: *b", "undefined alias"),
    "a word as a mapping": ("a: !!map b", "a mapping should stand here"),
    "a word as a list": ("a: !!seq b", "expected a sequence node"),
    "a list as a word": ("a: !!str [b]", "expected a scalar node"),
    "a mapping as a number": ("a: !!int {b: c}", "cannot be read as int|expected a scalar node"),
    "no mapping": ("- a", "must hold fields with values, found list"),
    "nothing": ("", "must hold fields with values, found NoneType"),
    "other bytes": ("a: \x07", "not valid YAML"),
}


@pytest.mark.parametrize(("text", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_plain_mapping_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=message) as caught:
        read_yaml(path, "Preset")
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_files_that_are_no_text_or_too_large_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(SettingsError, match="no text in UTF-8"):
        read_yaml(tmp_path / "bytes.yaml", "Preset")
    (tmp_path / "large.yaml").write_bytes(b"# " + b"x" * (1 << 20))
    with pytest.raises(SettingsError, match="larger than 1 MiB"):
        read_yaml(tmp_path / "large.yaml", "Preset")
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path, "Preset")


def test_the_limit_of_values_can_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: &a [1, 2, 3]\nb: [*a, *a]\n"
    monkeypatch.setenv("HPCMBAL_MAX_YAML_VALUES", "10")
    with pytest.raises(yaml.YAMLError, match="more than 10 values"):
        parse_yaml(text)
    monkeypatch.setenv("HPCMBAL_MAX_YAML_VALUES", "100")
    assert parse_yaml(text) == {"a": [1, 2, 3], "b": [[1, 2, 3], [1, 2, 3]]}
    monkeypatch.setenv("HPCMBAL_MAX_YAML_VALUES", "many")
    with pytest.raises(SettingsError, match="HPCMBAL_MAX_YAML_VALUES should be a positive whole number. Found 'many'"):
        parse_yaml(text)


def test_dates_are_texts_possible_or_not() -> None:
    assert parse_yaml("a: 2026-01-02\nb: 2026-13-45") == {"a": "2026-01-02", "b": "2026-13-45"}


def test_merges_take_what_is_not_given() -> None:
    assert parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}") == {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}}


def test_a_preset_builds_on_twenty_others_at_most(tmp_path: Path) -> None:
    for index in range(1500):
        (tmp_path / f"{index}.yaml").write_text(f"extends: {index + 1}.yaml\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="Preset '0' builds on more than 20 others"):
        read_preset(str(tmp_path / "0.yaml"))


@pytest.mark.parametrize("name", ["x" * 300 + ".yaml", "~nobody-of-this-name/x.yaml"])
def test_names_that_no_file_can_have_do_not_exist(name: str) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        read_preset(name)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@reader_fuzz(60)
@given(text=st.text(alphabet=st.sampled_from(list("ab1:-?[]{}&*!<>|'\"%@#,. \n\t~")), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(yaml.YAMLError):
        parse_yaml(text)


@reader_fuzz(60)
@given(values=st.dictionaries(st.sampled_from(sorted(setting_paths(TrainSettings))), PLAIN, max_size=4))
def test_any_values_in_a_preset_are_settings_or_problems(tmp_path: Path, values: dict[str, Any]) -> None:
    sections: dict[str, Any] = {"extends": "standard-nano"}
    for path, value in values.items():
        section, _, field = path.partition(".")
        sections.setdefault(section, {})[field] = value
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")
    with suppress(SettingsError):
        assert math.isfinite(load_train_settings(str(tmp_path / "mine.yaml")).loss.lmbda)


@reader_fuzz(60)
@given(values=st.dictionaries(st.sampled_from([*EvalSettings.model_fields, "extends", "other"]), PLAIN, max_size=4))
def test_any_values_in_an_evaluation_are_settings_or_problems(tmp_path: Path, values: dict[str, Any]) -> None:
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    with suppress(SettingsError):
        assert load_eval_settings(str(tmp_path / "mine.yaml"), options={"data": ["kodak"]}).data
