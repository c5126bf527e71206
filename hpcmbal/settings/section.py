"""What all settings share: frozen, strict about unknown keys, names checked against a list."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, get_args, get_origin

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationInfo,
    field_validator,
    model_validator,
)

from hpcmbal.settings.check import CHECKED, STORED, Condition, Contradiction, check, layer_of
from hpcmbal.settings.choices import QUALITY_MAX, QUALITY_MIN
from hpcmbal.settings.plugins import PluginKind, plugin_names
from hpcmbal.settings.yaml_file import parse_yaml
from hpcmbal.visible_text import begins_url

Place = TypeVar("Place", str, Path)


def expanded(path: Path) -> Path:
    """`path` with `~` replaced, where the system knows whose home that is.

    >>> expanded(Path("~nobody-of-this-name/x")).as_posix()
    '~nobody-of-this-name/x'
    """
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def leaf_types(annotation: Any) -> list[Any]:
    """The plain types that an annotation is made of.

    >>> leaf_types(tuple[float, ...] | None)
    [<class 'float'>, Ellipsis, <class 'NoneType'>]
    """
    if get_origin(annotation) is Literal:
        return [type(choice) for choice in get_args(annotation)]
    parts = get_args(annotation)[:1] if get_origin(annotation) is Annotated else get_args(annotation)
    return [leaf for part in parts for leaf in leaf_types(part)] if parts else [annotation]


def no_url(value: Place) -> Place:
    """`value`, a place on this machine.

    Raises:
        ValueError: It is a URL, of which a folder named `https:` would be made.
    """
    if begins_url(str(value)):
        raise ValueError("is a URL; give a file or folder of this machine")
    return value


class Section(BaseModel):
    """A group of settings. Immutable; an unknown key is an error; each field's description is its help text."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_of_its_kind(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse what Python would convert and nobody means: `true` as a number, nothing as the current folder."""
        kinds = set(leaf_types(cls.model_fields[str(info.field_name)].annotation))
        parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else (value,)
        if kinds & {int, float} and bool not in kinds and any(isinstance(part, bool) for part in parts):
            raise ValueError("must be a number, not a truth value")
        if Path in kinds and str not in kinds and any(part == "" for part in parts):
            raise ValueError("must not be empty")
        return value

    @field_validator("*")
    @classmethod
    def _paths_are_local(cls, value: Any) -> Any:
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Path):
                no_url(part)
        return value


class CommandSettings(Section):
    """All settings of a command, or of the Python function that does the same.

    The constructor, like the command line, tells every problem at once: unknown keys, invalid values, settings that
    contradict each other, and settings that are given but cannot take effect. Fields are plain or sections.

    Raises:
        InvalidSettingsError: From the constructor and from `model_validate`.
    """

    takes_effect_if: ClassVar[Mapping[str, tuple[Condition, ...]]] = {}
    """What a setting needs in order to do anything, by path."""

    def contradictions(self) -> list[Contradiction]:
        """Settings that are fine one by one but not together."""
        return []

    @classmethod
    def stored(cls, values: Mapping[str, Any]) -> Self:
        """Settings that were complete and valid once and are read again; what has no effect in them is left alone.

        Raises:
            InvalidSettingsError: They do not fit this version any more.
        """
        return cls.model_validate(values, context=STORED)

    @model_validator(mode="wrap")
    @classmethod
    def _all_problems_at_once(cls, values: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        if info.context is not CHECKED and isinstance(values, Mapping):
            check(cls, layer_of(values), judge_effect=info.context is not STORED)
        return handler(values)


def one_of(names: tuple[str, ...], plugins: PluginKind | None = None) -> AfterValidator:
    """Validator for a name that must be in `names`, or be a plug-in of that kind."""

    def check_name(value: str) -> str:
        if value in names:
            return value
        added = plugin_names(plugins) if plugins else ()
        if value not in added:
            raise ValueError(f"must be one of {', '.join([*names, *added])}")
        return value

    return AfterValidator(check_name)


def _check_not_empty(value: str) -> str:
    if not value:
        raise ValueError("must have at least 1 character")
    return value


Quality = Annotated[float, Field(ge=QUALITY_MIN, le=QUALITY_MAX)]
"""Of a variable-rate model."""

PathText = Annotated[str, AfterValidator(_check_not_empty)]
"""A name that may be a path, as it was typed: any bytes of a file's name, which pydantic's own check of a length is not
made for."""


def _check_device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
        raise ValueError("must be auto (a GPU if there is one), cpu, cuda, or one GPU such as cuda:0")
    return value


Device = Annotated[str, AfterValidator(_check_device)]
"""Where a network runs, in the one spelling that all commands have."""


def _read_options(value: object) -> object:
    """Options may be typed as YAML: `{beta: 0.9, steps: 3}`."""
    if not isinstance(value, str):
        return value
    try:
        return parse_yaml(value)
    except yaml.YAMLError:
        raise ValueError("must be a mapping, for example {beta: 0.9, steps: 3}") from None


OptionValue = bool | int | float | str | None
Options = Annotated[dict[str, OptionValue | list[OptionValue]], BeforeValidator(_read_options)]
"""What a plug-in wants to know beside the settings that all of its kind have."""


def without_brackets(text: str, pair: str = "[]") -> str:
    """`text` without the brackets around it, if there are any; those of a pattern such as `g_s.[01].bias` stay.

    Raises:
        ValueError: A bracket lacks its other half.
    """
    text = text.strip()
    if text.count(pair[0]) != text.count(pair[1]):
        raise ValueError(f"has a '{pair[0]}' or '{pair[1]}' too many")
    return text[1:-1] if text.startswith(pair[0]) and text.endswith(pair[1]) else text


def split_list(value: object) -> object:
    """Lists may be typed with commas, blanks and optional brackets: `0.3,0.4,0.3`, `[0.3, 0.4, 0.3]`, `0.3 0.4 0.3`."""
    if isinstance(value, str):
        return without_brackets(value).replace(",", " ").split()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [value]
    return value


def _split_names(value: object) -> object:
    """Names may be typed with commas and optional brackets: `jpeg,webp`; twice the same counts once."""
    if isinstance(value, str):
        value = [without_brackets(value)]
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        parts = [part for text in value for part in (text.split(",") if "," in text else [text])]
        return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_split_names)]


def _several(count: int, example: str) -> BeforeValidator:
    def check_count(value: object) -> object:
        parts = split_list(value)
        if isinstance(parts, list | tuple) and len(parts) != count:
            words = {2: "two", 3: "three"}
            raise ValueError(f"must be {words[count]} numbers, for example {example}; found {len(parts)}")
        return parts

    return BeforeValidator(check_count)


def _one_or_several(value: object) -> object:
    return (value,) if isinstance(value, str | os.PathLike) else value


Paths = Annotated[tuple[Path, ...], BeforeValidator(_one_or_several)]
"""One path, or several as a list; a name may hold commas and blanks."""

FloatTuple = Annotated[tuple[float, ...], BeforeValidator(split_list)]
FloatPair = Annotated[tuple[float, float], _several(2, "0.9,0.999")]
FloatTriple = Annotated[tuple[float, float, float], _several(3, "0.3,0.4,0.3")]
