"""`load_train_settings`: from preset, `--set` and flags to `TrainSettings`, with all problems reported together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from hpcmbal.settings.effect import settings_without_effect
from hpcmbal.settings.layers import Entry, Layer, flag_layer, merge, set_layer
from hpcmbal.settings.presets import read_preset
from hpcmbal.settings.problems import DEFAULT, Problem, Source, check_none, suggestion
from hpcmbal.settings.section import Section
from hpcmbal.settings.train import TrainSettings, contradictions

SAVE_PATH = "output.save_path"


@dataclass(frozen=True)
class ResolvedSettings:
    """The settings of a run, and by path where each came from; settings at their defaults are not in `sources`."""

    settings: TrainSettings
    sources: dict[str, Source]


def load_train_settings(
    preset: str | None = None,
    overrides: Mapping[str, object] | None = None,
    flags: Mapping[str, object] | None = None,
    *,
    base: Mapping[str, Mapping[str, object]] | None = None,
) -> TrainSettings:
    """Resolve the settings of a run; each source beats those before it.

    Args:
        preset: Name of a preset, or path of a `.yaml` file.
        overrides: Values by path, as in `--set section.field=value`.
        flags: Values by flag of `hpcmbal train`, with its dashes (`{"--lambda": 0.02}`); None means not given.
        base: Settings to start from instead of the defaults, by section: those stored in a checkpoint.

    Raises:
        SettingsError: Something is wrong; the message lists every problem with its path, value and rule.
    """
    return resolve_train_settings(preset, overrides, flags, base=base).settings


def resolve_train_settings(
    preset: str | None = None,
    overrides: Mapping[str, object] | None = None,
    flags: Mapping[str, object] | None = None,
    *,
    base: Mapping[str, Mapping[str, object]] | None = None,
) -> ResolvedSettings:
    """`load_train_settings`, telling where each setting came from."""
    layer = _stored_layer(base or {})
    if preset is not None:
        recipe = read_preset(preset)
        layer = merge(layer, recipe.layer)
        layer.setdefault(SAVE_PATH, Entry(Path("runs") / recipe.name, DEFAULT))
    layer = merge(layer, set_layer(overrides or {}))
    given = {flag: value for flag, value in (flags or {}).items() if value is not None}
    layer = merge(layer, flag_layer(given, layer))
    return ResolvedSettings(_validated(layer), {path: entry.source for path, entry in layer.items()})


def parse_assignments(assignments: Sequence[str]) -> dict[str, object]:
    """Turn `section.field=value` texts into overrides; `null` clears a setting. Values are converted on validation.

    Raises:
        SettingsError: A text is not of that form.
    """
    overrides: dict[str, object] = {}
    problems = []
    for text in assignments:
        path, equals, value = text.partition("=")
        if not equals or path.count(".") != 1:
            rule = "must be SECTION.FIELD=VALUE, for example --set loss.lmbda=0.013"
            problems.append(Problem(f"--set {text}", None, rule))
        overrides[path.strip()] = None if value.strip() == "null" else value.strip()
    check_none(problems)
    return overrides


def setting_paths() -> dict[str, str]:
    """Every setting as `section.field`, with its description."""
    return {
        f"{section}.{name}": field.description or ""
        for section, model in _sections().items()
        for name, field in model.model_fields.items()
    }


def _sections() -> dict[str, type[Section]]:
    return {name: cast("type[Section]", field.annotation) for name, field in TrainSettings.model_fields.items()}


def _stored_layer(base: Mapping[str, Mapping[str, object]]) -> Layer:
    source = Source("checkpoint")
    return {f"{section}.{name}": Entry(value, source) for section, part in base.items() for name, value in part.items()}


def _validated(layer: Layer) -> TrainSettings:
    problems = _unknown(layer)
    broken = {problem.path for problem in problems}
    sections: dict[str, Section] = {}
    for name, model in _sections().items():
        values = {path.partition(".")[2]: entry.value for path, entry in layer.items() if path.startswith(f"{name}.")}
        values = {field: value for field, value in values.items() if field in model.model_fields}
        found, sections[name] = _validated_section(model, name, values)
        for path, rule in found:
            entry = layer.get(path, Entry(None, DEFAULT))
            problems.append(Problem(path, entry.value, rule, entry.source))
            broken.add(path)

    def value_of(path: str) -> object:
        section, _, field = path.partition(".")
        return getattr(sections[section], field)

    problems += settings_without_effect(layer, value_of, broken)
    broken_sections = {path.partition(".")[0] for path in broken}
    for path, rule in contradictions(TrainSettings.model_construct(**sections)):  # type: ignore[arg-type]
        if path.partition(".")[0] not in broken_sections:
            source = layer[path].source if path in layer else DEFAULT
            problems.append(Problem(path, value_of(path), rule, source))
    check_none(problems)
    return TrainSettings.model_validate(sections)


def _unknown(layer: Layer) -> list[Problem]:
    known = setting_paths()
    return [
        Problem(path, entry.value, f"is no setting{suggestion(path, known) or _fields_of(path)}", entry.source)
        for path, entry in layer.items()
        if path not in known
    ]


def _fields_of(path: str) -> str:
    section = path.partition(".")[0]
    sections = _sections()
    if section in sections:
        return f"; settings of {section} are {', '.join(sections[section].model_fields)}"
    return f"; sections are {', '.join(sections)}"


def _validated_section(
    model: type[Section], name: str, values: dict[str, object]
) -> tuple[list[tuple[str, str]], Section]:
    """Problems of one section as (path, rule), and the section without the values that have them."""
    try:
        return [], model.model_validate(values)
    except ValidationError as error:
        problems: dict[str, str] = {}
        for detail in error.errors():
            field = str(detail["loc"][0]) if detail["loc"] else ""
            problems.setdefault(field, _rule(detail["msg"]))
        sound = {field: value for field, value in values.items() if field not in problems}
        if "" in problems:  # a rule between fields of the section: none of them can be trusted
            sound = {}
        found = [(f"{name}.{field}".rstrip("."), rule) for field, rule in problems.items()]
        return found, model.model_validate(sound)


def _rule(message: str) -> str:
    """Pydantic's message in our words."""
    message = message.removeprefix("Value error, ")
    message = message.replace("Input should be", "must be").replace("String should", "must")
    return message[0].lower() + message[1:]
