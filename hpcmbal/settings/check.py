"""Checking the settings of any command: unknown, invalid, contradictory and in vain, all told together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, get_origin

from pydantic import BaseModel, ValidationError, create_model

from hpcmbal.errors import setting, shown_value
from hpcmbal.settings.layers import Entry, Layer
from hpcmbal.settings.problems import DEFAULT, PYTHON, Problem, Source, check_none, suggestion

if TYPE_CHECKING:
    from hpcmbal.settings.section import CommandSettings

    Kind = TypeVar("Kind", bound=CommandSettings)

CHECKED = "checked"
"""Context of a validation whose values went through `check`."""
STORED = "stored"
"""Context of a validation of settings that were valid once; settings in vain are left alone."""


class Condition(NamedTuple):
    """The setting `path` must have one of the values `allowed`, or be given at all if there are none.

    `remedies` says what to do for some of the values that may be found; for the others the condition says it. Where
    plug-ins may give values of their own, `other_than` says instead which values will not do.
    """

    path: str
    allowed: tuple[object, ...] = ()
    remedies: Mapping[object, str] = {}
    other_than: tuple[object, ...] = ()

    def holds(self, value: object) -> bool:
        """Whether `value` is among those allowed."""
        if self.other_than:
            return value not in self.other_than
        return value in self.allowed if self.allowed else value not in (None, False, ())


class Contradiction(NamedTuple):
    """A rule between settings that is broken: told about `path`, unless one of those that it `reads` is invalid."""

    path: str
    rule: str
    reads: tuple[str, ...] = ()


def layer_of(values: Mapping[str, Any]) -> Layer:
    """The layer of what a Python program gives: plain fields, and sections as mappings or as their objects."""
    layer: Layer = {}
    for name, value in values.items():
        fields = {key: getattr(value, key) for key in value.model_fields_set} if isinstance(value, BaseModel) else value
        if isinstance(fields, Mapping):
            layer |= {f"{name}.{field}": Entry(part, PYTHON) for field, part in fields.items()}
        else:
            layer[str(name)] = Entry(value, PYTHON)
    return layer


def build(kind: type[Kind], layer: Layer) -> Kind:
    """The settings of a command from all sources, merged.

    Raises:
        InvalidSettingsError: Something is wrong; the message lists every problem.
    """
    check(kind, layer)
    values: dict[str, Any] = {}
    for path, entry in layer.items():
        section, dot, field = path.partition(".")
        if dot:
            values.setdefault(section, {})[field] = entry.value
        else:
            values[path] = entry.value
    return kind.model_validate(values, context=CHECKED)


def check(kind: type[CommandSettings], layer: Layer, *, judge_effect: bool = True) -> None:
    """Raise `InvalidSettingsError` if the settings in `layer` have problems."""
    problems = _unknown(kind, layer)
    broken = {problem.path for problem in problems}
    parts: dict[str, BaseModel] = {}
    for name, model in _groups(kind).items():
        values = {path.rpartition(".")[2]: entry.value for path, entry in layer.items() if _group_of(path) == name}
        found, parts[name] = _validated(model, {key: value for key, value in values.items() if key in _plain(model)})
        for field, rule in found.items():
            path = f"{name}.{field}".strip(".")
            entry = layer.get(path, Entry(None, _not_given(path)))
            problems.append(Problem(path, entry.value, rule, entry.source))
            broken.add(path)
    settings = kind.model_construct(**{**dict(parts.pop("")), **parts})

    def value_of(path: str) -> object:
        section, dot, field = path.partition(".")
        return getattr(getattr(settings, section), field) if dot else getattr(settings, path)

    if judge_effect:
        problems += settings_without_effect(kind, layer, value_of, broken)
    for path, rule, reads in settings.contradictions():
        if broken.isdisjoint((path, *reads)):
            entry = layer.get(path, Entry(value_of(path), _not_given(path)))
            problems.append(Problem(path, entry.value, rule, entry.source))
    check_none(problems)


def settings_without_effect(
    kind: type[CommandSettings], layer: Layer, value_of: Callable[[str], object], broken: AbstractSet[str]
) -> list[Problem]:
    """Explicitly given settings that cannot do anything.

    Args:
        kind: Whose settings.
        layer: Settings of all sources, merged. Those of presets may state a whole recipe and are not judged.
        value_of: The valid value of a setting by path.
        broken: Paths whose values are invalid; conditions on them are not judged.
    """
    problems = []
    for path, entry in layer.items():
        if path in broken or not entry.source.explicit or entry.value is None:
            continue
        if entry.source == PYTHON and value_of(path) == _default(kind, path):
            continue  # Python programs may state every setting
        conditions: Sequence[Condition] = kind.takes_effect_if.get(path, ())
        for condition in conditions:
            if condition.path not in broken and not condition.holds(value_of(condition.path)):
                problems.append(_effect_problem(path, entry, condition, value_of(condition.path)))
                break
    return problems


def setting_paths(kind: type[CommandSettings]) -> dict[str, str]:
    """Every setting of a command by its path, `field` or `section.field`, with its description."""
    return {
        f"{name}.{field}".strip("."): info.description or ""
        for name, model in _groups(kind).items()
        for field, info in _plain(model).items()
    }


def sections_of(kind: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The sections of a command's settings by name."""
    return {
        name: info.annotation
        for name, info in kind.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
    }


