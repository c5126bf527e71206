"""Where settings come from and which source wins: defaults, preset, `--set`, flag, from weakest to strongest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hpcmbal.settings.flags import FLAGS, SWITCHES, command_line_words
from hpcmbal.settings.problems import InvalidSettingsError, Problem, Source, suggestion


class Entry(NamedTuple):
    """A setting's value and who set it."""

    value: object
    source: Source


Layer = dict[str, Entry]
"""Settings of one source (or of all, merged) by path `section.field`."""

_LENGTHS = ("training.epochs", "training.max_steps")
_TIME = "training.max_hours"


def merge(weaker: Layer, stronger: Layer) -> Layer:
    """Lay one source over another.

    A stronger source that gives one of `epochs` and `max_steps` states how long the training is, so the weaker source's
    other one goes: `--epochs 5` on a preset of 300 steps means five epochs. So does the weaker source's time limit.
    """
    merged = {**weaker, **stronger}
    given = [path for path in _LENGTHS if path in stronger and stronger[path].value is not None]
    if len(given) == 1:
        (other,) = set(_LENGTHS) - set(given)
        if other not in stronger:
            merged.pop(other, None)
    if given and _TIME not in stronger:
        merged.pop(_TIME, None)
    return merged


def set_layer(overrides: Mapping[str, object], *, typed: bool = False) -> Layer:
    """The layer of settings by path; `typed` if they were after `--set` on the command line."""
    source = Source("set", "--set" if typed else "")
    return {path: Entry(value, source) for path, value in overrides.items()}


def option_layer(values: Mapping[str, object]) -> Layer:
    """The layer of options of a command whose settings are plain, by setting; None means not given."""
    return {
        path: Entry(value, Source("flag", command_line_words(path)))
        for path, value in values.items()
        if value is not None
    }


def flag_layer(flags: Mapping[str, object], weaker: Layer) -> Layer:
    """The layer of flags, keyed by their spelling (`--gamma-s1`); switches look at what the weaker layers say.

    Raises:
        InvalidSettingsError: An unknown flag, or switches that contradict other flags.
    """
    unknown = [flag for flag in flags if flag not in FLAGS and flag not in SWITCHES]
    if unknown:
        known = [*FLAGS, *SWITCHES]
        raise InvalidSettingsError(
            [Problem(flag, flags[flag], f"is no flag of hpcmbal train{suggestion(flag, known)}") for flag in unknown]
        )
    layer = {FLAGS[flag]: Entry(value, Source("flag", flag)) for flag, value in flags.items() if flag in FLAGS}
    if flags.get("--use-hierarchical"):
        _use_hierarchical(layer, weaker)
    if flags.get("--init-strict"):
        layer["finetune.init_strict"] = Entry(True, Source("flag", "--init-strict", switch=True))
    if flags.get("--adaptive-gamma"):
        _adaptive_gamma(layer, weaker)
    return layer


def _use_hierarchical(layer: Layer, weaker: Layer) -> None:
    source = Source("flag", "--use-hierarchical", switch=True)
    layer["loss.tasks"] = Entry("five", source)
    if _value(weaker, "balancing.name", "none") == "none":
        layer["balancing.name"] = Entry("linear", source)


def _adaptive_gamma(layer: Layer, weaker: Layer) -> None:
    path = "balancing.gamma_strategy"
    source = Source("flag", "--adaptive-gamma", switch=True)
    if path not in layer:
        strategy = _value(weaker, path, "fixed")
        layer[path] = Entry("adaptive" if strategy == "fixed" else strategy, source)
    elif layer[path].value == "fixed":
        rule = "contradicts --gamma-strategy fixed; leave one of them out"
        raise InvalidSettingsError([Problem(path, True, rule, source)])


def _value(layer: Layer, path: str, default: object) -> object:
    return layer[path].value if path in layer else default
