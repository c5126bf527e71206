"""Parts from other packages, found by name like our own: the entry points of what is installed.

A package offers a part with a line in its `pyproject.toml`, for example

    [project.entry-points."hpcmbal.optimizers"]
    lion = "my_package:build_lion"

and `optimizer.name: lion` then works in presets, flags and studies. Listing plug-ins loads nothing of them.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, NamedTuple, get_args

from hpcmbal.errors import SettingsError
from hpcmbal.settings import choices

PluginKind = Literal["optimizers", "balancers", "losses", "schedules", "codecs"]

PLUGIN_KINDS: tuple[PluginKind, ...] = get_args(PluginKind)

OWN_NAMES: dict[PluginKind, tuple[str, ...]] = {
    "optimizers": choices.OPTIMIZERS,
    "balancers": choices.BALANCERS,
    "losses": choices.TASKS,
    "schedules": choices.SCHEDULES,
    "codecs": (),
}
"""Names that are taken by what comes with hpcmbal."""


class Plugin(NamedTuple):
    """One part that an installed package offers.

    Attributes:
        kind: What it is.
        name: What settings call it.
        package: The package that offers it, with its version.
        target: Where it is, as `module:attribute`.
        problem: Why it cannot be chosen; empty if it can.
    """

    kind: PluginKind
    name: str
    package: str
    target: str
    problem: str


def installed_plugins() -> list[Plugin]:
    """Every plug-in of every installed package, by kind and name; none is loaded."""
    return [
        Plugin(kind, point.name, _package(point), point.value, _problem(kind, point.name))
        for kind in PLUGIN_KINDS
        for point in sorted(_points(kind), key=lambda point: (point.name, _package(point)))
    ]


def plugin_names(kind: PluginKind) -> tuple[str, ...]:
    """The names that can be chosen beside our own."""
    return tuple(sorted({point.name for point in _points(kind)} - set(OWN_NAMES[kind])))


def load_plugin(kind: PluginKind, name: str) -> Any:
    """What the plug-in's entry point names: a callable; docs/plugins.md says for each kind how it is called.

    Args:
        kind: What it is.
        name: Its name.

    Raises:
        SettingsError: There is none, several packages offer the name, it cannot be imported, or it is no callable.
    """
    found = [point for point in _points(kind) if point.name == name]
    if not found:
        known = ", ".join([*OWN_NAMES[kind], *plugin_names(kind)]) or "none"
        raise SettingsError(f"There is no '{name}' among the {kind}. Choose from: {known}.")
    if problem := _problem(kind, name):
        raise SettingsError(f"'{name}' of the {kind} cannot be used: {problem}.")
    point = found[0]
    try:
        part = point.load()
    except Exception as error:  # importing a stranger's package may raise anything
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise SettingsError(
            f"'{name}' of the {kind} comes from {_package(point)} and cannot be imported ({reason}). Mend or uninstall "
            "that package."
        ) from error
    if not callable(part):
        raise SettingsError(
            f"'{name}' of the {kind} comes from {_package(point)} and should be callable. {point.value} is "
            f"{type(part).__name__}."
        )
    return part


@lru_cache
def _points(kind: PluginKind) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=f"hpcmbal.{kind}"))


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"


def _problem(kind: PluginKind, name: str) -> str:
    if name in OWN_NAMES[kind]:
        return "the name is hpcmbal's own"
    packages = {_package(point) for point in _points(kind) if point.name == name}
    return f"several packages offer it: {', '.join(sorted(packages))}" if len(packages) > 1 else ""
