"""`load_train_settings`: from preset, `--set` and flags to `TrainSettings`, with all problems reported together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpcmbal.settings.check import build
from hpcmbal.settings.layers import Entry, Layer, flag_layer, merge, set_layer
from hpcmbal.settings.presets import read_preset
from hpcmbal.settings.problems import DEFAULT, Problem, Source, check_none
from hpcmbal.settings.train import TrainSettings

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
    typed: bool = False,
) -> TrainSettings:
    """Resolve the settings of a run; each source beats those before it.

    Args:
        preset: Name of a preset, or path of a `.yaml` file.
        overrides: Values by path, such as `{"loss.lmbda": 0.02}`.
        flags: Values by flag of `hpcmbal train`, with its dashes (`{"--lambda": 0.02}`); None means not given.
        base: Settings to start from instead of the defaults, by section: those stored in a checkpoint.
        typed: The overrides were typed after `--set`, and errors say so.

    Raises:
        SettingsError: Something is wrong; the message lists every problem with its path, value and rule.
    """
    return resolve_train_settings(preset, overrides, flags, base=base, typed=typed).settings


def resolve_train_settings(
    preset: str | None = None,
    overrides: Mapping[str, object] | None = None,
    flags: Mapping[str, object] | None = None,
    *,
    base: Mapping[str, Mapping[str, object]] | None = None,
    typed: bool = False,
) -> ResolvedSettings:
    """`load_train_settings`, telling where each setting came from."""
    layer = _stored_layer(base or {})
    if preset is not None:
        recipe = read_preset(preset)
        layer = merge(layer, recipe.layer)
        layer.setdefault(SAVE_PATH, Entry(Path("runs") / recipe.name, DEFAULT))
    layer = merge(layer, set_layer(overrides or {}, typed=typed))
    given = {flag: value for flag, value in (flags or {}).items() if value is not None}
    layer = merge(layer, flag_layer(given, layer))
    return ResolvedSettings(build(TrainSettings, layer), {path: entry.source for path, entry in layer.items()})


def parse_assignments(assignments: Sequence[str], *, sections: bool = True) -> dict[str, object]:
    """Turn `section.field=value` texts into overrides; `null` clears a setting. Values are converted on validation.

    Args:
        assignments: The texts.
        sections: Whether the settings have sections; without, a text is `field=value`.

    Raises:
        SettingsError: A text is not of that form.
    """
    overrides: dict[str, object] = {}
    problems = []
    for text in assignments:
        path, equals, value = text.partition("=")
        if not equals or (sections and path.count(".") != 1):
            form = "SECTION.FIELD=VALUE, for example --set loss.lmbda=0.013"
            rule = f"must be {form if sections else 'FIELD=VALUE, for example --set bootstrap=200'}"
            problems.append(Problem(f"--set {text}", None, rule, Source("set")))
        elif path.strip() in overrides:
            rule = "is given twice with --set; it counts once, so leave one of them out"
            problems.append(Problem(path.strip(), None, rule))
        overrides[path.strip()] = None if value.strip() == "null" else value.strip()
    check_none(problems)
    return overrides


def _stored_layer(base: Mapping[str, Mapping[str, object]]) -> Layer:
    source = Source("checkpoint")
    return {f"{section}.{name}": Entry(value, source) for section, part in base.items() for name, value in part.items()}
