"""Spellings of the earlier prototype and of CompressAI's scripts, turned into those of `hpcmbal train`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from hpcmbal.errors import SettingsError

RENAMED: dict[str, str] = {
    "-m": "--model-name",
    "-d": "--train-data",
    "-e": "--epochs",
    "-n": "--num-workers",
    "-lr": "--learning-rate",
    "--model": "--model-name",
    "--lmbda": "--lambda",
    "--dataset": "--train-data",
    "--train-dataset": "--train-data",
    "--test-dataset": "--val-data",
    "--val-dataset": "--val-data",
    "--lr": "--learning-rate",
    "--gpu-id": "--device",
}
"""Old option to new option, after underscores became dashes."""

MEANINGLESS: dict[str, str] = {
    "--aux-learning-rate": "HPCM has no auxiliary loss (its hyperprior needs no entropy bottleneck), so there is no "
    "learning rate to set. Leave it out.",
    "--test-batch-size": "validation takes images one by one, whole, so there is no batch size to set. Leave it out.",
    "--save": "checkpoints are always saved; --save-freq says how often. Leave it out.",
}
"""Old options that nothing here corresponds to, and why."""

_SEVERAL_VALUES = ("--patch-size", "--scale-weights")
_NUMBER = re.compile(r"^\d*\.?\d+(e-?\d+)?$", re.IGNORECASE)


class _Option(NamedTuple):
    name: str
    value: str | None


def accept_prototype_spelling(arguments: list[str]) -> list[str]:
    """Arguments of `hpcmbal` with old spellings of `train`'s options replaced; those of other commands untouched.

    `--clip_max_norm 1` becomes `--clip-max-norm 1`, `--cuda --gpu_id 1` becomes `--device cuda:1`,
    `--patch_size 256 256` becomes `--patch-size 256`, and `--scale_weights 0.3 0.4 0.3` becomes
    `--scale-weights 0.3,0.4,0.3`.

    Raises:
        SettingsError: An option has no meaning here; the message says why.
    """
    if not arguments or arguments[0] != "train":
        return arguments
    options = [_rename(option) for option in _options(arguments[1:])]
    options = _resolve_cuda(options)
    return ["train", *(argument for option in options for argument in option if argument is not None)]


def _options(arguments: list[str]) -> Iterator[_Option]:
    """Split `--name=value`, and gather the values of options that used to take several."""
    position = 0
    while position < len(arguments):
        name, equals, value = arguments[position].partition("=")
        position += 1
        if not name.startswith("-"):
            yield _Option(arguments[position - 1], None)
            continue
        name = _dashed(name)
        if equals:
            yield _Option(name, value)
            continue
        if name == "--device" and position < len(arguments):
            yield _Option(name, arguments[position])
            position += 1
            continue
        several = name in _SEVERAL_VALUES
        end = position
        while end < len(arguments) and _NUMBER.match(arguments[end]) and (several or end == position):
            end += 1
        values = arguments[position:end]
        position = end
        yield _Option(name, _joined(name, values))


def _dashed(name: str) -> str:
    return name.replace("_", "-") if name.startswith("--") else name


def _joined(name: str, values: list[str]) -> str | None:
    if name == "--patch-size" and len(set(values)) > 1:
        raise SettingsError(f"--patch-size {' '.join(values)}: patches are square here; give one number, in pixels.")
    if name == "--patch-size":
        values = values[:1]
    return ",".join(values) if values else None


def _rename(option: _Option) -> _Option:
    if option.name in MEANINGLESS:
        raise SettingsError(f"{option.name} means nothing here: {MEANINGLESS[option.name]}")
    if option.name == "--gpu-id":
        if option.value is None or not option.value.isdigit():
            raise SettingsError(
                "--gpu-id needs the number of a CUDA device, for example --gpu-id 0 (or --device cuda:0)."
            )
        return _Option("--device", f"cuda:{option.value}")
    return _Option(RENAMED.get(option.name, option.name), option.value)


def _resolve_cuda(options: list[_Option]) -> list[_Option]:
    """`--cuda` alone is a device; beside `--gpu_id` or `--device cuda...` it says nothing new."""
    devices = [option.value for option in options if option.name == "--device"]
    if not devices:
        return [_Option("--device", "cuda") if option.name == "--cuda" else option for option in options]
    rest = [option for option in options if option.name != "--cuda"]
    if len(rest) < len(options) and not str(devices[-1]).startswith("cuda"):
        raise SettingsError(f"--cuda contradicts --device {devices[-1]}; leave one of them out.")
    return rest