def _groups(kind: type[CommandSettings]) -> dict[str, type[BaseModel]]:
    return {"": kind, **sections_of(kind)}


def _plain(model: type[BaseModel]) -> dict[str, Any]:
    """The fields of a group that are no section."""
    sections = sections_of(model)
    return {name: info for name, info in model.model_fields.items() if name not in sections}


def _group_of(path: str) -> str:
    return path.partition(".")[0] if "." in path else ""


def _unknown(kind: type[CommandSettings], layer: Layer) -> list[Problem]:
    known = setting_paths(kind)
    return [
        Problem(path, entry.value, f"is no setting{_nearest(path, known) or _fields_of(kind, path)}", entry.source)
        for path, entry in layer.items()
        if path not in known
    ]


def _nearest(path: str, known: Mapping[str, str]) -> str:
    """What may be meant: the field of this name in another section, else the setting that is spelt most alike."""
    field = path.rpartition(".")[2]
    elsewhere = [other for other in known if other.rpartition(".")[2] == field]
    return suggestion(path, elsewhere) or suggestion(path, known)


def _fields_of(kind: type[CommandSettings], path: str) -> str:
    section, sections = _group_of(path), sections_of(kind)
    if section in sections:
        return f"; settings of {section} are {', '.join(sections[section].model_fields)}"
    return f"; sections are {', '.join(sections)}" if sections else f"; settings are {', '.join(kind.model_fields)}"


def _validated(model: type[BaseModel], values: Mapping[str, object]) -> tuple[dict[str, str], BaseModel]:
    """Rules that are broken, by field, and the group without the values that break them."""
    try:
        return {}, model.model_validate(values, context=CHECKED)
    except ValidationError as error:
        broken: dict[str, str] = {}
        for detail in error.errors():
            field, *inside = detail["loc"] or ("",)
            named = f"{inside[0]} " if inside and isinstance(inside[0], str) else ""  # a key of a mapping
            broken.setdefault(str(field), named + rule_of(detail["msg"]))
    # A rule between fields of the group leaves none of them to be trusted.
    sound = {} if "" in broken else {field: value for field, value in values.items() if field not in broken}
    fields: Any = {
        name: (info.annotation, info)
        for name, info in model.model_fields.items()
        if name in sound or not info.is_required()
    }
    partial: BaseModel = create_model("Partial", __config__=model.model_config, **fields)(**sound)
    missing = {name: () if get_origin(info.annotation) is tuple else None for name, info in model.model_fields.items()}
    return broken, model.model_construct(**{**missing, **dict(partial)})


def rule_of(message: str) -> str:
    """Pydantic's message in our words."""
    message = message.removeprefix("Value error, ").replace("Field required", "is missing")
    message = message.replace("Input should be", "must be").replace("String should", "must")
    message = message.replace("Extra inputs are not permitted", "is none of its settings")
    message = message.replace("Tuple should have at least 1 item after validation, not 0", "must be at least one")
    message = message.replace("a valid tuple", "a list").replace(
        "Input is not a valid path for <class 'pathlib.Path'>", "must be one path"
    )
    return message[0].lower() + message[1:]


def _not_given(path: str) -> Source:
    return DEFAULT if "." in path else Source("default", setting(path))


def _default(kind: type[CommandSettings], path: str) -> object:
    field = _groups(kind)[_group_of(path)].model_fields[path.rpartition(".")[2]]
    return field.get_default(call_default_factory=True, validated_data={})


def _effect_problem(path: str, entry: Entry, condition: Condition, found: object) -> Problem:
    flag = entry.source.label if entry.source.kind == "flag" else setting(path)
    if entry.source.label == "--set":
        flag = f"--set {path}"
    value = True if entry.source.switch else entry.value
    needed = condition.path if "." in condition.path else setting(condition.path)
    if condition.allowed == (False,) and "." not in condition.path:
        return Problem(path, value, f"has no effect with {needed}; leave one of them out", entry.source)
    if condition.allowed:
        allowed = " or ".join(map(shown_value, condition.allowed))
        state = f"while {needed} is {shown_value(found)} (it needs {allowed})"
        remedy = condition.remedies.get(found) or f"add {setting(condition.path, condition.allowed[0])}"
    elif condition.other_than:
        state = f"while {needed} is {shown_value(found)}"
        remedy = condition.remedies.get(found) or f"choose another {needed}"
    else:
        state, remedy = f"without {needed}", f"add {needed}"
    return Problem(path, value, f"has no effect {state}; {remedy}, or leave {flag} out", entry.source)
