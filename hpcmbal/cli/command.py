"""Commands made of settings: a field is an option or argument, its description the help, its check that of Python."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic.fields import FieldInfo
from rich.markup import escape

from hpcmbal.cli.words import Words, completing
from hpcmbal.errors import typed_value
from hpcmbal.settings import CommandSettings, Source
from hpcmbal.settings.check import build
from hpcmbal.settings.flags import option_of
from hpcmbal.settings.layers import Entry, Layer

Kind = TypeVar("Kind", bound=CommandSettings)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")]
CLUSTER = "Cluster"


@dataclass(frozen=True)
class Look:
    """How a setting looks on the command line, where its name and description do not say it.

    Attributes:
        short: A short option, such as `-q`.
        metavar: What stands for the value in the help; if not given, what its type says.
        panel: The group of options in the help.
        argument: An argument without a name, not an option.
        complete: Words that may follow, for the shell; of a choice they are known.
    """

    short: str | None = None
    metavar: str | None = None
    panel: str | None = None
    argument: bool = False
    complete: Words | None = None


CLUSTER_LOOKS = {
    "engine": Look(panel=CLUSTER),
    "address": Look(metavar="auto|HOST:PORT", panel=CLUSTER),
    "cpus_per_task": Look(panel=CLUSTER),
    "gpus_per_task": Look(panel=CLUSTER),
}
"""The options of `EngineSettings`."""


def command_app() -> typer.Typer:
    """The Typer of one command's module."""
    return typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False, add_completion=False)


def field_option(
    kind: type[CommandSettings],
    field: str,
    *short: str,
    metavar: str | None = None,
    panel: str | None = None,
    words: Words | None = None,
) -> Any:
    """The option of a setting: help, default, choices and kind of value are those of its field.

    Args:
        kind: The command's settings.
        field: The setting.
        short: Short options, such as `-q`.
        metavar: What stands for the value in the help; if not given, what its type says.
        panel: The group of options in the help.
        words: Words that may follow, for the shell; of a choice they are known.
    """
    info = kind.model_fields[field]
    choices = _choices(info.annotation)
    words = words or ((lambda _: choices) if choices else None)
    if info.annotation is not bool:
        metavar = metavar or _metavar(info.annotation, choices)
    return typer.Option(
        str(option_of(field)),
        *short,
        metavar=metavar,
        help=_help(info),
        rich_help_panel=panel,
        autocompletion=None if words is None else completing(words),
    )


def settings_command(
    app: typer.Typer, name: str, kind: type[Kind], *, examples: str, looks: Mapping[str, Look]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command: it is called with settings of `kind`, and with its other parameters as options.

    Values stay text until the settings convert and check them, so that all problems are told at once.

    Args:
        app: The command's Typer.
        name: Of the command.
        kind: Its settings.
        examples: Shown below the help, one a line.
        looks: How settings look, by field.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        fields = _parameters(kind, looks)
        hints = typing.get_type_hints(function, include_extras=True)
        own = [
            parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in list(inspect.signature(function).parameters.values())[1:]
        ]

        def command(**given: Any) -> None:
            layer = _layer({field.name: given.pop(field.name) for field in fields}, looks)
            function(build(kind, layer), **given)

        parameters = [*fields, *own]
        command.__doc__ = function.__doc__
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        epilog = "[bold]Examples[/bold]\n\n" + "\n\n".join(escape(line) for line in examples.strip().splitlines())
        app.command(name, epilog=epilog)(command)
        return function

    return decorate


def _layer(given: Mapping[str, Any], looks: Mapping[str, Look]) -> Layer:
    return {
        name: Entry(value, Source("flag", _label(name, looks.get(name, Look()))))
        for name, value in given.items()
        if value not in (None, False, [])
    }


def _label(name: str, look: Look) -> str:
    return (look.metavar or name.upper()) if look.argument else str(option_of(name))


def _parameters(kind: type[CommandSettings], looks: Mapping[str, Look]) -> list[inspect.Parameter]:
    """Arguments first, then the output, the command's own options, and those that it shares."""
    names = sorted(
        kind.model_fields,
        key=lambda name: (not looks.get(name, Look()).argument, name != "output", name not in kind.__annotations__),
    )
    return [_parameter(kind, name, looks.get(name, Look())) for name in names]


def _parameter(settings: type[CommandSettings], name: str, look: Look) -> inspect.Parameter:
    field = settings.model_fields[name]
    several, switch = _takes_several(field.annotation), field.annotation is bool
    kind: Any = bool if switch else list[str] if several else str
    if look.argument:
        complete = None if look.complete is None else completing(look.complete)
        info = typer.Argument(metavar=look.metavar or name.upper(), help=_help(field), autocompletion=complete)
    else:
        short = () if look.short is None else (look.short,)
        info = field_option(settings, name, *short, metavar=look.metavar, panel=look.panel, words=look.complete)
    missing: Any = False if switch else None
    if look.argument and field.is_required():
        missing = inspect.Parameter.empty
    elif not switch:
        kind = kind | None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=missing, annotation=Annotated[kind, info])


def _kinds(annotation: Any) -> list[Any]:
    """The types that a value may have, None left out: of `float | None`, float."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return [kind for part in typing.get_args(annotation) for kind in _kinds(part)]
    if typing.get_origin(annotation) is Annotated:
        return _kinds(typing.get_args(annotation)[0])
    return [] if annotation is type(None) else [annotation]


def _choices(annotation: Any) -> list[str]:
    kinds = (kind for kind in _kinds(annotation) if typing.get_origin(kind) is typing.Literal)
    return [str(choice) for kind in kinds for choice in typing.get_args(kind)]


def _metavar(annotation: Any, choices: Sequence[str]) -> str:
    if choices:
        return "|".join(choices)
    kinds = _kinds(annotation)
    if Path in kinds or _takes_several(annotation):
        return "PATH"
    return "NUMBER" if int in kinds or float in kinds else "TEXT"


def _takes_several(annotation: Any) -> bool:
    """Paths and words may be given several times; lists of numbers are typed with commas."""
    arguments = typing.get_args(annotation)
    return typing.get_origin(annotation) is tuple and arguments[-1] is Ellipsis and arguments[0] is not float


def _help(field: FieldInfo) -> str:
    text, default = escape(field.description or ""), field.default
    if field.is_required() or default is None or default is False or default == ():
        return text
    return f"{text} [dim]{escape(f'[default: {typed_value(default)}]')}[/dim]"
